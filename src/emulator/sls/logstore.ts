import { decodeLogGroup, encodeLogGroup } from '../../sls/log-group.ts'
import { lz4Decompress } from '../../sls/lz4.ts'
import type { WaitOptions } from '../watch.ts'
import { Watch } from '../watch.ts'
import { ConsumerGroup } from './consumer-group.ts'
import type { HashRange } from './hash-range.ts'
import { equalParts, hashKey, holds, partsAt, WHOLE_SPACE } from './hash-range.ts'
import { checkLogGroup } from './log-check.ts'
import { storedBlock } from './lz4-join.ts'
import type { ReadQuotaOptions } from './quota.ts'
import { ReadQuota } from './quota.ts'
import { SlsRefusal } from './refusal.ts'
import type { StoredGroup } from './shard.ts'
import { Shard } from './shard.ts'
import type { LogstoreState } from './state.ts'
import { groupState, shardState } from './state.ts'

/** @internal */
export interface LogstoreSettings {
  /** Days; 3650 keeps for ever. */
  ttl: number
  enableTracking: boolean
  appendMeta: boolean
  autoSplit: boolean
  maxSplitShard: number
}

export interface LogstoreOptions {
  /** Default 2. */
  shards?: number
  /** Forget log groups after this long. Default: the logstore's ttl, 30 days. */
  retentionSeconds?: number
  /** Default: none. */
  readQuota?: ReadQuotaOptions
  /** The answer to a pull from an expired cursor: InvalidCursor (`refuse`, the default) or the oldest log groups. */
  expiredCursor?: 'refuse' | 'oldest'
  /** Refuse logs older than 7 days or newer than 15 minutes. Default false. */
  strictLogTimes?: boolean
  /** Default 30. */
  maxConsumerGroups?: number
  /** Smallest timeout a consumer group may ask for, in seconds. Default 1. */
  groupTimeoutFloorSeconds?: number
}

/**
 * Names of a logstore, its metadata, and the clock and the watch that it shares with the rest of the emulator.
 * @internal
 */
export interface LogstorePlace {
  project: string
  name: string
  /** Milliseconds since the epoch. */
  now: () => number
  watch?: Watch
  settings?: Partial<LogstoreSettings>
}

/** The contents of one log, by key. Bytes are stored as they are, UTF-8 or not. */
export type LogContents = Readonly<Record<string, string | Uint8Array>>

/** Fields that the logs of one group share. */
export interface LogGroupFields {
  topic?: string
  source?: string
  tags?: Readonly<Record<string, string>>
  /** Unix seconds. Default: now. */
  time?: number
  /** Nanoseconds within the second. Default: not sent. */
  timeNs?: number
}

/** A log as it is stored. Bytes that are no UTF-8 read as U+FFFD; of a key that occurs twice the last value counts. */
export interface StoredLog extends Required<Omit<LogGroupFields, 'timeNs'>> {
  shard: number
  /** Cursor of the log group. */
  cursor: string
  timeNs: number | undefined
  contents: Record<string, string>
}

/** Log groups to expire: all of a shard (of every shard without one), or the part that one of the limits describes. */
export interface ExpireOptions {
  shard?: number
  /** Keep so many of the newest. */
  keep?: number
  /** Keep from this cursor on. */
  cursor?: string
  /** Keep log groups that came in within so many seconds. */
  olderThanSeconds?: number
}

/** @internal */
export interface GroupSettings {
  name: string
  timeoutSeconds: number
  order: boolean
}

const FOREVER_DAYS = 3650
const DAY_MS = 86_400_000
const GROUP_NAME = /^[a-z0-9][a-z0-9_-]{0,61}[a-z0-9]$/

/**
 * One logstore of a project: shards over the 128-bit hash space, the log groups in them, and the consumer groups that
 * read them. Its methods act at once, as a client's calls would. They throw where the service would refuse, with its
 * text.
 */
