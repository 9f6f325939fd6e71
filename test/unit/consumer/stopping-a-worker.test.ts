import { describe, expect, test } from 'vitest'
import { NO_TELEMETRY } from '../../../src/core/telemetry.ts'
import { failure, silence } from '../sls/scripted-server.ts'
import { groupMember, HEARTBEAT } from './group-member.ts'

const COMMIT = 'ConsumerGroupUpdateCheckPoint'

describe('a worker that is stopped', () => {
  test('drains and commits everything, ends at once after that, and reports a clean stop', async () => {
    const { sls, clock, worker, deliveries, ended } = await groupMember({ written: 1 })
    await clock.settle()
    const stopped = worker.stop(25_000)
    sls.write(1, { shard: 0 })
    await clock.advance(3_000)
    expect(ended()).toBe(false)
    deliveries.ack()
    await clock.settle()
    expect(await stopped).toBe(true)
    expect(ended()).toBe(true)
    expect([sls.checkpoint(0), sls.checkpoint(1)]).toEqual([1, 1])
    expect(deliveries.seen.length).toBe(2)
  })

  test('stays in the group while it drains, reports the shards left, and takes no new ones', async () => {
    const { sls, clock, worker, deliveries, reported, beats } = await groupMember({ written: 1 })
    await clock.settle()
    const stopped = worker.stop(300_000)
    deliveries.pending.find(({ shard }) => shard === 0)?.ack()
    await clock.advance(100_000)
    expect(beats()).toEqual([0, 20_000, 40_000, 60_000, 80_000, 100_000])
    expect(reported().slice(1)).toEqual(Array(5).fill([1]))
    expect(sls.recorder.of('shardTaken').length).toBe(2)
    deliveries.ack()
    await clock.settle()
    expect(await stopped).toBe(true)
  })

  test('at its deadline commits what is settled, reports the rest, and aborts it', async () => {
    const { sls, clock, worker, deliveries, run } = await groupMember({
      ...{ written: 3, fetchCount: 1, commitIntervalMs: 600_000 },
    })
    await clock.settle()
    deliveries.ack(0, 2)
    let clean: boolean | undefined
    void worker.stop(25_000).then((value) => {
      clean = value
    })
    await clock.advance(22_999)
    expect(sls.of(COMMIT).length).toBe(0)
    expect(deliveries.pending.length).toBe(2)
    await clock.advance(1)
    expect(clean).toBe(false)
    await run
    expect([sls.checkpoint(0), sls.checkpoint(1)]).toEqual([1, 1])
    expect(deliveries.pending).toEqual([])
    const notices = sls.recorder.of('notice').filter(({ args }) => args[0] === 'warn')
    expect(notices.map(({ args }) => args[2])).toEqual([{ shards: [0, 1] }])
  })

  test('ends within its grace, although the last commits hang', async () => {
    const { sls, clock, worker, deliveries, ended } = await groupMember({ written: 2, fetchCount: 1 })
    await clock.settle()
    sls.rule(COMMIT, silence)
    deliveries.ack(0)
    void worker.stop(25_000)
    await clock.advance(24_999)
    expect(ended()).toBe(false)
    await clock.advance(1)
    expect(ended()).toBe(true)
  })

  test('keeps a part of a short grace for the last commits', async () => {
    const { sls, clock, worker, deliveries } = await groupMember({ written: 2, fetchCount: 1 })
    await clock.settle()
    deliveries.ack(0)
    const stopped = worker.stop(1_000)
    await clock.advance(750)
    expect(await stopped).toBe(false)
    expect([sls.checkpoint(0), sls.checkpoint(1)]).toEqual([1, 1])
  })

  test('and loses its lease while it drains has not stopped cleanly', async () => {
    const { sls, clock, worker, ended } = await groupMember({ written: 1 })
    await clock.settle()
    sls.script(HEARTBEAT, failure(400, 'NotExistConsumerWithBody'))
    const stopped = worker.stop(120_000)
    await clock.advance(20_000)
    expect(await stopped).toBe(false)
    expect(ended()).toBe(true)
  })

  test('and loses one shard while the others drain has not stopped cleanly', async () => {
    const { sls, clock, worker, deliveries } = await groupMember({ written: 1 })
    await clock.settle()
    const wrongOwner = failure(400, 'ConsumerNotMatch')
    sls.rule(COMMIT, (response, asked) => (asked.shard === 1 ? wrongOwner(response, asked) : asked.pass()))
    const stopped = worker.stop(120_000)
    deliveries.ack()
    await clock.settle()
    expect(await stopped).toBe(false)
    expect(sls.checkpoint(0)).toBe(1)
  })

  test('before it holds a shard ends at once, also while the group cannot be created', async () => {
    const { clock, worker, ended } = await groupMember({ shards: 1 })
    expect(await worker.stop(25_000)).toBe(true)
    await clock.settle()
    expect(ended()).toBe(true)

    const stuck = await groupMember()
    stuck.sls.rule('CreateConsumerGroup', failure(401, 'Unauthorized'))
    await stuck.clock.advance(60_000)
    expect(await stuck.worker.stop(25_000)).toBe(true)
    await stuck.clock.settle()
    expect(stuck.ended()).toBe(true)
    expect(stuck.beats()).toEqual([])
  })

  test('commits nothing after it has ended', async () => {
    const { sls, clock, worker, deliveries } = await groupMember({ written: 2, fetchCount: 1 })
    await clock.settle()
    const stopped = worker.stop(4_000)
    await clock.advance(4_000)
    await stopped
    deliveries.ack()
    const { length } = sls.requests
    await clock.advance(60_000)
    expect(sls.requests.length).toBe(length)
  })
})

describe('a bug', () => {
  const bug = new TypeError('a bug')

  test('in one shard ends the worker without another commit', async () => {
    const { sls, clock, deliveries, run } = await groupMember({ written: 2, fetchCount: 1 })
    await clock.settle()
    deliveries.ack(0)
    await clock.settle()
    deliveries.pending[0]?.fail(bug)
    await expect(run).rejects.toBe(bug)
    expect(deliveries.pending).toEqual([])
    await clock.advance(60_000)
    expect(sls.of(COMMIT).length).toBe(0)
  })

  test('while the worker stops does not keep the process waiting', async () => {
    const { clock, worker, deliveries, run } = await groupMember({ written: 1 })
    await clock.settle()
    const stopped = worker.stop(300_000)
    deliveries.pending[0]?.fail(bug)
    expect(await stopped).toBe(false)
    await expect(run).rejects.toBe(bug)
  })

  test('while the group is created ends the worker before its first heartbeat', async () => {
    const notice = (): never => {
      throw bug
    }
    const { clock, run, beats } = await groupMember({ telemetry: { ...NO_TELEMETRY, notice } })
    await clock.settle()
    await expect(run).rejects.toBe(bug)
    expect(beats()).toEqual([])
  })

  test('in the telemetry of a heartbeat ends the worker', async () => {
    const rebalanced = (): never => {
      throw bug
    }
    const { clock, deliveries, run } = await groupMember({ written: 1, telemetry: { ...NO_TELEMETRY, rebalanced } })
    await clock.settle()
    await expect(run).rejects.toBe(bug)
    expect(deliveries.pending).toEqual([])
  })
})
