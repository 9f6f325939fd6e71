import type { Replica } from './replica.ts'

/** The lag that a replica tells of a shard which the service gives it, where it does not say that something waits. */
export interface LagSeen {
  /** Unix milliseconds before the question. */
  readonly at: number
  readonly replica: string
  readonly shard: number
  /** `undefined`: it has no such series, although it says that it holds the shard. */
  readonly seconds: 0 | undefined
}

const SERIES = /^sls_bridge_shard_(lag_seconds|leased)\{[^}]*shard="(\d+)"[^}]*\} (\S+)$/gm
const EVERY_MS = 1_000
/** A replica learns of a shard with its next heartbeat, and of its loss as well. */
const SETTLED_MS = 5_000

interface Held {
  readonly shard: number
  readonly holder: string | null
}

/** Asks every replica for its metrics once a second, and keeps what says "caught up", or nothing. */
export class LagWatch {
  readonly seen: LagSeen[] = []
  readonly #replicas: readonly Replica[]
  readonly #held: () => readonly Held[]
  /** By shard: the consumer that holds it, and since when. */
  readonly #since = new Map<number, { holder: string | null; at: number }>()
  readonly #timer: NodeJS.Timeout

  constructor(replicas: readonly Replica[], held: () => readonly Held[]) {
    this.#replicas = replicas
    this.#held = held
    this.#timer = setInterval(() => this.#look(), EVERY_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const at = Date.now()
    for (const { shard, holder } of this.#held()) {
      if (this.#since.get(shard)?.holder !== holder) this.#since.set(shard, { holder, at })
    }
    for (const replica of this.#replicas) if (replica.running) void this.#ask(replica, at)
  }

  async #ask(replica: Replica, at: number): Promise<void> {
    const { status, text = '' } = (await replica.ask('/metrics')) ?? {}
    if (status !== 200) return
    const told = new Map([...text.matchAll(SERIES)].map(([, metric, shard, value]) => [`${metric} ${shard}`, value]))
    for (const [shard, { holder, at: since }] of this.#since) {
      if (!holder?.startsWith(`${replica.name}.`) || at - since < SETTLED_MS) continue
      const lag = told.get(`lag_seconds ${shard}`)
      // One that has given the shard up by its own clock, or has started again, holds none: the service learns of it later.
      const missing = lag === undefined && told.get(`leased ${shard}`) === '1'
      if (lag === '0' || missing) {
        this.seen.push({ at, replica: replica.name, shard, seconds: missing ? undefined : 0 })
      }
    }
  }
}
