import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { ServerOptions } from 'node:https'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Secret } from '../../../src/core/secret.ts'
import { preflight } from '../../../src/sinks/splunk-hec/probe.ts'
import { batchOf, fastClock, names, Recorder, sinkTo } from './delivery-double.ts'
import { answer, cut, HecDouble, html, json, startHec } from './hec-double.ts'

describe('several endpoints', () => {
  test('take turns', async () => {
    const [a, b] = [await startHec(), await startHec()]
    const { deliver } = await sinkTo([a.url, b.url])
    for (const id of names(6)) await deliver(batchOf([id]))
    expect([a.posts.length, b.posts.length]).toEqual([3, 3])
  })

  test.each([
    ['busy', answer(503, { text: 'busy', code: 9 }), 1_000],
    ['shutting down', answer(503, { text: 'shutting down', code: 23 }), 1_000],
    ['unavailable for long', answer(503, 'maintenance', { 'retry-after': '250' }), 250_000],
    ['cut', cut, 1_000],
  ])('one that is %s rests while the other is healthy, and is tried again later', async (_, reaction, restMs) => {
    const [a, b] = [await startHec(), await startHec()]
    const clock = { ...fastClock(10), monotonic: () => now }
    let now = 0
    const { deliver } = await sinkTo([a.url, b.url], { clock })
    a.script.push(reaction)
    for (const id of names(6)) await deliver(batchOf([id]))
    now += restMs - 1
    for (const id of names(2, 'f')) await deliver(batchOf([id]))
    expect(a.posts).toHaveLength(1)
    now += 1
    for (const id of names(2, 'g')) await deliver(batchOf([id]))
    expect(a.posts).toHaveLength(2)
    const wanted = [...names(6), ...names(2, 'f'), ...names(2, 'g')]
    expect([...a.indexed, ...b.indexed].toSorted()).toEqual(wanted)
  })

  test('one that cannot be reached costs nothing but a retry', async () => {
    const a = await startHec()
    const gone = await startHec()
    await gone.close()
    // Its rest does not end, however slow the machine is.
    const clock = { ...fastClock(20), monotonic: () => 0 }
    const { deliver, recorder } = await sinkTo([gone.url, a.url], { clock })
    for (const id of names(4)) await deliver(batchOf([id]))
    expect(a.indexed).toEqual(names(4))
    expect(recorder.faults('deliveryFailed').map(({ kind, code }) => [kind, code])).toEqual([
      ['transient', 'ECONNREFUSED'],
    ])
    expect(recorder.of('outcomeUnknown')).toEqual([])
  })

  test('404 on one (an indexer in a rolling restart) sends the batch to another', async () => {
    const [a, b] = [await startHec(), await startHec()]
    a.rule = (_, response) => html(response, 404)
    const { deliver, recorder } = await sinkTo([a.url, b.url])
    for (const id of names(3)) await deliver(batchOf([id]))
    expect(b.indexed).toEqual(names(3))
    expect(recorder.of('paused')).toEqual([])
  })

  test('404 on all is a wrong URL', async () => {
    const [a, b] = [await startHec(), await startHec()]
    a.rule = (_, response) => html(response, 404)
    b.rule = (_, response) => html(response, 404)
    const { deliver, recorder } = await sinkTo([a.url, b.url], { speed: 50 })
    const delivery = deliver(batchOf(names(2)))
    await recorder.first('paused')
    a.rule = undefined
    b.rule = undefined
    await delivery
    expect([...a.indexed, ...b.indexed]).toEqual(names(2))
  })

  test('acks are asked for where the request was posted; a dead endpoint’s unacknowledged events go to the other', async () => {
    const [a, b] = [await startHec({ ack: true }), await startHec({ ack: true })]
    a.acknowledging = false
    const { deliver, recorder } = await sinkTo([a.url, b.url], { speed: 100, ackTimeoutMs: 20_000 })
    const deliveries = [deliver(batchOf(['first'])), deliver(batchOf(['second']))]
    await Promise.all([a.posted(1), b.posted(1)])
    const own = (hec: HecDouble): boolean =>
      hec.queries.every(({ channel }) => hec.posts.some((post) => post.channel === channel))
    await a.queried(1)
    a.restart()
    await a.close()
    await Promise.all(deliveries)
    expect(own(a) && own(b)).toBe(true)
    expect(b.indexed.toSorted()).toEqual(['first', 'second'])
    expect(recorder.sum('resent', 'ack_timeout')).toBe(1)
  })

  test('a token may acknowledge on one and not on the other', async () => {
    const [a, b] = [await startHec({ ack: true }), await startHec()]
    const { deliver } = await sinkTo([a.url, b.url], { speed: 50 })
    for (const id of names(4)) await deliver(batchOf([id]))
    expect(a.queries.length).toBeGreaterThanOrEqual(2)
    expect(b.queries).toEqual([])
  })
})

