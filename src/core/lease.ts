import type { ShardRef } from './shard.ts'

/** The right to work on one shard. */
export interface Lease {
  readonly shard: ShardRef
  /** Aborted when the lease is lost. Draining a shard does not abort it. */
  readonly signal: AbortSignal
  /**
   * Throws a `lease` Fault unless the lease is held at this instant by the clock. Timers fire late after a SIGSTOP, so the
   * signal is not enough. Call this directly before each POST and each commit.
   */
  assertHeld(): void
}
