import { describe, expect, test } from 'vitest'
import { Scenario } from '../support/scenario.ts'

describe('shards that change', () => {
  test.for(['true', 'false'])('split and merge under load lose and repeat nothing (in order: %s)', async (inOrder) => {
    const scenario = await Scenario.start({ sls: { shards: 2 }, env: { SLS_IN_ORDER: inOrder } })
    const replicas = [scenario.replica(), scenario.replica()]
    await scenario.write(30)
    await scenario.eventually(() => scenario.hec.state().events > 0)
    scenario.logstore.split(0)
    await scenario.write(30)
    scenario.logstore.merge(2)
    await scenario.write(30)
    await scenario.caughtUp()
    await scenario.eventually(() => scenario.indexedById.size === 1800)
    // The parents are finished for the group: the service gives them to no consumer any more.
    await scenario.eventually(() =>
      (scenario.group()?.shards ?? [])
        .filter(({ shard }) => [0, 2, 3].includes(shard))
        .every(({ state }) => state === 'O'),
    )
    for (const replica of replicas) expect((await replica.kill('SIGTERM')).code).toBe(0)
    expect(scenario.tally()).toEqual({ wanted: 1800, delivered: 1800, deadLettered: 0, duplicated: 0, missing: [] })
    expect(scenario.commitsAhead()).toEqual([])
  })

  test('an empty shard that is split is finished too, so that ordered children start', async () => {
    const scenario = await Scenario.start({ sls: { shards: 1 }, env: { SLS_IN_ORDER: 'true' } })
    scenario.replica()
    await scenario.eventually(() => scenario.holders().size === 1)
    scenario.logstore.split(0)
    await scenario.write(4)
    await scenario.eventually(() => scenario.hec.state().events === 80)
  })
})

describe('two processes with one consumer name', () => {
  test('cause a warning', async () => {
    const scenario = await Scenario.start({ sls: { shards: 2 } })
    const twins = [scenario.replica({ SLS_CONSUMER: 'twin' }), scenario.replica({ SLS_CONSUMER: 'twin' })]
    let loaded = true
    const writing = (async () => {
      while (loaded) await scenario.write(5, { perSecond: 20 })
    })()
    const line = await Promise.race(twins.map((twin) => twin.line(/SLS_CONSUMER|consumer name/)))
    expect(['warn', 'error']).toContain(line.level)
    loaded = false
    await writing
    await scenario.caughtUp()
    expect(scenario.tally().missing).toEqual([])
  })
})

describe('a shard that was deleted', () => {
  test('its pulled logs are still delivered', async () => {
    const scenario = await Scenario.start({
      sls: { shards: 1 },
      hec: { faults: [{ match: { endpoint: 'event' }, times: 0, action: { delayMs: 1_500 } }] },
    })
    await scenario.write(10)
    scenario.sls.faults.add({ match: { api: 'PullLogs' }, times: 0, after: 1, action: { code: 'ShardNotExist' } })
    scenario.replica()
    await scenario.eventually(() => scenario.hec.state().uniqueIds === 200)
  })
})

describe('a frozen replica', () => {
  test('that wakes up after its lease has ended delivers and commits nothing more', async () => {
    const scenario = await Scenario.start({ sls: { shards: 2 }, hec: { keep: true } })
    const zombie = scenario.replica()
    await scenario.write(10)
    await scenario.caughtUp()
    zombie.child.kill('SIGSTOP')
    const heir = scenario.replica()
    await scenario.eventually(() => scenario.holders().get('replica-2')?.length === 2)
    await scenario.write(10)
    await scenario.caughtUp()
    const committed = scenario.sls.commits.length
    // No log is waiting while the zombie wakes up, so whatever comes now comes from the zombie.
    zombie.child.kill('SIGCONT')
    await zombie.line(/lost|no longer knows/)
    await scenario.heartbeats('replica-1', 1)
    const late = scenario.sls.commits.slice(committed).filter(({ consumer }) => consumer === 'replica-1')
    expect(late).toEqual([])
    expect(scenario.tally()).toMatchObject({ duplicated: 0, missing: [] })
    expect((await heir.kill('SIGTERM')).code).toBe(0)
  })
})
