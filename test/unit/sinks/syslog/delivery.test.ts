import { createServer } from 'node:net'
import { describe, expect, test } from 'vitest'
import type { Fault } from '../../../../src/core/errors.ts'
import { fastClock } from '../delivery-double.ts'
import { envelopes, idsIn, many, receiver, syslogTo } from './syslog-bench.ts'

const idsOf = (from: number, count: number) => Array.from({ length: count }, (_, i) => `audit:3:170:${from + i}`)
const distinct = (ids: readonly string[]) => [...new Set(ids)].sort()

describe('delivery by drain', () => {
  test('a batch is delivered when the collector has closed after us', async () => {
    const collector = await receiver()
    const { deliver, recorder } = await syslogTo([collector.url])
    await deliver(many(1_000))
    expect(idsIn(collector)).toEqual(idsOf(0, 1_000))
    expect(recorder.sum('delivered')).toBe(1_000)
    expect(recorder.of('connectionEnded').map(({ args }) => args)).toEqual([['syslog', 'confirmed']])
    expect(recorder.of('framesCounted').map(({ args }) => args)).toEqual([['syslog', 'confirmed', 1_000]])
    expect(recorder.of('confirmed')).toHaveLength(1)
  })

  test('a log without the field of raw is counted as JSON', async () => {
    const collector = await receiver()
    const { deliver, recorder } = await syslogTo([collector.url], { format: 'raw' })
    await deliver(
      envelopes(idsOf(0, 3).map((id, n) => ({ id, event: n === 1 ? { other: 'x' } : { content: 'line' } }))),
    )
    expect(recorder.of('framesCounted').map(({ args }) => args.slice(1))).toEqual([
      ['confirmed', 3],
      ['as_json', 1],
    ])
  })

  test('batches share a connection until it drains, and later ones use others', async () => {
    const collector = await receiver()
    const { deliver } = await syslogTo([collector.url], { connections: 1 })
    await Promise.all([0, 1, 2, 3].map((n) => deliver(many(10, 10 * n))))
    expect(collector.connections.total).toBe(1)
    await deliver(many(10, 40))
    expect(collector.connections.total).toBe(2)
    expect(distinct(idsIn(collector))).toEqual(idsOf(0, 50).sort())
  })

  test('a FIN before ours confirms nothing, although everything was sent', async () => {
    const collector = await receiver({ faults: [{ does: 'fin', afterMessages: 100 }] })
    const { deliver, recorder } = await syslogTo([collector.url])
    await deliver(many(300))
    expect(distinct(idsIn(collector))).toEqual(idsOf(0, 300).sort())
    const ends = recorder.of('connectionEnded').map(({ args }) => args[1])
    expect(ends).toEqual(['early', 'confirmed'])
    expect(recorder.faults('deliveryFailed')[0]).toMatchObject({ kind: 'ambiguous', code: 'syslog_early' })
    expect(recorder.of('framesCounted').map(({ args }) => args.slice(1))).toEqual([
      ['resent', 300],
      ['confirmed', 300],
    ])
  })

  test('a collector that closes 30 ms after it refused one of the last frames is not believed', async () => {
    const collector = await receiver()
    // A connection with so much is full, and drains at once.
    const full = envelopes(idsOf(0, 600).map((id) => ({ id, event: { pad: 'x'.repeat(7_000) } })))
    const sinks = await Promise.all(Array.from({ length: 5 }, () => syslogTo([collector.url])))
    for (const { deliver, recorder } of sinks) {
      collector.fault({ does: 'fin', afterMessages: 599, delayMs: 30 })
      await deliver(full)
      expect(recorder.of('connectionEnded').map(({ args }) => args[1])).toEqual(['early', 'confirmed'])
    }
    expect(collector.unfired).toEqual([])
  })

  test('a collector that is killed under load and comes back loses nothing', async () => {
    const collector = await receiver({ faults: [{ does: 'stop', afterMessages: 500, times: 2 }] })
    const { deliver, recorder } = await syslogTo([collector.url], { clock: fastClock(5) })
    const deliveries = Promise.all(Array.from({ length: 20 }, (_, n) => deliver(many(500, 500 * n))))
    await collector.until(() => collector.messages.length >= 1_000)
    await collector.kill()
    await recorder.first('deliveryFailed')
    await collector.listen()
    await deliveries
    expect(distinct(idsIn(collector))).toEqual(idsOf(0, 10_000).sort())
    expect(recorder.sum('delivered')).toBe(10_000)
    expect(recorder.of('connectionEnded').map(({ args }) => args[1])).toContain('reset')
  })

  test('a reset in the middle of a frame: whole frames are sent again, on another connection', async () => {
    const collector = await receiver({ faults: [{ does: 'reset', afterMessages: 3 }] })
    const { deliver, recorder } = await syslogTo([collector.url])
    const large = envelopes(idsOf(0, 40).map((id) => ({ id, event: { pad: 'x'.repeat(7_000) } })))
    await deliver(large)
    expect(distinct(idsIn(collector))).toEqual(idsOf(0, 40).sort())
    expect(idsIn(collector).slice(3)).toEqual(idsOf(0, 40))
    expect(recorder.of('connectionEnded').map(({ args }) => args[1])).toEqual(['reset', 'confirmed'])
  })

  test('a collector that never closes confirms nothing; after three times the sink pauses and names the cause', async () => {
    const collector = await receiver({ faults: [{ does: 'deaf', times: 3 }] })
    const { deliver, recorder } = await syslogTo([collector.url], { clock: fastClock(200) })
    const delivery = deliver(many(5))
    const { args } = await recorder.first('paused')
    expect(args[0]).toEqual({ reason: 'outcome_unknown', scope: { of: 'sink', sink: 'syslog' } })
    expect((args[1] as Fault).message).toContain('not confirmed: no FIN within 30 s')
    expect((args[1] as Fault).advice).toContain('SYSLOG_CONFIRM=written')
    expect(recorder.sum('delivered')).toBe(0)
    await delivery
    expect(recorder.of('resumed')).toHaveLength(1)
    expect(recorder.sum('delivered')).toBe(5)
  })

  test.each(['drain', 'written'] as const)(
    'with %s, a collector that reads nothing is given up after 30 s, and its batch is sent again',
    async (confirm) => {
      const collector = await receiver({ faults: [{ does: 'stop' }] })
      const { deliver, recorder } = await syslogTo([collector.url], { confirm, clock: fastClock(50) })
      await deliver(envelopes(idsOf(0, 2_000).map((id) => ({ id, event: { pad: 'x'.repeat(6_000) } }))))
      expect(distinct(idsIn(collector))).toEqual(idsOf(0, 2_000).sort())
      expect(recorder.of('connectionEnded').map(({ args }) => args[1])).toContain('timeout')
      expect(recorder.faults('deliveryFailed')[0]?.message).toContain('has taken nothing for 30 s')
    },
  )

  test('nothing leaves when the lease is over by the clock', async () => {
    const collector = await receiver()
    const { deliver, lease } = await syslogTo([collector.url])
    lease.overdue = true
    await expect(deliver(many(3))).rejects.toMatchObject({ kind: 'lease' })
    expect(collector.messages).toEqual([])
  })

  test('a lease that ends while the confirmation is awaited leaves the batch undelivered', async () => {
    const collector = await receiver({ faults: [{ does: 'deaf' }] })
    const { deliver, lease, recorder } = await syslogTo([collector.url])
    const delivery = deliver(many(3))
    await collector.until(() => collector.messages.length === 3)
    lease.lose()
    await expect(delivery).rejects.toMatchObject({ kind: 'lease' })
    expect(recorder.sum('delivered')).toBe(0)
  })

  test('a closed port is tried again and says what to look at', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    await new Promise((resolve) => server.close(resolve))
    const { deliver, recorder, lease } = await syslogTo([`tcp://127.0.0.1:${port}`])
    const delivery = deliver(many(1))
    await recorder.first('deliveryFailed')
    const [fault] = recorder.faults('deliveryFailed')
    expect(fault).toMatchObject({ kind: 'transient', code: 'ECONNREFUSED' })
    expect(fault?.advice).toContain('SYSLOG_URL')
    expect(recorder.of('connectionEnded').map(({ args }) => args[1])).toEqual(['refused'])
    lease.lose()
    await expect(delivery).rejects.toMatchObject({ kind: 'lease' })
  })

  test('targets stand in for each other', async () => {
    const [one, other] = [await receiver(), await receiver()]
    await one.kill()
    const { deliver } = await syslogTo([one.url, other.url])
    await Promise.all([0, 1, 2].map((n) => deliver(many(10, 10 * n))))
    expect(distinct(idsIn(other))).toEqual(idsOf(0, 30).sort())
  })

  test('an event that cannot be shortened is a dead letter, and its neighbours are delivered', async () => {
    const collector = await receiver()
    const { deliver, letters, recorder } = await syslogTo([collector.url], { oversize: 'dead-letter' })
    await deliver(envelopes([{ id: 'a' }, { id: 'b', event: { pad: 'x'.repeat(9_000) } }, { id: 'c' }]))
    expect(idsIn(collector)).toEqual(['a', 'c'])
    expect(await letters()).toMatchObject([{ reason: { code: 'event_too_large' }, origin: { event_id: 'b' } }])
    expect(recorder.sum('delivered')).toBe(2)
  })

  test('lines are the framing where they are configured', async () => {
    const collector = await receiver({ framing: 'lf' })
    const { deliver } = await syslogTo([collector.url], { framing: 'lf' })
    await deliver(many(100))
    expect(idsIn(collector)).toEqual(idsOf(0, 100))
  })
})

