import type { Clock } from '../core/clock.ts'
import { Fault } from '../core/errors.ts'
import type { PauseKey, Telemetry } from '../core/telemetry.ts'
import type { Membership } from './consumer-group.ts'
import type { ShardLease } from './lease.ts'

export interface CommitterOptions {
  lease: ShardLease
  membership: Pick<Membership, 'client' | 'group' | 'consumer'>
  /** The checkpoint that the service has now, `''` for none. */
  committed: string
  clock: Clock
  telemetry: Telemetry
}

/** A commit that hangs must leave time for another before the grace of a shutdown is over. */
const COMMIT_TIMEOUT_MS = 5_000

/**
 * Writes one shard's checkpoint back. It makes one commit at a time, so that a slow one cannot overwrite a later one. Every
 * commit has `forceSuccess=false`, and none is made once the lease is gone.
 */
export class CheckpointCommitter {
  readonly #options: CommitterOptions
  #committed: string
  #committedAt: number
  /** Cursors that the service may have as well: those of unconfirmed commits, and one that an operator was asked to set. */
  readonly #plausible = new Set<string>()
  #changes = 0
  /** The cursor of a commit under way. */
  #underWay: string | undefined
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

  /** Whether the service may have this checkpoint because of us. */
  knows(checkpoint: string): boolean {
    return checkpoint === this.#committed || checkpoint === this.#underWay || this.#plausible.has(checkpoint)
  }

  /** An operator was asked to set the checkpoint, and set this one. */
  expect(cursor: string): void {
    this.#plausible.add(cursor)
  }

  /** Clears a pause of this checkpoint, also when the shard is given up. */
  endPause(): void {
    this.#options.telemetry.resumed(this.#pause)
  }

  get #pause(): PauseKey {
    return { reason: 'sls_configuration', scope: { of: 'checkpoint', shard: this.#options.lease.shard } }
  }

  /**
   * Commits `cursor` unless the service already has it. `evenIfUnchanged` commits all the same, which is how the service
   * learns that a read-only shard was read to its end. True when the service has it now. False after a fault, which has
   * been reported and which the next call retries. A fault that says that the shard is not ours ends the lease.
   */
  commit(cursor: string, { evenIfUnchanged = false } = {}): Promise<boolean> {
    const turn = this.#busy.then(() => this.#commit(cursor, evenIfUnchanged))
    this.#busy = turn.catch(() => {})
    return turn
  }

  async #commit(cursor: string, evenIfUnchanged: boolean): Promise<boolean> {
    const { lease, membership, clock, telemetry } = this.#options
    const { client, group, consumer } = membership
    if (cursor === this.#committed && !evenIfUnchanged) return true
    try {
      lease.assertHeld()
      this.#underWay = cursor
      await client.updateCheckpoint(group.name, consumer, lease.shard.shard, cursor, {
        signal: lease.signal,
        timeoutMs: COMMIT_TIMEOUT_MS,
      })
      this.#committed = cursor
      this.#committedAt = clock.monotonic()
      telemetry.checkpointCommitted(lease.shard, cursor)
      this.endPause()
      return true
    } catch (error) {
      this.#plausible.add(cursor)
      if (lease.signal.aborted || !(error instanceof Fault)) throw error
      // Refused as not ours although the service has it: an earlier commit closed the shard, and no consumer holds it now.
      if (error.kind === 'lease' && cursor === this.#committed) return true
      telemetry.checkpointFailed(lease.shard, error)
      if (error.kind === 'lease') lease.lose(`the service refused its checkpoint (${error.code})`)
      else if (error.kind === 'configuration') telemetry.paused(this.#pause, error)
      lease.signal.throwIfAborted()
      return false
    } finally {
      this.#underWay = undefined
      this.#changes++
    }
  }

  /**
   * Checks the checkpoint that the service has for this shard, read while `changesBefore` was current. No other consumer
   * may write it while we hold the lease. The official Python and Go workers force their commits, and do so after a
   * freeze. False if one did: the foreign checkpoint then counts as committed, so that the next commit repairs it.
   */
  verify(seen: { checkpoint: string; consumer: string }, changesBefore: number): boolean {
    const { lease, membership, telemetry } = this.#options
    const { consumer } = membership
    if (this.#underWay !== undefined || changesBefore !== this.#changes) return true
    const expected = this.#committed
    this.#committed = seen.checkpoint
    if (seen.checkpoint === expected) this.#plausible.clear()
    // No checkpoint at all: the group was deleted and created again.
    if ([expected, ''].includes(seen.checkpoint) || this.#plausible.has(seen.checkpoint)) return true
    const sameName = seen.consumer === consumer
    telemetry.checkpointForeign(lease.shard, { seen: seen.checkpoint, expected, consumer: seen.consumer, sameName })
    return false
  }
}
