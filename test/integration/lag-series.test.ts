import { expect, test } from 'vitest'
import type { BridgeProcess } from '../support/bridge-process.ts'
import { Scenario } from '../support/scenario.ts'

/** The values of a metric of shards, by shard. */
async function valuesOf(metric: string, replica: BridgeProcess): Promise<Record<string, number>> {
  const text = await replica.metrics()
  const found = text.matchAll(new RegExp(`^sls_bridge_${metric}\\{[^}]*shard="(\\d+)"\\} (\\S+)$`, 'gm'))
  return Object.fromEntries([...found].map(([, shard, value]) => [shard as string, Number(value)]))
}

test('a shard that nothing is told about has its series from its lease on, with a lag that grows and is never 0', async () => {
  const scenario = await Scenario.start({ sls: { shards: 1 } })
  await scenario.write(5)
  const apis = ['PullLogs', 'GetCursor', 'GetCursorTime', 'GetCheckPoint']
  scenario.sls.faults.add({ id: 'silence', match: { api: apis }, times: 0, action: { status: 500 } })
  const replica = scenario.replica()
  await scenario.eventually(async () => (await valuesOf('shard_leased', replica))['0'] === 1)
  const lags: number[] = []
  await scenario.eventually(async () => {
    lags.push((await valuesOf('shard_lag_seconds', replica))['0'] ?? 0)
    return (lags.at(-1) as number) >= 5
  })
  expect(lags.filter((lag) => lag === 0)).toEqual([])
  scenario.sls.faults.remove('silence')
  await scenario.eventually(async () => (await valuesOf('shard_lag_seconds', replica))['0'] === 0, 30_000)
  expect(scenario.tally()).toMatchObject({ delivered: 100, missing: [] })
})

test('the series of a split shard go when it was read to its end, at the replica that held it before, too', async () => {
  const scenario = await Scenario.start({ sls: { shards: 2 } })
  const first = scenario.replica()
  await scenario.eventually(() => (scenario.group()?.shards ?? []).filter(({ holder }) => holder).length === 2)
  const second = scenario.replica()
  await scenario.eventually(() => scenario.holders().size === 2)
  await scenario.write(10)
  const handedOver = Object.entries(await valuesOf('shard_leased', first)).find(([, value]) => value === 0)?.[0]
  expect(handedOver).toBeDefined()
  scenario.logstore.split(Number(handedOver))
  await scenario.write(10)
  for (const replica of [second, first]) {
    await scenario.eventually(
      async () => !((handedOver as string) in (await valuesOf('shard_leased', replica))),
      30_000,
    )
    expect(await valuesOf('shard_lag_seconds', replica)).not.toHaveProperty(handedOver as string)
  }
  await scenario.caughtUp()
  const leased = await Promise.all([first, second].map((replica) => valuesOf('shard_leased', replica)))
  expect(leased.flatMap((values) => Object.keys(values)).includes(handedOver as string)).toBe(false)
  expect(scenario.tally()).toMatchObject({ delivered: 400, missing: [] })
})