describe('a limit of events a second', () => {
  test('counts all connections and targets together, and messages leave evenly', async () => {
    const [one, other] = [await receiver(), await receiver()]
    const { deliver } = await syslogTo([one.url, other.url], { maxEps: 1_000 })
    const since = performance.now()
    await Promise.all([0, 1, 2, 3].map((n) => deliver(many(200, 200 * n))))
    expect(performance.now() - since).toBeGreaterThan(740)
    expect(distinct([...idsIn(one), ...idsIn(other)])).toHaveLength(800)
  })

  test('gives a lease up at once', async () => {
    const collector = await receiver()
    const { deliver, lease } = await syslogTo([collector.url], { maxEps: 1 })
    const delivery = deliver(many(100))
    await collector.until(() => collector.messages.length === 1)
    lease.lose()
    await expect(delivery).rejects.toMatchObject({ kind: 'lease' })
    expect(collector.messages.length).toBeLessThanOrEqual(2)
  })
})

describe('a frame that ends the connection', () => {
  const poisoned = (count: number, ...poison: number[]) =>
    envelopes(idsOf(0, count).map((id, n) => ({ id, event: { n, text: poison.includes(n) ? 'poison' : 'good' } })))
  const idsWithout = (count: number, ...poison: number[]) =>
    idsOf(0, count)
      .filter((_, n) => !poison.includes(n))
      .sort()

  test.each([
    ['fin', 7, [0]],
    ['reset', 100, [99]],
    ['fin', 64, [10, 40]],
  ] as const)(
    'by a %s: of %d events %j are dead letters, and the others are delivered',
    async (does, count, poison) => {
      const collector = await receiver({ faults: [{ does, at: /poison/, times: 0 }] })
      const { deliver, letters, recorder } = await syslogTo([collector.url], { clock: fastClock(20) })
      await deliver(poisoned(count, ...poison))
      expect(distinct(idsIn(collector))).toEqual(idsWithout(count, ...poison))
      const code = does === 'fin' ? 'syslog_early' : 'syslog_reset'
      const written = await letters()
      expect(written.map(({ origin }) => origin.event_id).sort()).toEqual(poison.map((n) => idsOf(n, 1)[0]))
      for (const { reason } of written) expect(reason).toMatchObject({ code, status: null })
      expect(recorder.sum('delivered')).toBe(count - poison.length)
      expect(recorder.of('paused')).toEqual([])
    },
  )

  test('as the only event there is pauses the sink, and is given up when others were confirmed', async () => {
    const collector = await receiver({ faults: [{ does: 'reset', at: /poison/, times: 0 }] })
    const { deliver, letters, recorder } = await syslogTo([collector.url], { clock: fastClock(200) })
    const delivery = deliver(poisoned(1, 0))
    await recorder.first('paused')
    expect(await letters()).toEqual([])
    for (let n = 1; n <= 3; n++) await deliver(many(2, 10 * n))
    await Promise.all([delivery, deliver(many(2, 90))])
    expect(await letters()).toMatchObject([{ origin: { event_id: 'audit:3:170:0' } }])
  })

  test('a collector that ends every connection makes no dead letter', async () => {
    const collector = await receiver({ faults: [{ does: 'fin', afterMessages: 1, times: 0 }] })
    const { deliver, letters, recorder } = await syslogTo([collector.url], { clock: fastClock(500) })
    const delivery = deliver(many(8))
    await collector.until(() => collector.connections.total >= 20)
    expect(recorder.of('paused')).not.toEqual([])
    expect(await letters()).toEqual([])
    collector.clearFaults()
    await delivery
    expect(recorder.sum('delivered')).toBe(8)
  })

  test('is not looked for where a collector ends connections before it reads anything', async () => {
    const collector = await receiver()
    const { deliver, letters, recorder, lease } = await syslogTo([collector.url])
    await deliver(many(1))
    collector.fault({ does: 'fin', times: 0 })
    const delivery = deliver(many(1, 1))
    const { args } = await recorder.first('paused')
    expect(recorder.faults('deliveryFailed').map(({ kind }) => kind)).toEqual(['ambiguous', 'ambiguous'])
    expect((args[1] as Fault).cause).toMatchObject({ kind: 'transient', code: 'syslog_early' })
    expect(await letters()).toEqual([])
    lease.lose()
    await expect(delivery).rejects.toMatchObject({ kind: 'lease' })
  })

  test('that another target takes is delivered there', async () => {
    const [one, other] = [await receiver({ faults: [{ does: 'reset', at: /poison/, times: 0 }] }), await receiver()]
    const { deliver, letters } = await syslogTo([one.url, other.url], { clock: fastClock(20) })
    await deliver(poisoned(10, 4))
    expect(distinct([...idsIn(one), ...idsIn(other)])).toEqual(idsOf(0, 10).sort())
    expect(await letters()).toEqual([])
  })
})