export class Logstore {
  readonly project: string
  readonly name: string
  /** @internal */
  readonly createdAt: number
  /** @internal */
  readonly options: Readonly<LogstoreOptions>
  /** @internal */
  readonly quota: ReadQuota | undefined
  /** @internal */
  readonly groups = new Map<string, ConsumerGroup>()
  readonly #now: () => number
  readonly #watch: Watch
  readonly #shards = new Map<number, Shard>()
  #settings: LogstoreSettings
  #modifiedAt: number
  #nextShard = 0
  #nextWrite = 0

  /** @internal */
  constructor({ project, name, now, watch = new Watch(), settings, ...options }: LogstoreOptions & LogstorePlace) {
    this.project = project
    this.name = name
    this.options = options
    this.quota = options.readQuota && new ReadQuota(options.readQuota)
    this.#now = now
    this.#watch = watch
    this.createdAt = now()
    this.#modifiedAt = this.createdAt
    const defaults = { ttl: 30, enableTracking: false, appendMeta: false, autoSplit: false, maxSplitShard: 0 }
    this.#settings = { ...defaults, ...settings }
    for (const range of equalParts(WHOLE_SPACE, options.shards ?? 2)) this.#add({ ...range, parents: [] })
  }

  /**
   * Stores logs as one log group, as a producer's PutLogs would: in the shard named, or in turn in each writable one.
   * Returns where they are.
   */
  write(
    logs: readonly LogContents[],
    { shard, ...fields }: LogGroupFields & { shard?: number } = {},
  ): { shard: number; cursor: string } {
    const { time = Math.floor(this.#now() / 1000), timeNs, topic, source, tags } = fields
    const raw = encodeLogGroup({
      ...(topic !== undefined && { topic }),
      ...(source !== undefined && { source }),
      tags: Object.entries(tags ?? {}),
      logs: logs.map((log) => ({ time, ...(timeNs !== undefined && { timeNs }), contents: Object.entries(log) })),
    })
    const group = { ...storedBlock(raw), logs: checkLogGroup(raw).logs, receivedAt: this.#now() }
    const stored = this.append(group, shard === undefined ? undefined : this.#writable(shard).beginKey)
    return { shard: stored.id, cursor: stored.cursorAt(stored.end - 1) }
  }

  /** Every log that is retained, by shard, in the order they came. */
  logs(): StoredLog[] {
    return this.shards().flatMap((shard) => {
      const { from, groups } = shard.read(shard.begin, { count: Infinity, maxBytes: Infinity })
      return groups.flatMap((group, index) => logsOf(group, { shard: shard.id, cursor: shard.cursorAt(from + index) }))
    })
  }

  /** Resolves with every retained log as soon as there are so many. Rejects when that takes too long. */
  async received(count: number, wait?: WaitOptions): Promise<StoredLog[]> {
    const received = () => this.shards().reduce((sum, { totals }) => sum + totals.logs, 0)
    const describe = () => `${this.project}/${this.name} has ${received()} of ${count} logs`
    await this.#watch.until(() => received() >= count, wait, describe)
    return this.logs()
  }

  /**
   * Resolves when the checkpoints of a consumer group are at the end of every shard. Rejects when that takes too long.
   */
  async caughtUp(group: string, wait?: WaitOptions): Promise<void> {
    const behind = () => this.state().consumerGroups.find(({ name }) => name === group)?.shards
    const met = () => behind()?.every((shard) => shard.behind === 0) ?? false
    const describe = () => {
      const shards = behind()?.map((shard) => `shard ${shard.shard} is ${shard.behind} log groups behind`)
      return `consumer group ${group} of ${this.project}/${this.name}: ${shards?.join(', ') ?? 'does not exist'}`
    }
    await this.#watch.until(met, wait, describe)
  }

  /** Shards that each live consumer of a group holds now; a shard without a holder is left out. */
  holders(group: string): Map<string, number[]> {
    const holders = new Map<string, number[]>()
    for (const { shard, holder } of this.groups.get(group)?.allocations() ?? []) {
      if (holder !== undefined) holders.set(holder, [...(holders.get(holder) ?? []), shard])
    }
    return holders
  }

  state(): LogstoreState {
    const shards = this.shards()
    const byId = new Map(shards.map((shard) => [shard.id, shard]))
    return {
      ...{ project: this.project, logstore: this.name, ttl: this.settings.ttl },
      shards: shards.map(shardState),
      consumerGroups: [...this.groups.values()].map((group) => groupState(group, byId)),
    }
  }

  /** @internal */
  get settings(): Readonly<LogstoreSettings> {
    return this.#settings
  }

  /** @internal */
  get modifiedAt(): number {
    return this.#modifiedAt
  }

  /** @internal */
  update(changes: Partial<LogstoreSettings>): void {
    this.#settings = { ...this.#settings, ...changes }
    this.#modifiedAt = this.#now()
  }

  /** All shards, ascending, without those that have expired. */
  shards(): Shard[] {
    for (const shard of this.#shards.values()) this.#expire(shard)
    return [...this.#shards.values()]
  }

  /** Refuses with ShardNotExist. */
  shard(id: number): Shard {
    const shard = this.#shards.get(id)
    if (shard) this.#expire(shard)
    if (!shard || !this.#shards.has(id)) throw new SlsRefusal('ShardNotExist', `shard ${id} does not exist`)
    return shard
  }

  /**
   * Stores one log group in the shard whose range holds `key` (32 hex digits), or in turn in each writable one.
   * Refuses with LogStoreWithoutShard, ParameterInvalid.
   * @internal
   */
  append(group: StoredGroup, key?: string): Shard {
    const writable = [...this.#shards.values()].filter(({ status }) => status === 'readwrite')
    const wanted = key === undefined ? undefined : hashKey(key)
    const shard =
      wanted === undefined
        ? writable[this.#nextWrite++ % writable.length]
        : writable.find((each) => holds(each, wanted))
    if (!shard) throw new SlsRefusal('LogStoreWithoutShard', `logstore ${this.name} has no writable shard for this`)
    shard.append(group)
    this.#watch.changed()
    return shard
  }

  /**
   * Makes a shard read-only and gives its range to `count` new ones, cut at `key` if given (then two), else in equal
   * parts. Returns the parent, then the children.
   */
  split(id: number, { key, count = 2 }: { key?: string; count?: number } = {}): Shard[] {
    const parent = this.#writable(id)
    if (!Number.isInteger(count) || count < 2 || count > 256) {
      throw new SlsRefusal('ParameterInvalid', `shardCount must be from 2 to 256, not ${count}`)
    }
    const ranges = key === undefined ? equalParts(parent, count) : partsAt(parent, hashKey(key))
    if (!ranges) throw new SlsRefusal('ParameterInvalid', `key ${key} is not inside shard ${id}`)
    this.seal(id)
    return [parent, ...ranges.map((range) => this.#add({ ...range, parents: [id] }))]
  }

  /** Merges a shard with its right neighbour. Returns the new shard, then the two old ones. */
  merge(id: number): Shard[] {
    const left = this.#writable(id)
    const right = [...this.#shards.values()].find(
      (shard) => shard.beginKey === left.endKey && shard.status === 'readwrite',
    )
    if (!right) throw new SlsRefusal('ParameterInvalid', `shard ${id} has no writable right neighbour`)
    this.seal(left.id)
    this.seal(right.id)
    const parents = [left.id, right.id]
    return [this.#add({ beginKey: left.beginKey, endKey: right.endKey, parents }), left, right]
  }

  /** Makes a shard read-only. */
  seal(id: number): Shard {
    const shard = this.shard(id)
    shard.sealedAt ??= this.#now()
    for (const group of this.groups.values()) group.sealShard(id)
    return shard
  }

  /** Forgets log groups before their time; returns how many. Their cursors have expired then. */
  expire({ shard, keep = 0, cursor, olderThanSeconds }: ExpireOptions = {}): number {
    const borderOf = (each: Shard) => {
      if (cursor !== undefined) return each.positionOf(cursor, 'oldest')
      if (olderThanSeconds === undefined) return each.end - keep
      return each.positionAt(this.#now() - olderThanSeconds * 1000)
    }
    const shards = shard === undefined ? this.shards() : [this.shard(shard)]
    return shards.reduce((sum, each) => sum + each.expireBefore(borderOf(each)), 0)
  }

  /** @internal */
  deleteShard(id: number): void {
    if (this.shard(id).status === 'readwrite') {
      throw new SlsRefusal('ParameterInvalid', `shard ${id} is readwrite, only readonly shards can be deleted`)
    }
    this.#remove(id)
  }

  /** @internal */
  createGroup({ name, timeoutSeconds, order }: GroupSettings): ConsumerGroup {
    if (!GROUP_NAME.test(name)) throw new SlsRefusal('ParameterInvalid', `invalid consumer group name: ${name}`)
    this.#assertTimeout(timeoutSeconds)
    if (this.groups.has(name)) throw new SlsRefusal('ConsumerGroupAlreadyExist', 'consumer group already exist')
    const quota = this.options.maxConsumerGroups ?? 30
    if (this.groups.size >= quota) {
      throw new SlsRefusal('ConsumerGroupQuotaExceed', `at most ${quota} consumer groups in a logstore`)
    }
    const group = new ConsumerGroup({
      ...{ name, timeoutSeconds, order, now: this.#now, shards: this.shards() },
      readonlyEnd: (id) => {
        const shard = this.#shards.get(id)
        return shard?.status === 'readonly' ? shard.cursorAt(shard.end) : undefined
      },
    })
    this.groups.set(name, group)
    return group
  }

  /**
   * Refuses with ConsumerGroupNotExist.
   * @internal
   */
  group(name: string): ConsumerGroup {
    const group = this.groups.get(name)
    if (!group) throw new SlsRefusal('ConsumerGroupNotExist', `consumer group ${name} not exist`)
    return group
  }

  /** @internal */
  updateGroup(name: string, changes: { timeoutSeconds?: number; order?: boolean }): void {
    const group = this.group(name)
    if (changes.timeoutSeconds !== undefined) this.#assertTimeout(changes.timeoutSeconds)
    group.update(changes)
  }

  /** @internal */
  deleteGroup(name: string): void {
    this.group(name)
    this.groups.delete(name)
  }

  #assertTimeout(seconds: number): void {
    const floor = this.options.groupTimeoutFloorSeconds ?? 1
    if (!Number.isInteger(seconds) || seconds < floor) {
      throw new SlsRefusal(
        'ParameterInvalid',
        `timeout must be a whole number of seconds, ${floor} or more: ${seconds}`,
      )
    }
  }

  #writable(id: number): Shard {
    const shard = this.shard(id)
    if (shard.status === 'readonly') throw new SlsRefusal('ParameterInvalid', `shard ${id} is readonly`)
    return shard
  }

  #add(range: HashRange & { parents: readonly number[] }): Shard {
    const shard = new Shard({ ...range, id: this.#nextShard++, createdAt: this.#now() })
    this.#shards.set(shard.id, shard)
    for (const group of this.groups.values()) group.addShards([shard])
    return shard
  }

  #remove(id: number): void {
    this.#shards.delete(id)
    for (const group of this.groups.values()) group.removeShard(id)
  }

  #expire(shard: Shard): void {
    const days = this.#settings.ttl
    const { retentionSeconds } = this.options
    if (retentionSeconds === undefined && days >= FOREVER_DAYS) return
    const oldest = this.#now() - (retentionSeconds === undefined ? days * DAY_MS : retentionSeconds * 1000)
    const first = shard.receivedAt(shard.begin)
    if (first !== undefined && first < oldest) shard.expireBefore(shard.positionAt(oldest))
    if (shard.sealedAt !== undefined && shard.sealedAt < oldest && shard.begin === shard.end) this.#remove(shard.id)
  }
}

function logsOf({ bytes, rawSize }: StoredGroup, place: { shard: number; cursor: string }): StoredLog[] {
  const { topic, source, tags, logs } = decodeLogGroup(lz4Decompress(bytes, rawSize))
  return logs.map(({ time, timeNs, contents }) => ({
    ...{ ...place, topic, source, tags: Object.fromEntries(tags), time, timeNs },
    contents: Object.fromEntries(contents.map(([key, value]) => [key.toString(), value.toString()])),
  }))
}
