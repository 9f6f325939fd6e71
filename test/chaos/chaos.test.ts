import { describe, expect, test } from 'vitest'
import { draw, perform } from './schedule.ts'
import { bridge } from './subject.ts'
import type { TrialOptions } from './trial.ts'
import { described, trial } from './trial.ts'
import { STEADY } from './world.ts'

/**
 * Faults drawn at random, against real processes. The rules are in `judge.ts`, the faults in `faults/`.
 * CHAOS_SEED replays a run; CHAOS_SECONDS is the duration of faults in each run.
 */
const SECONDS = Number(process.env['CHAOS_SECONDS'] ?? 150)
const SEED = Number(process.env['CHAOS_SEED'] ?? Date.now() % 1_000_000)

const TIMEOUT_MS = SECONDS * 4_000 + 180_000

/** The share of faults that no request needs to meet. In the ordeals each one must be met. */
const MOST_UNMET = 0.2

const TOPICS = ['audit_log', 'k8s_audit']

/** Each seed has both numbers of endpoints, and its neighbours have them the other way round. */
const ENDPOINTS = SEED % 2 === 0 ? ([1, 2] as const) : ([2, 1] as const)

describe.for([
  { ack: false, inOrder: false, endpoints: ENDPOINTS[0] },
  { ack: true, inOrder: true, endpoints: ENDPOINTS[1] },
])('faults at random ($ack, in order: $inOrder, endpoints: $endpoints)', ({ ack, inOrder, endpoints }) => {
  test(`for ${SECONDS} s, CHAOS_SEED=${SEED}`, { timeout: TIMEOUT_MS }, () =>
    survives(SECONDS, { ack, inOrder, endpoints }),
  )
})

/** Logs that HEC refuses for good are for HEC only. Neighbours of a seed have the other confirmation. */
const SYSLOG = SEED % 2 === 0 ? 'drain' : 'relp'
/** A collector has fewer faults of its own. */
const SYSLOG_SECONDS = Math.ceil(SECONDS / 2)

test(
  `faults at random before a collector that confirms by ${SYSLOG}, for ${SYSLOG_SECONDS} s, CHAOS_SEED=${SEED}`,
  {
    timeout: TIMEOUT_MS,
  },
  () => survives(SYSLOG_SECONDS, { syslog: SYSLOG, load: { ...STEADY, poisonEvery: 0 } }),
)

async function survives(
  seconds: number,
  options: Pick<TrialOptions, 'ack' | 'inOrder' | 'endpoints' | 'syslog' | 'load'>,
): Promise<void> {
  const acts = draw(SEED, seconds, options)
  console.log(`CHAOS_SEED=${SEED}, ${seconds} s: ${acts.length} faults`)
  const verdict = await trial({
    ...{ subject: bridge(TOPICS), seed: SEED, ...options },
    ordeal: (world) => perform(world, acts),
  })
  console.log(described(verdict))
  // Two faults at once may hide one another from every request, as an answer too large hides one that is lost.
  const unmet = verdict.violations.filter(({ property }) => property === 'unfired').length
  const isBroken = verdict.violations.length > unmet
  if (isBroken || unmet > acts.length * MOST_UNMET) expect.fail(described(verdict))
  expect(verdict.counts.delivered).toBeGreaterThan(0)
}
