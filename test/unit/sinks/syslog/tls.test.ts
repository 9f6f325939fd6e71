import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { syslogChecks } from '../../../../src/cli/check/syslog.ts'
import type { SyslogConfig } from '../../../../src/config/model.ts'
import type { Fault } from '../../../../src/core/errors.ts'
import { Secret } from '../../../../src/core/secret.ts'
import { fastClock, temporaryDirectory } from '../delivery-double.ts'
import { idsIn, MESSAGES, many, receiver, syslogTo } from './syslog-bench.ts'

const at = (name: string) => new URL(`../tls/${name}`, import.meta.url)
const pem = (name: string) => readFileSync(at(name), 'utf8')
const server = { cert: pem('server.pem'), key: pem('server.key') }
const mutual = { ...server, ca: pem('ca.pem'), requestCert: true, rejectUnauthorized: true }
const trusted = { verify: true, ca: pem('ca.pem'), serverName: 'SplunkServerDefaultCert' }
const client = { ...trusted, cert: pem('client.pem'), key: new Secret(pem('client.key')) }
const fast = fastClock(20)

const SYSLOG: SyslogConfig = {
  ...{ ...MESSAGES, type: 'syslog', name: 'siem', urls: [], framing: 'octet', confirm: 'drain', connections: 2 },
  ...{ hostname: '{project}', tls: { verify: true, files: {} } },
}

async function findings(config: Partial<SyslogConfig>, testEvent = false): Promise<string[]> {
  const { signal } = new AbortController()
  const told: string[] = []
  for (const { about, run } of syslogChecks({ ...SYSLOG, ...config }, testEvent)) {
    const { verdict, found } = await run(signal).catch((fault: Fault) => ({ verdict: 'fail', found: fault.advice }))
    told.push(`${verdict} ${about}: ${found}`)
  }
  return told
}

