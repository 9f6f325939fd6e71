import { once } from 'node:events'
import { Agent } from 'node:http'
import { createConnection } from 'node:net'
import { deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, onTestFinished, test } from 'vitest'
import { CHANNEL, EVENT, indexed, post, receiverFor, send, TOKEN } from './client.ts'

const SUCCESS = { text: 'Success', code: 0 }

describe('endpoints', () => {
  test.each(['/services/collector', '/services/collector/event', '/services/collector/event/1.0'])(
    'POST %s takes envelopes',
    async (path) => {
      const receiver = await receiverFor()
      expect(await send(receiver, path, { body: '{"event":"x"}' })).toMatchObject({ status: 200, json: SUCCESS })
      expect(indexed(receiver)).toEqual(['x'])
    },
  )

  test.each(['/services/collector/raw', '/services/collector/raw/1.0'])('POST %s takes lines', async (path) => {
    const receiver = await receiverFor()
    expect(await send(receiver, path, { body: 'one\ntwo' })).toMatchObject({ status: 200, json: SUCCESS })
    expect(indexed(receiver)).toEqual(['one', 'two'])
  })

  test('an unknown path is 404 with code 404 in JSON', async () => {
    const json = { text: 'The requested URL was not found on this server.', code: 404 }
    expect(await send(await receiverFor(), '/services/collector/nope')).toMatchObject({ status: 404, json })
  })

  test('GET on the event endpoint is 405 with the body of a 404', async () => {
    const json = { text: 'The requested URL was not found on this server.', code: 404 }
    expect(await send(await receiverFor(), EVENT, { method: 'GET' })).toMatchObject({ status: 405, json })
  })

  test.each([
    ['/services/collector', 'POST,OPTIONS'],
    [EVENT, 'POST,OPTIONS'],
    ['/services/collector/raw', 'POST,OPTIONS'],
    ['/services/collector/ack', 'POST,OPTIONS'],
    ['/services/collector/health', 'GET,HEAD,OPTIONS'],
  ])('OPTIONS %s is answered without a token', async (path, allow) => {
    const answer = await send(await receiverFor(), path, { method: 'OPTIONS', authorization: undefined })
    expect(answer).toMatchObject({ status: 200, text: '', headers: { allow } })
  })

  test('a connection is kept alive and used again', async () => {
    const receiver = await receiverFor()
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    onTestFinished(() => agent.destroy())
    for (let i = 0; i < 3; i += 1) {
      const answer = await post(receiver, [{ event: i }], { agent })
      expect(answer.headers.connection).toBe('Keep-Alive')
    }
    expect(receiver.state().connections.total).toBe(1)
  })

  test.each([
    ['without a User-Agent', ''],
    ['that asks for the end of the connection', 'User-Agent: t\r\nConnection: close\r\n'],
  ])('a client %s gets no keep-alive', async (_, headers) => {
    const receiver = await receiverFor()
    const socket = createConnection(receiver.port, '127.0.0.1')
    socket.write(`GET /services/collector/health HTTP/1.1\r\nHost: x\r\n${headers}\r\n`)
    let text = ''
    socket.on('data', (chunk) => (text += String(chunk)))
    await once(socket, 'end')
    expect(text).toMatch(/^Connection: Close\r$/m)
  })
})

