import type { ShardRef } from './shard.ts'

/** Where a batch came from; goes into dead letters and logs. */
export interface BatchOrigin extends ShardRef {
  /** Cursor (as SLS spells it) of the pull the batch was made from. */
  readonly cursor: string
}

/**
 * Encoded events on their way to a sink: one run of bytes, never an object per event.
 * All events come from one pull of one shard, so a batch lives and dies with that shard's lease.
 */
export interface Batch {
  readonly origin: BatchOrigin
  /** `count` envelopes, each ending in `\n`. Owned by the batch, not written again. */
  readonly bytes: Buffer
  /** `ends[i]` = offset just past event i (its `\n` included). Length `count`. */
  readonly ends: Uint32Array
  readonly count: number
}

/** Bytes of events `from` (inclusive) to `to` (exclusive). */
export function bytesOf(batch: Batch, from: number, to: number): Buffer {
  const start = from === 0 ? 0 : (batch.ends[from - 1] as number)
  const end = to === 0 ? 0 : (batch.ends[to - 1] as number)
  return batch.bytes.subarray(start, end)
}

/** Where a pull stands, for origins and event ids. */
export interface PullPosition extends BatchOrigin {
  /** Position of the first log group; `undefined` when groups have no cursors of their own (SPL, opaque cursors). */
  readonly firstGroup: bigint | undefined
}

/** The part of a position that its batches carry. */
export function originOf({ source, project, logstore, shard, cursor }: PullPosition): BatchOrigin {
  return { source, project, logstore, shard, cursor }
}

/** What became of one pull's logs. */
export interface EncodeCounts {
  groups: number
  /** All logs of the body, those nobody wanted included. */
  logs: number
  /** Logs of the groups whose topic nobody wanted. */
  filteredLogs: number
  events: number
}
