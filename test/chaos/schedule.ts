import { seededRandom } from '../../src/emulator/sample-logs.ts'
import { polled } from '../support/polled.ts'
import { CATALOG, SYSLOG_CATALOG } from './faults/catalog.ts'
import type { Claim, Draw, Fault } from './faults/fault.ts'
import type { World, WorldOptions } from './world.ts'

/** One fault as chance set it: which, in which of the lanes, how long, and a seed for whatever else is to be decided. */
export interface Act {
  readonly fault: Fault
  readonly lane: number
  readonly afterMs: number
  readonly forMs: number
  readonly seed: number
}

interface Drawn extends Pick<WorldOptions, 'ack' | 'endpoints' | 'syslog'> {
  lanes?: number
}

const LONGEST_GAP_MS = 800
/** No fault needs a replica for longer. */
const CLAIM_MS = 60_000

/** Acts for about `seconds`, in `lanes` that run side by side; every kind comes once before any comes again. */
export function draw(
  seed: number,
  seconds: number,
  { ack = false, endpoints = 1, lanes = 2, syslog }: Drawn = {},
): Act[] {
  const random = seededRandom(seed)
  const kinds = (syslog ? SYSLOG_CATALOG : CATALOG).filter((fault) => {
    const isOfCollector = syslog === undefined || (fault.collector?.includes(syslog) ?? true)
    return isOfCollector && (ack || !fault.ack) && (fault.endpoints ?? 1) <= endpoints
  })
  const acts: Act[] = []
  const busyMs = Array.from({ length: lanes }, () => 0)
  let deck: Fault[] = []
  for (;;) {
    const lane = busyMs.indexOf(Math.min(...busyMs))
    if ((busyMs[lane] as number) >= seconds * 1000) return acts
    if (deck.length === 0) deck = shuffled(kinds, random)
    const fault = deck.pop() as Fault
    const [from, to] = fault.lasts
    const afterMs = Math.round(random() * LONGEST_GAP_MS)
    const forMs = Math.round(from + random() * (to - from))
    acts.push({ fault, lane, afterMs, forMs, seed: Math.floor(random() * 2 ** 31) })
    busyMs[lane] = (busyMs[lane] as number) + afterMs + forMs + (fault.alsoMs ?? 0)
  }
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const left = [...items]
  return items.map(() => left.splice(Math.floor(random() * left.length), 1)[0] as T)
}

/** Performs the acts; resolves when the last fault is healed. */
export async function perform(world: World, acts: readonly Act[]): Promise<void> {
  const claimed = new Set<string>()
  const lanes = Map.groupBy(acts, ({ lane }) => lane)
  // The second endpoint has one fault at a time, since a request that a certificate stops meets no other, and so has a collector.
  let isFree = Promise.resolve()
  await Promise.all(
    [...lanes.values()].map(async (lane) => {
      for (const { fault, afterMs, forMs, seed } of lane) {
        await new Promise((resolve) => setTimeout(resolve, afterMs))
        const inflict = (): Promise<void> => fault.inflict(world, drawOf(world, forMs, seed, claimed))
        const goesAlone = fault.endpoints === 2 || fault.collector !== undefined
        if (goesAlone) isFree = isFree.then(inflict)
        await (goesAlone ? isFree : inflict())
      }
    }),
  )
}

/** One fault, once, on whichever replica its seed says; not on those that are spared. */
export function performOne(world: World, fault: Fault, seed: number, spared: Iterable<string> = []): Promise<void> {
  const [from, to] = fault.lasts
  return fault.inflict(world, drawOf(world, (from + to) / 2, seed, new Set(spared)))
}

function drawOf(world: World, forMs: number, seed: number, claimed: Set<string>): Draw {
  const random = seededRandom(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  const replica = async (): Promise<Claim> => {
    const first = below(world.replicas.length)
    const order = world.replicas.map((_, i) => world.replicas[(first + i) % world.replicas.length])
    const free = () => order.find((each) => each?.running && !claimed.has(each.name))
    if (!(await polled(() => free() !== undefined, CLAIM_MS))) throw new Error('no replica is free for a fault')
    const chosen = free() as World['replicas'][number]
    claimed.add(chosen.name)
    return { replica: chosen, [Symbol.dispose]: () => claimed.delete(chosen.name) }
  }
  return { forMs, below, replica }
}
