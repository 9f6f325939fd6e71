import type { Clock } from '../core/clock.ts'
import { Fault } from '../core/errors.ts'
import { backoffMs } from '../core/retry.ts'
import type { Telemetry } from '../core/telemetry.ts'
import type { SlsClient } from '../sls/client.ts'

/**
 * Every replica lists every shard, so the answers grow with the square of a group. A longer list is asked for less often,
 * which comes to some 16 KB a second. Up to 500 shards `minAgeMs` alone decides.
 */
const MS_PER_SHARD = 10
/** However short the heartbeat interval is. */
const LEAST_AGE_MS = 1_000
/** The random half of the first delay is never less than `LEAST_AGE_MS`. */
const RETRY = { minMs: 2 * LEAST_AGE_MS, maxMs: 30_000 }

export interface ReadonlyShardsOptions {
  readonly client: Pick<SlsClient, 'listShards'>
  readonly clock: Clock
  readonly telemetry: Pick<Telemetry, 'notice'>
  /** A list that is younger is not asked for again. */
  readonly minAgeMs: number
}

/**
 * The read-only shards. However many shard consumers ask, the service is asked every `minAgeMs` at most, and less and less
 * often while it fails.
 */
export class ReadonlyShards {
  readonly #options: ReadonlyShardsOptions
  readonly #minAgeMs: number
  #askAt = Number.NEGATIVE_INFINITY
  #failures = 0
  /** Whether it is read-only, of each shard that exists. */
  #listed: Promise<Map<number, boolean>> = Promise.resolve(new Map())

  constructor(options: ReadonlyShardsOptions) {
    this.#options = options
    this.#minAgeMs = Math.max(LEAST_AGE_MS, options.minAgeMs)
  }

  /** Rejects with the fault of the last question, until the next one is due. */
  async has(shard: number): Promise<boolean> {
    return (await this.#list()).get(shard) === true
  }

  /** Whether the service has this shard at all. Rejects as `has` does. */
  async exists(shard: number): Promise<boolean> {
    return (await this.#list()).has(shard)
  }

  #list(): Promise<Map<number, boolean>> {
    if (this.#options.clock.monotonic() >= this.#askAt) {
      // Until the answer tells when to ask again.
      this.#askAt = Number.POSITIVE_INFINITY
      this.#listed = this.#ask()
    }
    return this.#listed
  }

  async #ask(): Promise<Map<number, boolean>> {
    const { client, clock } = this.#options
    const askedAt = clock.monotonic()
    try {
      const shards = await client.listShards()
      this.#failures = 0
      this.#askAt = askedAt + Math.max(this.#minAgeMs, shards.length * MS_PER_SHARD)
      return new Map(shards.map(({ shardId, status }) => [shardId, status === 'readonly']))
    } catch (error) {
      this.#failed(error)
      throw error
    }
  }

  #failed(error: unknown): void {
    const { clock, telemetry } = this.#options
    this.#failures++
    this.#askAt = clock.monotonic() + backoffMs(this.#failures, RETRY)
    if (this.#failures > 1 || !(error instanceof Fault)) return
    const message = `the shards could not be listed, so the end of a read-only shard is found later: ${error.message}`
    telemetry.notice('warn', message, { fault: error })
  }
}
