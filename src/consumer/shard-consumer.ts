import { Fault, messageOf } from '../core/errors.ts'
import type { ShardLease } from './lease.ts'
import type { ShardContext } from './running-shard.ts'
import { RunningShard } from './running-shard.ts'
import { ShardCursors } from './shard-cursors.ts'
import { ShardLife } from './shard-life.ts'

export type ShardOutcome = 'drained' | 'lost'

/** One shard from the lease to its end; shard-life.ts draws it. What happens once the start is known is in running-shard.ts. */
export class ShardConsumer {
  readonly #lease: ShardLease
  readonly #context: ShardContext
  readonly #life: ShardLife
  readonly #draining = new AbortController()
  /** `undefined` before the start is known. */
  #running: RunningShard | undefined
  #bug: unknown

  constructor(lease: ShardLease, context: ShardContext) {
    this.#lease = lease
    this.#context = context
    this.#life = new ShardLife(lease.shard, context.telemetry)
  }

  /** Stops pulling. `run` resolves once everything pulled is settled and committed. */
  drain(): void {
    this.#draining.abort()
  }

  /** Everything before this cursor is settled, committed or not. `undefined` before the start is known. */
  get mark(): string | undefined {
    return this.#running?.mark
  }

  /** Commits what is settled now, before a deadline cuts off the deliveries that are still under way. */
  async commitSettled(): Promise<void> {
    await this.#running?.commitMark().catch(this.#loseOn)
  }

  get commitChanges(): number {
    return this.#running?.commitChanges ?? -1
  }

  /** Checks the checkpoint that the service has, read while `commitChanges` was `changesBefore`. */
  verifyCheckpoint(seen: { checkpoint: string; consumer: string }, changesBefore: number): void {
    this.#running?.verifyCheckpoint(seen, changesBefore)
  }

  /** Begins after `delayMs`. Rejects only on a bug; every fault is handled inside. */
  async run({ remembered, delayMs = 0 }: { remembered: string | undefined; delayMs?: number }): Promise<ShardOutcome> {
    const { telemetry } = this.#context
    const { shard, signal } = this.#lease
    try {
      this.#running = await this.#start(remembered, delayMs)
      await this.#running?.run()
      this.#life.enter('drained')
      telemetry.shardReleased(shard, 'drained')
      return 'drained'
    } catch (error) {
      this.#loseOn(error)
      this.#life.enter('lost')
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
    const { membership, reading, clock, telemetry } = this.#context
    const cursors = new ShardCursors({ shard: lease.shard, membership, reading, remembered, clock, telemetry })
    const wanted = AbortSignal.any([lease.signal, draining])
    try {
      if (delayMs > 0) await clock.sleep(delayMs, wanted)
      const from = await cursors.start(wanted)
      const start = { lease, life: this.#life, from, cursors, draining, failed: this.#loseOn }
      return new RunningShard(start, this.#context)
    } catch (error) {
      if (error !== draining.reason || lease.signal.aborted) throw error
      return undefined
    }
  }

  /**
   * Ends the work on this shard. Errors after the lease ended are expected. Any other error is a bug; `run` rejects with it.
   */
  readonly #loseOn = (error: unknown): void => {
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