describe('check', () => {
  test('looks at the certificate, and at how a half-closed connection ends', async () => {
    const collector = await receiver({ tls: server })
    const tls = { ...trusted, files: {} }
    const [certificate, confirmation] = await findings({ urls: [collector.url], tls })
    expect(certificate).toMatch(/^ok syslog TLS: tls:.*TLSv1.3, server, valid until/)
    expect(confirmation).toMatch(/^ok syslog: tls:.*confirms by drain; header and framing are not proven$/)
    expect(collector.messages).toEqual([])
  })

  test('names the setting of a certificate that is not trusted', async () => {
    const collector = await receiver({ tls: server })
    const told = await findings({ urls: [collector.url] })
    expect(told).toHaveLength(2)
    for (const line of told) expect(line).toMatch(/^fail syslog.*SYSLOG_TLS_CA_FILE/)
  })

  test('says that UDP confirms nothing', async () => {
    expect(await findings({ urls: ['udp://127.0.0.1:9'] })).toEqual([
      expect.stringMatching(/^ok syslog: udp:.*UDP confirms nothing: .* is lost$/),
    ])
    expect(await findings({ urls: ['udp://no-such-host.invalid:9'] })).toEqual([
      expect.stringMatching(/^fail syslog: .*SYSLOG_URL, name resolution/),
    ])
  })

  test('names a port that speaks TLS although the URL does not, and the other way round', async () => {
    // The alert of OpenSSL, as rsyslog sends it when a connection ends before its handshake.
    const alert = Buffer.from('15030300020232', 'hex')
    const tlsPort = createServer({ allowHalfOpen: true }, (socket) =>
      socket.resume().on('end', () => socket.end(alert)),
    )
    await new Promise<void>((resolve) => tlsPort.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void tlsPort.close())
    const { port } = tlsPort.address() as AddressInfo
    expect(await findings({ urls: [`tcp://127.0.0.1:${port}`] })).toEqual(['fail syslog: Use tls:// in SYSLOG_URL.'])
    const closing = await receiver({ framing: 'octet' })
    const [told] = await findings({ urls: [closing.url.replace('tcp:', 'tls:')], tls: { ...trusted, files: {} } })
    expect(told).toBe('fail syslog TLS: Does this port speak TLS? Without it SYSLOG_URL has tcp://.')
  })

  test.each(['tcp', 'relp', 'udp'] as const)('sends a test event over %s if asked to', async (transport) => {
    const collector = await receiver({ transport, framing: 'octet' })
    const [, told] = await findings({ urls: [collector.url] }, true)
    const outcome = { tcp: 'confirmed by drain', relp: 'confirmed by RELP', udp: 'nothing tells whether it arrived' }
    expect(told).toMatch(new RegExp(`^ok syslog test event: .*sent, and ${outcome[transport]}; look for check:`))
    const [message] = await collector.received(1)
    expect(message?.text).toContain(/look for (check:\S+)/.exec(told ?? '')?.[1])
    expect(message).toMatchObject({ header: 'rfc5424', host: 'sls-siem-bridge-check' })
  })

  test('says that a test event was not confirmed, and does not send it twice', async () => {
    const refusing = await receiver({ transport: 'relp', faults: [{ does: 'refuse', times: 0 }] })
    expect((await findings({ urls: [refusing.url] }, true))[1]).toMatch(
      /^fail syslog test event: The log of the collector/,
    )
    const closing = await receiver()
    const checks = syslogChecks({ ...SYSLOG, urls: [closing.url] }, true)
    closing.fault({ does: 'fin', afterMessages: 1, times: 0 })
    const error = await checks[1]?.run(new AbortController().signal).catch((fault: Fault) => fault)
    expect(error).toMatchObject({
      kind: 'configuration',
      code: 'syslog_early',
      message: /may have been taken: look for check:/,
    })
    expect(closing.messages).toHaveLength(1)
  })

  test('opens a session of RELP', async () => {
    const collector = await receiver({ transport: 'relp' })
    expect(await findings({ urls: [collector.url] })).toEqual([
      expect.stringMatching(/^ok syslog: relp:.*connected, and answers each message by RELP/),
    ])
    const plain = await receiver()
    expect(await findings({ urls: [plain.url.replace('tcp:', 'relp:')] })).toEqual([
      expect.stringMatching(/^fail syslog: Does this port speak RELP/),
    ])
  })

  test.each([
    ['deaf', 'drain', /^warn syslog: .*SYSLOG_CONFIRM=drain will confirm nothing/],
    ['deaf', 'written', /^warn syslog: .*SYSLOG_CONFIRM=written proves nothing/],
  ] as const)('warns of a collector that is %s, with %s', async (does, confirm, line) => {
    const collector = await receiver({ faults: [{ does }] })
    expect((await findings({ urls: [collector.url], confirm }))[0]).toMatch(line)
  })

  test('asks a port without TLS for its protocol, and sends no message', async () => {
    const tls = await receiver({ tls: server })
    const [counts, either] = [await receiver({ framing: 'octet' }), await receiver({ framing: 'auto' })]
    expect(await findings({ urls: [tls.url.replace('tls:', 'tcp:'), counts.url, either.url] })).toEqual([
      'fail syslog: Use tls:// in SYSLOG_URL.',
      expect.stringMatching(/^ok syslog: .*confirms by drain/),
      expect.stringMatching(/^ok syslog: .*confirms by drain/),
    ])
    expect([tls, counts, either].flatMap(({ messages }) => messages)).toEqual([])
  })

  test('a collector that ends every connection fails: with TLS it may want a certificate', async () => {
    const plain = await receiver({ faults: [{ does: 'fin', times: 0 }] })
    expect(await findings({ urls: [plain.url] })).toEqual([
      expect.stringMatching(/^fail syslog: .*no more connections/),
    ])
    const silent = await receiver({ tls: server, faults: [{ does: 'reset', times: 0 }] })
    const [, line] = await findings({ urls: [silent.url], tls: { ...trusted, files: {} } })
    expect(line).toMatch(/^fail syslog: .*client certificate.*SYSLOG_TLS_CERT_FILE/)
  })
})

