import { abortable } from '../core/abortable.ts'
import type { Clock } from '../core/clock.ts'
import { sleepUnlessAborted } from '../core/clock.ts'
import { Fault } from '../core/errors.ts'
import { shardName } from '../core/shard.ts'
import type { Telemetry } from '../core/telemetry.ts'
import { SlsError } from '../sls/errors.ts'
import { CheckpointCommitter } from './checkpoint-committer.ts'
import type { Membership } from './consumer-group.ts'
import type { Downstream } from './downstream.ts'
import type { ShardLease } from './lease.ts'
import type { NothingWanted } from './nothing-wanted.ts'
import type { Reading } from './reading.ts'
import type { ReadonlyShards } from './readonly-shards.ts'
import type { ShardCursors, StartCursor } from './shard-cursors.ts'
import { ShardDeliveries } from './shard-deliveries.ts'
import { ShardFetcher } from './shard-fetcher.ts'
import type { ShardLag } from './shard-lag.ts'
import type { ShardLife } from './shard-life.ts'
import type { TopicsSeen } from './topics-seen.ts'

/** What all shards of a worker share. */
export interface ShardContext {
  membership: Membership
  reading: Reading
  downstream: Downstream
  readonlyShards: ReadonlyShards
  nothingWanted: NothingWanted
  topicsSeen: TopicsSeen
  clock: Clock
  telemetry: Telemetry
}

/** What is known once the shard may be read. */
export interface ShardStart {
  lease: ShardLease
  life: ShardLife
  from: StartCursor
  cursors: ShardCursors
  lag: ShardLag
  /** Aborted to stop pulling and to finish what was pulled. */
  draining: AbortSignal
  /** Tells lag and age of the checkpoint, as they are known. */
  tellState: () => void
  /** Told of an error that ends the work on this shard outside `run`. */
  failed: (error: unknown) => void
}

export const STATE_INTERVAL_MS = 5_000
const COMMIT_RETRY_MS = 500
/** Gap between two looks at a read-only shard that was read to its end. */
const SECOND_LOOK_MS = 15_000

/** One shard whose start is known, until everything pulled of it is settled and committed. */
export class RunningShard {
  readonly #context: ShardContext
  readonly #start: ShardStart
  /** Ends pulling: the lease is gone, or the shard is to be drained. */
  readonly #pulling: AbortSignal
  readonly #deliveries: ShardDeliveries
  readonly #committer: CheckpointCommitter
  /** The start cursor if a consumer without a checkpoint would start there too. It need not be committed. */
  #impliedStart: string | undefined
  /** An operator must set the checkpoint. Until then we neither commit nor repair it, not even when the shard is drained. */
  #waitingForCheckpoint = false

  constructor(start: ShardStart, context: ShardContext) {
    const { lease, from, draining, failed } = start
    const { membership, downstream, clock, telemetry } = context
    this.#context = context
    this.#start = start
    this.#pulling = AbortSignal.any([lease.signal, draining])
    this.#deliveries = new ShardDeliveries(from.cursor, { lease, downstream, failed })
    this.#committer = new CheckpointCommitter({ lease, membership, committed: from.checkpoint, clock, telemetry })
    if (from.implied) this.#impliedStart = from.cursor
  }

  get mark(): string {
    return this.#deliveries.mark
  }

  get commitChanges(): number {
    return this.#committer.changes
  }

  get checkpointAgeSeconds(): number {
    return this.#committer.ageSeconds
  }

