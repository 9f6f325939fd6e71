import type { AllocationState, ConsumerGroup } from './consumer-group.ts'
import type { Shard } from './shard.ts'

/** Everything the emulator holds at one instant; also the body of `GET /_emulator/state`. */
export interface SlsState {
  /** Unix milliseconds, by the emulator's clock. */
  now: number
  logstores: LogstoreState[]
}

export interface LogstoreState {
  project: string
  logstore: string
  ttl: number
  shards: ShardState[]
  consumerGroups: ConsumerGroupState[]
}

export interface ShardState {
  shard: number
  status: 'readwrite' | 'readonly'
  beginKey: string
  endKey: string
  parents: readonly number[]
  /** Cursors of the oldest log group and of the next one to come. */
  begin: string
  end: string
  /** Sums over the log groups that are retained. */
  groups: number
  logs: number
  rawBytes: number
  storedBytes: number
}

export interface ConsumerGroupState {
  name: string
  /** Seconds. */
  timeout: number
  order: boolean
  /** Live consumers; `lastHeartbeat` in Unix milliseconds. */
  consumers: Array<{ name: string; lastHeartbeat: number; shards: number }>
  shards: Array<{
    shard: number
    state: AllocationState
    holder: string | null
    /** The consumer that gets the shard when its holder stops reporting it. */
    next: string | null
    /** `''` if never committed. */
    checkpoint: string
    /** Unix microseconds of the checkpoint. */
    updateTime: number
    /** The consumer that wrote the checkpoint. */
    consumer: string
    /**
     * Log groups from the checkpoint (without one: from the oldest) to the end; null for a checkpoint that is no cursor
     * of the shard.
     */
    behind: number | null
  }>
}

export function shardState(shard: Shard): ShardState {
  return {
    ...{ shard: shard.id, status: shard.status, parents: shard.parents },
    ...{ beginKey: shard.beginKey, endKey: shard.endKey },
    ...{ begin: shard.cursorAt(shard.begin), end: shard.cursorAt(shard.end) },
    ...shard.totals,
  }
}

export function groupState(group: ConsumerGroup, shards: ReadonlyMap<number, Shard>): ConsumerGroupState {
  return {
    ...{ name: group.name, timeout: group.timeoutSeconds, order: group.order, consumers: group.consumers() },
    shards: group.allocations().map(({ holder, next, ...entry }) => {
      const shard = shards.get(entry.shard)
      const behind = shard ? behindOf(shard, entry.checkpoint) : null
      return { ...entry, holder: holder ?? null, next: next ?? null, behind }
    }),
  }
}

function behindOf(shard: Shard, checkpoint: string): number | null {
  if (checkpoint === '') return shard.end - shard.begin
  const position = shard.find(checkpoint)
  return position === undefined ? null : shard.end - position
}
