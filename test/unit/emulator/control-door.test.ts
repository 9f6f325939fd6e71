import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { HecReceiver } from '../../../src/emulator/hec/server.ts'
import { startHecReceiver } from '../../../src/emulator/hec/server.ts'
import type { SlsEmulator } from '../../../src/emulator/sls/server.ts'
import { startSlsEmulator } from '../../../src/emulator/sls/server.ts'

let sls: SlsEmulator
let hec: HecReceiver

beforeEach(async () => {
  ;[sls, hec] = await Promise.all([startSlsEmulator({ projects: { proj: { logs: {} } } }), startHecReceiver()])
})
afterEach(() => Promise.all([sls.close(), hec.close()]))

interface Answer {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
  readonly body: string
}

async function send(
  port: number,
  { method = 'GET', path, headers = {}, body = '' }: { method?: string; path: string; headers?: object; body?: string },
): Promise<Answer> {
  const sent = httpRequest({ host: '127.0.0.1', port, method, path, headers: { ...headers } })
  const answered = new Promise<Answer>((resolve, reject) => {
    sent.on('error', reject)
    sent.on('response', (response) => {
      text(response).then(
        (got) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: got }),
        reject,
      )
    })
  })
  sent.end(body)
  return answered
}

const DOORS = [
  ['the SLS emulator', () => sls.port, '/_emulator/', () => sls.controlSecret],
  ['the HEC receiver', () => hec.port, '/_receiver/', () => hec.controlSecret],
] as const

describe.each(DOORS)('the controls of %s', (_, port, prefix, secret) => {
  test.each(['localhost:1', '127.0.0.1', '[::1]:8088', '10.1.2.3:80'])('answer to Host %s', async (host) => {
    expect((await send(port(), { path: `${prefix}state`, headers: { host } })).status).toBe(200)
  })

  test.each([
    ['a page of a browser', { origin: 'https://evil.example' }],
    ['a page in a frame without an origin', { origin: 'null' }],
    ['a page of this very server', { origin: 'http://127.0.0.1:8088' }],
    ['a page whose name was given the address of this machine', { host: 'evil.example' }],
    ['such a name that begins like an address', { host: '127.0.0.1.evil.example:8088' }],
  ])('refuse %s', async (_page, headers) => {
    const rule = JSON.stringify({ action: { status: 500 } })
    for (const [method, path] of [
      ['GET', 'state'],
      ['POST', 'faults'],
    ] as const) {
      const answer = await send(port(), {
        method,
        path: `${prefix}${path}`,
        headers,
        body: method === 'POST' ? rule : '',
      })
      expect(answer.status).toBe(403)
      expect(answer.body).toContain('controls')
    }
    expect([...sls.faults.list(), ...hec.faults.list()]).toEqual([])
  })

  test('open to whoever shows the secret, and to nobody with another one', async () => {
    const elsewhere = { host: 'sls.example:80', origin: 'https://console.example' }
    const shown = (secret: string, headers: object = elsewhere) =>
      send(port(), { path: `${prefix}state`, headers: { ...headers, 'x-control-secret': secret } })
    expect((await shown(secret())).status).toBe(200)
    for (const wrong of ['', secret().slice(1), `${secret().slice(1)}!`])
      expect((await shown(wrong, {})).status).toBe(403)
  })

  test('let no web page read them', async () => {
    const { headers } = await send(port(), { path: `${prefix}state` })
    expect(headers['access-control-allow-origin']).toBeUndefined()
  })

  test.each([
    [{ status: 9999 }, 'status must be a whole number from 200 to 599'],
    [{ status: 100 }, 'status must be'],
    [{ status: '500' }, 'status must be'],
    [{ status: 500, headers: { 'a b': 'c' } }, 'headers must be'],
    [{ status: 500, headers: { a: 'b\r\nc: d' } }, 'headers must be'],
    [{ status: 500, headers: { a: 7 } }, 'headers must be'],
    [{ status: 500, headers: ['a'] }, 'headers must be'],
    [{ body: 7 }, 'body must be a text'],
    [{ status: 500, message: {} }, 'message must be a text'],
    [{ code: {} }, 'code must be'],
    [{ delayMs: -1 }, 'delayMs must be'],
    [{ delayMs: 2 ** 31 }, 'delayMs must be'],
    [{ cut: 'sometimes' }, 'cut must be one of before, after, midway'],
    [{ hang: 'yes' }, 'hang must be true or false'],
    [{}, 'action must be an object that does something'],
    [[], 'action must be'],
    [{ constructor: 1 }, 'unknown action constructor'],
  ])('refuse the fault %j', async (action, problem) => {
    const body = JSON.stringify({ action })
    const answer = await send(port(), { method: 'POST', path: `${prefix}faults`, body })
    expect(answer.status).toBe(400)
    expect(answer.body).toContain(problem)
  })
})

test.each([
  ['a line that is no request', 'hello\r\n\r\n'],
  ['a request for half of a proxy', 'GET http:// HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a path that is no path', 'GET //[ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
  ['a path with a broken escape', 'GET /%E0%A4%A HTTP/1.1\r\nHost: [\r\nConnection: close\r\n\r\n'],
  ['a broken escape among the controls', 'GET /_emulator/%E0 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'],
  ['CONNECT', 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['an upgrade', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n'],
  ['two lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
  [
    'JSON that is no object',
    'POST /_receiver/faults HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnull',
  ],
])('%s ends no server', async (_, bytes) => {
  for (const { port } of [sls, hec]) {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.end(bytes)
    socket.resume()
    await new Promise((resolve) => socket.on('close', resolve))
  }
  expect((await send(sls.port, { path: '/_emulator/state' })).status).toBe(200)
  expect((await send(hec.port, { path: '/_receiver/state' })).status).toBe(200)
})

test.each(DOORS)('%s refuses a fault whose match no request can have', async (_, port, prefix) => {
  for (const value of [{ toString: 'x' }, [{ toString: 1 }], null, [null], [['a', {}]]]) {
    const body = JSON.stringify({ match: { method: value }, action: { hang: true } })
    const answer = await send(port(), { method: 'POST', path: `${prefix}faults`, body })
    expect([answer.status, answer.body]).toEqual([400, expect.stringContaining('method must be a text, a number')])
    await send(port(), { path: '/services/collector/health', headers: { host: 'proj.localhost' } })
  }
})

test('an emulator that asks for no signature answers no web page', async () => {
  await using open = await startSlsEmulator({ strictSignatures: false, projects: { proj: { logs: {} } } })
  const path = '/logstores/logs/shards'
  const from = (headers: object) => send(open.port, { path, headers: { host: 'proj.localhost', ...headers } })
  expect((await from({})).status).toBe(200)
  for (const origin of ['https://evil.example', 'null']) {
    const refused = await from({ origin })
    expect([refused.status, refused.body]).toEqual([403, expect.stringContaining('web pages')])
  }
})

test('a HEC receiver counts paths without end together', async () => {
  for (let at = 0; at < 300; at += 1) await send(hec.port, { path: `/path-${at}` })
  await send(hec.port, { path: '/services/collector/health' })
  const { requests } = hec.state()
  expect(Object.keys(requests).length).toBeLessThan(210)
  expect(requests['other 404 404']).toBe(100)
  expect(requests['/services/collector/health 200 17']).toBe(1)
})
