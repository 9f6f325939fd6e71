import { describe, expect, test } from 'vitest'
import { Scenario } from '../support/scenario.ts'

describe('planned hand-over', () => {
  test.for([false, true])(
    'scaling 1 → 3 → 1 under load repeats nothing and loses nothing (indexer ack: %s)',
    { timeout: 90_000 },
    async (ack) => {
      const scenario = await Scenario.start({ sls: { shards: 8 }, hec: { ack, ackDelayMs: 300 } })
      let loaded = true
      const writing = (async () => {
        while (loaded) await scenario.write(20, { perSecond: 60, kinds: ['audit', 'access', 'kubernetes'] })
      })()
      const first = scenario.replica()
      await scenario.eventually(() => scenario.holders().get('replica-1')?.length === 8)
      const others = [scenario.replica(), scenario.replica()]
      const balanced = () => [...scenario.holders().values()].map((shards) => shards.length).sort()
      await scenario.eventually(() => balanced().join() === '2,3,3', 40_000)
      const codes = await Promise.all([first.kill('SIGTERM'), others[0]?.kill('SIGTERM')])
      expect(codes.map((exit) => exit?.code)).toEqual([0, 0])
      await scenario.eventually(() => scenario.holders().get('replica-3')?.length === 8, 40_000)
      loaded = false
      await writing
      await scenario.caughtUp()
      expect((await others[1]?.kill('SIGTERM'))?.code).toBe(0)
      const tally = scenario.tally()
      expect(tally.missing).toEqual([])
      expect(tally.duplicated).toBe(0)
      expect(scenario.commitsAhead()).toEqual([])
    },
  )
})
