import { describe, expect, test } from 'vitest'
import type { ListedShard } from '../../../src/observability/status.ts'
import { LOGSTORE, shardRef } from '../../support/shard-ref.ts'
import { fault, observed } from './observed.ts'

const ofGroup = (shard: number, more: Partial<ListedShard> = {}): ListedShard => ({
  shard,
  status: 'readwrite',
  consumer: '',
  committedAt: undefined,
  ...more,
})

/** A snapshot starts the question about the group, and the next one shows the answer. */
async function settled(it: Awaited<ReturnType<typeof observed>>) {
  it.status.snapshot()
  await new Promise(setImmediate)
  return it.status.snapshot()
}

describe('shards', () => {
  test('held here have a lag, its history and the age of their checkpoint', async () => {
    const it = await observed()
    it.telemetry.shardLeased(shardRef(3))
    it.telemetry.shardState(shardRef(3), { lagSeconds: 40, checkpointAgeSeconds: 5 })
    it.clock.pass(10)
    it.telemetry.shardState(shardRef(3), { lagSeconds: 50, checkpointAgeSeconds: 15 })
    const { shards, lagSeconds } = it.status.snapshot()
    expect(shards).toMatchObject([{ shard: 3, held: true, lagSeconds: 50, checkpointAgeSeconds: 15 }])
    expect(shards[0]?.lag.slice(-3)).toEqual([null, 40, 50])
    expect(lagSeconds).toBe(50)
  })

  test('with an unknown lag are not shown as caught up', async () => {
    const it = await observed()
    it.telemetry.shardLeased(shardRef(3))
    expect(it.status.snapshot()).toMatchObject({ lagSeconds: null, shards: [{ lagSeconds: null }] })
  })

  test('of the rest of the group are shown in order, with the consumer that committed them last', async () => {
    const it = await observed()
    it.telemetry.shardLeased(shardRef(2))
    it.group.shards = [
      ofGroup(10, { consumer: 'replica-2', committedAt: it.clock.wall() - 7_000, status: 'readonly' }),
      ofGroup(2, { consumer: 'replica-2' }),
      ofGroup(1),
    ]
    const { shards, groupProblem } = await settled(it)
    expect(groupProblem).toBeNull()
    expect(shards).toMatchObject([
      { shard: 1, held: false, consumer: null, committedSecondsAgo: null },
      { shard: 2, held: true },
      { shard: 10, held: false, consumer: 'replica-2', committedSecondsAgo: 7, status: 'readonly', lag: [] },
    ])
  })

  test('released are no longer shown as held', async () => {
    const it = await observed()
    it.telemetry.shardLeased(shardRef(2))
    it.telemetry.shardReleased(shardRef(2), 'drained')
    it.telemetry.shardState(shardRef(2), { lagSeconds: 1, checkpointAgeSeconds: 1 })
    expect(it.status.snapshot().shards).toEqual([])
  })
})

describe('asking about the group', () => {
  test('comes before the answer to a program, when the last answer is older than 10 s', async () => {
    const it = await observed()
    it.group.shards = [ofGroup(1)]
    expect((await it.status.freshSnapshot()).shards).toHaveLength(1)
    it.group.shards = [ofGroup(1), ofGroup(2)]
    it.clock.pass(9)
    expect((await it.status.freshSnapshot()).shards).toHaveLength(1)
    it.clock.pass(2)
    expect((await it.status.freshSnapshot()).shards).toHaveLength(2)
    expect(it.group.asked).toBe(2)
  })

  test('delays the answer to a program by 2 s at most', async () => {
    const it = await observed()
    it.group.answered = new Promise(() => {})
    const started = performance.now()
    expect((await it.status.freshSnapshot()).shards).toEqual([])
    expect(performance.now() - started).toBeLessThan(4_000)
  })

  test('happens only while a page is open, and once in ten seconds however many are', async () => {
    const it = await observed()
    expect(it.group.asked).toBe(0)
    for (let look = 0; look < 50; look++) await settled(it)
    expect(it.group.asked).toBe(1)
    it.clock.pass(10)
    await settled(it)
    expect(it.group.asked).toBe(2)
  })

  test('that fails is shown, and the last answer stays', async () => {
    const it = await observed()
    it.group.shards = [ofGroup(1)]
    await settled(it)
    it.group.problem = fault('transient', 'timeout', 'no answer\nfrom the service')
    it.clock.pass(10)
    expect(await settled(it)).toMatchObject({ groupProblem: 'no answer from the service', shards: [{ shard: 1 }] })
    it.group.problem = undefined
    it.clock.pass(10)
    expect(await settled(it)).toMatchObject({ groupProblem: null })
  })
})

