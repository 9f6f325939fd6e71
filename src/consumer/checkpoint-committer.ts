import type { Clock } from '../core/clock.ts'
import { Fault } from '../core/errors.ts'
import type { Telemetry } from '../core/telemetry.ts'
import type { SlsClient } from '../sls/client.ts'
import { SlsError } from '../sls/errors.ts'
import type { ShardLease } from './lease.ts'

export interface CommitterOptions {
  client: SlsClient
  group: string
  consumer: string
  lease: ShardLease
  clock: Clock
  telemetry: Telemetry
  /** What the server has now; `''` if nothing. */
  committed: string
}

/** A commit that hangs must leave time for another before a shutdown's grace is over. */
const COMMIT_TIMEOUT_MS = 5_000

/**
 * Writes one shard's checkpoint back: one commit at a time, so a slow one can never overwrite a later one; always with
 * `forceSuccess=false`; never once the lease is gone.
 */
export class CheckpointCommitter {
  readonly #options: CommitterOptions
  #committed: string
  #committedAt: number
  #attempted = ''
  #changes = 0
  #busy: Promise<unknown> = Promise.resolve()

  constructor(options: CommitterOptions) {
    this.#options = options
    this.#committed = options.committed
    this.#committedAt = options.clock.monotonic()
  }

  /** Counts attempts to change the server's checkpoint, to tell a foreign change from our own. */
  get changes(): number {
    return this.#changes
  }

  get ageSeconds(): number {
    return (this.#options.clock.monotonic() - this.#committedAt) / 1000
  }

  /**
   * Commits `cursor` unless it is what the server already has (`evenIfUnchanged`: commit all the same, which is how the
   * service learns that a read-only shard was read to its end). True when the server has it now; false after a fault,
   * which has been reported and which the next call retries. A fault that means the shard is not ours ends the lease.
   */
  commit(cursor: string, { evenIfUnchanged = false } = {}): Promise<boolean> {
    const turn = this.#busy.then(() => this.#commit(cursor, evenIfUnchanged))
    this.#busy = turn.catch(() => {})
    return turn
  }

  async #commit(cursor: string, evenIfUnchanged: boolean): Promise<boolean> {
    const { client, group, consumer, lease, clock, telemetry } = this.#options
    if (cursor === this.#committed && !evenIfUnchanged) return true
    const scope = `checkpoint of shard ${lease.shard}`
    try {
      lease.assertHeld()
      this.#changes++
      this.#attempted = cursor
      await client.updateCheckpoint(group, consumer, lease.shard, cursor, {
        signal: lease.signal,
        timeoutMs: COMMIT_TIMEOUT_MS,
      })
      this.#changes++
      this.#committed = cursor
      this.#committedAt = clock.monotonic()
      telemetry.checkpointCommitted(lease.shard, cursor)
      telemetry.resumed({ reason: 'sls_configuration', scope })
      return true
    } catch (error) {
      if (lease.signal.aborted || !(error instanceof Fault)) throw error
      telemetry.checkpointFailed(lease.shard, error)
      if (error.kind === 'lease') lease.lose(`the service refused its checkpoint (${error.code})`)
      else if (error instanceof SlsError && error.reaction === 'shard_gone') lease.lose('the shard no longer exists')
      else if (error.kind === 'configuration') telemetry.paused({ reason: 'sls_configuration', scope }, error)
      lease.signal.throwIfAborted()
      return false
    }
  }

  /**
   * Looks at what the server has for this shard, read while `changesBefore` was current. Nobody else may write it while
   * we hold the lease; the official Python and Go workers, which force their commits, do so all the same after a freeze.
   * Returns false when somebody did, and from then on counts the foreign checkpoint as the committed one, so that the
   * next commit repairs it.
   */
  verify(seen: { checkpoint: string; consumer: string }, changesBefore: number): boolean {
    const { lease, consumer, telemetry } = this.#options
    if (changesBefore === this.#changes && seen.checkpoint === this.#attempted) this.#committed = this.#attempted
    if (changesBefore !== this.#changes || seen.checkpoint === this.#committed) return true
    const sameName = seen.consumer === consumer
    const details = { seen: seen.checkpoint, expected: this.#committed, consumer: seen.consumer, sameName }
    telemetry.checkpointForeign(lease.shard, details)
    this.#committed = seen.checkpoint
    return false
  }
}
