import type { StartPosition } from '../core/start-position.ts'

/** How the shards of a logstore are read. */
export interface Reading {
  /** Where a shard without a checkpoint starts. */
  readonly start: StartPosition
  /** When a cursor has expired: go on at the oldest log retained, or wait until somebody sets the checkpoint. */
  readonly expired: 'begin' | 'fail'
  /** SPL that the service applies before it answers. */
  readonly query?: string
  /** Log groups per pull. */
  readonly fetchCount: number
  /** Pause after a pull that reached the end of the shard. */
  readonly fetchIntervalMs: number
}
