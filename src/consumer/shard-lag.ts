import type { Clock } from '../core/clock.ts'
import { Fault } from '../core/errors.ts'
import type { ShardRef } from '../core/shard.ts'
import type { SlsClient } from '../sls/client.ts'

export interface ShardLagOptions {
  shard: ShardRef
  client: SlsClient
  clock: Clock
}

/** How long the end that a pull saw counts as the end, while nothing is read (for instance, because the budget is used up). */
const END_IS_FRESH_MS = 10_000

/**
 * The age of the oldest log of a shard not yet acknowledged: now minus the time at which the service received the group at
 * the low-water mark (`cursor_time`). The log's own time does not count, so writing old logs is no lag.
 */
export class ShardLag {
  readonly #options: ShardLagOptions
  #endSeenAt = Number.NEGATIVE_INFINITY
  #endCursor = ''
  #mark = ''
  #markTimeMs: number | undefined
  #serverAheadMs = 0

  constructor(options: ShardLagOptions) {
    this.#options = options
  }

  /** A pull reached the end: the next log will be at `cursor`. */
  sawEnd(cursor: string): void {
    this.#endCursor = cursor
    this.#endSeenAt = this.#options.clock.monotonic()
  }

  sawServerTime(serverTimeMs: number | undefined): void {
    if (serverTimeMs !== undefined) this.#serverAheadMs = serverTimeMs - this.#options.clock.wall()
  }

  /** Seconds; 0 when caught up; `undefined` if nothing is known and the service does not answer. Asks once a mark at most. */
  async seconds(mark: string, signal: AbortSignal): Promise<number | undefined> {
    if (await this.#caughtUp(mark, signal)) return 0
    // The lease has ended while the service was asked, and its Fault was taken for a missing answer.
    if (signal.aborted) return undefined
    const received = await this.#receivedAt(mark, signal)
    if (received === undefined) return undefined
    return Math.max(0, (this.#options.clock.wall() + this.#serverAheadMs - received) / 1000)
  }

  async #caughtUp(mark: string, signal: AbortSignal): Promise<boolean> {
    const { client, shard, clock } = this.#options
    if (clock.monotonic() - this.#endSeenAt > END_IS_FRESH_MS) {
      const end = await answered(client.getCursor(shard.shard, 'end', signal))
      if (end !== undefined) this.sawEnd(end)
    }
    return mark === this.#endCursor
  }

  async #receivedAt(mark: string, signal: AbortSignal): Promise<number | undefined> {
    if (mark !== this.#mark) {
      const seconds = await answered(this.#options.client.getCursorTime(this.#options.shard.shard, mark, signal))
      // Without an answer the last known time stays: the lag grows, and is never shown too small.
      if (seconds !== undefined) {
        this.#mark = mark
        this.#markTimeMs = seconds * 1000
      }
    }
    return this.#markTimeMs
  }
}

/** A fault here is not reported: the client counts it, and pulls report the same fault. */
async function answered<T>(question: Promise<T>): Promise<T | undefined> {
  try {
    return await question
  } catch (error) {
    if (error instanceof Fault) return undefined
    throw error
  }
}
