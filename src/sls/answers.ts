import { isCursor } from './cursor.ts'

/**
 * Shapes of the JSON answers (SLS protocol: endpoints). Each function takes a parsed body and returns what it means, or
 * `undefined` when something that we need is missing. Unknown fields are ignored, and so are fields that nothing depends on:
 * a private cloud runs another version of Log Service.
 */

export interface ConsumerGroup {
  name: string
  /** Consumers are forgotten when they have not sent a heartbeat for this long. */
  timeoutSeconds: number
  /** Child shards wait for their parents to be finished. */
  inOrder: boolean
}

/** A consumer group as it is listed. What the service does not tell is `undefined`. */
export type ListedGroup = Pick<ConsumerGroup, 'name'> & {
  [Setting in 'timeoutSeconds' | 'inOrder']: ConsumerGroup[Setting] | undefined
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
  /** `undefined` if the service does not tell, or says a word that we do not know. */
  status: ShardStatus | undefined
}

export type ShardStatus = 'readwrite' | 'readonly'

export function consumerGroups(answer: unknown): ListedGroup[] | undefined {
  return listOf(answer, ({ name, timeout, order }) =>
    typeof name === 'string'
      ? {
          name,
          timeoutSeconds: isWhole(timeout) ? timeout : undefined,
          inOrder: typeof order === 'boolean' ? order : undefined,
        }
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
    isWhole(shard) && (checkpoint === '' || isCursor(checkpoint))
      ? {
          shard,
          checkpoint,
          updateTime: isWhole(updateTime) ? updateTime : 0,
          consumer: typeof consumer === 'string' ? consumer : '',
        }
      : undefined,
  )
}

export function shards(answer: unknown): Shard[] | undefined {
  return listOf(answer, ({ shardID, status }) =>
    isWhole(shardID) ? { shardId: shardID, status: shardStatus(status) } : undefined,
  )
}

function shardStatus(value: unknown): ShardStatus | undefined {
  const word = typeof value === 'string' ? value.toLowerCase() : undefined
  return word === 'readwrite' || word === 'readonly' ? word : undefined
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
