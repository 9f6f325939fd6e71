import type { ShardRef } from './shard.ts'

/** The pull from which a batch was made, for dead letters and logs. */
export interface BatchOrigin extends ShardRef {
  /** Cursor of the pull from which the batch was made, as SLS spells it. */
  readonly cursor: string
}

/**
 * Encoded events on their way to a sink: one run of bytes, never an object per event. All of them come from one pull of one
 * shard, so the batch may be delivered as long as the lease of that shard is held.
 */
export interface Batch {
  readonly origin: BatchOrigin
  /** Name of the sink that they are for. */
  readonly sink: string
  /** The index that every event names, if they name one that is known before the log. */
  readonly index?: string
  /** They go into the dead letter instead, because a step has failed: the code of the reason. */
  readonly refused?: string
  /** Names of the routes that the events came by. */
  readonly routes: readonly string[]
  /** Event i came by `routes[via[i]]`. Absent: all came by the first. */
  readonly via?: Uint16Array
  /** `count` envelopes, each ending in `\n`. The batch owns them, and they do not change. */
  readonly bytes: Buffer
  /** `ends[i]` is the offset just past event i, its `\n` included. Length `count`. */
  readonly ends: Uint32Array
  readonly count: number
}

/** The name of the route that event `index` came by. */
export function routeOf({ routes, via }: Batch, index: number): string {
  return routes[via?.[index] ?? 0] as string
}

/** Events of one batch: from index `from` up to, but not including, `to`. */
export interface Span {
  readonly from: number
  readonly to: number
}

export function bytesOf(batch: Batch, { from, to }: Span): Buffer {
  return batch.bytes.subarray(offsetOf(batch, from), offsetOf(batch, to))
}

export function sizeOf(batch: Batch, { from, to }: Span): number {
  return offsetOf(batch, to) - offsetOf(batch, from)
}

/** Where to cut two or more events so that the first part has at most `bytes`, and each part at least one event. */
export function cutAt(batch: Batch, { from, to }: Span, bytes: number): number {
  const limit = offsetOf(batch, from) + bytes
  let low = from + 1
  let high = to - 1
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if (offsetOf(batch, middle) <= limit) low = middle
    else high = middle - 1
  }
  return low
}

function offsetOf(batch: Batch, index: number): number {
  return index === 0 ? 0 : (batch.ends[index - 1] as number)
}

/** The position of a pull, for origins and event ids. */
export interface PullPosition extends BatchOrigin {
  /** Position of the first log group; `undefined` when groups have no cursors of their own (SPL, opaque cursors). */
  readonly firstGroup: bigint | undefined
}

/** The part of a position that its batches carry. */
export function originOf({ source, project, logstore, shard, cursor }: PullPosition): BatchOrigin {
  return { source, project, logstore, shard, cursor }
}

/** Logs of one topic in a pull. */
export interface TopicLogs {
  readonly logs: number
  /** Those whose log group nobody wants, whatever is in the log. */
  readonly dropped: number
}

/** Counts of the logs of one pull. Only what happened has an entry. */
export interface EncodeCounts {
  /** All logs of the body, filtered ones included. */
  readonly logs: number
  /** Logs of which nothing leaves, by reason: `topic`, or the reason of the route that drops them. */
  readonly filtered: ReadonlyMap<string, number>
  /** Events that leave, by route. */
  readonly routed: ReadonlyMap<string, number>
  /** Steps that failed on so many logs, by `<route or source>/<step>`. */
  readonly failures: ReadonlyMap<string, number>
  /** Logs with contents that are called like a topic, a source or a tag, of groups that are not filtered as a whole. */
  readonly reservedKeys?: number
}
