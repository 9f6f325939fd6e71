import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import { syslogReceiverCommand } from '../../../../src/cli/syslog-receiver.ts'
import { seededRandom } from '../../../../src/emulator/sample-logs.ts'
import type { SyslogFault, SyslogReceiverOptions } from '../../../../src/emulator/syslog/server.ts'
import { startSyslogReceiver } from '../../../../src/emulator/syslog/server.ts'
import { Happenings } from '../../../support/happenings.ts'

async function receiver(options: SyslogReceiverOptions = {}) {
  const started = await startSyslogReceiver(options)
  onTestFinished(() => started.close())
  return started
}

/** A connection, with what it has heard and when it ended. */
function connection(port: number) {
  const socket: Socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  onTestFinished(() => void socket.destroy())
  let heard = ''
  const happened = new Happenings(() => heard)
  socket.on('data', (bytes) => {
    heard += bytes.toString()
    happened.notify()
  })
  socket.on('error', () => {})
  const ended = once(socket, 'end').then(() => performance.now())
  ended.catch(() => {})
  const hears = async (pattern: RegExp) => {
    await happened.until(() => pattern.test(heard))
    return heard
  }
  return { socket, ended, hears }
}

async function datagram(port: number, text: string): Promise<void> {
  const socket = createSocket('udp4')
  await new Promise((resolve) => socket.send(text, port, '127.0.0.1', resolve))
  socket.close()
}

async function streamed(port: number, text: string): Promise<void> {
  const { socket } = connection(port)
  await new Promise((resolve) => socket.write(text, resolve))
  socket.end()
}

const frame = (text: string) => `${text.length} ${text}`

