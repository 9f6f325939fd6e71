import type { ShardRef } from './shard.ts'

/** The right to work on one shard, as the parts that must respect it see it. */
export interface Lease {
  readonly shard: ShardRef
  /** Aborted when the lease ends in any way but an orderly release. */
  readonly signal: AbortSignal
  /**
   * Throws a `lease` Fault unless the lease is held at this instant by the clock. Timers fire late after a SIGSTOP, so
   * everything that reaches the outside world (a POST, a commit) asks this immediately before, not only the signal.
   */
  assertHeld(): void
}
