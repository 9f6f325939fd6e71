import type { Clock } from '../core/clock.ts'
import { Fault } from '../core/errors.ts'
import type { ShardRef } from '../core/shard.ts'
import type { SlsClient } from '../sls/client.ts'

export interface ShardLagOptions {
  shard: ShardRef
  client: SlsClient
  clock: Clock
}

/** An end that was told longer ago than this is asked for again. */
const ASK_AGAIN_MS = 10_000
/** An end that was told longer ago than this proves nothing any more: logs may have come since. */
const END_IS_FRESH_MS = 20_000
/** 0 would say that nothing waits, which nobody has told. */
const LEAST_UNKNOWN_SECONDS = 1

/**
 * The age of the oldest log of a shard not yet acknowledged: now minus the time at which the service received the group at
 * the low-water mark (`cursor_time`). The log's own time does not count, so writing old logs is no lag.
 *
 * While the service does not answer, the lag grows from the last moment at which it was known, at first the lease. It is 0
 * only where the end of the shard was told, and everything before it is acknowledged.
 */
export class ShardLag {
  readonly #options: ShardLagOptions
  #end: { cursor: string; at: number } | undefined
  /** When the service received the log group at this mark. */
  #timed: { mark: string; receivedMs: number } | undefined
  #server: { ms: number; at: number } | undefined
  /** Whatever was received before this monotonic time was acknowledged, as far as is known. */
  #since: number

  constructor(options: ShardLagOptions) {
    this.#options = options
    this.#since = options.clock.monotonic()
  }

  /** A pull reached the end: the next log will be at `cursor`. */
  sawEnd(cursor: string): void {
    this.#end = { cursor, at: this.#options.clock.monotonic() }
  }

  sawServerTime(serverTimeMs: number | undefined): void {
    if (serverTimeMs !== undefined) this.#server = { ms: serverTimeMs, at: this.#options.clock.monotonic() }
  }

  /** Seconds, from what is known now. `mark` is `undefined` before the start of the shard is known. */
  seconds(mark: string | undefined): number {
    const now = this.#options.clock.monotonic()
    if (mark !== undefined && mark === this.#end?.cursor) {
      if (now - this.#end.at <= END_IS_FRESH_MS) return 0
    } else if (mark !== undefined && mark === this.#timed?.mark) {
      return this.#ageOf(this.#timed.receivedMs)
    }
    return Math.max(LEAST_UNKNOWN_SECONDS, (now - this.#since) / 1000)
  }

  /** Asks the service for the end, and once a mark for its time. After a fault the lag stays as it is known. */
  async look(mark: string, signal: AbortSignal): Promise<void> {
    await this.#lookForEnd(signal)
    // The lease has ended while the service was asked, and its Fault was taken for a missing answer.
    if (signal.aborted) return
    if (mark === this.#end?.cursor) {
      this.#since = this.#end.at
      return
    }
    if (mark !== this.#timed?.mark) await this.#lookForTime(mark, signal)
    if (mark !== this.#timed?.mark) return
    this.#since = this.#options.clock.monotonic() - this.#ageOf(this.#timed.receivedMs) * 1000
  }

  async #lookForEnd(signal: AbortSignal): Promise<void> {
    const { client, shard, clock } = this.#options
    if (this.#end !== undefined && clock.monotonic() - this.#end.at <= ASK_AGAIN_MS) return
    const end = await answered(client.getCursor(shard.shard, 'end', signal))
    if (end !== undefined) this.sawEnd(end)
  }

  async #lookForTime(mark: string, signal: AbortSignal): Promise<void> {
    const { client, shard } = this.#options
    const seconds = await answered(client.getCursorTime(shard.shard, mark, signal))
    if (seconds !== undefined) this.#timed = { mark, receivedMs: seconds * 1000 }
  }

  /** By the service's clock, as it was told last, so that a wrong clock of this machine changes nothing. */
  #ageOf(receivedMs: number): number {
    const { clock } = this.#options
    const serverMs = this.#server ? this.#server.ms + clock.monotonic() - this.#server.at : clock.wall()
    return Math.max(0, (serverMs - receivedMs) / 1000)
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
