import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/emulator/sample-logs.ts'
import type { BridgeProcess } from '../support/bridge-process.ts'
import { Scenario } from '../support/scenario.ts'

/**
 * A kill comes with a random one of so many requests after the last kill, which takes up to 2 s. It hits starts, hand-overs,
 * deliveries and commits.
 */
const REQUESTS_BETWEEN = 300

/** The acceptance run is fifty: KILLS=50 npx vitest run --project integration test/integration/crash.test.ts */
const KILLS = Number(process.env['KILLS'] ?? 8)

describe('kill -9', () => {
  test.for([false, true])(
    `of any of three replicas on eight shards, ${KILLS} times in a row, loses nothing (indexer ack: %s)`,
    { timeout: 60_000 + KILLS * 4_000 },
    async (ack) => {
      const scenario = await Scenario.start({ sls: { shards: 8 }, hec: { ack, ackDelayMs: 200 } })
      const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
      console.log(`seed ${seed}`)
      const random = seededRandom(seed)
      const replicas: BridgeProcess[] = [scenario.replica(), scenario.replica(), scenario.replica()]
      let killing = true
      const writing = (async () => {
        while (killing) await scenario.write(20, { perSecond: 60, kinds: ['audit', 'access', 'kubernetes'] })
      })()
      await scenario.eventually(() => scenario.hec.state().events > 0)
      for (let kill = 0; kill < KILLS; kill++) {
        await scenario.requests(1 + Math.floor(random() * REQUESTS_BETWEEN))
        const victim = Math.floor(random() * replicas.length)
        await replicas[victim]?.kill('SIGKILL')
        replicas[victim] = scenario.replica()
      }
      killing = false
      await writing
      await scenario.caughtUp(60_000)
      // The last one may still be starting, and does not know the signal yet.
      await Promise.all(replicas.map((replica) => replica.adminUrl()))
      const codes = await Promise.all(replicas.map((replica) => replica.kill('SIGTERM')))
      expect(codes.map(({ code }) => code)).toEqual([0, 0, 0])
      const { missing, ...tally } = scenario.tally()
      console.log(`${KILLS} kills, ack ${ack}: ${JSON.stringify({ ...tally, missing: missing.length })}`)
      expect(missing).toEqual([])
      expect(scenario.commitsAhead()).toEqual([])
    },
  )
})
