/**
 * A steady rate for an hour with a fault now and then: nothing is lost, and memory and handles stay flat. One replica, the
 * witness, is never ended, so that its memory can be watched.
 *
 *   node test/chaos/soak.ts [--minutes 60] [--seed N]
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { seededRandom } from '../../src/emulator/sample-logs.ts'
import { CATALOG } from './faults/catalog.ts'
import { OUTPUT_FAULTS } from './faults/output.ts'
import { PROCESS_FAULTS } from './faults/process.ts'
import { performOne } from './schedule.ts'
import { bridge } from './subject.ts'
import { described, trial } from './trial.ts'
import type { World } from './world.ts'

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '60' }, seed: { type: 'string' } } })
const MINUTES = Number(values.minutes)
const SEED = Number(values.seed ?? Date.now() % 1_000_000)
const TOPICS = ['audit_log', 'k8s_audit']
/** From one fault's end to the next one's beginning: most of the time all is well. */
const CALM_MS = 15_000
/** Some 15 MB for each shard, so that pulls are as large as they get. */
const BACKLOG = { groups: 90, logsPerGroup: 1_000, tagBytes: 10, logBytes: 1_000 }
/** The allowed growth between the first third and the last. */
const GROWTH_MB = 15
const GROWTH_DESCRIPTORS = 10

const ENDING_FAULTS = [...PROCESS_FAULTS, ...OUTPUT_FAULTS]

interface Sample {
  residentMb: number
  descriptors: number
}
const samples: Sample[] = []

async function ordeal(world: World): Promise<void> {
  const random = seededRandom(SEED)
  // Memory grows until a replica has once worked as hard as it can; from there on it must not.
  world.hec.stall()
  await world.writeBacklog(BACKLOG)
  world.hec.resume()
  await world.caughtUp()
  const end = performance.now() + MINUTES * 60_000
  const [witness] = world.replicas
  if (!witness) throw new Error('there is no replica')
  const watching = (async () => {
    while (performance.now() < end) {
      await sleep(60_000)
      const { duplicateIds, uniqueIds } = world.hec.state()
      const sample = witness.burden
      samples.push(sample)
      console.log(
        JSON.stringify({ minute: samples.length, ...sample, uniqueIds, duplicateIds, faults: world.injuries.length }),
      )
    }
  })()
  while (performance.now() < end) {
    await sleep(CALM_MS * (0.5 + random()))
    const fault = CATALOG[Math.floor(random() * CATALOG.length)] as (typeof CATALOG)[number]
    const spared = ENDING_FAULTS.includes(fault) ? [witness.name] : []
    await performOne(world, fault, Math.floor(random() * 2 ** 31), spared)
  }
  await watching
}

function median(of: Sample[], key: keyof Sample): number {
  return of.map((sample) => sample[key]).toSorted((a, b) => a - b)[Math.floor(of.length / 2)] ?? 0
}

console.log(`soak of ${MINUTES} min, seed ${SEED}`)
const verdict = await trial({ subject: bridge(TOPICS), seed: SEED, ack: true, endpoints: 2, diskKb: 8 << 10, ordeal })
console.log(described(verdict))

const third = Math.max(1, Math.floor(samples.length / 3))
const thirds = [samples.slice(0, third), samples.slice(third, -third), samples.slice(-third)].map((part) => ({
  residentMb: median(part, 'residentMb'),
  descriptors: median(part, 'descriptors'),
}))
console.log(`medians of the witness, by thirds of the time: ${JSON.stringify(thirds)}`)
const [first, , last] = thirds as [Sample, Sample, Sample]
const growth = { residentMb: last.residentMb - first.residentMb, descriptors: last.descriptors - first.descriptors }
if (growth.residentMb > GROWTH_MB || growth.descriptors > GROWTH_DESCRIPTORS) {
  console.log('it grows')
  process.exitCode = 1
}
if (verdict.violations.length > 0) process.exitCode = 1
