import { expect, test } from 'vitest'
import { ReadonlyShards } from '../../../src/consumer/readonly-shards.ts'
import { failure } from '../sls/scripted-server.ts'
import { SlsDouble } from './sls-double.ts'

async function readonlyShardsOf(minAgeMs = 5_000) {
  const sls = await SlsDouble.start({ shards: 2 })
  const { client, clock, telemetry } = sls
  return { sls, clock, readonlyShards: new ReadonlyShards({ client, clock, telemetry, minAgeMs }) }
}

/** Has `shards` consumers ask every 100 ms for `ms`; returns when the service was asked. */
async function asking(
  { sls, clock, readonlyShards }: Awaited<ReturnType<typeof readonlyShardsOf>>,
  shards: number,
  ms: number,
) {
  const start = clock.monotonic()
  for (let at = 0; at < ms; at += 100) {
    await Promise.allSettled(Array.from({ length: shards }, (_, shard) => readonlyShards.has(shard)))
    await clock.advance(100)
  }
  return sls.of('ListShards').map(({ at }) => at - start)
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

test('the service is asked at most once a second, however short the heartbeat interval is', async () => {
  const asked = await asking(await readonlyShardsOf(250), 50, 5_000)
  expect(asked).toEqual([0, 1_000, 2_000, 3_000, 4_000])
})

test('a service that cannot list its shards is asked less and less often, which is said once', async () => {
  const parts = await readonlyShardsOf(250)
  const { sls, clock, readonlyShards } = parts
  sls.rule('ListShards', failure(500, 'InternalServerError'))
  const asked = await asking(parts, 50, 120_000)
  const gaps = asked.slice(1).map((at, i) => at - (asked[i] as number))
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(1_000)
  expect(asked.length).toBeLessThan(12)
  expect(Math.max(...gaps)).toBeLessThanOrEqual(30_100)
  expect(sls.recorder.of('notice').map(({ args }) => args[0])).toEqual(['warn'])
  sls.rule('ListShards')
  sls.logstore.seal(0)
  await clock.advance(31_000)
  expect(await readonlyShards.has(0)).toBe(true)
})

test('a question that failed is asked again by a later caller', async () => {
  const { sls, clock, readonlyShards } = await readonlyShardsOf()
  sls.logstore.seal(0)
  sls.script('ListShards', failure(500, 'InternalServerError'))
  const both = [readonlyShards.has(0), readonlyShards.has(1)]
  for (const asked of both) await expect(asked).rejects.toMatchObject({ kind: 'transient' })
  await expect(readonlyShards.has(0)).rejects.toMatchObject({ kind: 'transient' })
  await clock.advance(10_000)
  expect(await readonlyShards.has(0)).toBe(true)
})
