import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Counts, Violation } from './judge.ts'
import { countsOf, judge } from './judge.ts'
import type { Load, WorldOptions } from './world.ts'
import { World } from './world.ts'

export interface TrialOptions extends WorldOptions {
  load?: Load
  /** The faults of the world while it works. */
  ordeal: (world: World) => Promise<void>
  /** Bound of progress: from the last fault's end until everything is delivered and committed. */
  settleMs?: number
}

export interface Verdict {
  readonly counts: Counts
  readonly violations: readonly Violation[]
  readonly faults: number
  readonly peakMemoryMb: number
  /** Where the logs of the replicas are; only kept when something is wrong. */
  readonly logs: string
  readonly seconds: number
  /** From the last fault's end until everything was delivered and committed. */
  readonly settledAfterMs: number
}

/** A world from its beginning to its judgement: replicas start, logs are written, the ordeal happens, everything settles. */
export async function trial(options: TrialOptions): Promise<Verdict> {
  const started = performance.now()
  await using world = await World.start(options)
  for (const replica of world.replicas) replica.start()
  world.startWriting(options.load)
  await world.working()
  await options.ordeal(world)
  const ended = performance.now()
  await world.settle(options.settleMs ?? 90_000)
  const settledAfterMs = Math.round(performance.now() - ended)
  const record = await world.finish()
  const violations = judge(record)
  if (violations.length > 0) {
    world.keepLogs()
    writeFileSync(join(world.logs, 'violations.json'), JSON.stringify(violations.slice(0, 1_000), null, 1))
  }
  return {
    ...{ counts: countsOf(record), violations, faults: record.injuries.length, settledAfterMs },
    ...{ peakMemoryMb: record.peakMemoryMb, logs: world.logs },
    seconds: Math.round((performance.now() - started) / 1000),
  }
}

/** A few lines for a person: counts, and the first violations of each property. */
export function described({ counts, violations, ...rest }: Verdict): string {
  const kinds = Object.entries(Object.groupBy(violations, ({ property }) => property))
  const lines = kinds.map(([property, those = []]) => {
    const shown = those.slice(0, 5).map(({ what }) => `    ${what}`)
    return [`  ${property}: ${those.length}`, ...shown].join('\n')
  })
  return [JSON.stringify({ ...counts, ...rest }), ...lines].join('\n')
}
