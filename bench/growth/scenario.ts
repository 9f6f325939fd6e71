import type { SlsApi } from '../../src/sls/errors.ts'
import type { EventReport } from './events.ts'
import { ALL_APIS, Events } from './events.ts'
import type { FleetOptions } from './fleet.ts'
import { Fleet } from './fleet.ts'
import { randomOf } from './random.ts'

/** Events in the life of a fleet after its cold start. */
export type Happenings = 'everything' | 'the essentials' | 'nothing'

export interface ScenarioOptions extends FleetOptions {
  replicas: number
  happenings: Happenings
  /** Length of the steady state. */
  steadyHeartbeats: number
}

/** Requests per second of one kind, in the steady state. */
interface Load {
  api: SlsApi | 'all'
  mean: number
  peak: number
  /** Bytes of JSON answers per second. */
  bytes: number
}

export interface ScenarioReport {
  options: ScenarioOptions
  events: EventReport[]
  steady: Load[]
  /** The most requests that one replica had under way at a time in the steady state. */
  steadyConnections: number
  violations: string[]
  simulatedSeconds: number
  realSeconds: number
}

/** Gap between the waves of a slow restart: the group's timeout and a heartbeat, so that the group has forgotten the last wave. */
const WAITING_HEARTBEATS = 4.5
/** Time for a delivery and the commit after it. */
const SETTLE_MS = 10_000

/** One fleet, from its cold start through all events. */
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
    fleet.sls.traffic.mostUnderWay = 0
    const steady = await steadyLoad(fleet, options.steadyHeartbeats)
    const steadyConnections = fleet.sls.traffic.mostUnderWay
    if (options.happenings !== 'nothing') reports.push(await events.join('one joins', 1))
    if (options.happenings === 'everything') {
      reports.push(await events.join('a third more join', third))
      reports.push(await events.leave())
      reports.push(await events.die('one dies', 1))
    }
    if (options.happenings !== 'nothing') reports.push(await events.die('a third die', third))
    if (options.happenings === 'everything') {
      reports.push(await events.rollingRestart('rolling restart', 1))
      reports.push(await events.rollingRestart('rolling restart, slowly', WAITING_HEARTBEATS))
    }
    fleet.stopWriting()
    await fleet.advance(options.fetchSeconds * 1000 + SETTLE_MS)
    fleet.assertNothingLost()
    return {
      ...{ options, events: reports, steady, steadyConnections, violations: fleet.judge.violations },
      simulatedSeconds: Math.round(fleet.time.now() / 1000),
      realSeconds: Math.round((performance.now() - started) / 100) / 10,
    }
  } finally {
    Math.random = random
  }
}

async function steadyLoad(fleet: Fleet, heartbeats: number): Promise<Load[]> {
  const from = fleet.time.now()
  await fleet.advance(heartbeats * fleet.options.heartbeatSeconds * 1000)
  const to = fleet.time.now()
  const { traffic } = fleet.sls
  const kinds = ALL_APIS.map((api) => ({ api, ...traffic.between(from, to, [api]) }))
  return [{ api: 'all', ...traffic.between(from, to, ALL_APIS) }, ...kinds.filter(({ mean }) => mean > 0)]
}
