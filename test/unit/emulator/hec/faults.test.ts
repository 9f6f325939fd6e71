import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { CHANNEL, EVENT, indexed, post, receiverFor, send } from './client.ts'

const SUCCESS = { text: 'Success', code: 0 }
const EVENTS = [{ event: 'a' }, { event: 'poison' }, { event: 'c' }]
const ACK = '/services/collector/ack'

describe('a scripted answer', () => {
  test('by code: its status and text, for the next n requests, and nothing is indexed', async () => {
    const receiver = await receiverFor({ faults: [{ times: 2, action: { code: 9 } }] })
    const busy = { status: 503, json: { text: 'Server is busy', code: 9 } }
    expect(await post(receiver, EVENTS)).toMatchObject(busy)
    expect(await post(receiver, EVENTS)).toMatchObject(busy)
    expect(receiver.state().events).toBe(0)
    expect((await post(receiver, EVENTS)).json).toEqual(SUCCESS)
    expect(receiver.state().requests).toEqual({ [`${EVENT} 200 0`]: 1, [`${EVENT} 503 9`]: 2 })
  })

  test('only for the endpoint it matches', async () => {
    const receiver = await receiverFor({ faults: [{ match: { endpoint: 'health' }, action: { code: 18 } }] })
    expect((await post(receiver, EVENTS)).status).toBe(200)
    expect(receiver.faults.unfired()).toHaveLength(1)
    expect((await send(receiver, '/services/collector/health', { method: 'GET' })).json).toMatchObject({ code: 18 })
    expect(receiver.faults.unfired()).toEqual([])
  })

  test('only for bodies that contain a text, compressed or not', async () => {
    const receiver = await receiverFor({
      faults: [{ match: { contains: 'poison' }, times: 0, action: { status: 403 } }],
    })
    const gzipped = { headers: { 'content-encoding': 'gzip' }, body: gzipSync(JSON.stringify({ event: 'poison' })) }
    expect((await post(receiver, EVENTS)).status).toBe(403)
    expect((await send(receiver, EVENT, gzipped)).status).toBe(403)
    expect((await post(receiver, [{ event: 'a' }])).json).toEqual(SUCCESS)
    expect(indexed(receiver)).toEqual(['a'])
  })

  test('only for bodies with a certain end, and for requests to a certain host', async () => {
    const receiver = await receiverFor({
      faults: [
        { match: { endsWith: '\n' }, times: 0, action: { code: 6, number: 1 } },
        { match: { host: 'second:8088' }, times: 0, action: { code: 4 } },
      ],
    })
    const body = JSON.stringify({ event: 'a' })
    const to = (host: string) => send(receiver, EVENT, { body, headers: { host } })
    expect((await send(receiver, EVENT, { body: `${body}\n` })).json).toMatchObject({ code: 6 })
    expect((await to('second:8088')).json).toMatchObject({ code: 4 })
    expect((await to('first:8088')).json).toEqual(SUCCESS)
  })

  test('given after the work was done is ambiguous', async () => {
    const receiver = await receiverFor({ faults: [{ action: { code: 8, index: true } }] })
    expect(await post(receiver, EVENTS)).toMatchObject({ status: 500, json: { code: 8 } })
    expect(indexed(receiver)).toEqual(['a', 'poison', 'c'])
  })

  test('by status alone: HTML, as from a load balancer', async () => {
    const receiver = await receiverFor({ faults: [{ action: { status: 502, message: 'Bad Gateway' } }] })
    const answer = await post(receiver, EVENTS)
    expect(answer).toMatchObject({ status: 502, headers: { 'content-type': expect.stringContaining('text/html') } })
    expect(answer.text).toContain('Bad Gateway')
  })

  test('a login page behind a 200', async () => {
    const receiver = await receiverFor({ faults: [{ action: { status: 200, body: '<html>Sign in</html>' } }] })
    const headers = { 'content-type': expect.stringContaining('text/html') }
    expect(await post(receiver, EVENTS)).toMatchObject({ status: 200, text: '<html>Sign in</html>', headers })
    expect(receiver.state().events).toBe(0)
  })

  test('a redirect', async () => {
    const headers = { Location: 'http://127.0.0.1/login' }
    const receiver = await receiverFor({ faults: [{ action: { status: 302, headers } }] })
    expect(await post(receiver, EVENTS)).toMatchObject({ status: 302, headers: { location: headers.Location } })
  })

  test('Retry-After on the true answer', async () => {
    const receiver = await receiverFor({ faults: [{ action: { headers: { 'Retry-After': '3' } } }] })
    expect(await post(receiver, EVENTS)).toMatchObject({ status: 200, headers: { 'retry-after': '3' }, json: SUCCESS })
  })

  test('a content-length that promises more than comes', async () => {
    const receiver = await receiverFor({ faults: [{ action: { headers: { 'content-length': '5000' } } }] })
    await expect(post(receiver, EVENTS)).rejects.toThrow()
    expect(receiver.state().events).toBe(3)
  })
})