describe('the network', () => {
  test('a refused connection is tried until a server listens, and no outcome is unknown', async () => {
    const hec = new HecDouble(false)
    await hec.listen()
    const port = Number(new URL(hec.url).port)
    await hec.close()
    const { deliver, recorder } = await sinkTo([hec.url])
    const delivery = deliver(batchOf(names(2)))
    await recorder.first('deliveryFailed', ({ args }) => args[2] === 3)
    const again = new HecDouble(false)
    await again.listen(port)
    onTestFinished(() => again.close())
    await delivery
    expect(again.indexed).toEqual(names(2))
    expect(recorder.of('outcomeUnknown')).toEqual([])
    expect(recorder.of('sinkRequest')[0]?.args.slice(1, 3)).toEqual(['error', 'ECONNREFUSED'])
  })

  test('a name that does not resolve is transient', async () => {
    const hec = await startHec()
    const { deliver, recorder } = await sinkTo(['http://no-such-host.invalid:8088', hec.url])
    await deliver(batchOf(names(2)))
    expect(recorder.faults('deliveryFailed').map(({ kind }) => kind)).toEqual(['transient'])
  })

  test('a server that does not speak HTTP pauses the sink', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.end('SSH-2.0-OpenSSH\r\n')
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const { deliver, recorder } = await sinkTo([`http://127.0.0.1:${(server.address() as AddressInfo).port}`])
    deliver(batchOf(names(1))).catch(() => {})
    await recorder.first('paused')
    expect(recorder.faults('paused')[0]?.advice).toContain('SPLUNK_HEC_URL')
  })

  test('the time limit cuts an answer that never ends', async () => {
    const hec = await startHec()
    hec.script.push((_, response) => {
      response.writeHead(200)
      const drip = setInterval(() => response.write('x'.repeat(1_000)), 2)
      response.on('close', () => clearInterval(drip))
      return true
    })
    const { deliver, recorder } = await sinkTo([hec.url], { timeoutMs: 2_000 })
    await deliver(batchOf(names(1)))
    expect(recorder.faults('outcomeUnknown').map(({ code }) => code)).toEqual(['timeout'])
  })
})