describe('over TLS', () => {
  test('a batch is confirmed by drain, as over TCP', async () => {
    const collector = await receiver({ tls: server })
    const { deliver, recorder } = await syslogTo([collector.url], { tls: trusted })
    await deliver(many(500))
    expect(idsIn(collector)).toHaveLength(500)
    expect(recorder.of('connectionEnded').map(({ args }) => args[1])).toEqual(['confirmed'])
  })

  test('a client certificate is shown', async () => {
    const collector = await receiver({ tls: mutual })
    const { deliver } = await syslogTo([collector.url], { tls: client })
    await deliver(many(5))
    expect(idsIn(collector)).toHaveLength(5)
  })

  test('a FIN before ours confirms nothing', async () => {
    const collector = await receiver({ tls: server, faults: [{ does: 'fin', afterMessages: 3 }] })
    const { deliver, recorder } = await syslogTo([collector.url], { tls: trusted })
    await deliver(many(10))
    expect(recorder.of('connectionEnded').map(({ args }) => args[1])).toEqual(['early', 'confirmed'])
  })

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'a missing client certificate pauses the sink, with %s',
    async (version) => {
      const collector = await receiver({ tls: { ...mutual, maxVersion: version } })
      const { deliver, recorder, lease } = await syslogTo([collector.url], { tls: trusted })
      const delivery = deliver(many(5))
      const { args } = await recorder.first('paused')
      expect(args[0]).toEqual({ reason: 'syslog_configuration', scope: { of: 'sink', sink: 'syslog' } })
      expect((args[1] as Fault).advice).toContain('SYSLOG_TLS_CERT_FILE')
      expect(recorder.sum('delivered')).toBe(0)
      lease.lose()
      await expect(delivery).rejects.toMatchObject({ kind: 'lease' })
    },
  )

  test('three resets right after the handshake are a fault of the configuration, and a later confirmation ends it', async () => {
    const collector = await receiver({ tls: server, faults: [{ does: 'reset', times: 0 }] })
    const { deliver, recorder } = await syslogTo([collector.url], { tls: trusted })
    const delivery = deliver(many(5))
    const { args } = await recorder.first('paused')
    expect(args[0]).toMatchObject({ reason: 'syslog_configuration' })
    expect((args[1] as Fault).advice).toContain('SYSLOG_TLS_CERT_FILE')
    expect(collector.connections.total).toBe(3)
    collector.clearFaults()
    await delivery
    expect(recorder.sum('delivered')).toBe(5)
    expect(recorder.of('resumed')).toHaveLength(1)
  })

  test.each([
    ['an authority that nobody gave', { verify: true, serverName: 'SplunkServerDefaultCert' }, 'SYSLOG_TLS_CA_FILE'],
    ['another name', { ...trusted, serverName: 'siem.example.com' }, 'SYSLOG_TLS_SERVER_NAME'],
  ])('a certificate of %s pauses the sink', async (_, tls, advice) => {
    const collector = await receiver({ tls: server })
    const { deliver, recorder, lease } = await syslogTo([collector.url], { tls })
    const delivery = deliver(many(5))
    const { args } = await recorder.first('paused')
    expect(args[0]).toMatchObject({ reason: 'syslog_configuration' })
    expect((args[1] as Fault).advice).toContain(advice)
    expect(collector.messages).toEqual([])
    lease.lose()
    await expect(delivery).rejects.toMatchObject({ kind: 'lease' })
  })

  test('files that change are used for the next connection, and the sink goes on by itself', async () => {
    const collector = await receiver({ tls: server })
    const folder = await temporaryDirectory()
    const ca = join(folder, 'ca.pem')
    copyFileSync(at('client.pem'), ca)
    const tls = { verify: true, ca: readFileSync(ca, 'utf8'), serverName: 'SplunkServerDefaultCert', files: { ca } }
    const { deliver, recorder } = await syslogTo([collector.url], { tls, clock: fast })
    const delivery = deliver(many(5))
    await recorder.first('paused')
    writeFileSync(ca, pem('ca.pem'))
    await delivery
    expect(recorder.of('resumed')).toHaveLength(1)
    expect(idsIn(collector)).toHaveLength(5)
  })

  test('one of two targets that wants a client certificate is paused alone', async () => {
    const [wrong, right] = [await receiver({ tls: mutual }), await receiver({ tls: server })]
    const { deliver, recorder } = await syslogTo([wrong.url, right.url], {
      tls: { ...trusted, serverName: 'SplunkServerDefaultCert' },
    })
    await Promise.all([0, 1].map((n) => deliver(many(5, 5 * n))))
    expect(idsIn(right)).toHaveLength(10)
    const paused = recorder.of('endpoint').filter(({ args }) => args[2] !== undefined)
    expect(paused.map(({ args }) => args[1])).toEqual([wrong.url])
    expect(recorder.of('paused')).toEqual([])
  })

  test('to a port without TLS, the fault asks for tcp://', async () => {
    const plain = createServer((socket) => socket.on('error', () => {}).once('data', () => socket.end()))
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void plain.close())
    const { port } = plain.address() as { port: number }
    const { deliver, recorder, lease } = await syslogTo([`tls://127.0.0.1:${port}`], { tls: trusted })
    const delivery = deliver(many(1))
    await recorder.first('deliveryFailed')
    const [fault] = recorder.faults('deliveryFailed')
    expect(fault?.message).toContain('no TLS handshake')
    expect(fault?.advice).toContain('tcp://')
    lease.lose()
    await expect(delivery).rejects.toMatchObject({ kind: 'lease' })
  })

  test('without TLS to a port that wants it, nothing is confirmed and the sink pauses', async () => {
    const collector = await receiver({ tls: server })
    const { deliver, recorder, lease } = await syslogTo([collector.url.replace('tls:', 'tcp:')], { clock: fast })
    const delivery = deliver(many(1))
    const { args } = await recorder.first('paused')
    expect((args[1] as Fault).advice).toContain('TLS')
    expect(recorder.sum('delivered')).toBe(0)
    lease.lose()
    await expect(delivery).rejects.toMatchObject({ kind: 'lease' })
  })
})
