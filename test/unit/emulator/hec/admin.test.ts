import { describe, expect, test } from 'vitest'
import type { HecReceiver } from '../../../../src/emulator/hec/server.ts'
import { nextRequest } from '../../../support/requests.ts'
import { CHANNEL, EVENT, indexed, post, receiverFor, send } from './client.ts'

function control(receiver: HecReceiver, method: string, path: string, given?: unknown) {
  const body = given === undefined ? {} : { body: JSON.stringify(given) }
  return send(receiver, `/_receiver/${path}`, { method, authorization: undefined, ...body })
}

test('GET state counts requests, events, ids, bytes, connections and acks', async () => {
  const receiver = await receiverFor({ ack: true })
  const events = [
    { event: 'a', fields: { sls_event_id: '1' } },
    { event: 'a', fields: { sls_event_id: '1' } },
  ]
  await post(receiver, events, { channel: CHANNEL })
  await post(receiver, ['{}'], { channel: CHANNEL })
  await send(receiver, '/services/collector/ack', { body: '{"acks":[0]}', channel: CHANNEL })
  expect((await control(receiver, 'GET', 'state')).json).toEqual({
    requests: { [`${EVENT} 200 0`]: 1, [`${EVENT} 400 12`]: 1, '/services/collector/ack 200 -': 1 },
    events: 2,
    uniqueIds: 1,
    duplicateIds: 1,
    indexedBytes: expect.any(Number),
    bodyBytes: 2 * JSON.stringify(events[0]).length + 2 + '{"acks":[0]}'.length,
    abortedBodies: 0,
    connections: { open: expect.any(Number), total: expect.any(Number) },
    acks: { told: 1, pending: 0, forgotten: 0, channels: 1 },
    stalled: false,
  })
})

describe('GET events', () => {
  test('gives envelopes as lines, from a number on', async () => {
    const receiver = await receiverFor()
    await post(receiver, [{ event: 1 }, { event: 2 }])
    await post(receiver, [{ event: 3 }])
    const answer = await control(receiver, 'GET', 'events?since=1')
    const lines = answer.text.trimEnd().split('\n')
    expect(lines.map((line) => (JSON.parse(line) as { event: number }).event)).toEqual([2, 3])
    expect(answer.headers['x-receiver-next']).toBe('3')
    expect((await control(receiver, 'GET', 'events?since=3')).text).toBe('')
  })

  test('with detail tells the request and its acknowledgement', async () => {
    const receiver = await receiverFor({ ack: true })
    await post(receiver, [{ event: 1 }], { channel: CHANNEL })
    const line = JSON.parse((await control(receiver, 'GET', 'events?detail=true')).text) as object
    expect(line).toMatchObject({
      seq: 0,
      path: EVENT,
      token: 'sls',
      ack: { channel: CHANNEL, ackId: 0, ackedAtMs: expect.any(Number) },
      envelope: { event: 1, index: 'main' },
    })
  })

  test('is 409 where events are not kept', async () => {
    expect((await control(await receiverFor({ keep: false }), 'GET', 'events')).status).toBe(409)
  })
})

describe('faults', () => {
  test('are added, listed with their counters, and removed', async () => {
    const receiver = await receiverFor()
    const rules = [{ action: { code: 9 } }, { id: 'later', after: 5, action: { cut: 'before' } }]
    expect(await control(receiver, 'POST', 'faults', rules)).toMatchObject({ status: 200 })
    expect((await post(receiver, [{ event: 1 }])).status).toBe(503)
    expect((await control(receiver, 'GET', 'faults')).json).toMatchObject({
      rules: [{ fired: 1 }, { id: 'later', fired: 0 }],
      unfired: [{ id: 'later' }],
    })
    expect((await control(receiver, 'DELETE', 'faults')).json).toEqual({ rules: [], unfired: [] })
  })

  test('a rule that makes no sense is 400 with the reason', async () => {
    const answer = await control(await receiverFor(), 'POST', 'faults', { action: { cod: 1 } })
    expect(answer).toMatchObject({ status: 400, json: { error: expect.stringContaining('cod') } })
  })
})

test('events can be refused for good, and accepted again', async () => {
  const receiver = await receiverFor()
  await control(receiver, 'POST', 'refuse', { contains: 'poison', code: 6 })
  expect((await post(receiver, [{ event: 'poison' }])).json).toMatchObject({ code: 6 })
  await control(receiver, 'DELETE', 'refuse')
  expect((await post(receiver, [{ event: 'poison' }])).json).toMatchObject({ code: 0 })
  expect((await control(receiver, 'POST', 'refuse', { code: 6 })).status).toBe(400)
})

test('a token is disabled, enabled and given ack', async () => {
  const receiver = await receiverFor()
  await control(receiver, 'POST', 'token', { disabled: true })
  expect((await post(receiver, [{ event: 1 }])).json).toMatchObject({ code: 1 })
  await control(receiver, 'POST', 'token', { disabled: false, ack: true })
  expect((await post(receiver, [{ event: 1 }])).json).toMatchObject({ code: 10 })
  expect((await control(receiver, 'POST', 'token', { token: 'nope' })).status).toBe(404)
})

test('queue, ack service, shut-down and ack delay are set and told', async () => {
  const receiver = await receiverFor({ ack: true })
  const given = { queue: 'full', ackService: 'down', shuttingDown: false, ackDelayMs: null }
  expect((await control(receiver, 'POST', 'condition', given)).json).toEqual(given)
  const health = () =>
    send(receiver, '/services/collector/health?ack=true', { method: 'GET', authorization: undefined })
  expect((await health()).json).toMatchObject({ code: 20 })
  await control(receiver, 'POST', 'condition', { queue: null, ackService: 'ok' })
  expect((await health()).json).toMatchObject({ code: 17 })
})

test('a stalled receiver accepts connections and answers nothing until it is resumed', async () => {
  const receiver = await receiverFor()
  await control(receiver, 'POST', 'stall')
  const arrived = nextRequest()
  const waiting = post(receiver, [{ event: 'late' }])
  await arrived
  expect((await control(receiver, 'GET', 'state')).json).toMatchObject({ stalled: true, events: 0 })
  await control(receiver, 'POST', 'resume')
  expect((await waiting).status).toBe(200)
  expect(indexed(receiver)).toEqual(['late'])
})

test('restart forgets acks', async () => {
  const receiver = await receiverFor({ ack: true })
  await post(receiver, [{ event: 1 }], { channel: CHANNEL })
  expect((await control(receiver, 'POST', 'restart')).status).toBe(200)
  await receiver.until(() => receiver.state().acks.forgotten === 1)
})

test('clear forgets events and counts', async () => {
  const receiver = await receiverFor()
  await post(receiver, [{ event: 1, fields: { sls_event_id: 'x' } }])
  await control(receiver, 'POST', 'clear')
  expect(receiver.state()).toMatchObject({ events: 0, uniqueIds: 0, bodyBytes: 0, requests: {} })
  await post(receiver, [{ event: 2 }])
  expect(indexed(receiver)).toEqual([2])
})

test.each([
  ['POST', 'nope', undefined],
  ['PUT', 'faults', undefined],
])('%s %s is 404', async (method, path, given) => {
  expect((await control(await receiverFor(), method, path, given)).status).toBe(404)
})

test('a body that is no JSON is 400', async () => {
  const answer = await send(await receiverFor(), '/_receiver/faults', { body: '{' })
  expect(answer.status).toBe(400)
})