describe('a cut connection', () => {
  test('before: nothing is indexed', async () => {
    const receiver = await receiverFor({ faults: [{ action: { cut: 'before' } }] })
    await expect(post(receiver, EVENTS)).rejects.toThrow()
    expect(receiver.state()).toMatchObject({ events: 0, requests: { [`${EVENT} cut`]: 1 } })
  })

  test.each(['after', 'midway'] as const)('%s: everything is indexed', async (cut) => {
    const receiver = await receiverFor({ faults: [{ action: { cut } }] })
    await expect(post(receiver, EVENTS)).rejects.toThrow()
    expect(receiver.state().events).toBe(3)
  })

  test('an ack answer that is lost was told all the same', async () => {
    const receiver = await receiverFor({
      ack: true,
      faults: [{ match: { endpoint: 'ack' }, action: { cut: 'after' } }],
    })
    await post(receiver, EVENTS, { channel: CHANNEL })
    const poll = () => send(receiver, ACK, { body: '{"acks":[0]}', channel: CHANNEL })
    await expect(poll()).rejects.toThrow()
    expect((await poll()).json).toEqual({ acks: { '0': false } })
  })

  test('hang: no answer, and the connection stays', async () => {
    const receiver = await receiverFor({ faults: [{ action: { hang: true } }] })
    const waiting = post(receiver, EVENTS)
    await receiver.until(() => receiver.state().requests[`${EVENT} hang`] === 1)
    expect(receiver.state()).toMatchObject({ events: 0, connections: { open: 1 } })
    await receiver.restart()
    await expect(waiting).rejects.toThrow()
  })
})

describe('partial acceptance', () => {
  test('accept: a prefix is taken and code 9 names the rest', async () => {
    const receiver = await receiverFor({ faults: [{ action: { accept: 2 } }] })
    const json = { text: 'Server is busy', code: 9, 'invalid-event-number': 2 }
    expect(await post(receiver, EVENTS)).toMatchObject({ status: 503, json })
    expect(indexed(receiver)).toEqual(['a', 'poison'])
  })

  test('refuse by number', async () => {
    const receiver = await receiverFor({ faults: [{ action: { refuse: { index: 1 }, code: 12 } }] })
    expect((await post(receiver, EVENTS)).json).toMatchObject({ code: 12, 'invalid-event-number': 1 })
    expect(indexed(receiver)).toEqual(['a'])
  })

  test.each([
    ['nothing', 'none', undefined],
    ['a number beyond the count', 99, 99],
    ['a negative number', -1, -1],
    ['a text', 'one', 'one'],
  ])('refuse by text, telling %s', async (_, number, told) => {
    const receiver = await receiverFor({ faults: [{ action: { refuse: { contains: 'poison' }, number } }] })
    const answer = await post(receiver, EVENTS)
    expect(answer.json).toEqual({
      text: 'Invalid data format',
      code: 6,
      ...(told === undefined ? {} : { 'invalid-event-number': told }),
    })
    expect(indexed(receiver)).toEqual(['a'])
  })

  test('is not spent on a poll', async () => {
    const receiver = await receiverFor({ ack: true, faults: [{ action: { accept: 1 } }] })
    await send(receiver, ACK, { body: '{"acks":[0]}', channel: CHANNEL })
    expect(receiver.faults.unfired()).toHaveLength(1)
    expect((await post(receiver, EVENTS, { channel: CHANNEL })).json).toMatchObject({ 'invalid-event-number': 1 })
  })
})

test('an event refused for good is refused every time, at any place in a body', async () => {
  const receiver = await receiverFor({ refuse: [{ contains: 'poison', code: 13 }] })
  expect((await post(receiver, EVENTS)).json).toMatchObject({ code: 13, 'invalid-event-number': 1 })
  expect((await post(receiver, EVENTS.slice(1))).json).toMatchObject({ code: 13, 'invalid-event-number': 0 })
  expect((await post(receiver, EVENTS.slice(2))).json).toEqual(SUCCESS)
  expect(indexed(receiver)).toEqual(['a', 'c'])
})

test('one refused for good with code 7 is named with Splunk’s off-by-one', async () => {
  const receiver = await receiverFor({ refuse: [{ contains: 'poison', code: 7 }] })
  expect((await post(receiver, EVENTS)).json).toMatchObject({ code: 7, 'invalid-event-number': 2 })
})

test('forgetting acks in the middle of a run', async () => {
  const receiver = await receiverFor({
    ack: true,
    faults: [{ match: { endpoint: 'ack' }, action: { forgetAcks: true } }],
  })
  await post(receiver, EVENTS, { channel: CHANNEL })
  const answer = await send(receiver, ACK, { body: '{"acks":[0]}', channel: CHANNEL })
  expect(answer.json).toEqual({ acks: { '0': false } })
})

test('a delay passes before the request is looked at', async () => {
  const receiver = await receiverFor({ faults: [{ action: { delayMs: 60 } }] })
  const start = performance.now()
  expect((await post(receiver, EVENTS)).json).toEqual(SUCCESS)
  expect(performance.now() - start).toBeGreaterThan(55)
})

test.each([[{ cod: 9 }], [{ code: '9' }]])('an action that can not be obeyed is refused: %o', async (action) => {
  const receiver = await receiverFor()
  expect(() => receiver.faults.add({ action: action as object })).toThrow(/fault rule/)
})
