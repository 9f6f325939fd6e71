import type { Clock } from '../core/clock.ts'
import { Fault } from '../core/errors.ts'
import type { PauseKey, Telemetry } from '../core/telemetry.ts'
import type { SlsClient } from '../sls/client.ts'
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
  /** Cursors the service may have as well, or get yet: those of commits that were not confirmed, and what we were told to expect. */
  readonly #plausible = new Set<string>()
  #changes = 0
  #underWay = false
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

  /** Somebody was asked to set the checkpoint, and this is what they set. */
  expect(cursor: string): void {
    this.#plausible.add(cursor)
  }

  /** Clears a pause of this checkpoint, also when the shard is given up. */
  resumed(): void {
    this.#options.telemetry.resumed(this.#pause)
  }

  get #pause(): PauseKey {
    return { reason: 'sls_configuration', scope: { of: 'checkpoint', shard: this.#options.lease.shard } }
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
    try {
      lease.assertHeld()
      this.#underWay = true
      await client.updateCheckpoint(group, consumer, lease.shard.shard, cursor, {
        signal: lease.signal,
        timeoutMs: COMMIT_TIMEOUT_MS,
      })
      this.#committed = cursor
      this.#committedAt = clock.monotonic()
      telemetry.checkpointCommitted(lease.shard, cursor)
      this.resumed()
      return true
    } catch (error) {
      this.#plausible.add(cursor)
      if (lease.signal.aborted || !(error instanceof Fault)) throw error
      // Refused as not ours although it is what the service has: nobody holds a shard that was closed by an earlier commit.
      if (error.kind === 'lease' && cursor === this.#committed) return true
      telemetry.checkpointFailed(lease.shard, error)
      if (error.kind === 'lease') lease.lose(`the service refused its checkpoint (${error.code})`)
      else if (error.kind === 'configuration') telemetry.paused(this.#pause, error)
      lease.signal.throwIfAborted()
      return false
    } finally {
      this.#underWay = false
      this.#changes++
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
    if (this.#underWay || changesBefore !== this.#changes) return true
    const expected = this.#committed
    this.#committed = seen.checkpoint
    if (seen.checkpoint === expected) this.#plausible.clear()
    // None at all is nobody's: the group was made anew.
    if ([expected, ''].includes(seen.checkpoint) || this.#plausible.has(seen.checkpoint)) return true
    const sameName = seen.consumer === consumer
    telemetry.checkpointForeign(lease.shard, { seen: seen.checkpoint, expected, consumer: seen.consumer, sameName })
    return false
  }
}
