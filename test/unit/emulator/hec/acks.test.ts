import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { HecReceiver } from '../../../../src/emulator/hec/server.ts'
import { nextRequest } from '../../../support/requests.ts'
import { CHANNEL, EVENT, indexed, post, receiverFor, send } from './client.ts'

const ACK = '/services/collector/ack'
const OTHER = '00000000-13d5-401b-847d-77833bd77131'

async function ackId(receiver: HecReceiver, channel = CHANNEL): Promise<unknown> {
  return (await post(receiver, [{ event: 'x' }], { channel })).json
}

async function acks(receiver: HecReceiver, ids: number[], channel = CHANNEL): Promise<unknown> {
  return (await send(receiver, ACK, { body: JSON.stringify({ acks: ids }), channel })).json
}

describe('ack ids', () => {
  test('count from 0 for each channel', async () => {
    const receiver = await receiverFor({ ack: true })
    expect(await ackId(receiver)).toEqual({ text: 'Success', code: 0, ackId: 0 })
    expect(await ackId(receiver)).toMatchObject({ ackId: 1 })
    expect(await ackId(receiver, OTHER)).toMatchObject({ ackId: 0 })
  })

  test('are given for raw bodies too', async () => {
    const receiver = await receiverFor({ ack: true })
    const answer = await send(receiver, '/services/collector/raw', { body: 'line', channel: CHANNEL })
    expect(answer.json).toEqual({ text: 'Success', code: 0, ackId: 0 })
  })

  test('a channel is the same GUID in either case', async () => {
    const receiver = await receiverFor({ ack: true })
    await ackId(receiver, CHANNEL)
    expect(await ackId(receiver, CHANNEL.toLowerCase())).toMatchObject({ ackId: 1 })
  })

  test('a refused request gets none, though its prefix is indexed', async () => {
    const receiver = await receiverFor({ ack: true })
    const answer = await post(receiver, [{ event: 'a' }, '{}'], { channel: CHANNEL })
    expect(answer.json).toEqual({ text: 'Event field is required', code: 12, 'invalid-event-number': 1 })
    expect(indexed(receiver)).toEqual(['a'])
    expect(await ackId(receiver)).toMatchObject({ ackId: 0 })
  })
})

describe('polling', () => {
  test.each([ACK, `${ACK}/1.0`])('%s answers by id, as strings', async (path) => {
    const receiver = await receiverFor({ ack: true })
    await ackId(receiver)
    const answer = await send(receiver, path, { body: '{"acks":[0,1]}', channel: CHANNEL })
    expect(answer).toMatchObject({ status: 200, json: { acks: { '0': true, '1': false } } })
  })

  test('true is told once', async () => {
    const receiver = await receiverFor({ ack: true })
    await ackId(receiver)
    expect(await acks(receiver, [0])).toEqual({ acks: { '0': true } })
    expect(await acks(receiver, [0])).toEqual({ acks: { '0': false } })
  })

  test('the channel may be in the query', async () => {
    const receiver = await receiverFor({ ack: true })
    await ackId(receiver)
    const answer = await send(receiver, `${ACK}?channel=${CHANNEL}`, { body: '{"acks":[0]}' })
    expect(answer.json).toEqual({ acks: { '0': true } })
  })

  test('an unknown channel is 200 with false, and another channel does not know the id', async () => {
    const receiver = await receiverFor({ ack: true })
    await ackId(receiver)
    expect(await acks(receiver, [0, 7], OTHER)).toEqual({ acks: { '0': false, '7': false } })
    expect(await acks(receiver, [0])).toEqual({ acks: { '0': true } })
  })

  test('a token without ack is 400 code 14', async () => {
    const answer = await send(await receiverFor(), ACK, { body: '{"acks":[0]}', channel: CHANNEL })
    expect(answer).toMatchObject({ status: 400, json: { text: 'ACK is disabled', code: 14 } })
  })

  test('without a channel it is code 10', async () => {
    expect((await send(await receiverFor({ ack: true }), ACK, { body: '{"acks":[0]}' })).json).toMatchObject({
      code: 10,
    })
  })

  test.each([
    ['', 5],
    ['{"acks":0}', 6],
    ['[0]', 6],
    ['{"acks":["0"]}', 6],
    ['nonsense', 6],
  ])('the body %o is code %i', async (body, code) => {
    const answer = await send(await receiverFor({ ack: true }), ACK, { body, channel: CHANNEL })
    expect(answer).toMatchObject({ status: 400, json: { code } })
  })
})

describe('the delay until acknowledgement', () => {
  test('is false before and true after', async () => {
    const receiver = await receiverFor({ ack: true, ackDelayMs: 50 })
    await ackId(receiver)
    expect(await acks(receiver, [0])).toEqual({ acks: { '0': false } })
    // As for any client: only asking tells.
    await expect.poll(() => acks(receiver, [0])).toEqual({ acks: { '0': true } })
    const ack = receiver.events[0]?.request.ack
    expect(ack?.toldAtMs).toBeGreaterThanOrEqual(ack?.ackedAtMs as number)
    expect((ack?.ackedAtMs ?? 0) - (receiver.events[0]?.request.receivedAtMs ?? 0)).toBeGreaterThanOrEqual(45)
  })

  test('without end nothing is ever acknowledged', async () => {
    const receiver = await receiverFor({ ack: true, ackDelayMs: Infinity })
    await ackId(receiver)
    expect(await acks(receiver, [0])).toEqual({ acks: { '0': false } })
    expect(receiver.events[0]?.request.ack).not.toHaveProperty('ackedAtMs')
    expect(receiver.state().acks).toMatchObject({ pending: 1, told: 0 })
  })
})

