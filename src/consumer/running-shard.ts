import { abortable } from '../core/abortable.ts'
import type { Clock } from '../core/clock.ts'
import { Fault } from '../core/errors.ts'
import { shardName } from '../core/shard.ts'
import type { Telemetry } from '../core/telemetry.ts'
import type { SlsClient } from '../sls/client.ts'
import { SlsError } from '../sls/errors.ts'
import type { ByteBudget } from './byte-budget.ts'
import { CheckpointCommitter } from './checkpoint-committer.ts'
import type { ShardLease } from './lease.ts'
import type { ShardCursors, StartCursor } from './shard-cursors.ts'
import type { Deliver } from './shard-deliveries.ts'
import { ShardDeliveries } from './shard-deliveries.ts'
import type { ShardDirectory } from './shard-directory.ts'
import type { PullEncoder, PulledBodies } from './shard-fetcher.ts'
import { ShardFetcher } from './shard-fetcher.ts'
import { ShardLag } from './shard-lag.ts'

export interface RunningShardOptions {
  client: SlsClient
  group: string
  consumer: string
  expired: 'begin' | 'fail'
  fetchCount: number
  fetchIntervalMs: number
  commitIntervalMs: number
  query?: string
  encoder: PullEncoder
  deliver: Deliver
  budget: ByteBudget
  bodies: PulledBodies
  directory: ShardDirectory
  clock: Clock
  telemetry: Telemetry
}

/** What is known once the shard may be read. */
export interface ShardStart {
  lease: ShardLease
  from: StartCursor
  cursors: ShardCursors
  /** Aborted to stop pulling and to finish what was pulled. */
  draining: AbortSignal
  /** Told whatever ends the work on this shard behind `run`'s back. */
  failed: (error: unknown) => void
}

const STATE_INTERVAL_MS = 5_000
const COMMIT_RETRY_MS = 500
/** How often a shard that was read to its end is looked at again. */
const SECOND_LOOK_MS = 15_000

/** One shard whose start is known, until everything pulled of it is settled and committed. */
export class RunningShard {
  readonly #options: RunningShardOptions
  readonly #start: ShardStart
  /** Ends pulling: the lease is gone or the shard is being given up. */
  readonly #pulling: AbortSignal
  readonly #deliveries: ShardDeliveries
  readonly #committer: CheckpointCommitter
  readonly #lag: ShardLag
  /** A start that needs no checkpoint. */
  #impliedStart: string | undefined
  /** Somebody must set the group's checkpoint: until then we neither commit nor repair it, not even when we leave. */
  #waitingForCheckpoint = false

  constructor(start: ShardStart, options: RunningShardOptions) {
    const { lease, from, draining, failed } = start
    this.#options = options
    this.#start = start
    this.#pulling = AbortSignal.any([lease.signal, draining])
    this.#deliveries = new ShardDeliveries(from.cursor, { ...options, lease, failed })
    this.#committer = new CheckpointCommitter({ ...options, lease, committed: from.checkpoint })
    this.#lag = new ShardLag({ ...options, shard: lease.shard })
    if (from.implied) this.#impliedStart = from.cursor
  }

  get mark(): string {
    return this.#deliveries.mark
  }

  get commitChanges(): number {
    return this.#committer.changes
  }