describe('the receiver', () => {
  test('reads messages, and answers a half-close', async () => {
    const collector = await receiver()
    const { socket, ended } = connection(collector.port)
    socket.end(`${frame('<14>1 - h a - - - one')}<14>Nov 29 10:53:42 h sls: two\n`)
    await ended
    expect(await collector.received(2)).toMatchObject([
      { header: 'rfc5424', host: 'h', text: 'one' },
      { header: 'rfc3164', appName: 'sls', text: 'two' },
    ])
    expect(collector.environment()).toEqual({ SYSLOG_URL: `tcp://127.0.0.1:${collector.port}` })
  })

  test('takes one message from each datagram, and nothing after it was killed', async () => {
    const collector = await receiver({ transport: 'udp' })
    expect(collector.url).toBe(`udp://127.0.0.1:${collector.port}`)
    const socket = createSocket('udp4')
    onTestFinished(() => void socket.close())
    socket.connect(collector.port, '127.0.0.1')
    await once(socket, 'connect')
    socket.send('<14>1 - h a - - - one\nstill one')
    expect(await collector.received(1)).toMatchObject([{ text: 'one\nstill one' }])
    await collector.kill()
    socket.send('lost')
    const [error] = await once(socket, 'error')
    expect(error).toMatchObject({ code: 'ECONNREFUSED' })
    await collector.listen()
    socket.send('<14>1 - h a - - - two')
    expect(await collector.received(2)).toHaveLength(2)
  })

  test('a late FIN comes when it was scripted to, a deaf one never', async () => {
    const collector = await receiver({ faults: [{ does: 'late', delayMs: 80 }, { does: 'deaf' }] })
    const late = connection(collector.port)
    const since = performance.now()
    late.socket.end('<14>x\n')
    expect((await late.ended) - since).toBeGreaterThan(75)
    const deaf = connection(collector.port)
    deaf.socket.end('<14>x\n')
    await collector.received(2)
    const first = await Promise.race([deaf.ended, new Promise((resolve) => setTimeout(resolve, 50, 'nothing'))])
    expect(first).toBe('nothing')
    expect(collector.unfired).toEqual([])
  })

  test('a message that is too long ends its connection, and what follows is lost', async () => {
    const collector = await receiver({ maxMessageBytes: 10 })
    const { socket, ended } = connection(collector.port)
    socket.write(`${frame('one')}${frame('x'.repeat(11))}${frame('two')}`)
    await ended
    expect(collector.messages.map(String)).toEqual(['one'])
  })

  test('one connection too many is closed unread', async () => {
    const collector = await receiver({ maxConnections: 1 })
    const first = connection(collector.port)
    first.socket.write('<14>x\n')
    await collector.received(1)
    const second = connection(collector.port)
    second.socket.write('<14>y\n')
    await second.ended.catch(() => {})
    expect(collector.count).toBe(1)
  })

  test('connections that never begin with TLS count, too', async () => {
    const pem = (name: string) => readFileSync(new URL(`../../sinks/tls/${name}`, import.meta.url))
    const collector = await receiver({ maxConnections: 1, tls: { cert: pem('server.pem'), key: pem('server.key') } })
    const first = connection(collector.port)
    await once(first.socket, 'connect')
    await connection(collector.port).ended.catch(() => {})
    expect(first.socket.closed).toBe(false)
  })

  test('connections that hold too much together are closed, and the others go on', async () => {
    const collector = await receiver({ maxPendingBytes: 1_000, framing: 'octet' })
    const [first, second] = [connection(collector.port), connection(collector.port)]
    first.socket.write(`800 ${'x'.repeat(600)}`)
    await collector.until(() => collector.connections.open === 2)
    second.socket.write(`800 ${'y'.repeat(600)}`)
    await Promise.race([first.ended, second.ended])
    for (const { socket } of [first, second]) if (!socket.readableEnded) socket.write('z'.repeat(200))
    await collector.received(1)
    const third = connection(collector.port)
    third.socket.write(`800 ${'y'.repeat(800)}`)
    await collector.received(2)
  })

  test('RELP: 500, serverclose in the session, and serverclose at a wrong number', async () => {
    const collector = await receiver({
      transport: 'relp',
      faults: [
        { does: 'refuse', at: /bad/ },
        { does: 'serverclose', afterMessages: 1 },
      ],
    })
    const refusing = connection(collector.port)
    refusing.socket.write('1 open 0\n2 syslog 3 bad\n3 syslog 4 good\n')
    expect(await refusing.hears(/3 rsp/)).toMatch(/\n2 rsp 13 500 not taken\n3 rsp 6 200 OK\n$/)
    const closing = connection(collector.port)
    closing.socket.write('1 open 0\n2 syslog 1 a\n3 syslog 1 b\n')
    await closing.ended
    expect(await closing.hears(/0 serverclose 0\n$/)).not.toMatch(/3 rsp/)
    const confused = connection(collector.port)
    confused.socket.write('1 open 0\n3 syslog 1 a\n')
    await confused.ended
    await confused.hears(/0 serverclose 0\n$/)
    expect(collector.messages.map(String)).toEqual(['good', 'a'])
  })

  test('an output that fails answers nothing more', async () => {
    const output = new PassThrough()
    let failed: Error | undefined
    const collector = await receiver({
      ...{ transport: 'relp', output },
      onOutputFailed: (error) => {
        failed = error
      },
    })
    output.destroy(new Error('full'))
    await once(output, 'close').catch(() => {})
    const { socket, hears, ended } = connection(collector.port)
    socket.write('1 open 0\n2 syslog 1 a\n')
    await ended
    expect(await hears(/serverclose/)).not.toMatch(/2 rsp/)
    expect(failed?.message).toBe('full')
  })

  test.each(['tcp', 'relp', 'udp'] as const)('nothing that a client sends over %s ends it', async (transport) => {
    const collector = await receiver({ transport, framing: 'octet', maxMessageBytes: 1_000 })
    const random = seededRandom(7)
    const words = ['1 open 0\n', '2 syslog ', '9 ', '999999999 ', '<14>1 ', '[x@1 a="', ' \n', '\0', 'ÿ']
    const send = transport === 'udp' ? datagram : streamed
    for (let turn = 0; turn < 30; turn++) {
      const noise = Array.from({ length: 20 }, () => words[Math.floor(random() * words.length)]).join('')
      await send(collector.port, noise)
    }
    const before = collector.count
    await send(collector.port, { tcp: '1 x', relp: '1 open 0\n2 syslog 1 x\n', udp: 'x' }[transport])
    await collector.until(() => collector.count > before)
  })

  test.each([
    [{ does: 'nothing' }, 'does must be one of'],
    [{ does: 'fin', after: 3 }, 'unknown key after'],
    [{ does: 'fin', times: -1 }, 'times must be a whole number'],
    [{ does: 'fin', at: 'x' }, 'at must be a regular expression'],
    [{ does: 'refuse' }, 'refuse needs RELP'],
    [null, 'must be an object'],
  ])('a fault that nothing could do is refused: %j', async (fault, problem) => {
    const collector = await receiver()
    expect(() => collector.fault(fault as unknown as SyslogFault)).toThrow(problem)
  })
})

/** Starts the command; `stop` ends it the way a signal does and gives the exit code. */
function start(argv: string[]) {
  const end = new AbortController()
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const texts = { out: '', err: '' }
  const given = new Happenings(() => texts.out)
  stdout.on('data', (chunk) => {
    texts.out += String(chunk)
    given.notify()
  })
  stderr.on('data', (chunk) => {
    texts.err += String(chunk)
  })
  const done = syslogReceiverCommand(argv, { env: {}, stdout, stderr, signal: end.signal })
  const stop = () => {
    end.abort()
    return done
  }
  onTestFinished(async () => void (await stop()))
  const says = async (pattern: RegExp) => {
    await given.until(() => pattern.test(texts.out))
    return pattern.exec(texts.out) ?? []
  }
  return { texts, done, stop, says }
}