describe('authorization', () => {
  const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

  test.each([
    ['the Splunk scheme', `Splunk ${TOKEN}`, 200, 0],
    ['Basic with the token as password', basic('anyone', TOKEN), 200, 0],
    ['no header', undefined, 401, 2],
    ['Bearer', `Bearer ${TOKEN}`, 401, 3],
    ['a scheme without a token', 'Splunk', 401, 3],
    ['Basic without a password', basic('anyone', ''), 401, 3],
    ['an unknown token', 'Splunk 99999999-2222-3333-4444-555555555555', 403, 4],
    ['Basic with an unknown token', basic('x', 'nope'), 403, 4],
  ])('%s', async (_, authorization, status, code) => {
    const answer = await post(await receiverFor(), [{ event: 'x' }], { authorization })
    expect(answer).toMatchObject({ status, json: { code } })
  })

  test('a disabled token is 403 code 1', async () => {
    const receiver = await receiverFor({ tokens: [{ token: TOKEN, disabled: true }] })
    expect(await post(receiver, [{ event: 'x' }])).toMatchObject({
      status: 403,
      json: { text: 'Token disabled', code: 1 },
    })
  })

  test('a query token is code 16, even beside a good header', async () => {
    const receiver = await receiverFor()
    const refused = { status: 400, json: { text: 'Query string authorization is not enabled', code: 16 } }
    const path = `${EVENT}?token=${TOKEN}`
    expect(await send(receiver, path, { body: '{"event":1}' })).toMatchObject(refused)
    expect(await send(receiver, path, { body: '{"event":1}', authorization: undefined })).toMatchObject(refused)
    expect(receiver.events).toEqual([])
  })

  test('an unknown query token is code 4 before it is code 16', async () => {
    const answer = await send(await receiverFor(), `${EVENT}?token=nope`, { authorization: undefined })
    expect(answer).toMatchObject({ status: 403, json: { code: 4 } })
  })

  test('a query token is taken where the token allows it', async () => {
    const receiver = await receiverFor({ tokens: [{ token: TOKEN, allowQueryStringAuth: true }] })
    const answer = await send(receiver, `${EVENT}?token=${TOKEN}`, { body: '{"event":1}', authorization: undefined })
    expect(answer.json).toEqual(SUCCESS)
  })

  test('is judged before the body', async () => {
    const answer = await post(await receiverFor({ maxContentLength: 10 }), ['no JSON, and too long'], {
      authorization: 'Splunk nope',
    })
    expect(answer).toMatchObject({ status: 403, json: { code: 4 } })
  })

  test('each token has its own defaults', async () => {
    const receiver = await receiverFor({
      tokens: [
        { token: 'a', name: 'audit' },
        { token: 'b', index: 'web' },
      ],
    })
    await post(receiver, [{ event: 1 }], { authorization: 'Splunk a' })
    await post(receiver, [{ event: 2 }], { authorization: 'Splunk b' })
    const [first, second] = receiver.events.map((event) => event.envelope)
    expect(first).toMatchObject({ source: 'http:audit', index: 'main' })
    expect(second).toMatchObject({ index: 'web' })
  })
})

describe('channels', () => {
  test('a token with ack needs one: code 10', async () => {
    const receiver = await receiverFor({ ack: true })
    const answer = await post(receiver, [{ event: 'x' }])
    expect(answer).toMatchObject({ status: 400, json: { text: 'Data channel is missing', code: 10 } })
    expect(receiver.events).toEqual([])
  })

  test('Splunk Cloud says it with code 28', async () => {
    const answer = await post(await receiverFor({ ack: true, channelCode: 28 }), [{ event: 'x' }])
    expect(answer).toMatchObject({ status: 400, json: { code: 28, text: expect.stringContaining('sticky session') } })
  })

  test('a channel that is no GUID is code 11', async () => {
    const answer = await post(await receiverFor({ ack: true }), [{ event: 'x' }], { channel: 'mine' })
    expect(answer).toMatchObject({ status: 400, json: { text: 'Invalid data channel', code: 11 } })
  })

  test('the query parameter does as well as the header', async () => {
    const receiver = await receiverFor({ ack: true })
    const answer = await send(receiver, `${EVENT}?channel=${CHANNEL}`, { body: '{"event":1}' })
    expect(answer.json).toEqual({ ...SUCCESS, ackId: 0 })
  })

  test('a token without ack ignores it', async () => {
    expect((await post(await receiverFor(), [{ event: 1 }], { channel: 'mine' })).json).toEqual(SUCCESS)
  })

  test('an empty body on a token with ack tells about the channel first', async () => {
    const receiver = await receiverFor({ ack: true })
    expect((await send(receiver, EVENT, { body: '' })).json).toMatchObject({ code: 10 })
    expect((await send(receiver, EVENT, { body: '', channel: CHANNEL })).json).toEqual({ text: 'No data', code: 5 })
  })
})

