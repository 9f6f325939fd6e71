import type { Replica } from './replica.ts'

/** The lag that a replica tells of a shard which the service gives it, where it does not say that something waits. */
export interface LagSeen {
  /** Unix milliseconds before the question. */
  readonly at: number
  readonly replica: string
  readonly shard: number
  /** `undefined`: it has no such series. */
  readonly seconds: 0 | undefined
}

const LAG = /^sls_bridge_shard_lag_seconds\{[^}]*shard="(\d+)"[^}]*\} (\S+)$/gm
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
    const told = new Map([...text.matchAll(LAG)].map(([, shard, seconds]) => [Number(shard), Number(seconds)]))
    for (const [shard, { holder, at: since }] of this.#since) {
      if (!holder?.startsWith(`${replica.name}.`) || at - since < SETTLED_MS) continue
      const seconds = told.get(shard)
      if (seconds === 0 || seconds === undefined) this.seen.push({ at, replica: replica.name, shard, seconds })
    }
  }
}