describe('TLS', () => {
  const pem = (name: string): string => readFileSync(join(import.meta.dirname, 'tls', name), 'utf8')
  const verified = { verify: true, ca: pem('ca.pem'), serverName: 'SplunkServerDefaultCert' }

  async function startTls(options: ServerOptions = {}): Promise<{ url: string; posts: number }> {
    const state = { url: '', posts: 0 }
    const server = createHttpsServer(
      { cert: pem('server.pem'), key: pem('server.key'), ...options },
      (request, response) => {
        request.resume().on('end', () => {
          if (request.url?.endsWith('/ack')) return json(response, 400, { text: 'ACK is disabled', code: 14 })
          state.posts++
          return json(response, 200, { text: 'Success', code: 0 })
        })
      },
    ).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    state.url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
    return state
  }

  test.each([
    ['the CA and the name given', verified],
    ['verification off', { verify: false }],
  ])('delivers with %s', async (_, tls) => {
    const server = await startTls()
    const { deliver, recorder } = await sinkTo([server.url], { tls })
    await deliver(batchOf(names(1)))
    expect(server.posts).toBe(1)
    expect(recorder.of('paused')).toEqual([])
  })

  test.each([
    ['an unknown CA', { verify: true }, 'SPLUNK_HEC_TLS_CA_FILE'],
    ['another name', { verify: true, ca: pem('ca.pem') }, 'SPLUNK_HEC_TLS_SERVER_NAME'],
  ])('%s pauses and says what to set', async (_, tls, setting) => {
    const server = await startTls()
    const { deliver, recorder } = await sinkTo([server.url], { tls })
    deliver(batchOf(names(1))).catch(() => {})
    await recorder.first('paused')
    expect(recorder.faults('paused')[0]?.kind).toBe('configuration')
    expect(recorder.faults('paused')[0]?.advice).toContain(setting)
    expect(server.posts).toBe(0)
  })

  test.each([['TLSv1.2'], ['TLSv1.3']] as const)('a client certificate the server wants, over %s', async (version) => {
    const mutual = { ca: pem('ca.pem'), requestCert: true, rejectUnauthorized: true, maxVersion: version } as const
    const server = await startTls(mutual)
    const without = await sinkTo([server.url], { tls: verified })
    without.deliver(batchOf(names(1))).catch(() => {})
    await without.recorder.first('paused')
    expect(without.recorder.faults('paused')[0]?.advice).toContain('SPLUNK_HEC_TLS_CERT_FILE')
    expect(server.posts).toBe(0)

    const tls = { ...verified, cert: pem('client.pem'), key: new Secret(pem('client.key')) }
    const { deliver } = await sinkTo([server.url], { tls })
    await deliver(batchOf(names(1)))
    expect(server.posts).toBe(1)
  })

  test('https:// to a plain port pauses, http:// to a TLS port is retried, both with a hint', async () => {
    const plain = await startHec()
    const wrong = await sinkTo([plain.url.replace('http', 'https')])
    wrong.deliver(batchOf(names(1))).catch(() => {})
    await wrong.recorder.first('paused')
    const [fault] = wrong.recorder.faults('paused')
    expect(fault?.advice).toContain('SPLUNK_HEC_URL')
    expect(fault?.message).toMatch(
      /^TLS to https:\S+: no handshake came about \(wrong version number \(ERR_SSL_WRONG_VERSION_NUMBER\)\)$/,
    )

    const tls = await startTls()
    const { deliver, recorder } = await sinkTo([tls.url.replace('https', 'http')])
    deliver(batchOf(names(1))).catch(() => {})
    await recorder.first('deliveryFailed')
    expect(recorder.faults('deliveryFailed')[0]?.advice).toContain('SPLUNK_HEC_URL')
  })
})

describe('the preflight', () => {
  const optionsFor = (wantsAck = true) => ({
    connection: {
      token: new Secret('t'),
      timeoutMs: 5_000,
      tls: { verify: true },
      userAgent: 'check',
      clock: fastClock(1),
      sink: 'splunk_hec',
      telemetry: new Recorder().telemetry,
    },
    signal: new AbortController().signal,
    wantsAck,
  })

  test.each([[true], [false]])('tells whether the token acknowledges (%s), and ingests nothing', async (ack) => {
    const hec = await startHec({ ack })
    const found = await preflight(hec.url, optionsFor())
    expect(found).toEqual({ ack, gzip: true })
    expect(hec.posts).toEqual([])
  })

  test('does not ask /ack where acknowledgement is not wanted', async () => {
    const hec = await startHec()
    hec.ackOutage = (response) => html(response, 403)
    expect(await preflight(hec.url, optionsFor(false))).toEqual({ ack: false, gzip: true })
    expect(hec.probes.filter(({ path }) => path.endsWith('/ack'))).toEqual([])
  })

  test('throws the fault that prevents delivery', async () => {
    const hec = await startHec()
    hec.outage = (_, response) => json(response, 403, { text: 'Invalid token', code: 4 })
    const found = preflight(hec.url, optionsFor())
    await expect(found).rejects.toMatchObject({ kind: 'configuration', code: '4' })
    hec.outage = (_, response) => html(response, 200)
    const page = preflight(hec.url, optionsFor())
    await expect(page).rejects.toMatchObject({ kind: 'configuration', code: 'http_200' })
  })

  test('believes a code by the same rule as delivery does, whatever the status of code 14 is', async () => {
    const hec = await startHec()
    hec.ackOutage = (response) => json(response, 403, { text: 'ACK is disabled', code: 14 })
    const found = await preflight(hec.url, optionsFor())
    expect(found).toEqual({ ack: false, gzip: true })
  })

  test('tells that gzip is not taken', async () => {
    const hec = await startHec()
    hec.outage = (request, response) => {
      if (request.headers['content-encoding']) return html(response, 415)
      if (request.url?.endsWith('/ack')) return json(response, 400, { text: 'ACK is disabled', code: 14 })
      return json(response, 400, { text: 'No data', code: 5 })
    }
    const found = await preflight(hec.url, optionsFor())
    expect(found).toEqual({ ack: false, gzip: false })
  })
})
