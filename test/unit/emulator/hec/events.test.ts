import { describe, expect, test } from 'vitest'
import { EVENT, indexed, post, receiverFor, send } from './client.ts'

const GOOD = (event: unknown) => ({ event })
const SUCCESS = { text: 'Success', code: 0 }

describe('a refused object', () => {
  test.each<[string, string, number, string]>([
    ['a syntax error', '{"event":"b"', 6, 'Invalid data format'],
    ['no JSON at all', 'hello', 6, 'Invalid data format'],
    ['fields that are an array', '{"event":"b","fields":["x"]}', 6, 'Invalid data format'],
    ['neither event nor fields', '{}', 12, 'Event field is required'],
    ['a null event', '{"event":null}', 12, 'Event field is required'],
    ['a blank event', '{"event":""}', 13, 'Event field cannot be blank'],
    ['nested fields', '{"event":"b","fields":{"x":{"y":1}}}', 15, 'Error in handling indexed fields'],
    ['a time with an exponent', '{"event":"b","time":1.79E9}', 15, 'Error in handling indexed fields'],
  ])('%s: the ones before it are indexed, it and the ones after are not', async (_, bad, code, text) => {
    const receiver = await receiverFor()
    const answer = await post(receiver, [GOOD('a'), bad, GOOD('c')])
    expect(answer).toMatchObject({ status: 400, json: { text, code, 'invalid-event-number': 1 } })
    expect(indexed(receiver)).toEqual(['a'])
  })

  test('in first place: number 0 and nothing indexed', async () => {
    const receiver = await receiverFor()
    expect((await post(receiver, ['{"event":""}', GOOD('b')])).json).toMatchObject({ 'invalid-event-number': 0 })
    expect(indexed(receiver)).toEqual([])
  })

  test('an event over maxEventSize is code 6 at its number', async () => {
    const receiver = await receiverFor({ maxEventSize: 1000 })
    const answer = await post(receiver, [GOOD('x'.repeat(1000)), GOOD('x'.repeat(1001)), GOOD('c')])
    expect(answer.json).toEqual({ text: 'Invalid data format', code: 6, 'invalid-event-number': 1 })
    expect(receiver.state().events).toBe(1)
  })

  test('5 MiB is the largest event unless said otherwise', async () => {
    const receiver = await receiverFor()
    expect((await post(receiver, [GOOD('x'.repeat(5 * 1024 * 1024))])).status).toBe(200)
    expect((await post(receiver, [GOOD('x'.repeat(5 * 1024 * 1024 + 1))])).json).toMatchObject({ code: 6 })
  })
})

describe('an index the token may not write to', () => {
  const tokens = [{ token: 'a', indexes: ['main', 'web'] }]
  const authorization = 'Splunk a'

  test('is code 7 naming the object after it; the events before are indexed', async () => {
    const receiver = await receiverFor({ tokens })
    const events = [GOOD('a'), { event: 'b', index: 'secret' }, GOOD('c')]
    const answer = await post(receiver, events, { authorization })
    const json = { text: 'Incorrect index', code: 7, 'invalid-event-number': 2 }
    expect(answer).toMatchObject({ status: 400, json })
    expect(indexed(receiver)).toEqual(['a'])
  })

  test('as the last object: the number equals the count', async () => {
    const answer = await post(await receiverFor({ tokens }), [{ event: 'b', index: 'secret' }], { authorization })
    expect(answer.json).toMatchObject({ code: 7, 'invalid-event-number': 1 })
  })

  test('may also come from the query', async () => {
    const receiver = await receiverFor({ tokens })
    const answer = await send(receiver, `${EVENT}?index=secret`, { body: '{"event":1}', authorization })
    expect(answer.json).toMatchObject({ code: 7 })
  })

  test('an index on the list is taken', async () => {
    const receiver = await receiverFor({ tokens })
    await post(receiver, [{ event: 'b', index: 'web' }], { authorization })
    expect(receiver.events[0]?.envelope.index).toBe('web')
  })
})