describe('forgetting', () => {
  test('a restart forgets every id, and ids start from 0 again', async () => {
    const receiver = await receiverFor({ ack: true })
    await ackId(receiver)
    await receiver.restart()
    expect(await acks(receiver, [0])).toEqual({ acks: { '0': false } })
    expect(await ackId(receiver)).toMatchObject({ ackId: 0 })
    expect(receiver.state().acks.forgotten).toBe(1)
  })

  test('a restart ends the connections and keeps the events', async () => {
    const receiver = await receiverFor({ ack: true })
    receiver.stall()
    const arrived = nextRequest()
    const waiting = post(receiver, [{ event: 'lost' }], { channel: CHANNEL })
    await arrived
    expect(receiver.state().connections.open).toBe(1)
    await receiver.restart()
    await expect(waiting).rejects.toThrow()
    receiver.resume()
    await ackId(receiver)
    expect(indexed(receiver)).toEqual(['x'])
  })

  test('a channel idle for too long is forgotten, one in use is not', async () => {
    const receiver = await receiverFor({ ack: true, ackDelayMs: Infinity, ackLimits: { maxIdleMs: 60_000 } })
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    const turn = (ms: number): void => void vi.setSystemTime(Date.now() + ms)
    await ackId(receiver, OTHER)
    await ackId(receiver, CHANNEL)
    turn(59_000)
    await acks(receiver, [], CHANNEL)
    expect(receiver.state().acks).toMatchObject({ forgotten: 0, channels: 2 })
    turn(2000)
    expect(await ackId(receiver, CHANNEL)).toMatchObject({ ackId: 1 })
    expect(receiver.state().acks).toMatchObject({ forgotten: 1, channels: 1 })
    expect(await ackId(receiver, OTHER)).toMatchObject({ ackId: 0 })
  })

  test('events not yet acknowledgeable are lost with a restart, with loseUnackedOnRestart', async () => {
    const receiver = await receiverFor({ ack: true, ackDelayMs: Infinity, loseUnackedOnRestart: true })
    await ackId(receiver)
    await receiver.restart()
    expect(receiver.state().events).toBe(0)
    receiver.condition({ ackDelayMs: 0 })
    await ackId(receiver)
    expect(await acks(receiver, [0])).toEqual({ acks: { '0': true } })
    expect(receiver.state().events).toBe(1)
    await receiver.restart()
    await receiver.close()
    expect(indexed(receiver)).toEqual(['x'])
  })

  test('and are indexed once they are due, even when no client polls and their acks were forgotten', async () => {
    const receiver = await receiverFor({ ack: true, ackDelayMs: 300, loseUnackedOnRestart: true })
    await ackId(receiver)
    receiver.forgetAcks()
    expect(receiver.state().events).toBe(0)
    // The receiver announces requests, and not what its timers index.
    await expect.poll(() => receiver.state().events).toBe(1)
  })
})

describe('ack limits', () => {
  const limits = { ack: true, ackDelayMs: 0, ackLimits: { idsPerChannel: 5 } } as const

  test('a full channel refuses events with 503 code 9 until it is polled', async () => {
    const receiver = await receiverFor(limits)
    for (let i = 0; i < 5; i += 1) expect(await ackId(receiver)).toMatchObject({ code: 0 })
    expect(await post(receiver, [{ event: 'x' }], { channel: CHANNEL })).toMatchObject({
      status: 503,
      json: { code: 9 },
    })
    expect(await ackId(receiver, OTHER)).toMatchObject({ code: 0 })
    await acks(receiver, [0])
    expect(await ackId(receiver)).toMatchObject({ code: 0, ackId: 5 })
  })

  test('with back-pressure it warns at 80 % with 200 code 25 and is 429 code 27 when full', async () => {
    const receiver = await receiverFor({ ...limits, backpressure: 'warn_at_80' })
    const codes: unknown[] = []
    for (let i = 0; i < 6; i += 1) codes.push(await ackId(receiver))
    expect(codes.slice(0, 3)).toMatchObject([{ code: 0 }, { code: 0 }, { code: 0 }])
    expect(codes.slice(3)).toMatchObject([{ code: 25, ackId: 3 }, { code: 25, ackId: 4 }, { code: 27 }])
    expect(receiver.state().events).toBe(5)
    expect(receiver.state().requests).toHaveProperty([`${EVENT} 429 27`], 1)
  })

  test('with expire_at_90 the oldest ids are forgotten instead', async () => {
    const receiver = await receiverFor({ ack: true, ackLimits: { idsPerChannel: 10, expiryMode: 'expire_at_90' } })
    for (let i = 0; i < 12; i += 1) expect(await ackId(receiver)).toMatchObject({ code: 0 })
    expect(await acks(receiver, [0, 2, 3, 11])).toEqual({ acks: { '0': false, '2': false, '3': true, '11': true } })
  })

  test('one channel too many is refused', async () => {
    const receiver = await receiverFor({ ack: true, ackLimits: { channels: 1 } })
    expect(await ackId(receiver)).toMatchObject({ code: 0 })
    expect(await ackId(receiver, OTHER)).toMatchObject({ code: 9 })
  })
})