describe('delivery as written', () => {
  const written = { confirm: 'written', clock: fastClock(100) } as const

  test('a batch is delivered when the connection has outlived its window of a minute', async () => {
    const collector = await receiver()
    const { deliver, recorder } = await syslogTo([collector.url], written)
    const since = performance.now()
    await deliver(many(10))
    expect(performance.now() - since).toBeGreaterThan(590)
    expect(recorder.sum('delivered')).toBe(10)
    expect(collector.connections.total).toBe(1)
  })

  test('the window of 16 MB ends it sooner', async () => {
    const collector = await receiver()
    const { deliver } = await syslogTo([collector.url], { confirm: 'written', connections: 1, maxBytes: 2_000_000 })
    const large = (id: string) => envelopes([{ id, event: { pad: 'x'.repeat(1_000_000) } }])
    const first = deliver(large('first'))
    const others = idsOf(0, 17).map((id) => deliver(large(id)))
    await first
    for (const other of others) other.catch(() => {})
  })

  test('an end within the window sends all of it again', async () => {
    const collector = await receiver()
    const { deliver, recorder } = await syslogTo([collector.url], written)
    const delivery = deliver(many(10))
    await collector.until(() => collector.messages.length === 10)
    await collector.kill()
    await collector.listen()
    await delivery
    expect(idsIn(collector)).toEqual([...idsOf(0, 10), ...idsOf(0, 10)])
    expect(recorder.sum('delivered')).toBe(10)
  })
})