describe('throughput', () => {
  test('counts events delivered and dead-lettered, and bytes in flight', async () => {
    const it = await observed()
    it.telemetry.delivered('splunk_hec', 600)
    it.telemetry.deadLettered('splunk_hec', '6', 2)
    it.telemetry.inFlight(12_345)
    it.clock.pass(20)
    expect(it.status.snapshot()).toMatchObject({
      deliveredPerSecond: 30,
      deadLettered: 2,
      inFlightBytes: 12_345,
      upSeconds: 20,
    })
    expect(it.status.snapshot().delivered.slice(-3)).toEqual([null, 600, 0])
  })
})

describe('pauses', () => {
  test('show since when, why and what to do, until they end', async () => {
    const it = await observed()
    const key = { reason: 'hec_configuration', scope: { of: 'sink', sink: 'splunk_hec' } } as const
    it.telemetry.paused(key, fault('configuration', '4', 'Invalid token', 'check SPLUNK_HEC_TOKEN'))
    it.clock.pass(30)
    it.telemetry.paused(key, fault('configuration', '1', 'Token disabled', 'enable it'))
    it.clock.pass(5)
    expect(it.status.snapshot().pauses).toEqual([
      {
        ...{ reason: 'hec_configuration', sink: 'splunk_hec', scope: 'sink', seconds: 35 },
        ...{ message: 'Token disabled', advice: 'enable it' },
      },
    ])
    it.telemetry.resumed(key)
    expect(it.status.snapshot().pauses).toEqual([])
  })
})

describe('recent faults', () => {
  test('are counted when they repeat, also those that the log leaves out, the latest first', async () => {
    const it = await observed()
    for (let attempt = 1; attempt <= 5; attempt++) {
      it.telemetry.deliveryFailed(
        'splunk_hec',
        fault('transient', '9', `Server is busy ${attempt}`, 'wait'),
        attempt,
        0,
      )
      it.clock.pass(1)
    }
    it.telemetry.heartbeat(LOGSTORE, 'failed', fault('transient', 'timeout', 'no answer'))
    it.clock.pass(2)
    const { faults } = it.status.snapshot()
    expect(faults).toMatchObject([
      { what: 'heartbeat failed', times: 1, secondsAgo: 2 },
      { what: 'delivery failed', times: 5, secondsAgo: 3, code: '9', message: 'Server is busy 5', advice: 'wait' },
    ])
    expect(faults[1]?.at).toBe(new Date(it.clock.wall() - 3_000).toISOString())
  })

  test('include everything that is logged as a warning or an error', async () => {
    const it = await observed()
    const { telemetry } = it
    telemetry.heartbeat(LOGSTORE, 'rejected', fault('lease', 'ConsumerNotExist'))
    telemetry.leaseLost(shardRef(1), 'no heartbeat')
    telemetry.pullFailed(shardRef(1), fault('transient', 'timeout'), 1, 0)
    telemetry.checkpointFailed(shardRef(1), fault('transient', 'InternalServerError'))
    telemetry.checkpointForeign(shardRef(1), { seen: 'a', expected: 'b', consumer: 'c', sameName: true })
    telemetry.cursorExpired(shardRef(1), { expired: 'a', resumedAt: 'b', lostGroupsEstimate: 3 })
    telemetry.outcomeUnknown('splunk_hec', fault('ambiguous', 'reset'))
    telemetry.resent('splunk_hec', 'ack_timeout', 5)
    telemetry.deliveryFailed('splunk_hec', fault('transient', '9'), 1, 0)
    telemetry.deadLettered('splunk_hec', '6', 1)
    telemetry.paused(
      { reason: 'dead_letter', scope: { of: 'sink', sink: 'splunk_hec' } },
      fault('configuration', 'ENOSPC'),
    )
    telemetry.notice('warn', 'shard 4 no longer exists')
    telemetry.notice('info', 'nothing to see')
    const warnings = it.lines().filter(({ level }) => level === 'warn' || level === 'error')
    expect(it.status.snapshot().faults).toHaveLength(12)
    expect(warnings).toHaveLength(12)
  })

  test('are the last twenty, each on one line of bounded length, whatever a server sends', async () => {
    const it = await observed('silent')
    for (let i = 0; i < 100; i++)
      it.telemetry.deliveryFailed(
        'splunk_hec',
        fault('transient', `code-${i}`, `${'\u001b[31m\n'.repeat(1000)}x`),
        1,
        0,
      )
    const { faults } = it.status.snapshot()
    expect(faults).toHaveLength(20)
    expect(faults[0]?.code).toBe('code-99')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what must not be there
    for (const { message } of faults) expect(message).toMatch(/^[^\u0000-\u001f]{1,1001}$/)
  })
})
