import { abortable } from '../core/abortable.ts'
import type { Batch } from '../core/batch.ts'
import type { BufferPool } from '../core/buffer-pool.ts'
import type { Clock } from '../core/clock.ts'
import { Condition } from '../core/condition.ts'
import { Fault } from '../core/errors.ts'
import type { Lease } from '../core/lease.ts'
import type { Telemetry } from '../core/telemetry.ts'
import type { SlsClient } from '../sls/client.ts'
import { SlsError } from '../sls/errors.ts'
import type { ByteBudget } from './byte-budget.ts'
import { CheckpointCommitter } from './checkpoint-committer.ts'
import { CheckpointTracker } from './checkpoint-tracker.ts'
import type { ShardLease } from './lease.ts'
import type { StartPosition } from './shard-cursors.ts'
import { ShardCursors } from './shard-cursors.ts'
import type { ShardDirectory } from './shard-directory.ts'
import type { Fetched, PullEncoder } from './shard-fetcher.ts'
import { ShardFetcher } from './shard-fetcher.ts'
import { ShardLag } from './shard-lag.ts'

/** Delivers one batch for good; see sinks/sink.ts for the promise it makes. */
export type Deliver = (batch: Batch, lease: Lease, started: () => void) => Promise<void>

export interface ShardConsumerOptions {
  client: SlsClient
  group: string
  consumer: string
  start: StartPosition
  expired: 'begin' | 'fail'
  fetchCount: number
  fetchIntervalMs: number
  commitIntervalMs: number
  query?: string
  encoder: PullEncoder
  deliver: Deliver
  budget: ByteBudget
  bodies: BufferPool
  directory: ShardDirectory
  clock: Clock
  telemetry: Telemetry
}

export type ShardOutcome = 'drained' | 'lost'

/** Batches of one shard that wait for their first request; more than this and pulling on would only pile up. */
const MAX_UNSTARTED_BATCHES = 2
/** Pulls past one that does not settle: a crash repeats them all, and they are remembered meanwhile. */
const MAX_OUTSTANDING_PULLS = 512
const STATE_INTERVAL_MS = 5_000
const COMMIT_RETRY_MS = 500

/**
 * One shard from taking it to giving it up:
 *
 *   starting → pulling ⇄ waiting at the end → draining → drained
 *        └────────────┴───────── lease lost (any time) ──────────→ lost: nothing more is delivered, nothing is committed
 *
 * At the end of a read-only shard the end is committed (even if unchanged) and the shard is held, idle, until the service
 * takes it away.
 */
export class ShardConsumer {
  readonly #options: ShardConsumerOptions
  readonly #lease: ShardLease
  readonly #draining = new AbortController()
  /** Ends pulling: the lease is gone or the shard is being given up. */
  readonly #pulling: AbortSignal
  readonly #lag: ShardLag
  readonly #progress = new Condition()
  #tracker: CheckpointTracker | undefined
  #committer: CheckpointCommitter | undefined
  #cursors: ShardCursors | undefined
  /** A start that needs no checkpoint, because who starts without one arrives there again (see `initialiseAtEnd` for `end`). */
  #impliedStart: string | undefined
  /** Somebody must set the group's checkpoint: until then we neither commit nor repair it. */
  #waitingForCheckpoint = false
  #unstarted = 0
  #bug: unknown

  constructor(lease: ShardLease, options: ShardConsumerOptions) {
    this.#options = options
    this.#lease = lease
    this.#pulling = AbortSignal.any([lease.signal, this.#draining.signal])
    this.#lag = new ShardLag({ shard: lease.shard, client: options.client, clock: options.clock })
  }

  /** Stop pulling; `run` resolves once everything pulled is settled and committed. */
  drain(): void {
    this.#draining.abort()
    this.#progress.notify()
  }

  /** Everything before this cursor is settled, committed or not; `undefined` before the start is known. */
  get mark(): string | undefined {
    return this.#tracker?.mark
  }

