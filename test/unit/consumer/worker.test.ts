import { describe, expect, test } from 'vitest'
import { Fault } from '../../../src/core/errors.ts'
import type { ShardRef } from '../../../src/core/shard.ts'
import { failure } from '../sls/scripted-server.ts'
import { entitledTo, groupMember, HEARTBEAT } from './group-member.ts'
import { CONSUMER, GROUP, SlsDouble } from './sls-double.ts'

const COMMIT = 'ConsumerGroupUpdateCheckPoint'
const forgotten = failure(400, 'NotExistConsumerWithBody')

/** A client whose pulls ignore that they are aborted, until the test lets them go. */
async function clingingClient() {
  const sls = await SlsDouble.start()
  const pull = Promise.withResolvers<never>()
  pull.promise.catch(() => {})
  const client = new Proxy(sls.client, {
    get: (target, name: 'pull' | 'getCursor') => (name === 'pull' ? () => pull.promise : target[name].bind(target)),
  })
  return { sls, client, letGo: () => pull.reject(new Fault('transient', 'let go at last', { code: 'late' })) }
}

describe('a worker obeys the answers to its heartbeats', () => {
  test('joins the group, and reads the shards that it gets', async () => {
    const { sls, clock, worker, deliveries, reported, rebalanced, group } = await groupMember({ written: 1 })
    await clock.advance(20_000)
    expect(group()).toMatchObject({ timeoutSeconds: 60, order: false })
    expect(worker.shards).toEqual([0, 1])
    expect(reported()).toEqual([[], [0, 1]])
    expect(rebalanced()).toEqual([{ taken: [0, 1], givenUp: [] }])
    expect(deliveries.seen.toSorted()).toEqual(['0:0:0', '1:0:0'])
    expect(sls.of('CreateConsumerGroup').length).toBe(1)
  })

  test('reports a shard that it must give up until it is drained, and then hands it over at once', async () => {
    const { sls, clock, worker, deliveries, reported, beats, group } = await groupMember({ written: 1 })
    await clock.settle()
    group().heartbeat('other', [])
    await clock.advance(20_000)
    expect(group().allocations()[0]).toMatchObject({ state: 'T', holder: CONSUMER, next: 'other' })
    sls.write(1, { shard: 0 })
    for (let beat = 0; beat < 3; beat++) {
      await clock.advance(20_000)
      group().heartbeat('other', [])
    }
    expect(reported().at(-1)).toEqual([0, 1])
    expect(sls.checkpoint(0)).toBeUndefined()
    deliveries.pending.find(({ shard }) => shard === 0)?.ack()
    await clock.settle()
    expect(sls.checkpoint(0)).toBe(1)
    expect(beats().at(-1)).toBe(clock.monotonic())
    expect(reported().at(-1)).toEqual([1])
    expect(group().allocations()[0]).toMatchObject({ state: 'A', holder: 'other' })
    expect(worker.shards).toEqual([1])
    expect(deliveries.seen).not.toContain('0:1:0')
  })

  test('takes a shard that comes back during its drain only after the drain, and goes on where it was', async () => {
    const { sls, clock, deliveries, rebalanced, reported } = await groupMember({ written: 1 })
    await clock.settle()
    sls.rule(HEARTBEAT, entitledTo(0))
    await clock.advance(20_000)
    sls.rule(HEARTBEAT, entitledTo(0, 1))
    sls.write(1, { shard: 1 })
    await clock.advance(40_000)
    expect(deliveries.seen).not.toContain('1:1:0')
    const beats = reported().length
    deliveries.ack()
    await clock.settle()
    expect(reported().length).toBe(beats)
    expect(sls.checkpoint(1)).toBe(1)
    await clock.advance(20_000)
    expect(deliveries.seen.filter((id) => id.startsWith('1:'))).toEqual(['1:0:0', '1:1:0'])
    expect(rebalanced()).toEqual([
      { taken: [0, 1], givenUp: [] },
      { taken: [], givenUp: [1] },
      { taken: [1], givenUp: [] },
    ])
  })

  test('starts a shard once, however many answers name it', async () => {
    const { sls, clock } = await groupMember()
    await clock.advance(100_000)
    expect(
      sls.recorder
        .of('shardTaken')
        .map(({ args: [shard] }) => (shard as ShardRef).shard)
        .toSorted(),
    ).toEqual([0, 1])
    expect(sls.recorder.of('rebalanced').length).toBe(1)
  })
})