  verifyCheckpoint(seen: { checkpoint: string; consumer: string }, changesBefore: number): void {
    if (this.#waitingForCheckpoint) return
    if (!this.#committer.verify(seen, changesBefore)) this.#impliedStart = undefined
  }

  /** Resolves when the shard is drained; rejects when the lease or the shard is gone, or with a bug. */
  async run(): Promise<void> {
    const { lease } = this.#start
    const side = new AbortController()
    const upkeep = this.#upkeep(AbortSignal.any([lease.signal, side.signal]))
    try {
      await this.#pullUntilDraining()
      await this.#deliveries.untilSettled()
      side.abort()
      await upkeep
      while (!(await this.commitMark())) await this.#options.clock.sleep(COMMIT_RETRY_MS, lease.signal)
    } finally {
      side.abort()
      this.#committer.resumed()
    }
  }

  /** True when there is nothing more to commit. */
  async commitMark(): Promise<boolean> {
    if (this.#waitingForCheckpoint) return true
    return this.mark === this.#impliedStart || (await this.#committer.commit(this.mark))
  }

  async #pullUntilDraining(): Promise<void> {
    const { fetchIntervalMs, clock } = this.#options
    const { lease, from, draining } = this.#start
    const fetcher = new ShardFetcher({
      ...this.#options,
      shard: lease.shard,
      cursorExpired: (expired, signal) => this.#afterExpiry(expired, signal),
    })
    let { cursor } = from
    try {
      for (;;) {
        await this.#deliveries.untilPullIsWanted(this.#pulling)
        const fetched = await fetcher.fetch(cursor, this.#pulling)
        await this.#deliveries.send(fetched)
        cursor = fetched.nextCursor
        this.#lag.sawServerTime(fetched.serverTimeMs)
        if (!fetched.atEnd) continue
        this.#lag.sawEnd(cursor)
        // Caught up: said at once, and without asking the service anything.
        if (this.#deliveries.settled) await this.#report(this.#pulling)
        if (fetched.empty && (await this.#finishedReadonly(cursor))) await this.#holdFinished(cursor)
        else await clock.sleep(fetchIntervalMs, this.#pulling)
      }
    } catch (error) {
      if (error instanceof SlsError && error.reaction === 'shard_gone') await this.#outliveShard(error)
      if (error !== draining.reason) throw error
    } finally {
      fetcher.resumed()
    }
  }

  /** Where reading goes on; the mark follows as soon as everything pulled before the gap is settled. */
  async #afterExpiry(cursor: string, signal: AbortSignal): Promise<string> {
    this.#waitingForCheckpoint = this.#options.expired === 'fail'
    const resumeAt = await this.#start.cursors.afterExpiry(cursor, signal)
    this.#waitingForCheckpoint = false
    this.#committer.expect(resumeAt)
    if (resumeAt !== cursor) this.#deliveries.skipTo(resumeAt)
    return resumeAt
  }

  /** The service has removed the shard (its logs expired): what was pulled of it is still delivered. */
  async #outliveShard(gone: SlsError): Promise<void> {
    this.#options.telemetry.notice('warn', `${shardName(this.#start.lease.shard)} no longer exists`, { fault: gone })
    await this.#deliveries.untilSettled()
  }

  async #finishedReadonly(cursor: string): Promise<boolean> {
    const { directory, client } = this.#options
    const { shard } = this.#start.lease
    try {
      if (!(await abortable(directory.isReadonly(shard.shard), this.#pulling))) return false
      return (await client.getCursor(shard.shard, 'end', this.#pulling)) === cursor
    } catch (error) {
      if (error instanceof Fault && error.kind !== 'lease') return false
      throw error
    }
  }

  /**
   * The service only notices that a read-only shard was read to its end when a checkpoint at the end is committed; an
   * unchanged one that was stored before the split would leave its children waiting in an ordered group for ever.
   * Resolves when it was not the end after all: one wrong word of the service must not silence a shard for good.
   */
  async #holdFinished(end: string): Promise<void> {
    const { clock, fetchIntervalMs, telemetry } = this.#options
    const { lease } = this.#start
    await this.#deliveries.untilSettled()
    while (!(await this.#committer.commit(end, { evenIfUnchanged: true }))) {
      await clock.sleep(Math.max(fetchIntervalMs, COMMIT_RETRY_MS), lease.signal)
    }
    telemetry.notice('info', `${shardName(lease.shard)} is read-only and was read to its end`, { end })
    do await clock.sleep(SECOND_LOOK_MS, this.#pulling)
    while (!(await this.#movedOnFrom(end)))
  }

  async #movedOnFrom(end: string): Promise<boolean> {
    const { client } = this.#options
    try {
      return (await client.getCursor(this.#start.lease.shard.shard, 'end', this.#pulling)) !== end
    } catch (error) {
      this.#pulling.throwIfAborted()
      if (error instanceof Fault && error.kind !== 'lease') return false
      throw error
    }
  }

  /** Commits and reports on their intervals until `end`, which is also how it is told that the drain is over. */
  async #upkeep(end: AbortSignal): Promise<void> {
    const { clock, commitIntervalMs } = this.#options
    const every = async (ms: number, work: () => Promise<unknown>): Promise<void> => {
      while (!end.aborted) {
        await work().catch((error) => {
          if (error !== end.reason) throw error
        })
        await clock.sleep(ms, end).catch(() => {})
      }
    }
    await Promise.all([
      every(commitIntervalMs, () => this.commitMark()),
      every(STATE_INTERVAL_MS, () => this.#report(end)),
    ]).catch(this.#start.failed)
  }

  async #report(end: AbortSignal): Promise<void> {
    const lagSeconds = await this.#lag.seconds(this.mark, end)
    if (end.aborted) return
    const checkpointAgeSeconds = this.#committer.ageSeconds
    this.#options.telemetry.shardState(this.#start.lease.shard, { lagSeconds, checkpointAgeSeconds })
  }
}
