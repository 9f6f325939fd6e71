import type { Clock } from '../core/clock.ts'
import type { SlsClient } from '../sls/client.ts'

/**
 * Every replica lists every shard, so the answers grow with the square of a group. A longer list is asked for less often,
 * which comes to some 16 KB a second. Up to 500 shards `minAgeMs` alone decides.
 */
const MS_PER_SHARD = 10

/** Tells which shards are read-only. However many shard consumers ask, the service is asked every `minAgeMs` at most. */
export class ReadonlyShards {
  readonly #client: SlsClient
  readonly #clock: Clock
  readonly #minAgeMs: number
  #listed = 0
  #askedAt = Number.NEGATIVE_INFINITY
  #readonly: Promise<Set<number>> = Promise.resolve(new Set())

  constructor(client: SlsClient, clock: Clock, minAgeMs: number) {
    this.#client = client
    this.#clock = clock
    this.#minAgeMs = minAgeMs
  }

  /** Rejects with the client's fault. The next call asks again. */
  async has(shard: number): Promise<boolean> {
    const now = this.#clock.monotonic()
    if (now - this.#askedAt >= Math.max(this.#minAgeMs, this.#listed * MS_PER_SHARD)) {
      this.#askedAt = now
      this.#readonly = this.#ask()
    }
    return (await this.#readonly).has(shard)
  }

  async #ask(): Promise<Set<number>> {
    try {
      const shards = await this.#client.listShards()
      this.#listed = shards.length
      return new Set(shards.filter((shard) => shard.status === 'readonly').map((shard) => shard.shardId))
    } catch (error) {
      this.#askedAt = Number.NEGATIVE_INFINITY
      throw error
    }
  }
}