describe('bodies', () => {
  const html = { 'content-type': expect.stringContaining('text/html') }

  test.each([EVENT, '/services/collector/raw'])('gzip is taken on %s', async (path) => {
    const receiver = await receiverFor()
    const headers = { 'Content-Encoding': 'gzip' }
    expect((await send(receiver, path, { body: gzipSync('{"event":"x"}'), headers })).json).toEqual(SUCCESS)
    expect(receiver.state().events).toBe(1)
  })

  test('deflate is 415 in HTML', async () => {
    const headers = { 'Content-Encoding': 'deflate' }
    const answer = await send(await receiverFor(), EVENT, { body: deflateSync('{"event":"x"}'), headers })
    expect(answer).toMatchObject({ status: 415, headers: html })
  })

  test('a body that is not gzip is code 6', async () => {
    const answer = await post(await receiverFor(), [{ event: 1 }], { headers: { 'Content-Encoding': 'gzip' } })
    expect(answer).toMatchObject({ status: 400, json: { code: 6 } })
  })

  test('a body over the cap is 413 in HTML, though the client is still writing', async () => {
    const receiver = await receiverFor({ maxContentLength: 1000 })
    const answer = await post(receiver, [{ event: 'x'.repeat(3_000_000) }])
    expect(answer).toMatchObject({ status: 413, headers: html })
    expect(answer.text).toContain('<html>')
    expect(receiver.events).toEqual([])
  })

  test('a client that writes to the end before it reads gets the 413 too', async () => {
    const receiver = await receiverFor({ maxContentLength: 1000 })
    const socket = createConnection(receiver.port, '127.0.0.1').pause()
    const length = 20_000_000
    socket.write(
      `POST ${EVENT} HTTP/1.1\r\nHost: x\r\nUser-Agent: t\r\nAuthorization: Splunk ${TOKEN}\r\nContent-Length: ${length}\r\n\r\n`,
    )
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject)
      socket.write(Buffer.alloc(length, 'x'), () => resolve())
    })
    const [answer] = (await once(socket.resume(), 'data')) as [Buffer]
    expect(String(answer)).toMatch(/^HTTP\/1\.1 413 /)
    socket.destroy()
  })

  test('a body of exactly the cap is taken', async () => {
    const body = '{"event":"x"}'
    const receiver = await receiverFor({ maxContentLength: body.length })
    expect((await send(receiver, EVENT, { body })).status).toBe(200)
    expect((await send(receiver, EVENT, { body: `${body} ` })).status).toBe(413)
  })

  test('a chunked body is capped as it comes', async () => {
    const receiver = await receiverFor({ maxContentLength: 1000 })
    const headers = { 'Transfer-Encoding': 'chunked' }
    const answer = await send(receiver, EVENT, { headers, body: Buffer.alloc(100_000, 'x') })
    expect(answer.status).toBe(413)
  })

  test('the cap is on uncompressed bytes', async () => {
    const receiver = await receiverFor({ maxContentLength: 1000 })
    const body = gzipSync(JSON.stringify({ event: 'x'.repeat(5000) }))
    expect(body.length).toBeLessThan(1000)
    expect((await send(receiver, EVENT, { body, headers: { 'Content-Encoding': 'gzip' } })).status).toBe(413)
  })

  test('bodies that come at once have a limit together: one more is busy, until others are answered', async () => {
    const receiver = await receiverFor({ maxPendingBytes: 10_000 })
    receiver.faults.add({ id: 'held', match: { contains: 'held' }, action: { delayMs: 60_000 } })
    const body = gzipSync(JSON.stringify({ event: `held${'x'.repeat(6_000)}` }))
    const headers = { 'Content-Encoding': 'gzip' }
    const held = send(receiver, EVENT, { body, headers })
    await receiver.faults.fired('held')
    expect(await send(receiver, EVENT, { body, headers })).toMatchObject({ status: 503, json: { code: 9 } })
    await receiver.close()
    await expect(held).rejects.toThrow()
  })

  test('a body is not taken in for whoever has no token', async () => {
    const receiver = await receiverFor({ maxPendingBytes: 1000 })
    const body = JSON.stringify({ event: 'x'.repeat(5_000) })
    expect(await send(receiver, EVENT, { body, authorization: 'Splunk nobody' })).toMatchObject({
      status: 403,
      json: { code: 4 },
    })
    expect(await send(receiver, EVENT, { body })).toMatchObject({ status: 503, json: { code: 9 } })
  })

  test("Splunk Cloud's cap is 400 code 6 naming event 0, and nothing is indexed", async () => {
    const receiver = await receiverFor({ cloudCap: 100 })
    const answer = await post(receiver, [{ event: 'good' }, { event: 'x'.repeat(100) }])
    const json = { text: 'Invalid data format', code: 6, 'invalid-event-number': 0 }
    expect(answer).toMatchObject({ status: 400, json })
    expect(receiver.events).toEqual([])
  })

  test('a body that never ends is counted, and nothing of it is indexed', async () => {
    const receiver = await receiverFor()
    const socket = createConnection(receiver.port, '127.0.0.1')
    const head = `POST ${EVENT} HTTP/1.1\r\nHost: x\r\nUser-Agent: t\r\nAuthorization: Splunk ${TOKEN}\r\n`
    socket.write(`${head}Content-Length: 1000\r\n\r\n{"event":"x"}`)
    socket.resume().end()
    await once(socket, 'close')
    await receiver.until(() => receiver.state().abortedBodies === 1)
    expect(receiver.events).toEqual([])
  })
})

