import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { createServer, request as httpRequest } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { endpointFor, NO_PAIR } from '../../support/credential-scenario.ts'
import { selfSigned } from '../emulator/hec/certificate.ts'
import { Ends, failures } from './check-ends.ts'

async function serving(listener: RequestListener, tls?: { key: string; cert: string }): Promise<string> {
  const server = tls ? createTlsServer(tls, listener) : createServer(listener)
  server.listen(0, '127.0.0.1')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  return `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A proxy: what `refuses` a request has answered it; the others go on to the receiver behind. */
function proxy(behind: string, refuses: (request: IncomingMessage, response: ServerResponse) => boolean) {
  return serving((request, response) => {
    if (refuses(request, response)) return
    const { method, headers, url } = request
    const onward = httpRequest(`${behind}${url}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 0, answer.headers)
      answer.pipe(response)
    })
    request.pipe(onward)
  })
}

/** An answer that has no end. */
function pours(response: ServerResponse): void {
  const pouring = setInterval(() => response.write('\n'.repeat(16 << 10)), 5)
  response.on('close', () => clearInterval(pouring))
}

describe('check of a right that only check needs', () => {
  test('GetLogStore denied is not a failure', async () => {
    const ends = await Ends.start()
    const denied = { status: 401, code: 'Unauthorized', message: 'denied by policy' }
    ends.sls.faults.add({ match: { api: 'GetLogStore' }, action: denied })
    const checked = await ends.check()
    const [logstore] = checked.of('SLS logstore')
    expect(logstore).toMatchObject({ verdict: 'skip' })
    expect(logstore?.found).toMatch(/retention not known: denied by policy\. Only this check needs log:GetLogStore/)
    expect(checked.code).toBe(0)
    expect(ends.sls.faults.unfired()).toEqual([])
  })

  test.each([
    ['busy', { status: 503, code: 'ServerBusy' }],
    ['throttled', { status: 403, code: 'ReadQuotaExceed' }],
    ['a page of a proxy', { status: 502, body: '<html>bad gateway</html>', headers: { 'content-type': 'text/html' } }],
  ])('GetLogStore %s is asked again under --wait', async (_, action) => {
    const ends = await Ends.start()
    ends.sls.faults.add({ match: { api: 'GetLogStore' }, action })
    const checked = await ends.check({}, ['--wait', '30'])
    expect(checked.of('SLS logstore')[0]).toMatchObject({ verdict: 'ok', found: expect.stringContaining('kept for') })
    expect(ends.sls.faults.unfired()).toEqual([])
  })
})

