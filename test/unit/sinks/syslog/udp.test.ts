import { expect, test } from 'vitest'
import { systemClock } from '../../../../src/core/clock.ts'
import { NO_TELEMETRY } from '../../../../src/core/telemetry.ts'
import { targetsOf } from '../../../../src/sinks/syslog/sink.ts'
import { fastClock } from '../delivery-double.ts'
import { envelopes, idsIn, MESSAGES, many, receiver, syslogTo } from './syslog-bench.ts'

const idsOf = (from: number, count: number) => Array.from({ length: count }, (_, i) => `audit:3:170:${from + i}`)

test('each message is a datagram of its own, without a count, and none is called confirmed', async () => {
  const collector = await receiver({ transport: 'udp' })
  const { deliver, recorder } = await syslogTo([collector.url])
  await deliver(many(50))
  expect(idsIn(collector)).toEqual(idsOf(0, 50))
  expect(collector.messages[0]?.toString()).toMatch(/^<14>1 2026-/)
  expect(recorder.sum('delivered')).toBe(50)
  expect(recorder.of('framesCounted')).toEqual([])
  expect(recorder.of('confirmed')).toEqual([])
  expect(recorder.of('connectionEnded')).toEqual([])
})

test('datagrams leave in small groups, however many a second are allowed', async () => {
  const collector = await receiver({ transport: 'udp' })
  const groups: number[] = []
  const [target] = targetsOf({
    ...{
      ...MESSAGES,
      sink: 'syslog',
      urls: [collector.url],
      framing: 'octet',
      tls: { verify: true },
      confirm: 'drain',
    },
    ...{ connections: 1, maxEps: 1_000_000, clock: systemClock, telemetry: NO_TELEMETRY },
  } as const)
  if (target === undefined) throw new Error('no target')
  const batch = many(50)
  await target.send((next) => target.framer.pieces(batch, { from: 0, to: 50 }, () => {}, next), {
    leaving: ({ indexes }) => groups.push(indexes.length),
    answered: () => {},
    alone: false,
    signal: new AbortController().signal,
  })
  expect(groups).toEqual([16, 16, 16, 2])
  expect(idsIn(collector)).toEqual(idsOf(0, 50))
})

test('a port where nothing listens is a fault, and the batch is sent again when something does', async () => {
  const collector = await receiver({ transport: 'udp' })
  await collector.kill()
  const { deliver, recorder } = await syslogTo([collector.url], { clock: fastClock(4) })
  const delivery = deliver(many(3))
  const { args } = await recorder.first('deliveryFailed')
  expect(args[1]).toMatchObject({ kind: 'transient', code: 'ECONNREFUSED', message: /nothing listens on this port/ })
  expect(recorder.sum('delivered')).toBe(0)
  await collector.listen()
  await delivery
  expect(idsIn(collector)).toEqual(idsOf(0, 3))
  expect(recorder.sum('delivered')).toBe(3)
  expect(recorder.of('framesCounted').every(({ args: [, result] }) => result === 'resent')).toBe(true)
  expect(recorder.of('connectionEnded').every(({ args: [, end] }) => end === 'refused')).toBe(true)
})

test('another target stands in for one where nothing listens', async () => {
  const [gone, other] = [await receiver({ transport: 'udp' }), await receiver({ transport: 'udp' })]
  await gone.kill()
  const { deliver } = await syslogTo([gone.url, other.url], { clock: fastClock(4) })
  await deliver(many(3))
  expect(idsIn(other)).toEqual(idsOf(0, 3))
})

test('a datagram that the network does not take is a dead letter, and its neighbours leave', async () => {
  const collector = await receiver({ transport: 'udp' })
  const { deliver, letters, recorder } = await syslogTo([collector.url], { clock: fastClock(20), maxBytes: 100_000 })
  const events = idsOf(0, 5).map((id, n) => ({ id, event: { pad: 'x'.repeat(n === 2 ? 70_000 : 10) } }))
  await deliver(envelopes(events))
  expect(await letters()).toMatchObject([
    { reason: { code: 'EMSGSIZE', text: /SYSLOG_MAX_BYTES is too high/ }, origin: { event_id: 'audit:3:170:2' } },
  ])
  expect(recorder.sum('delivered')).toBe(4)
  await collector.received(4)
})

test('nothing leaves after the lease', async () => {
  const collector = await receiver({ transport: 'udp' })
  const { deliver, lease } = await syslogTo([collector.url])
  lease.overdue = true
  await expect(deliver(many(3))).rejects.toMatchObject({ kind: 'lease' })
  expect(collector.messages).toEqual([])
})