  verifyCheckpoint(seen: { checkpoint: string; consumer: string }, changesBefore: number): void {
    if (this.#waitingForCheckpoint) return
    if (!this.#committer.verify(seen, changesBefore)) this.#impliedStart = undefined
  }

  /** Resolves when the shard is drained. Rejects when the lease or the shard is gone, or with a bug. */
  async run(): Promise<void> {
    const { lease, life } = this.#start
    const stopUpkeep = new AbortController()
    const upkeep = this.#upkeep(AbortSignal.any([lease.signal, stopUpkeep.signal]))
    try {
      await this.#pullUntilDraining()
      life.enter('draining')
      await this.#deliveries.untilSettled()
      stopUpkeep.abort()
      await upkeep
      while (!(await this.commitMark())) await this.#context.clock.sleep(COMMIT_RETRY_MS, lease.signal)
    } finally {
      stopUpkeep.abort()
      this.#committer.endPause()
    }
  }

  /** True when there is nothing more to commit. */
  async commitMark(): Promise<boolean> {
    if (this.#waitingForCheckpoint) return true
    return this.mark === this.#impliedStart || (await this.#committer.commit(this.mark))
  }

  async #pullUntilDraining(): Promise<void> {
    const { membership, reading, downstream, nothingWanted, topicsSeen, clock, telemetry } = this.#context
    const { lease, life, from, lag, draining } = this.#start
    const fetcher = new ShardFetcher({
      shard: lease.shard,
      client: membership.client,
      reading,
      downstream,
      nothingWanted,
      topicsSeen,
      sinks: () => this.#deliveries.sinks,
      sent: () => this.#deliveries.sent,
      life,
      clock,
      telemetry,
      cursorExpired: (expired, signal) => this.#afterExpiry(expired, signal),
    })
    let { cursor } = from
    try {
      for (;;) {
        life.enter('pulling')
        const end = this.#deliveries.halfSent ? lease.signal : this.#pulling
        await this.#deliveries.untilPullIsWanted(end)
        const fetched = await fetcher.fetch(cursor, end)
        if (!(await this.#deliveries.send(fetched))) continue
        cursor = fetched.nextCursor
        lag.sawServerTime(fetched.serverTimeMs)
        if (!fetched.atEnd) continue
        lag.sawEnd(cursor)
        // We report lag 0 at once; that needs no request.
        if (this.#deliveries.settled) await this.#lookAtLag(this.#pulling)
        if (fetched.empty && (await this.#finishedReadonly(cursor))) {
          await this.#holdFinished(cursor)
        } else {
          life.enter('waiting')
          await clock.sleep(reading.fetchIntervalMs, this.#pulling)
        }
      }
    } catch (error) {
      if (error instanceof SlsError && error.reaction === 'shard_gone') await this.#outliveShard(error, cursor)
      if (error !== draining.reason) throw error
    } finally {
      fetcher.endPause()
    }
  }

  /** The cursor at which reading goes on. The mark follows once everything pulled before the gap is settled. */
  async #afterExpiry(cursor: string, signal: AbortSignal): Promise<string> {
    this.#waitingForCheckpoint = this.#context.reading.expired === 'fail'
    const ours = (checkpoint: string): boolean => this.#committer.knows(checkpoint)
    const resumeAt = await this.#start.cursors.afterExpiry(cursor, ours, signal)
    this.#waitingForCheckpoint = false
    this.#committer.expect(resumeAt)
    if (resumeAt !== cursor) this.#deliveries.skipTo(resumeAt)
    return resumeAt
  }

  /** The service has removed the shard (its logs expired): what was pulled of it is still delivered. */
  async #outliveShard(gone: SlsError, cursor: string): Promise<void> {
    const { lease, life } = this.#start
    life.enter('gone')
    this.#context.telemetry.notice('warn', `${shardName(lease.shard)} no longer exists`, { fault: gone })
    if (this.#deliveries.halfSent) this.#deliveries.skipTo(cursor)
    await this.#deliveries.untilSettled()
  }

  async #finishedReadonly(cursor: string): Promise<boolean> {
    const { shard } = this.#start.lease.shard
    const isReadonly = this.#context.readonlyShards.has(shard)
    return (await this.#answered(abortable(isReadonly, this.#pulling))) === true && (await this.#end()) === cursor
  }

  /**
   * Commits the end even if it is unchanged. The service notices that a read-only shard was read to its end only when a
   * checkpoint comes in. Without one, the children of a split would wait for ever in an ordered group.
   * Resolves if the end moves: a wrong answer must not stop the shard for good.
   */
  async #holdFinished(end: string): Promise<void> {
    const { clock, reading, telemetry } = this.#context
    const { lease, life } = this.#start
    life.enter('finished')
    await this.#deliveries.untilSettled()
    while (!(await this.#committer.commit(end, { evenIfUnchanged: true }))) {
      await clock.sleep(Math.max(reading.fetchIntervalMs, COMMIT_RETRY_MS), lease.signal)
    }
    telemetry.notice('info', `${shardName(lease.shard)} is read-only and was read to its end`, { end })
    telemetry.shardEnded(lease.shard)
    do await clock.sleep(SECOND_LOOK_MS, this.#pulling)
    while (((await this.#end()) ?? end) === end)
    telemetry.shardLeased(lease.shard)
  }

  /** The cursor after the last log; `undefined` after a fault. */
  #end(): Promise<string | undefined> {
    const { client } = this.#context.membership
    return this.#answered(client.getCursor(this.#start.lease.shard.shard, 'end', this.#pulling))
  }

  /** `undefined` after a fault, which is not reported: pulls and heartbeats report the same one. */
  async #answered<T>(question: Promise<T>): Promise<T | undefined> {
    try {
      return await question
    } catch (error) {
      this.#pulling.throwIfAborted()
      if (error instanceof Fault && error.kind !== 'lease') return undefined
      throw error
    }
  }

  /** Commits and reports on their intervals until `end`. */
  async #upkeep(end: AbortSignal): Promise<void> {
    const { clock, membership } = this.#context
    const every = async (ms: number, work: () => Promise<unknown>): Promise<void> => {
      while (!end.aborted) {
        await work().catch((error) => {
          if (error !== end.reason) throw error
        })
        await sleepUnlessAborted(clock, ms, end)
      }
    }
    await Promise.all([
      every(membership.commitIntervalMs, () => this.commitMark()),
      every(STATE_INTERVAL_MS, () => this.#lookAtLag(end)),
    ]).catch(this.#start.failed)
  }

  async #lookAtLag(end: AbortSignal): Promise<void> {
    await this.#start.lag.look(this.mark, end)
    if (!end.aborted) this.#start.tellState()
  }
}
