import { describe, expect, test } from 'vitest'
import { Judge } from '../../bench/growth/judge.ts'
import type { ScenarioReport } from '../../bench/growth/scenario.ts'
import { runScenario } from '../../bench/growth/scenario.ts'

const HEARTBEAT = 20
const FLEET = { steadyHeartbeats: 1, heartbeatSeconds: HEARTBEAT, fetchSeconds: 1, writeSeconds: 2 }

function secondsOf(report: ScenarioReport, event: string): number {
  return report.events.find(({ name }) => name === event)?.secondsToBalance ?? Number.POSITIVE_INFINITY
}

describe.each([
  { shards: 12, replicas: 3, seed: 1 },
  { shards: 50, replicas: 7, seed: 2 },
  { shards: 5, replicas: 9, seed: 3 },
])('$shards shards and $replicas replicas on one simulated clock', async ({ shards, replicas, seed }) => {
  const report = await runScenario({ ...FLEET, shards, replicas, seed, happenings: 'everything' })

  test('two replicas never commit one shard, no commit is ahead of its acknowledgements, and everything is delivered', () => {
    expect(report.violations).toEqual([])
  })

  test('a new replica has its share after two heartbeats, and a lost one is replaced a heartbeat after its time-out', () => {
    const delivery = 3
    for (const event of ['cold start', 'one joins', 'a third more join']) {
      expect([event, secondsOf(report, event)]).toEqual([event, expect.toSatisfy((s) => s <= 2 * HEARTBEAT + delivery)])
    }
    for (const event of ['one leaves', 'one dies', 'a third die']) {
      expect([event, secondsOf(report, event)]).toEqual([event, expect.toSatisfy((s) => s <= 5 * HEARTBEAT + delivery)])
    }
  })

  test('only as many shards move as must when replicas join or leave', () => {
    const moved = report.events.filter(({ name }) => !/start/.test(name))
    for (const { name, moves, leastMoves } of moved) expect([name, moves]).toEqual([name, leastMoves])
  })

  test('only a death repeats events', () => {
    const repeated = report.events.filter(({ duplicates }) => duplicates > 0).map(({ name }) => name)
    expect(['one dies', 'a third die']).toEqual(expect.arrayContaining(repeated))
  })
})

test('one seed gives one result', async () => {
  const options = { ...FLEET, shards: 10, replicas: 4, seed: 7, happenings: 'everything' } as const
  const [first, second] = [await runScenario(options), await runScenario(options)]
  expect(second).toEqual({ ...first, realSeconds: second.realSeconds })
})

describe('the judge of the simulation', () => {
  function judged(): Judge {
    const judge = new Judge(2, () => 0)
    judge.took('a', 0)
    judge.accepted(0, 0, 5)
    judge.acknowledged(0, 0, 3)
    return judge
  }

  test('sees a shard that is taken from its holder', () => {
    const judge = judged()
    judge.took('b', 0)
    expect(judge.violations).toEqual(['at 0 ms: shard 0 was taken by b while a held it'])
  })

  test('sees a commit by a replica that does not hold the shard', () => {
    const judge = judged()
    judge.committed({ consumer: 'b', shard: 0, position: 1 })
    judge.committed({ consumer: 'a', shard: 1, position: 0 })
    expect(judge.violations.length).toBe(2)
  })

  test('sees a commit ahead of the acknowledgements, gaps included', () => {
    const judge = judged()
    judge.acknowledged(0, 4, 5)
    judge.committed({ consumer: 'a', shard: 0, position: 3 })
    expect(judge.violations).toEqual([])
    judge.committed({ consumer: 'a', shard: 0, position: 5 })
    expect(judge.violations.length).toBe(1)
  })

  test('sees missing and duplicated deliveries', () => {
    const judge = judged()
    judge.accepted(0, 3, 6)
    expect(judge.duplicates).toBe(2)
    judge.assertDelivered(0, 6)
    expect(judge.violations).toEqual([])
    judge.assertDelivered(0, 7)
    expect(judge.violations.length).toBe(1)
  })
})
