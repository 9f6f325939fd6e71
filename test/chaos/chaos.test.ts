import { describe, expect, test } from 'vitest'
import { draw, perform } from './schedule.ts'
import { bridge } from './subject.ts'
import { described, trial } from './trial.ts'

/**
 * Faults drawn at random, against real processes. The rules are in `judge.ts`, the faults in `faults/`.
 * CHAOS_SEED replays a run; CHAOS_SECONDS is the duration of faults in each run.
 */
const SECONDS = Number(process.env['CHAOS_SECONDS'] ?? 150)
const SEED = Number(process.env['CHAOS_SEED'] ?? Date.now() % 1_000_000)

const TOPICS = ['audit_log', 'k8s_audit']

describe.for([
  { ack: false, inOrder: false },
  { ack: true, inOrder: true },
])('faults at random ($ack, in order: $inOrder)', ({ ack, inOrder }) => {
  test(`for ${SECONDS} s, CHAOS_SEED=${SEED}`, { timeout: SECONDS * 4_000 + 180_000 }, async () => {
    const acts = draw(SEED, SECONDS, { ack })
    console.log(`CHAOS_SEED=${SEED} CHAOS_SECONDS=${SECONDS}: ${acts.length} faults`)
    const verdict = await trial({
      ...{ subject: bridge(TOPICS), seed: SEED, ack, inOrder },
      ordeal: (world) => perform(world, acts),
    })
    console.log(described(verdict))
    if (verdict.violations.length > 0) expect.fail(described(verdict))
    expect(verdict.counts.delivered).toBeGreaterThan(0)
  })
})