describe('a worker that loses', () => {
  test('one shard, because its commit was refused, lets go of that one only, and takes it again when it may', async () => {
    const { sls, clock, worker, deliveries, reported, released } = await groupMember({ written: 1 })
    await clock.settle()
    const wrongOwner = failure(400, 'ConsumerNotMatch')
    sls.rule(COMMIT, (response, asked) => (asked.shard === 1 ? wrongOwner(response, asked) : asked.pass()))
    deliveries.ack()
    await clock.advance(4_000)
    expect(worker.shards).toEqual([0])
    expect(released()).toEqual([[1, 'lost']])
    expect(sls.checkpoint(0)).toBe(1)
    sls.rule(COMMIT)
    await clock.advance(20_000)
    expect(reported()[1]).toEqual([0])
    expect(worker.shards).toEqual([0, 1])
  })

  test('every shard, because the service forgot it, delivers and commits nothing more, and joins again without shards', async () => {
    const { sls, clock, deliveries, reported, released } = await groupMember({ written: 2, fetchCount: 1 })
    await clock.settle()
    deliveries.ack(0)
    sls.rule(COMMIT, failure(500, 'InternalServerError'))
    await clock.advance(19_000)
    expect(deliveries.positions()).toEqual([1, 1])
    sls.rule(COMMIT)
    const commits = sls.of(COMMIT).length
    sls.script(HEARTBEAT, forgotten)
    const heartbeat = sls.hold(HEARTBEAT)
    await clock.advance(1_000)
    expect(deliveries.pending).toEqual([])
    expect(released()).toEqual([
      [0, 'lost'],
      [1, 'lost'],
    ])
    expect(sls.of(COMMIT).length).toBe(commits)
    expect(reported().at(-1)).toEqual([])
    await heartbeat.release()
    await clock.settle()
    // What was settled is remembered. Otherwise it would be delivered again.
    expect(
      sls.recorder
        .of('shardTaken')
        .slice(2)
        .map(({ args }) => args),
    ).toEqual([0, 1].map((shard) => [sls.shard(shard), sls.cursor(1, shard), 'remembered']))
  })

  test('contact with the service lets go of every shard when the lease ends, neither earlier nor later', async () => {
    const { sls, clock, worker, deliveries } = await groupMember({ written: 1 })
    await clock.advance(20_000)
    sls.rule(HEARTBEAT, failure(500, 'InternalServerError'))
    await clock.advance(59_999)
    expect(worker.shards).toEqual([0, 1])
    expect(deliveries.pending.length).toBe(2)
    await clock.advance(1)
    expect(worker.shards).toEqual([])
    expect(deliveries.pending).toEqual([])
    const { length } = sls.requests.filter(({ api }) => api === COMMIT || api === 'PullLogs')
    await clock.advance(10_000)
    expect(sls.requests.filter(({ api }) => api === COMMIT || api === 'PullLogs').length).toBe(length)
  })

  test('a shard for a moment starts it again only when its last run is over', async () => {
    const { sls, client, letGo } = await clingingClient()
    const { clock, worker } = await groupMember({ sls, client, shards: 1 })
    await clock.settle()
    sls.script(HEARTBEAT, forgotten)
    await clock.advance(20_000)
    expect(worker.shards).toEqual([0])
    const asked = (): number => sls.of('GetCheckPoint').filter(({ query }) => query['shard'] === '0').length
    expect(asked()).toBe(1)
    letGo()
    await clock.settle()
    expect(asked()).toBe(2)
  })

  test('a shard no longer reports it, although the run is not over yet', async () => {
    const { sls, client } = await clingingClient()
    const { clock, worker, reported, group } = await groupMember({ sls, client, shards: 1, written: 2 })
    await clock.settle()
    // A foreign checkpoint, found after a minute, is something to commit although nothing was pulled.
    group().commit({ shard: 0, checkpoint: sls.cursor(2), consumer: 'zombie', force: true })
    sls.rule(COMMIT, failure(400, 'ConsumerNotMatch'))
    await clock.advance(80_000)
    expect(worker.shards).toEqual([0])
    expect(reported()).toEqual([[], [0], [0], [0], []])
  })
})