describe('health', () => {
  const HEALTH = '/services/collector/health'
  const get = { method: 'GET', authorization: undefined }

  test.each([HEALTH, `${HEALTH}/1.0`])('GET %s is 200 code 17 without a token', async (path) => {
    const json = { text: 'HEC is healthy', code: 17 }
    expect(await send(await receiverFor(), path, get)).toMatchObject({ status: 200, json })
  })

  test('a wrong token is 400 code 21, a disabled one 22, a good one 17', async () => {
    const receiver = await receiverFor({ tokens: [{ token: TOKEN }, { token: 'off', disabled: true }] })
    const health = (authorization: string) => send(receiver, HEALTH, { method: 'GET', authorization })
    expect(await health('Splunk nope')).toMatchObject({ status: 400, json: { text: 'Invalid token', code: 21 } })
    expect(await health('Splunk off')).toMatchObject({ status: 400, json: { text: 'Token disabled', code: 22 } })
    expect(await health(`Splunk ${TOKEN}`)).toMatchObject({ status: 200, json: { code: 17 } })
  })

  test('a full queue is 503 code 18, and posts are 503 code 9', async () => {
    const receiver = await receiverFor()
    receiver.condition({ queue: 'full' })
    expect(await send(receiver, HEALTH, get)).toMatchObject({ status: 503, json: { code: 18 } })
    const busy = { text: 'Server is busy', code: 9 }
    expect(await post(receiver, [{ event: 1 }])).toMatchObject({ status: 503, json: busy })
  })

  test('the ack service counts only when asked about: 19, with a full queue 20', async () => {
    const receiver = await receiverFor()
    receiver.condition({ ackService: 'down' })
    expect((await send(receiver, HEALTH, get)).json).toMatchObject({ code: 17 })
    expect(await send(receiver, `${HEALTH}?ack=true`, get)).toMatchObject({ status: 503, json: { code: 19 } })
    receiver.condition({ queue: 'full' })
    expect(await send(receiver, `${HEALTH}?ack=true`, get)).toMatchObject({ status: 503, json: { code: 20 } })
  })

  test('while shutting down everything is 503 code 23', async () => {
    const receiver = await receiverFor()
    receiver.condition({ shuttingDown: true })
    const down = { status: 503, json: { text: 'Server is shutting down', code: 23 } }
    expect(await send(receiver, HEALTH, get)).toMatchObject(down)
    expect(await post(receiver, [{ event: 1 }])).toMatchObject(down)
  })
})
