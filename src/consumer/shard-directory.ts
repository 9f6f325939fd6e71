import type { Clock } from '../core/clock.ts'
import type { SlsClient } from '../sls/client.ts'

/** Which shards are read-only, asked for at most every `maxAgeMs` however many shard consumers want to know. */
export class ShardDirectory {
  readonly #client: SlsClient
  readonly #clock: Clock
  readonly #maxAgeMs: number
  #askedAt = Number.NEGATIVE_INFINITY
  #readonly: Promise<Set<number>> = Promise.resolve(new Set())

  constructor(client: SlsClient, clock: Clock, maxAgeMs: number) {
    this.#client = client
    this.#clock = clock
    this.#maxAgeMs = maxAgeMs
  }

  /** Rejects with the client's fault; the next call asks again. */
  async isReadonly(shard: number): Promise<boolean> {
    const now = this.#clock.monotonic()
    if (now - this.#askedAt >= this.#maxAgeMs) {
      this.#askedAt = now
      this.#readonly = this.#ask()
    }
    return (await this.#readonly).has(shard)
  }

  async #ask(): Promise<Set<number>> {
    try {
      const shards = await this.#client.listShards()
      return new Set(shards.filter((shard) => shard.status === 'readonly').map((shard) => shard.shardId))
    } catch (error) {
      this.#askedAt = Number.NEGATIVE_INFINITY
      throw error
    }
  }
}
