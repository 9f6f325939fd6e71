import type { SlsApi } from '../../src/sls/errors.ts'
import type { EventReport } from './events.ts'
import { ALL_APIS, Events } from './events.ts'
import type { FleetOptions } from './fleet.ts'
import { Fleet } from './fleet.ts'
import { randomOf } from './random.ts'

export interface ScenarioOptions extends FleetOptions {
  replicas: number
}

/** Requests per second of one kind in the steady state. */
export interface Load {
  api: SlsApi | 'all'
  mean: number
  peak: number
  /** Of JSON answers, per second. */
  bytes: number
}

export interface ScenarioReport {
  options: ScenarioOptions
  events: EventReport[]
  steady: Load[]
  violations: string[]
  simulatedSeconds: number
  realSeconds: number
}

/** Long enough for each kind of request there is. */
const STEADY_HEARTBEATS = 3
/** For a delivery and the commit after it. */
const SETTLE_MS = 10_000

/** One fleet from its cold start on, through everything that may happen to it. */
export async function runScenario(options: ScenarioOptions): Promise<ScenarioReport> {
  const started = performance.now()
  const random = Math.random
  // The backoff of the code under test is random too.
  Math.random = randomOf(options.seed + 1)
  try {
    const fleet = new Fleet(options)
    const events = new Events(fleet)
    const third = Math.max(1, Math.floor(options.replicas / 3))
    const reports = [await events.coldStart(options.replicas)]
    const steady = await steadyLoad(fleet)
    reports.push(await events.join('one joins', 1))
    reports.push(await events.join('a third more join', third))
    reports.push(await events.leave())
    reports.push(await events.die('one dies', 1))
    reports.push(await events.die('a third die', third))
    reports.push(await events.rollingRestart())
    fleet.stopWriting()
    await fleet.advance(options.fetchSeconds * 1000 + SETTLE_MS)
    fleet.assertNothingLost()
    return {
      ...{ options, events: reports, steady, violations: fleet.judge.violations },
      simulatedSeconds: Math.round(fleet.time.now() / 1000),
      realSeconds: Math.round((performance.now() - started) / 100) / 10,
    }
  } finally {
    Math.random = random
  }
}

async function steadyLoad(fleet: Fleet): Promise<Load[]> {
  const from = fleet.time.now()
  await fleet.advance(STEADY_HEARTBEATS * fleet.options.heartbeatSeconds * 1000)
  const to = fleet.time.now()
  const { traffic } = fleet.sls
  const kinds = ALL_APIS.map((api) => ({ api, ...traffic.between(from, to, [api]) }))
  return [{ api: 'all', ...traffic.between(from, to, ALL_APIS) }, ...kinds.filter(({ mean }) => mean > 0)]
}
