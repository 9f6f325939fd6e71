import { describe, expect, test } from 'vitest'
import { Infected, MUTANTS } from './mutants.ts'
import type { OrdealName } from './ordeals.ts'
import { ORDEALS } from './ordeals.ts'
import { bridge } from './subject.ts'
import type { Verdict } from './trial.ts'
import { described, trial } from './trial.ts'

const TOPICS = ['audit_log', 'k8s_audit']
/** A bug that gets stuck need not be waited for as long as a real replica is. */
const PATIENCE_MS = 12_000

function undergo(name: OrdealName, main?: string): Promise<Verdict> {
  if (main === undefined) return trial({ ...ORDEALS[name], subject: bridge(TOPICS), seed: 7 })
  const subject = bridge(TOPICS, { SHUTDOWN_GRACE_SECONDS: '5' }, main)
  return trial({ ...ORDEALS[name], subject, seed: 7, settleMs: PATIENCE_MS, patienceMs: PATIENCE_MS })
}

describe.concurrent('the ordeals that show a bug', () => {
  test.for(Object.keys(ORDEALS) as OrdealName[])('%s: the bridge as it is passes', async (name) => {
    const verdict = await undergo(name)
    if (verdict.violations.length > 0) expect.fail(described(verdict))
  })
})

describe.concurrent('a bridge with a bug in it is caught', () => {
  test.for(MUTANTS)('$bug → $caughtBy', async (mutant) => {
    using infected = new Infected(mutant)
    const seen: string[] = []
    // Chance decides whether a bug has its effect, so it gets a second ordeal.
    for (let ordeal = 0; ordeal < 2; ordeal++) {
      const verdict = await undergo(mutant.ordeal, infected.main)
      if (verdict.violations.some(({ property }) => property === mutant.caughtBy)) return
      seen.push(described(verdict))
    }
    expect.fail(seen.join('\n'))
  })
})