  /** Commit what is settled now, whatever is still on its way: the last thing before a deadline cuts deliveries off. */
  async commitSettled(): Promise<void> {
    if (this.#tracker && !this.#lease.signal.aborted) await this.#commitMark().catch(this.#unlessLost)
  }

  get commitChanges(): number {
    return this.#committer?.changes ?? -1
  }

  /** What the server holds as this shard's checkpoint, read while `commitChanges` was `changesBefore`. */
  verifyCheckpoint(seen: { checkpoint: string; consumer: string }, changesBefore: number): void {
    if (this.#waitingForCheckpoint || !this.#committer) return
    if (!this.#committer.verify(seen, changesBefore)) this.#impliedStart = undefined
  }

  /** Rejects only on a bug; every fault of the outside world is dealt with inside. */
  async run(fetchFrom: { remembered: string | undefined }): Promise<ShardOutcome> {
    const { telemetry, clock } = this.#options
    const { shard } = this.#lease
    const side = new AbortController()
    try {
      const cursor = await this.#start(fetchFrom.remembered)
      const upkeep = this.#upkeep(AbortSignal.any([this.#lease.signal, side.signal]))
      await this.#pullUntilDraining(cursor)
      await this.#settled()
      side.abort()
      await upkeep
      while (!(await this.#commitMark())) await clock.sleep(COMMIT_RETRY_MS, this.#lease.signal)
      telemetry.shardReleased(shard, 'drained')
      return 'drained'
    } catch (error) {
      side.abort()
      if (this.#draining.signal.aborted && !this.#tracker && !this.#lease.signal.aborted && isAbort(error)) {
        telemetry.shardReleased(shard, 'drained')
        return 'drained'
      }
      this.#loseOn(error)
      if (this.#bug) throw this.#bug
      telemetry.leaseLost(shard, reasonOf(this.#lease.signal.reason))
      telemetry.shardReleased(shard, 'lost')
      return 'lost'
    }
  }

  async #start(remembered: string | undefined): Promise<string> {
    const { client, group, start, expired, clock, telemetry } = this.#options
    const { shard } = this.#lease
    const cursors = new ShardCursors({ shard, client, group, start, expired, clock, telemetry, remembered })
    const { cursor, checkpoint } = await cursors.start(this.#pulling)
    this.#committer = new CheckpointCommitter({ ...this.#options, lease: this.#lease, committed: checkpoint })
    this.#tracker = new CheckpointTracker(cursor, () => this.#progress.notify())
    this.#cursors = cursors
    if (checkpoint === '' && remembered === undefined) this.#impliedStart = cursor
    return cursor
  }

  async #pullUntilDraining(start: string): Promise<void> {
    const { fetchIntervalMs, clock } = this.#options
    const cursors = this.#cursors as ShardCursors
    const fetcher = new ShardFetcher({
      ...this.#options,
      shard: this.#lease.shard,
      cursorExpired: (cursor, signal) => this.#afterExpiry(cursors, cursor, signal),
    })
    let cursor = start
    try {
      while (!this.#pulling.aborted) {
        await this.#until(() => this.#mayPull || this.#pulling.aborted)
        const fetched = await fetcher.fetch(cursor, this.#pulling)
        await this.#send(fetched)
        cursor = fetched.nextCursor
        this.#lag.sawServerTime(fetched.serverTimeMs)
        if (!fetched.atEnd) continue
        this.#lag.sawEnd(cursor)
        // Caught up: said at once, and without asking the service anything.
        if (this.#tracker?.outstanding === 0) await this.#report(this.#pulling)
        if (fetched.empty && (await this.#finishedReadonly(cursor))) return await this.#holdFinished(cursor)
        await clock.sleep(fetchIntervalMs, this.#pulling)
      }
    } catch (error) {
      const gone = error instanceof SlsError && error.reaction === 'shard_gone'
      if (gone) return await this.#outliveShard(error)
      if (this.#lease.signal.aborted || !(this.#draining.signal.aborted && isAbort(error))) throw error
    } finally {
      fetcher.resumed()
    }
  }

  /** Where reading goes on; the mark follows as soon as everything pulled before the gap is settled. */
  async #afterExpiry(cursors: ShardCursors, cursor: string, signal: AbortSignal): Promise<string> {
    this.#waitingForCheckpoint = true
    try {
      const resumeAt = await cursors.afterExpiry(cursor, signal)
      if (resumeAt !== cursor) (this.#tracker as CheckpointTracker).open(resumeAt).seal()
      return resumeAt
    } finally {
      this.#waitingForCheckpoint = false
    }
  }

  /**
   * Opens the ticket before the first byte leaves, and seals it when all batches of the pull are on their way; from there on
   * they look after themselves. Once begun it goes on through a drain: half a pull could never be committed.
   */
  async #send({ nextCursor, batches }: Fetched): Promise<void> {
    const { budget } = this.#options
    const ticket = (this.#tracker as CheckpointTracker).open(nextCursor)
    for await (const batch of batches) {
      const settled = await budget.admitBatch(batch.bytes.length, this.#lease.signal)
      ticket.add()
      this.#deliver(batch)
        .then(() => ticket.settle())
        .catch((error) => this.#loseOn(error))
        .finally(settled)
    }
    ticket.seal()
  }

  /** The service has removed the shard (its logs expired): what was pulled of it is still delivered. */
  async #outliveShard(gone: SlsError): Promise<never> {
    this.#options.telemetry.notice('warn', `shard ${this.#lease.shard} no longer exists`, { fault: gone })
    await this.#settled()
    throw gone
  }

  get #mayPull(): boolean {
    const { outstanding } = this.#tracker as CheckpointTracker
    return this.#unstarted <= MAX_UNSTARTED_BATCHES && outstanding < MAX_OUTSTANDING_PULLS
  }

  async #deliver(batch: Batch): Promise<void> {
    let waiting = true
    const started = (): void => {
      if (!waiting) return
      waiting = false
      this.#unstarted--
      this.#progress.notify()
    }
    this.#unstarted++
    try {
      await this.#options.deliver(batch, this.#lease, started)
      // Only after success: an aborted request may still be reading the bytes.
      this.#options.encoder.recycle(batch)
    } finally {
      started()
    }
  }

  /** Ends this shard's work on `error`: quietly if that is the lease's own end, loudly if it is something nobody foresaw. */
  #loseOn(error: unknown): void {
    // Whatever the outside world still answers once the lease is over is no news.
    if (this.#lease.signal.aborted && (error instanceof Fault || isAbort(error))) return
    if (error instanceof Fault) {
      const gone = error instanceof SlsError && error.reaction === 'shard_gone'
      if (error.kind === 'lease' || gone) {
        this.#lease.lose(error.message)
        return
      }
    }
    this.#bug ??= error
    this.#lease.lose('an unexpected error')
  }

  readonly #unlessLost = (error: unknown): void => this.#loseOn(error)

  async #finishedReadonly(cursor: string): Promise<boolean> {
    const { directory, client } = this.#options
    try {
      if (!(await abortable(directory.isReadonly(this.#lease.shard), this.#pulling))) return false
      return (await client.getCursor(this.#lease.shard, 'end', this.#pulling)) === cursor
    } catch (error) {
      if (error instanceof Fault && error.kind !== 'lease' && !this.#pulling.aborted) return false
      throw error
    }
  }

  /**
   * The service only notices that a read-only shard was read to its end when a checkpoint at the end is committed; an
   * unchanged one that was stored before the split would leave its children waiting in an ordered group for ever.
   */
  async #holdFinished(end: string): Promise<void> {
    const { clock, fetchIntervalMs } = this.#options
    await this.#settled()
    const committer = this.#committer as CheckpointCommitter
    while (!(await committer.commit(end, { evenIfUnchanged: true }))) {
      await clock.sleep(Math.max(fetchIntervalMs, COMMIT_RETRY_MS), this.#lease.signal)
    }
    this.#options.telemetry.notice('info', `shard ${this.#lease.shard} is read-only and was read to its end`, { end })
    await this.#until(() => this.#pulling.aborted)
  }

  /** Everything pulled is settled. */
  async #settled(): Promise<void> {
    await this.#until(() => this.#tracker?.outstanding === 0)
  }

  /** True when the server has the low-water mark. */
  async #commitMark(): Promise<boolean> {
    const mark = (this.#tracker as CheckpointTracker).mark
    if (this.#waitingForCheckpoint && !this.#draining.signal.aborted) return true
    return mark === this.#impliedStart || (await (this.#committer as CheckpointCommitter).commit(mark))
  }

  /** Commits and reports on their intervals until `end`, which is also how it is told that the drain is over. */
  async #upkeep(end: AbortSignal): Promise<void> {
    const { clock, commitIntervalMs } = this.#options
    const every = async (ms: number, work: () => Promise<unknown>): Promise<void> => {
      while (!end.aborted) {
        await work().catch((error) => {
          if (!(end.aborted && isAbort(error))) throw error
        })
        await clock.sleep(ms, end).catch(() => {})
      }
    }
    await Promise.all([
      every(commitIntervalMs, () => this.#commitMark()),
      every(STATE_INTERVAL_MS, () => this.#report(end)),
    ]).catch(this.#unlessLost)
  }

  async #report(end: AbortSignal): Promise<void> {
    const lagSeconds = await this.#lag.seconds((this.#tracker as CheckpointTracker).mark, end)
    if (end.aborted) return
    const checkpointAgeSeconds = (this.#committer as CheckpointCommitter).ageSeconds
    this.#options.telemetry.shardState(this.#lease.shard, { lagSeconds, checkpointAgeSeconds })
  }

  #until(condition: () => boolean): Promise<void> {
    return this.#progress.until(condition, this.#lease.signal)
  }
}

function reasonOf(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason)
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}
