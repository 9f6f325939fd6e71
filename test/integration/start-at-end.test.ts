import { describe, expect, test } from 'vitest'
import { Scenario } from '../support/scenario.ts'

describe('SLS_START=end', () => {
  test.for(['true', 'false'])('reads shards of a later split from their beginning (in order: %s)', async (inOrder) => {
    const scenario = await Scenario.start({ sls: { shards: 2 }, env: { SLS_START: 'end', SLS_IN_ORDER: inOrder } })
    await scenario.write(10)
    const replica = scenario.replica()
    await scenario.eventually(() => scenario.holders().size === 1)
    for (const shard of [0, 1]) {
      scenario.logstore.split(shard)
      await scenario.write(20)
    }
    await scenario.eventually(() => scenario.hec.state().events >= 800)
    expect((await replica.kill('SIGTERM')).code).toBe(0)
    expect(scenario.hec.state()).toMatchObject({ events: 800, duplicateIds: 0 })
  })

  test('a replica that is killed before its first checkpoint skips no log written meanwhile', async () => {
    const scenario = await Scenario.start({ sls: { shards: 1 }, env: { SLS_START: 'end' } })
    scenario.hec.stall()
    const first = scenario.replica()
    await scenario.eventually(() => scenario.holders().size === 1)
    await scenario.write(5)
    await first.kill('SIGKILL')
    await scenario.write(5)
    scenario.hec.resume()
    scenario.replica()
    await scenario.eventually(() => scenario.hec.state().uniqueIds === 200)
  })

  test('a group that is deleted under its replicas continues where it was', async () => {
    const scenario = await Scenario.start({ sls: { shards: 4 }, env: { SLS_START: 'end' } })
    const replicas = [scenario.replica(), scenario.replica()]
    await scenario.eventually(() => scenario.holders().size === 2)
    await scenario.write(20)
    await scenario.caughtUp()
    scenario.logstore.deleteGroup('scenario')
    await scenario.write(20)
    await scenario.eventually(() => scenario.hec.state().uniqueIds === 800, 30_000)
    expect((await replicas[0]?.kill('SIGTERM'))?.code).toBe(0)
  })
})
