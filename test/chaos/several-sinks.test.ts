import { describe, expect, test } from 'vitest'
import { sinkDown } from '../support/sink-down.ts'
import { Infected } from './mutants.ts'
import { SINK_MUTANTS } from './sink-mutants.ts'

const SEED = Number(process.env['CHAOS_SEED'] ?? 7)
const DOWN_MS = 60_000
const KILLS = 6

test(`one of two sinks is down for a minute, and a replica leaves and ${KILLS} kills come meanwhile: no copy is missing, none is repeated without a reason`, {
  timeout: 300_000,
}, async () => {
  const { broken, counts } = await sinkDown({
    seed: SEED,
    kills: KILLS,
    leave: true,
    downMs: DOWN_MS,
    patienceMs: 120_000,
  })
  for (const [sink, count] of Object.entries(counts)) {
    const { wanted, delivered, duplicated, missing } = count
    console.log(`| ${[sink, wanted, delivered, duplicated, missing].join(' | ')} |`)
  }
  expect(broken).toEqual([])
})

describe('a bridge with a bug in it is caught', () => {
  test.for(SINK_MUTANTS)('$bug → $caughtBy', { timeout: 300_000 }, async (mutant) => {
    using infected = new Infected(mutant)
    const seen: string[] = []
    // Chance decides whether a bug has its effect, so it gets three runs.
    for (const seed of [SEED, SEED + 1, SEED + 2]) {
      const { broken, counts } = await sinkDown({
        seed,
        kills: 2,
        leave: true,
        downMs: 8_000,
        main: infected.main,
        patienceMs: 15_000,
      })
      if (broken.includes(mutant.caughtBy)) return
      seen.push(`${broken}: ${JSON.stringify(counts)}`)
    }
    expect.fail(seen.join('\n'))
  })
})
