import { Fault, messageOf } from '../core/errors.ts'
import type { StartPosition } from '../core/start-position.ts'
import type { ShardLease } from './lease.ts'
import type { RunningShardOptions } from './running-shard.ts'
import { RunningShard } from './running-shard.ts'
import { ShardCursors } from './shard-cursors.ts'

export interface ShardConsumerOptions extends RunningShardOptions {
  start: StartPosition
}

export type ShardOutcome = 'drained' | 'lost'

/**
 * One shard from taking it to giving it up:
 *
 *   starting → pulling ⇄ waiting at the end → draining → drained
 *        └────────────┴───────── lease lost (any time) ──────────→ lost: nothing more is delivered, nothing is committed
 *
 * At the end of a read-only shard the end is committed (even if unchanged) and the shard is held, idle, until the service
 * takes it away. Whatever happens once the start is known is in running-shard.ts.
 */
export class ShardConsumer {
  readonly #options: ShardConsumerOptions
  readonly #lease: ShardLease
  readonly #draining = new AbortController()
  /** `undefined` before the start is known. */
  #running: RunningShard | undefined
  #bug: unknown

  constructor(lease: ShardLease, options: ShardConsumerOptions) {
    this.#options = options
    this.#lease = lease
  }

  /** Stop pulling; `run` resolves once everything pulled is settled and committed. */
  drain(): void {
    this.#draining.abort()
  }

  /** Everything before this cursor is settled, committed or not; `undefined` before the start is known. */
  get mark(): string | undefined {
    return this.#running?.mark
  }

  /** Commit what is settled now, whatever is still on its way: the last thing before a deadline cuts deliveries off. */
  async commitSettled(): Promise<void> {
    await this.#running?.commitMark().catch(this.#loseOn)
  }

  get commitChanges(): number {
    return this.#running?.commitChanges ?? -1
  }

  /** What the server holds as this shard's checkpoint, read while `commitChanges` was `changesBefore`. */
  verifyCheckpoint(seen: { checkpoint: string; consumer: string }, changesBefore: number): void {
    this.#running?.verifyCheckpoint(seen, changesBefore)
  }

  /** Begins after `delayMs`. Rejects only on a bug; every fault of the outside world is dealt with inside. */
  async run({ remembered, delayMs = 0 }: { remembered: string | undefined; delayMs?: number }): Promise<ShardOutcome> {
    const { telemetry } = this.#options
    const { shard, signal } = this.#lease
    try {
      this.#running = await this.#start(remembered, delayMs)
      await this.#running?.run()
      telemetry.shardReleased(shard, 'drained')
      return 'drained'
    } catch (error) {
      this.#loseOn(error)
      if (this.#bug) throw this.#bug
      telemetry.leaseLost(shard, messageOf(signal.reason))
      telemetry.shardReleased(shard, 'lost')
      return 'lost'
    }
  }

  /** `undefined` when it was told to drain before the start was known: there is nothing to finish. */
  async #start(remembered: string | undefined, delayMs: number): Promise<RunningShard | undefined> {
    const lease = this.#lease
    const draining = this.#draining.signal
    const cursors = new ShardCursors({ ...this.#options, shard: lease.shard, remembered })
    const wanted = AbortSignal.any([lease.signal, draining])
    try {
      if (delayMs > 0) await this.#options.clock.sleep(delayMs, wanted)
      const from = await cursors.start(wanted)
      return new RunningShard({ lease, from, cursors, draining, failed: this.#loseOn }, this.#options)
    } catch (error) {
      if (error !== draining.reason || lease.signal.aborted) throw error
      return undefined
    }
  }

  /** Ends this shard's work on `error`: quietly if that is the lease's own end, loudly if it is something nobody foresaw. */
  readonly #loseOn = (error: unknown): void => {
    // Whatever the outside world still answers once the lease is over is no news.
    if (this.#lease.signal.aborted && (error instanceof Fault || isAbort(error))) return
    if (error instanceof Fault && error.kind === 'lease') {
      this.#lease.lose(error.message)
      return
    }
    this.#bug ??= error
    this.#lease.lose('an unexpected error')
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}
