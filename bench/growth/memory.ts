import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Events } from './events.ts'
import { Fleet } from './fleet.ts'

export interface IdleMemory {
  shards: number
  /** JavaScript heap for each held, idle shard, in bytes, without connections and the service's side. */
  heapBytesPerShard: number
  /** Share of a processor for a thousand shards at the default fetch interval, the simulation included. */
  cpuPercentPerThousand: number
}

const WATCHED_MS = 60_000

/** One replica that holds every shard, while nothing is written. */
export async function idleMemory(shards: number, seed: number): Promise<IdleMemory> {
  const fleet = new Fleet({ shards, seed, heartbeatSeconds: 20, fetchSeconds: 1, writeSeconds: 0 })
  const before = heapUsed()
  await new Events(fleet).coldStart(1)
  await fleet.advance(WATCHED_MS / 2)
  const heap = heapUsed() - before
  const cpu = process.cpuUsage()
  await fleet.advance(WATCHED_MS)
  const { user, system } = process.cpuUsage(cpu)
  return {
    shards,
    heapBytesPerShard: Math.round(heap / shards),
    cpuPercentPerThousand: Math.round(((user + system) / 1000 / WATCHED_MS) * 100 * (1000 / shards) * 10) / 10,
  }
}

function heapUsed(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  collect()
  return process.memoryUsage().heapUsed
}