test('check says why no address of a name can be connected to', async () => {
  const ends = await Ends.start()
  const checked = await ends.check({ SLS_ENDPOINT: 'http://localhost:9' })
  expect(checked.of('SLS address')[0]).toMatchObject({ verdict: 'fail', code: 'unreachable' })
  expect(checked.of('SLS address')[0]?.found).toMatch(/ localhost:9 failed: nothing listens there \(.*ECONNREFUSED/)
})

test('check --wait waits for a source of credentials that is down', async () => {
  const ends = await Ends.start()
  const source = await endpointFor(ends.sls)
  const env = { ...NO_PAIR, SLS_CREDENTIALS: 'uri', ALIBABA_CLOUD_CREDENTIALS_URI: source.url }
  source.behaviour = { status: 503, body: 'starting' }
  const down = await ends.check(env)
  expect(down.of('SLS credentials')[0]).toMatchObject({ verdict: 'fail', code: 'credentials_unreachable' })
  const asked = source.seen.length
  const checking = ends.check(env, ['--wait', '60'])
  await source.asked(asked + 1)
  source.behaviour = 'answers'
  expect(failures(await checking)).toEqual([])
})

describe('check of an endpoint of Log Service', () => {
  test('whose certificate is not trusted fails with advice about TLS, and --wait does not wait for it', async () => {
    const ends = await Ends.start()
    const url = await serving((_, response) => response.end('{}'), selfSigned('sls.internal'))
    const begun = performance.now()
    const checked = await ends.check({ SLS_ENDPOINT: url }, ['--wait', '600'])
    const [address] = checked.of('SLS address')
    expect(address).toMatchObject({ verdict: 'fail', code: 'depth_zero_self_signed_cert' })
    expect(address?.advice).toMatch(/certificate/)
    expect(address?.advice).not.toMatch(/DNS/)
    expect(performance.now() - begun).toBeLessThan(60_000)
  })

  test('that begins an answer and never ends it', async () => {
    const ends = await Ends.start()
    const url = await serving((request, response) => {
      const signed = request.headers.authorization !== undefined
      response.writeHead(signed ? 404 : 401, { 'content-type': 'application/json' })
      if (signed) response.end('{"errorCode":"ProjectNotExist","errorMessage":"none"}')
      else response.write('{"errorCode":')
    })
    const checked = await ends.check({ SLS_ENDPOINT: url })
    expect(checked.of('SLS clock')[0]).toMatchObject({ verdict: 'ok' })
    expect(failures(checked)).toEqual(['SLS project'])
  })
})

describe('check of the body size', () => {
  const limit = 100_000
  const tooLarge = (request: IncomingMessage) => Number(request.headers['content-length']) > limit

  test('finds the limit of a proxy that counts compressed bytes', async () => {
    const ends = await Ends.start()
    const url = await proxy(ends.hec.url, (request, response) => {
      if (!tooLarge(request)) return false
      request.resume().on('end', () => response.writeHead(413).end('<html>413 Request Entity Too Large</html>'))
      return true
    })
    const env = { SPLUNK_HEC_URL: url, SPLUNK_HEC_MAX_BYTES: '1000000' }
    expect((await ends.check(env)).of('HEC body size')[0]).toMatchObject({
      verdict: 'warn',
      advice: expect.stringContaining('SPLUNK_HEC_MAX_BYTES'),
    })
    const less = await ends.check({ ...env, SPLUNK_HEC_MAX_BYTES: '200000' })
    expect(less.of('HEC body size')[0]).toMatchObject({ verdict: 'ok' })
    expect(ends.hec.state().events).toBe(0)
  })

  test('against a proxy that closes the connection in the middle is a warning, like 413', async () => {
    const ends = await Ends.start()
    const url = await proxy(ends.hec.url, (request) => {
      if (!tooLarge(request)) return false
      request.once('data', () => request.socket.destroy())
      return true
    })
    const checked = await ends.check({ SPLUNK_HEC_URL: url, SPLUNK_HEC_MAX_BYTES: '1000000' })
    expect(checked.of('HEC body size')[0]).toMatchObject({
      verdict: 'warn',
      found: expect.stringContaining('does not accept a body of 1000000 bytes'),
      advice: expect.stringContaining('SPLUNK_HEC_MAX_BYTES'),
    })
    expect(checked.code).toBe(0)
  })

  test('blames no size if the proxy closes the connection after any body', async () => {
    const ends = await Ends.start()
    const url = await proxy(ends.hec.url, (request) => {
      if (!(Number(request.headers['content-length']) > 60)) return false
      request.once('data', () => request.socket.destroy())
      return true
    })
    const checked = await ends.check({ SPLUNK_HEC_URL: url, SPLUNK_HEC_GZIP: 'false' })
    expect(failures(checked)).toEqual(['HEC body size'])
    expect(checked.of('HEC body size')[0]?.advice).not.toMatch(/SPLUNK_HEC_MAX_BYTES/)
  })
})

describe('check --send-test-event', () => {
  test('asks again when a question about the acknowledgement gets lost', async () => {
    const ends = await Ends.start({ ack: true })
    // The first is the preflight's.
    ends.hec.faults.add({ match: { endpoint: 'ack' }, after: 1, action: { cut: 'before' } })
    ends.hec.faults.add({ match: { endpoint: 'ack' }, after: 1, action: { status: 503 } })
    const checked = await ends.check({}, ['--send-test-event'])
    expect(checked.of('HEC test event')[0]).toMatchObject({
      verdict: 'ok',
      found: expect.stringContaining('acknowledged'),
    })
    expect(ends.hec.events).toHaveLength(1)
    expect(ends.hec.faults.unfired()).toEqual([])
  })

  test('does not send again when the answer is lost, and says where to look', async () => {
    const ends = await Ends.start()
    // Before it come two bodies without an event, about gzip and about the size.
    ends.hec.faults.add({ match: { endpoint: 'event' }, after: 2, times: 0, action: { cut: 'after' } })
    const checked = await ends.check({}, ['--send-test-event', '--wait', '20'])
    const [sent] = checked.of('HEC test event')
    expect(sent).toMatchObject({ verdict: 'fail' })
    expect(ends.hec.events).toHaveLength(1)
    expect(sent?.found).toContain(`sls_event_id::"${ends.hec.events[0]?.envelope.fields?.['sls_event_id']}"`)
  })

  test('sends again when the event was refused for now', async () => {
    const ends = await Ends.start()
    ends.hec.faults.add({ match: { endpoint: 'event' }, after: 2, action: { code: 9 } })
    const checked = await ends.check({}, ['--send-test-event', '--wait', '30'])
    expect(checked.of('HEC test event')[0]).toMatchObject({ verdict: 'ok' })
    expect(ends.hec.events).toHaveLength(1)
    expect(ends.hec.faults.unfired()).toEqual([])
  })
})

describe('check of our client certificate', () => {
  test.each([
    ['where the server’s is verified and good', { until: undefined, verify: 'true' }],
    ['where the server’s ends soon, too', { until: new Date(Date.now() + 5 * 86_400_000), verify: 'true' }],
    ['where nothing is verified', { until: undefined, verify: 'false' }],
  ])('expired, it fails %s', async (_, { until, verify }) => {
    const tls = selfSigned('splunk.internal', until)
    const ends = await Ends.start({ tls })
    const own = selfSigned('bridge', new Date('2021-01-01T00:00:00Z'))
    const file = (name: string, content: string): string => {
      writeFileSync(join(ends.dir, name), content)
      return join(ends.dir, name)
    }
    const checked = await ends.check({
      ...(verify === 'true' && { SPLUNK_HEC_TLS_CA_FILE: file('ca.pem', tls.cert) }),
      SPLUNK_HEC_TLS_VERIFY: verify,
      SPLUNK_HEC_TLS_CERT_FILE: file('cert.pem', own.cert),
      SPLUNK_HEC_TLS_KEY_FILE: file('key.pem', own.key),
    })
    expect(checked.of('HEC TLS')[0]).toMatchObject({
      verdict: 'fail',
      code: 'client_cert',
      found: 'our client certificate expired on 2021-01-01',
    })
  })
})

describe('check of an answer without an end', () => {
  test('the health of a collector', async () => {
    const ends = await Ends.start()
    const url = await proxy(ends.hec.url, ({ url: path }, response) => {
      if (path !== '/services/collector/health') return false
      pours(response)
      return true
    })
    const checked = await ends.check({ SPLUNK_HEC_URL: url })
    expect(checked.of('HEC health')[0]).toMatchObject({ verdict: 'skip' })
    expect(checked.code).toBe(0)
  })

  test('a program at the admin port', async () => {
    const ends = await Ends.start()
    const url = await serving((_, response) => pours(response))
    const checked = await ends.check({ ADMIN_PORT: new URL(url).port })
    expect(checked.of('admin port')[0]).toMatchObject({ verdict: 'fail', code: 'admin_port' })
  })
})