describe('silent losses', () => {
  test('an unknown key: 200, but only the events before are indexed', async () => {
    const receiver = await receiverFor()
    const answer = await post(receiver, [GOOD('a'), { event: 'b', severity: 'x' }, GOOD('c')])
    expect(answer).toMatchObject({ status: 200, json: SUCCESS })
    expect(indexed(receiver)).toEqual(['a'])
  })

  test('an unknown key in the only object: 400 code 5', async () => {
    const receiver = await receiverFor()
    const answer = await post(receiver, [{ event: 'b', severity: 'x' }])
    expect(answer).toMatchObject({ status: 400, json: { text: 'No data', code: 5 } })
    expect(answer.json).not.toHaveProperty('invalid-event-number')
  })

  test('fields without an event: 200, skipped, its neighbours indexed', async () => {
    const receiver = await receiverFor()
    expect((await post(receiver, [GOOD('a'), { fields: { x: '1' } }, GOOD('c')])).json).toEqual(SUCCESS)
    expect(indexed(receiver)).toEqual(['a', 'c'])
  })

  test('a skipped object counts for the number of a refused one', async () => {
    const answer = await post(await receiverFor(), [{ fields: { x: '1' } }, GOOD('b'), '{}'])
    expect(answer.json).toMatchObject({ code: 12, 'invalid-event-number': 2 })
  })

  test('a measurement without an event is indexed', async () => {
    const receiver = await receiverFor()
    await post(receiver, [{ fields: { 'metric_name:cpu': 1 } }])
    expect(receiver.events[0]?.envelope.fields).toEqual({ 'metric_name:cpu': 1 })
  })
})

test.each([
  ['empty', ''],
  ['only white space', ' \r\n\t '],
  ['an empty array', '[]'],
])('a body that is %s is code 5', async (_, body) => {
  const answer = await send(await receiverFor(), EVENT, { body })
  expect(answer).toMatchObject({ status: 400, json: { text: 'No data', code: 5 } })
})

test.each([
  ['back to back', ''],
  ['by line ends', '\n'],
  ['by white space', ' \t\r\n'],
])('envelopes separated %s are all indexed', async (_, separator) => {
  const receiver = await receiverFor()
  await send(receiver, EVENT, { body: ['{"event":1}', '{"event":2}', '{"event":3}'].join(separator) })
  expect(indexed(receiver)).toEqual([1, 2, 3])
})

test('an array of envelopes is accepted, as real versions do', async () => {
  const receiver = await receiverFor()
  expect((await send(receiver, EVENT, { body: '[{"event":1},{"event":2}]' })).json).toEqual(SUCCESS)
  expect(indexed(receiver)).toEqual([1, 2])
})

describe('an indexed event', () => {
  test('has the sender’s own bytes, with the missing metadata added', async () => {
    const receiver = await receiverFor({ tokens: [{ token: 'a', name: 'n', sourcetype: 't', host: 'h' }] })
    const text = '{"time":1790000000.123456789,"event":{"k":"é\\u00e9 1.10"},"fields":{"sls_event_id":"i"}'
    await send(receiver, EVENT, { body: `${text}}`, authorization: 'Splunk a' })
    const added = ',"host":"h","source":"http:n","sourcetype":"t","index":"main"}'
    expect(receiver.events[0]?.line).toBe(text + added)
  })

  test('an envelope that lacks nothing stays byte for byte', async () => {
    const receiver = await receiverFor()
    const text = '{"time":"1.5","host":"h","source":"s","sourcetype":"t","index":"i","event":1}'
    await send(receiver, EVENT, { body: text })
    expect(receiver.events[0]?.line).toBe(text)
  })

  test('a pretty-printed envelope becomes one line', async () => {
    const receiver = await receiverFor()
    const envelope = { event: { a: ['x\ny'] }, host: 'h' }
    await post(receiver, [GOOD(1), JSON.stringify(envelope, null, 2), GOOD(2)])
    expect(receiver.events[1]?.line).not.toContain('\n')
    expect(receiver.events[1]?.envelope).toMatchObject(envelope)
  })

  test('query parameters are defaults, which the envelope overrides', async () => {
    const receiver = await receiverFor()
    const query = '?host=qh&source=qs&sourcetype=qt&index=qi&time=12.5'
    await send(receiver, EVENT + query, { body: '{"event":1}{"event":2,"host":"eh","time":3}' })
    const [first, second] = receiver.events.map((event) => event.envelope)
    expect(first).toEqual({ event: 1, host: 'qh', source: 'qs', sourcetype: 'qt', index: 'qi', time: 12.5 })
    expect(second).toMatchObject({ host: 'eh', time: 3, source: 'qs' })
  })

  test('without any metadata: token defaults, the Host header, arrival time', async () => {
    const receiver = await receiverFor()
    const before = Date.now() / 1000
    await post(receiver, [{ event: 1, host: null }])
    const envelope = receiver.events[0]?.envelope
    const defaults = { host: `127.0.0.1:${receiver.port}`, source: 'http:sls', sourcetype: 'httpevent', index: 'main' }
    expect(envelope).toMatchObject(defaults)
    expect(Number(envelope?.time)).toBeGreaterThan(before - 1)
    expect(Number(envelope?.time)).toBeLessThan(before + 10)
  })
})

