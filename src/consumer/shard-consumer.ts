import { sleepUnlessAborted } from '../core/clock.ts'
import { Fault, messageOf } from '../core/errors.ts'
import { SlsError } from '../sls/errors.ts'
import type { ShardLease } from './lease.ts'
import type { ShardContext } from './running-shard.ts'
import { RunningShard, STATE_INTERVAL_MS } from './running-shard.ts'
import { ShardCursors } from './shard-cursors.ts'
import { ShardLag } from './shard-lag.ts'
import { ShardLife } from './shard-life.ts'

export type ShardOutcome = 'drained' | 'lost'

/** One shard from the lease to its end; shard-life.ts draws it. What happens once the start is known is in running-shard.ts. */
export class ShardConsumer {
  readonly #lease: ShardLease
  readonly #context: ShardContext
  readonly #life: ShardLife
  readonly #lag: ShardLag
  readonly #leasedAt: number
  readonly #draining = new AbortController()
  /** `undefined` before the start is known. */
  #running: RunningShard | undefined
  #bug: unknown

  constructor(lease: ShardLease, context: ShardContext) {
    this.#lease = lease
    this.#context = context
    const { membership, clock, telemetry } = context
    this.#life = new ShardLife(lease.shard, telemetry)
    this.#lag = new ShardLag({ shard: lease.shard, client: membership.client, clock })
    this.#leasedAt = clock.monotonic()
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
    const over = new AbortController()
    telemetry.shardLeased(shard)
    void this.#tellStateUntil(over.signal)
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
      if (error instanceof SlsError && error.reaction === 'shard_gone') telemetry.shardEnded(shard)
      telemetry.leaseLost(shard, messageOf(signal.reason))
      telemetry.shardReleased(shard, 'lost')
      return 'lost'
    } finally {
      over.abort()
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
      const told = { failed: this.#loseOn, tellState: this.#tellState }
      const start = { lease, life: this.#life, from, cursors, lag: this.#lag, draining, ...told }
      return new RunningShard(start, this.#context)
    } catch (error) {
      if (error !== draining.reason || lease.signal.aborted) throw error
      return undefined
    }
  }

  /** Also while a question is open, or the start is not known yet: what is not told is seen to last. */
  async #tellStateUntil(end: AbortSignal): Promise<void> {
    while (!end.aborted) {
      this.#tellState()
      await sleepUnlessAborted(this.#context.clock, STATE_INTERVAL_MS, end)
    }
  }

  readonly #tellState = (): void => {
    const { telemetry, clock } = this.#context
    const heldSeconds = (clock.monotonic() - this.#leasedAt) / 1000
    telemetry.shardState(this.#lease.shard, {
      lagSeconds: this.#lag.seconds(this.mark),
      checkpointAgeSeconds: this.#running?.checkpointAgeSeconds ?? heldSeconds,
    })
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
