import { describe, expect, test } from 'vitest'
import { NO_TELEMETRY } from '../../../src/core/telemetry.ts'
import { failure, silence } from '../sls/scripted-server.ts'
import { groupMember, HEARTBEAT } from './group-member.ts'

const COMMIT = 'ConsumerGroupUpdateCheckPoint'

describe('a worker that is stopped', () => {
  test('drains and commits everything, is done as soon as it is, and leaves with a clean record', async () => {
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

  test('stays in the group while it drains, reports what is left, and takes nothing new', async () => {
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

  test('at its deadline commits what is settled, says what is not, and cuts the rest off', async () => {
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

  test('is gone within its grace, though the last commits hang', async () => {
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

  test('with little grace keeps a part of it for the last commits', async () => {
    const { sls, clock, worker, deliveries } = await groupMember({ written: 2, fetchCount: 1 })
    await clock.settle()
    deliveries.ack(0)
    const stopped = worker.stop(1_000)
    await clock.advance(750)
    expect(await stopped).toBe(false)
    expect([sls.checkpoint(0), sls.checkpoint(1)]).toEqual([1, 1])
  })

  test('and loses its lease while it drains has not left cleanly', async () => {
    const { sls, clock, worker, ended } = await groupMember({ written: 1 })
    await clock.settle()
    sls.script(HEARTBEAT, failure(400, 'NotExistConsumerWithBody'))
    const stopped = worker.stop(120_000)
    await clock.advance(20_000)
    expect(await stopped).toBe(false)
    expect(ended()).toBe(true)
  })

  test('and loses one shard while the others drain has not left cleanly', async () => {
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

  test('before it holds anything is done at once: also while the group cannot be made', async () => {
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

  test('commits nothing more when it is gone', async () => {
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

describe('an error nobody foresaw', () => {
  const bug = new TypeError('nobody foresaw this')

  test('in one shard ends the worker, with every shard uncommitted', async () => {
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

  test('while it is being stopped does not keep the process waiting', async () => {
    const { clock, worker, deliveries, run } = await groupMember({ written: 1 })
    await clock.settle()
    const stopped = worker.stop(300_000)
    deliveries.pending[0]?.fail(bug)
    expect(await stopped).toBe(false)
    await expect(run).rejects.toBe(bug)
  })

  test('when the group is made ends the worker before it begins', async () => {
    const notice = (): never => {
      throw bug
    }
    const { clock, run, beats } = await groupMember({ telemetry: { ...NO_TELEMETRY, notice } })
    await clock.settle()
    await expect(run).rejects.toBe(bug)
    expect(beats()).toEqual([])
  })

  test('in what is told about a heartbeat ends the worker', async () => {
    const rebalanced = (): never => {
      throw bug
    }
    const { clock, deliveries, run } = await groupMember({ written: 1, telemetry: { ...NO_TELEMETRY, rebalanced } })
    await clock.settle()
    await expect(run).rejects.toBe(bug)
    expect(deliveries.pending).toEqual([])
  })
})
