import type { AllocationState, ConsumerGroup } from './consumer-group.ts'
import type { Logstore } from './logstore.ts'
import type { Shard } from './shard.ts'
import type { SlsStore } from './store.ts'

/** Everything there is to know about the emulator at one instant; also the body of `GET /_emulator/state`. */
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
  /** What is retained. */
  groups: number
  logs: number
  rawBytes: number
  storedBytes: number
}

export interface ConsumerGroupState {
  name: string
  timeout: number
  order: boolean
  consumers: Array<{ name: string; lastHeartbeat: number; shards: number }>
  shards: Array<{
    shard: number
    state: AllocationState
    holder: string | null
    next: string | null
    checkpoint: string
    updateTime: number
    consumer: string
    /** Log groups from the checkpoint (without one: from the oldest) to the end; null for a checkpoint that is no cursor of the shard. */
    behind: number | null
  }>
}

export function stateOf(store: SlsStore, now: number): SlsState {
  const logstores = store
    .projects()
    .flatMap((project) => [...project.logstores.values()].map((logstore) => logstoreState(project.name, logstore)))
  return { now, logstores }
}

function logstoreState(project: string, logstore: Logstore): LogstoreState {
  const shards = logstore.shards()
  return {
    ...{ project, logstore: logstore.name, ttl: logstore.settings.ttl },
    shards: shards.map(shardState),
    consumerGroups: [...logstore.groups.values()].map((group) => ({
      ...{ name: group.name, timeout: group.timeoutSeconds, order: group.order, consumers: group.consumers() },
      shards: groupShards(group, new Map(shards.map((shard) => [shard.id, shard]))),
    })),
  }
}

export function shardState(shard: Shard): ShardState {
  return {
    ...{
      shard: shard.id,
      status: shard.status,
      beginKey: shard.beginKey,
      endKey: shard.endKey,
      parents: shard.parents,
    },
    ...{ begin: shard.cursorAt(shard.begin), end: shard.cursorAt(shard.end) },
    ...shard.totals,
  }
}

function groupShards(group: ConsumerGroup, shards: ReadonlyMap<number, Shard>): ConsumerGroupState['shards'] {
  return group.allocations().map(({ holder, next, ...entry }) => {
    const shard = shards.get(entry.shard)
    const behind = shard ? behindOf(shard, entry.checkpoint) : null
    return { ...entry, holder: holder ?? null, next: next ?? null, behind }
  })
}

function behindOf(shard: Shard, checkpoint: string): number | null {
  if (checkpoint === '') return shard.end - shard.begin
  const position = shard.find(checkpoint)
  return position === undefined ? null : shard.end - position
}
