/**
 * How the bridge scales: `node bench/growth/growth.ts [--quick] [--seed N]` prints the tables of docs/scaling.md;
 * `--shards N --replicas N [--heartbeat S] [--fetch S] [--write S]` runs one fleet through all events. fleet.ts says which parts
 * are real and which are simulated.
 */
import { parseArgs } from 'node:util'
import { idleMemory } from './memory.ts'
import type { Happenings, ScenarioReport } from './scenario.ts'
import { runScenario } from './scenario.ts'
import { balanceTable, gapTable, heartbeatTable, idleTable, loadTable, memoryTable, movesTable } from './tables.ts'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    shards: { type: 'string' },
    replicas: { type: 'string', default: '3' },
    heartbeat: { type: 'string', default: '20' },
    fetch: { type: 'string', default: '1' },
    write: { type: 'string', default: '10' },
  },
})
const seed = Number(values.seed)
const DEFAULTS = { steadyHeartbeats: 3, heartbeatSeconds: 20, fetchSeconds: 1, writeSeconds: 10 }
const FLEETS: ReadonlyArray<readonly [shards: number, replicas: number]> = values.quick
  ? [
      [10, 3],
      [10, 12],
      [100, 10],
    ]
  : [
      ...[3, 10, 30].map((replicas) => [10, replicas] as const),
      ...[3, 10, 100].map((replicas) => [100, replicas] as const),
      ...[3, 10, 100, 1_000].map((replicas) => [1_000, replicas] as const),
      ...[3, 10, 100, 1_000].map((replicas) => [10_000, replicas] as const),
    ]
/** From this many shards on, events are simulated with fewer pulls than the default: pulls do not affect them. */
const MANY_SHARDS = 1_000
const FEWER_PULLS = { fetchSeconds: 5, writeSeconds: 60 }

let failed = false

async function run(options: Omit<Parameters<typeof runScenario>[0], 'seed'>): Promise<ScenarioReport> {
  const report = await runScenario({ ...options, seed })
  const { shards, replicas, happenings, heartbeatSeconds, fetchSeconds } = options
  console.error(
    `${shards} shards, ${replicas} replicas, heartbeat ${heartbeatSeconds} s, fetch ${fetchSeconds} s, ${happenings}: ` +
      `${report.simulatedSeconds} s simulated in ${report.realSeconds} s`,
  )
  for (const violation of report.violations.slice(0, 5)) console.error(`  VIOLATION ${violation}`)
  failed ||= report.violations.length > 0
  return report
}

function happeningsOf(shards: number): Happenings {
  return shards > MANY_SHARDS ? 'the essentials' : 'everything'
}

function shorter(shards: number): { steadyHeartbeats?: number } {
  return shards > MANY_SHARDS ? { steadyHeartbeats: 1 } : {}
}

async function matrix(): Promise<void> {
  const loads: ScenarioReport[] = []
  const lives: ScenarioReport[] = []
  for (const [shards, replicas] of FLEETS) {
    if (shards < MANY_SHARDS) {
      const both = await run({ ...DEFAULTS, shards, replicas, happenings: 'everything' })
      loads.push(both)
      lives.push(both)
    } else {
      loads.push(await run({ ...DEFAULTS, ...shorter(shards), shards, replicas, happenings: 'nothing' }))
      lives.push(
        await run({
          ...DEFAULTS,
          ...FEWER_PULLS,
          ...shorter(shards),
          shards,
          replicas,
          happenings: happeningsOf(shards),
        }),
      )
    }
  }
  console.log(`\n## Requests\n\n${loadTable(loads)}`)
  console.log(`\n## Time to balance\n\n${balanceTable(lives)}`)
  console.log(`\n## Moves\n\n${movesTable(lives)}`)
  console.log(`\n## Unread shards\n\n${gapTable(lives)}`)
}

async function variants(): Promise<void> {
  const fleet = { ...DEFAULTS, shards: 100, replicas: 10 }
  const beats: ScenarioReport[] = []
  for (const heartbeatSeconds of [5, 10, 20, 60]) {
    beats.push(await run({ ...fleet, heartbeatSeconds, happenings: 'everything' }))
  }
  console.log(`\n## Heartbeats\n\n${heartbeatTable(beats)}`)
  const idle: ScenarioReport[] = []
  for (const fetchSeconds of [0.2, 1, 2, 5, 10, 30, 60]) {
    idle.push(await run({ ...fleet, fetchSeconds, writeSeconds: 0, happenings: 'nothing' }))
  }
  console.log(`\n## Idle shards\n\n${idleTable(idle)}`)
}

console.log(`Seed ${seed}, Node ${process.version}.`)
if (values.shards !== undefined) {
  const options = {
    ...{
      steadyHeartbeats: 3,
      shards: Number(values.shards),
      replicas: Number(values.replicas),
      happenings: 'everything' as const,
    },
    ...{
      heartbeatSeconds: Number(values.heartbeat),
      fetchSeconds: Number(values.fetch),
      writeSeconds: Number(values.write),
    },
  }
  const report = await run(options)
  console.table(report.events)
  console.table(report.steady)
} else {
  await matrix()
  if (!values.quick) {
    await variants()
    console.log(`\n## Memory\n\n${memoryTable([await idleMemory(1_000, seed), await idleMemory(10_000, seed)])}`)
  }
}
if (failed) process.exitCode = 1