describe('raw lines', () => {
  const RAW = '/services/collector/raw'

  test('break at line ends; blank ones are skipped', async () => {
    const receiver = await receiverFor()
    await send(receiver, `${RAW}?sourcetype=syslog&host=h&time=7`, { body: 'one\r\n\n  \ntwo "quoted"' })
    expect(indexed(receiver)).toEqual(['one', 'two "quoted"'])
    expect(receiver.events[0]?.envelope).toMatchObject({ sourcetype: 'syslog', host: 'h', time: 7 })
  })

  test('nothing but blank lines is code 5', async () => {
    expect((await send(await receiverFor(), RAW, { body: '\r\n \n' })).json).toEqual({ text: 'No data', code: 5 })
  })

  test('a wrong index is code 7 without a number', async () => {
    const receiver = await receiverFor({ tokens: [{ token: 'a', indexes: ['main'] }] })
    const answer = await send(receiver, `${RAW}?index=x`, { body: 'line', authorization: 'Splunk a' })
    expect(answer.json).toEqual({ text: 'Incorrect index', code: 7 })
  })
})

describe('a queue that fills up', () => {
  const queue = { capacityBytes: 30, drainBytesPerSecond: 0 }
  const events = [GOOD('aaaaaaa'), GOOD('bbbbbbb'), GOOD('ccccccc')]

  test('takes a prefix and says with 503 code 9 where it stopped', async () => {
    const receiver = await receiverFor({ queue })
    const json = { text: 'Server is busy', code: 9, 'invalid-event-number': 2 }
    expect(await post(receiver, events)).toMatchObject({ status: 503, json })
    expect(indexed(receiver)).toEqual(['aaaaaaa', 'bbbbbbb'])
  })

  test('may leave out the number', async () => {
    const receiver = await receiverFor({ queue, busyNumber: false })
    expect((await post(receiver, events)).json).toEqual({ text: 'Server is busy', code: 9 })
    expect(receiver.state().events).toBe(2)
  })

  test('drains, and then takes events again', async () => {
    const receiver = await receiverFor({ queue: { capacityBytes: 30, drainBytesPerSecond: 1_000_000 } })
    // As for any client: only asking tells.
    await expect.poll(async () => (await post(receiver, [GOOD('aaaaaaa')])).status, { interval: 1 }).toBe(200)
    await expect.poll(async () => (await post(receiver, [GOOD('bbbbbbb')])).status, { interval: 1 }).toBe(200)
  })

  test('warns at 80 % with 200 code 24 where back-pressure is switched on, and is 429 code 26 when full', async () => {
    const receiver = await receiverFor({ queue, backpressure: 'warn_at_80' })
    expect((await post(receiver, [GOOD('a')])).json).toEqual(SUCCESS)
    expect(await post(receiver, [GOOD('b')])).toMatchObject({ status: 200, json: { code: 24 } })
    await post(receiver, [GOOD('c')])
    expect(await post(receiver, [GOOD('d')])).toMatchObject({ status: 429, json: { code: 26 } })
    expect(indexed(receiver)).toEqual(['a', 'b', 'c'])
  })
})
