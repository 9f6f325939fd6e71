import { expect, test } from 'vitest'
import { ReadonlyShards } from '../../../src/consumer/readonly-shards.ts'
import { groupMember } from './group-member.ts'
import { SlsDouble } from './sls-double.ts'

const SHARDS = 64

test('a replica that gets many shards at once does not open as many connections', async () => {
  const { sls, clock, worker } = await groupMember({ shards: SHARDS })
  await clock.settle()
  expect(worker.shards.length).toBe(SHARDS)
  expect(sls.of('GetCheckPoint').filter(({ shard }) => !Number.isNaN(shard)).length).toBeLessThanOrEqual(20)
  await clock.advance(1_000)
  const started = new Set(sls.of('PullLogs').map(({ shard }) => shard))
  expect(started.size).toBe(SHARDS)
})

test('a shard that is given up before its turn to start is released at once, and never read', async () => {
  const { sls, clock, worker, group } = await groupMember({ shards: SHARDS })
  await clock.settle()
  await worker.stop(1_000)
  expect(worker.shards).toEqual([])
  expect(sls.of('PullLogs').filter(({ shard }) => shard === SHARDS - 1)).toEqual([])
  expect(group().checkpoints(SHARDS - 1)).toMatchObject([{ checkpoint: '' }])
})

test('a list of many shards is asked for less often', async () => {
  const sls = await SlsDouble.start({ shards: 1_000 })
  const readonlyShards = new ReadonlyShards({
    ...{ client: sls.client, clock: sls.clock, telemetry: sls.telemetry },
    minAgeMs: 5_000,
  })
  await readonlyShards.has(0)
  sls.logstore.split(0)
  await sls.clock.advance(9_999)
  expect(await readonlyShards.has(0)).toBe(false)
  await sls.clock.advance(1)
  expect(await readonlyShards.has(0)).toBe(true)
  expect(sls.of('ListShards').length).toBe(2)
})
