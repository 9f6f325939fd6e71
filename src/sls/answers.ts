import { isCursor } from './cursor.ts'

/**
 * Shapes of the JSON answers (SLS protocol: endpoints). Each function takes a parsed body and returns what it means, or
 * `undefined` when it has another shape. Unknown fields are ignored.
 */

export interface ConsumerGroup {
  name: string
  /** Consumers are forgotten when they have not sent a heartbeat for this long. */
  timeoutSeconds: number
  /** Child shards wait for their parents to be finished. */
  inOrder: boolean
}

export interface ShardCheckpoint {
  shard: number
  /** `''` when there is none yet. */
  checkpoint: string
  /** Microseconds since the epoch; 0 if never. */
  updateTime: number
  /** The consumer that wrote it; `''` if none did. */
  consumer: string
}

export interface Shard {
  shardId: number
  status: 'readwrite' | 'readonly'
  /** Hash range, 32 hex digits each; the end is exclusive. */
  beginKey: string
  endKey: string
  /** Unix seconds. */
  createTime: number
}

export function consumerGroups(answer: unknown): ConsumerGroup[] | undefined {
  return listOf(answer, ({ name, timeout, order }) =>
    typeof name === 'string' && isWhole(timeout) && typeof order === 'boolean'
      ? { name, timeoutSeconds: timeout, inOrder: order }
      : undefined,
  )
}

/**
 * A project has 400 unless its quota was raised, and the first replica of a group is given all of them for a moment: a list
 * refused for its length would be refused again and again, and nothing be read. Each shard held costs some 13 KB and timers.
 */
const MOST_SHARDS = 10_000

export function heartbeatShards(answer: unknown): number[] | undefined {
  return Array.isArray(answer) && answer.length <= MOST_SHARDS && answer.every(isWhole) ? answer : undefined
}

/** A missing `checkpoint` is refused, not read as "none": that would restart the shard at its configured beginning. */
export function checkpoints(answer: unknown): ShardCheckpoint[] | undefined {
  return listOf(answer, ({ shard, checkpoint, updateTime, consumer }) =>
    isWhole(shard) &&
    (checkpoint === '' || isCursor(checkpoint)) &&
    isWhole(updateTime ?? 0) &&
    typeof (consumer ?? '') === 'string'
      ? { shard, checkpoint, updateTime: (updateTime ?? 0) as number, consumer: (consumer ?? '') as string }
      : undefined,
  )
}

export function shards(answer: unknown): Shard[] | undefined {
  return listOf(answer, ({ shardID, status, inclusiveBeginKey, exclusiveEndKey, createTime }) =>
    isWhole(shardID) &&
    (status === 'readwrite' || status === 'readonly') &&
    typeof inclusiveBeginKey === 'string' &&
    typeof exclusiveEndKey === 'string' &&
    isWhole(createTime)
      ? { shardId: shardID, status, beginKey: inclusiveBeginKey, endKey: exclusiveEndKey, createTime }
      : undefined,
  )
}

export function cursor(answer: unknown): string | undefined {
  const value = fieldsOf(answer)?.['cursor']
  return isCursor(value) ? value : undefined
}

export function cursorTime(answer: unknown): number | undefined {
  const value = fieldsOf(answer)?.['cursor_time']
  return isWhole(value) ? value : undefined
}

type Fields = Readonly<Record<string, unknown>>

function listOf<T>(answer: unknown, read: (fields: Fields) => T | undefined): T[] | undefined {
  if (!Array.isArray(answer)) return undefined
  const items: T[] = []
  for (const element of answer) {
    const fields = fieldsOf(element)
    const item = fields && read(fields)
    if (item === undefined) return undefined
    items.push(item)
  }
  return items
}

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