describe('a worker whose group is deleted', () => {
  test('creates it again, and goes on at what was settled, committed or not', async () => {
    const { sls, clock, deliveries, group } = await groupMember({
      written: 3,
      fetchCount: 1,
      commitIntervalMs: 600_000,
    })
    await clock.settle()
    for (const { ack } of deliveries.pending.filter(({ shard, position }) => shard === 0 && position < 2)) ack()
    await clock.advance(10_000)
    expect(sls.emulator.commits).toEqual([])
    sls.logstore.deleteGroup(GROUP)
    await clock.advance(10_000)
    expect(group().timeoutSeconds).toBe(60)
    expect(
      sls.recorder
        .of('shardTaken')
        .slice(2)
        .map(({ args }) => args),
    ).toEqual([
      [sls.shard(0), sls.cursor(2, 0), 'remembered'],
      [sls.shard(1), sls.cursor(0, 1), 'remembered'],
    ])
    expect(deliveries.seen.filter((id) => id === '0:2:0').length).toBe(2)
    expect(deliveries.seen.filter((id) => id === '0:1:0').length).toBe(1)
  })

  test('and that starts at the end begins no shard past what was settled, although a run is not over yet', async () => {
    const { sls, client } = await clingingClient()
    const { clock } = await groupMember({ sls, client, shards: 1, start: { kind: 'end' } })
    await clock.settle()
    sls.write(3)
    sls.logstore.deleteGroup(GROUP)
    await clock.advance(20_000)
    expect(sls.commits()).toEqual([0, 0])
  })

  test('also remembers the checkpoints of other consumers, as it last saw them', async () => {
    const { sls, clock, deliveries, group } = await groupMember({ written: 3 })
    deliveries.deliveredBefore = 2
    sls.rule(HEARTBEAT, entitledTo(0))
    await clock.settle()
    group().commit({ shard: 1, checkpoint: sls.cursor(2, 1), consumer: 'other', force: true })
    await clock.advance(60_000)
    sls.rule(HEARTBEAT)
    sls.logstore.deleteGroup(GROUP)
    await clock.advance(20_000)
    expect(
      sls.recorder
        .of('shardTaken')
        .slice(1)
        .map(({ args }) => args),
    ).toEqual([
      [sls.shard(0), sls.cursor(0, 0), 'remembered'],
      [sls.shard(1), sls.cursor(2, 1), 'remembered'],
    ])
  })
})

describe('checkpoints are read back', () => {
  test('every third heartbeat, and a foreign one is repaired', async () => {
    const { sls, clock, deliveries, group } = await groupMember({ written: 2 })
    deliveries.acknowledging = true
    await clock.advance(10_000)
    expect(sls.checkpoint(0)).toBe(2)
    group().commit({ shard: 0, checkpoint: sls.cursor(0), consumer: 'zombie', force: true })
    await clock.advance(49_999)
    expect(sls.recorder.of('checkpointForeign')).toEqual([])
    await clock.advance(4_000)
    expect(sls.recorder.of('checkpointForeign').map(({ args }) => args)).toMatchObject([
      [sls.shard(), { consumer: 'zombie', sameName: false }],
    ])
    expect(sls.checkpoint(0)).toBe(2)
    expect(
      sls
        .of('GetCheckPoint')
        .filter(({ query }) => query['shard'] === undefined)
        .map(({ at }) => at),
    ).toEqual([0, 60_000])
  })

  test('without a foreign writer finds nothing, however much is committed', async () => {
    const { sls, clock, deliveries } = await groupMember({
      heartbeatMs: 1_000,
      commitIntervalMs: 1_000,
      fetchIntervalMs: 1_000,
    })
    deliveries.acknowledging = true
    for (let second = 0; second < 30; second++) {
      sls.write(1, { shard: second % 2 })
      await clock.advance(1_000)
    }
    expect(sls.emulator.commits.length).toBeGreaterThan(20)
    expect(sls.recorder.of('checkpointForeign')).toEqual([])
  })

  test.for(['handling', 'answering'] as const)(
    'for the life of a shard that asked, not for a later one that knows more (held up before %s)',
    async (before) => {
      const sls = await SlsDouble.start()
      sls.createGroup()
      sls.write(3)
      const commit = (position: number): void =>
        sls.logstore.group(GROUP).commit({ shard: 0, checkpoint: sls.cursor(position), consumer: 'other', force: true })
      commit(1)
      const { clock } = await groupMember({ sls, shards: 1 })
      await clock.advance(40_000)
      const slow = sls.hold('GetCheckPoint', before)
      await clock.advance(20_000)
      await slow.arrived
      commit(2)
      sls.script(HEARTBEAT, forgotten)
      await clock.advance(20_000)
      expect(sls.recorder.of('shardTaken').at(-1)?.args).toEqual([sls.shard(), sls.cursor(2), 'checkpoint'])
      await slow.release()
      await clock.settle()
      expect(sls.recorder.of('checkpointForeign')).toEqual([])
    },
  )

  test('only as a safeguard: a service that does not answer this changes nothing', async () => {
    const { sls, clock, worker } = await groupMember()
    await clock.settle()
    sls.rule('GetCheckPoint', failure(401, 'Unauthorized'))
    await clock.advance(120_000)
    expect(worker.shards).toEqual([0, 1])
    expect(sls.recorder.of('paused')).toEqual([])
  })
})
