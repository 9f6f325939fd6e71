import { expect, test } from 'vitest'
import { ReadonlyShards } from '../../../src/consumer/readonly-shards.ts'
import { failure } from '../sls/scripted-server.ts'
import { SlsDouble } from './sls-double.ts'

async function readonlyShardsOf() {
  const sls = await SlsDouble.start({ shards: 2 })
  return { sls, clock: sls.clock, readonlyShards: new ReadonlyShards(sls.client, sls.clock, 5_000) }
}

test('however many shard consumers ask, the service is asked once in a while', async () => {
  const { sls, clock, readonlyShards } = await readonlyShardsOf()
  sls.logstore.split(1)
  expect(await Promise.all([0, 1, 2, 3].map((shard) => readonlyShards.has(shard)))).toEqual([false, true, false, false])
  sls.logstore.split(0)
  await clock.advance(4_999)
  expect(await readonlyShards.has(0)).toBe(false)
  await clock.advance(1)
  expect(await readonlyShards.has(0)).toBe(true)
  expect(sls.of('ListShards').length).toBe(2)
})

test('a question that failed is asked again by the next caller', async () => {
  const { sls, readonlyShards } = await readonlyShardsOf()
  sls.logstore.seal(0)
  sls.script('ListShards', failure(500, 'InternalServerError'))
  const both = [readonlyShards.has(0), readonlyShards.has(1)]
  for (const asked of both) await expect(asked).rejects.toMatchObject({ kind: 'transient' })
  expect(await readonlyShards.has(0)).toBe(true)
})