describe('syslog-receiver', () => {
  const at = (name: string) => new URL(`../../sinks/tls/${name}`, import.meta.url).pathname

  test('prints its environment, then each message as a line of JSON, and ends with 0', async () => {
    const { says, stop, texts } = start([])
    const [, port] = await says(/^SYSLOG_URL=tcp:\/\/127\.0\.0\.1:(\d+)\n\n/)
    const { socket, ended } = connection(Number(port))
    socket.end(frame('<14>1 - prod sls - - [sls@32473 id="a:1"] text'))
    await ended
    await says(/\n\n.*\n/)
    expect(await stop()).toBe(0)
    expect(JSON.parse(texts.out.split('\n\n')[1] as string)).toEqual({
      ...{ receivedAt: expect.stringMatching(/Z$/), from: expect.stringMatching(/^127\.0\.0\.1:\d+$/) },
      ...{ header: 'rfc5424', facility: 1, severity: 6, host: 'prod', appName: 'sls', text: 'text' },
      structuredData: { 'sls@32473': { id: 'a:1' } },
    })
  })

  test('writes to a file that only its user may read', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'syslog-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const file = join(folder, 'messages.jsonl')
    const { says, stop } = start(['--transport', 'relp', '--output', file])
    const [, port] = await says(/^SYSLOG_URL=relp:\/\/127\.0\.0\.1:(\d+)\n\n/)
    const { socket, hears } = connection(Number(port))
    socket.write('1 open 0\n2 syslog 4 text\n')
    await hears(/2 rsp/)
    // A message that was answered can be read there.
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ header: 'none', text: 'text' })
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(await stop()).toBe(0)
  })

  test('speaks TLS to clients with a certificate, and does what --fault says', async () => {
    const tls = ['--cert', at('server.pem'), '--key', at('server.key'), '--client-ca', at('ca.pem')]
    const { says } = start(['--transport', 'tls', ...tls, '--fault', '{"does":"fin","at":"poison","times":0}'])
    const [, port] = await says(/^SYSLOG_URL=tls:\/\/127\.0\.0\.1:(\d+)\n\n/)
    const ended = async (own: object) => {
      const trusted = { ca: readFileSync(at('ca.pem')), servername: 'SplunkServerDefaultCert', ...own }
      const socket = connectTls({ port: Number(port), host: '127.0.0.1', ...trusted })
      onTestFinished(() => void socket.destroy())
      socket.on('error', () => {}).resume()
      socket.write(`${frame('good')}${frame('poison')}`)
      await once(socket, 'close').catch(() => {})
    }
    await ended({})
    await ended({ cert: readFileSync(at('client.pem')), key: readFileSync(at('client.key')) })
    await says(/\n\n[^\n]*"text":"good"\}\n$/)
  })

  test.each([
    [['--transport', 'dtls'], '--transport'],
    [['--transport', 'tls'], 'tls needs --cert and --key'],
    [['--cert', at('server.pem')], 'for tls and relp+tls, not for tcp'],
    [['--transport', 'tls', '--cert', '/nonexistent', '--key', at('server.key')], '/nonexistent'],
    [['--transport', 'tls', '--cert', at('server.pem'), '--key', at('client.key')], 'cannot be used'],
    [['--fault', 'fin'], '--fault is no JSON'],
    [['--fault', '{"does":"refuse"}'], '--fault: refuse needs RELP'],
    [['--transport', 'udp', '--fault', '{"does":"fin"}'], '--fault: UDP has no connections'],
    [['--output', '/nonexistent/file'], '/nonexistent/file'],
  ])('%j is wrong usage', async (argv, named) => {
    const { done, texts } = start(argv)
    expect(await done).toBe(2)
    expect(texts.err).toContain(named)
    expect(texts.err.trimEnd().split('\n')).toHaveLength(1)
    expect(texts.out).toBe('')
  })

  test.skipIf(!existsSync('/dev/full'))('an output that cannot be written any more ends with 1', async () => {
    const { done, says, texts } = start(['--output', '/dev/full'])
    const [, port] = await says(/^SYSLOG_URL=tcp:\/\/127\.0\.0\.1:(\d+)\n\n/)
    const { socket, ended } = connection(Number(port))
    socket.write('<14>x\n')
    await ended.catch(() => {})
    expect(await done).toBe(1)
    expect(texts.err).toMatch(/^sls-siem-bridge syslog-receiver: the output can't be written any more: ENOSPC/)
  })

  test('a port that is taken ends with 2 and says which', async () => {
    const { port } = await receiver()
    const { done, texts } = start(['--port', String(port)])
    expect(await done).toBe(2)
    expect(texts.err).toContain(`port ${port} is taken`)
  })
})
