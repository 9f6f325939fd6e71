import { expect, test } from 'vitest'
import { startHecReceiver } from '../../../../src/emulator/hec/server.ts'
import { post, receiverFor, send, TOKEN } from './client.ts'

test('tells when so many events were indexed', async () => {
  const receiver = await receiverFor()
  const waiting = receiver.received(3)
  await post(receiver, [{ event: 1 }, { event: 2 }])
  await post(receiver, [{ event: 3 }])
  expect((await waiting).map(({ envelope }) => envelope.event)).toEqual([1, 2, 3])
  const more = receiver.received(4, { timeoutMs: 20 })
  await expect(more).rejects.toThrow('the receiver has 3 of 4 events: not within 20 ms')
})

test('asks a condition after every request', async () => {
  const receiver = await receiverFor()
  const refused = receiver.until(() => Object.keys(receiver.state().requests).find((key) => key.endsWith('400 5')))
  await post(receiver, [])
  expect(await refused).toBe('/services/collector/event 400 5')
})

test('tells when a scripted fault has hit a request', async () => {
  const receiver = await receiverFor({ faults: [{ id: 'busy', after: 1, action: { code: 9 } }] })
  const fired = receiver.faults.fired('busy')
  expect((await post(receiver, [{ event: 1 }])).status).toBe(200)
  expect(receiver.faults.unfired().map(({ id }) => id)).toEqual(['busy'])
  expect((await post(receiver, [{ event: 2 }])).status).toBe(503)
  await fired
})

test('refuses a fault that matches an attribute or an endpoint no request has', async () => {
  const receiver = await receiverFor()
  expect(() => receiver.faults.add({ match: { api: 'PullLogs' }, action: { code: 9 } })).toThrow(
    'fault rule: unknown attribute api, known are endpoint, path, method, channel, encoding',
  )
  for (const endpoint of ['events', ['event', 'events']])
    expect(() => receiver.faults.add({ id: 'typo', match: { endpoint }, action: { code: 9 } })).toThrow(
      'fault rule typo: unknown endpoint events, known are event, raw, ack, health',
    )
})

test('hands out the environment of a bridge, and that of a search', async () => {
  const receiver = await receiverFor()
  expect(receiver.environment()).toEqual({ SPLUNK_HEC_URL: receiver.url, SPLUNK_HEC_TOKEN: TOKEN })
  const searched = await receiverFor({ searchToken: 's' })
  expect(searched.environment()).toMatchObject({ SPLUNK_SEARCH_URL: searched.url, SPLUNK_SEARCH_TOKEN: 's' })
})

test('events are refused for good until everything is accepted again', async () => {
  const receiver = await receiverFor()
  receiver.refuse({ contains: 'poison' }, { contains: 'venom', code: 13 })
  expect((await post(receiver, [{ event: 'poison' }])).json).toMatchObject({ code: 6 })
  expect((await post(receiver, [{ event: 'venom' }])).json).toMatchObject({ code: 13 })
  receiver.acceptAll()
  expect((await post(receiver, [{ event: 'poison' }, { event: 'venom' }])).status).toBe(200)
})

test('one of several tokens is disabled', async () => {
  const receiver = await receiverFor({ tokens: [{ token: 'first' }, { token: 'second' }] })
  expect(receiver.tokens).toEqual(['first', 'second'])
  receiver.setToken({ token: 'second', disabled: true })
  const codeOf = async (token: string) =>
    (await post(receiver, [{ event: 1 }], { authorization: `Splunk ${token}` })).json
  expect([await codeOf('first'), await codeOf('second')]).toMatchObject([{ code: 0 }, { code: 1 }])
  expect(() => receiver.setToken({ token: 'third', disabled: true })).toThrow('no such token')
})

test('a condition is set, shown and ended; one that does not exist is an error', async () => {
  const receiver = await receiverFor()
  expect(receiver.condition({ queue: 'full', ackDelayMs: null })).toEqual({
    ...{ queue: 'full', ackService: 'ok', shuttingDown: false, ackDelayMs: null },
  })
  expect((await post(receiver, [{ event: 1 }])).status).toBe(503)
  receiver.condition({ queue: null })
  expect((await post(receiver, [{ event: 1 }])).status).toBe(200)
  const body = JSON.stringify({ queue: 'fulll' })
  const answer = await send(receiver, '/_receiver/condition', { body, authorization: undefined })
  expect(answer).toMatchObject({ status: 400, json: { error: 'there is no condition queue: "fulll"' } })
})

test('ends with its block: a wait that is left rejects, and a delayed answer is not waited for', async () => {
  let [left, delayed]: Array<Promise<unknown> | undefined> = []
  {
    await using receiver = await startHecReceiver({ token: TOKEN, faults: [{ action: { delayMs: 3_600_000 } }] })
    left = expect(receiver.received(1)).rejects.toThrow('the receiver has 0 of 1 events: the server was closed')
    delayed = expect(post(receiver, [{ event: 1 }])).rejects.toThrow()
    await receiver.faults.fired()
  }
  await Promise.all([left, delayed])
})
