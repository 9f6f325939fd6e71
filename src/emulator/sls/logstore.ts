import { ConsumerGroup } from './consumer-group.ts'
import { SlsRefusal } from './refusal.ts'
import type { StoredGroup } from './shard.ts'
import { Shard } from './shard.ts'

export interface LogstoreSettings {
  /** Days; 3650 keeps for ever. */
  ttl: number
  enableTracking: boolean
  appendMeta: boolean
  autoSplit: boolean
  maxSplitShard: number
}

export interface LogstoreOptions {
  name: string
  /** Milliseconds since the epoch. */
  now: () => number
  shards?: number
  settings?: Partial<LogstoreSettings>
  /** Instead of `ttl` days, for tests. */
  retentionSeconds?: number
  maxConsumerGroups?: number
  /** Smallest timeout a consumer group may ask for, in seconds. */
  groupTimeoutFloorSeconds?: number
}

export interface GroupSettings {
  name: string
  timeoutSeconds: number
  order: boolean
}

const FOREVER_DAYS = 3650
const DAY_MS = 86_400_000
const HASH_SPACE = 2n ** 128n
const LAST_KEY = 'f'.repeat(32)
const HASH_KEY = /^[0-9a-f]{32}$/
const GROUP_NAME = /^[a-z0-9][a-z0-9_-]{0,61}[a-z0-9]$/

/** Shards over the 128-bit hash space, the log groups in them, and the consumer groups that read them. */
export class Logstore {
  readonly name: string
  readonly createdAt: number
  readonly groups = new Map<string, ConsumerGroup>()
  readonly #now: () => number
  readonly #options: LogstoreOptions
  readonly #shards = new Map<number, Shard>()
  #settings: LogstoreSettings
  #modifiedAt: number
  #nextShard = 0
  #nextWrite = 0

  constructor(options: LogstoreOptions) {
    this.name = options.name
    this.#now = options.now
    this.#options = options
    this.createdAt = options.now()
    this.#modifiedAt = this.createdAt
    const defaults = { ttl: 30, enableTracking: false, appendMeta: false, autoSplit: false, maxSplitShard: 0 }
    this.#settings = { ...defaults, ...options.settings }
    const bounds = bordersOf(0n, HASH_SPACE, options.shards ?? 2)
    for (const [beginKey, endKey] of bounds) this.#add({ beginKey, endKey, parents: [] })
  }

  get settings(): Readonly<LogstoreSettings> {
    return this.#settings
  }

  get modifiedAt(): number {
    return this.#modifiedAt
  }

  update(changes: Partial<LogstoreSettings>): void {
    this.#settings = { ...this.#settings, ...changes }
    this.#modifiedAt = this.#now()
  }

  /** All shards, ascending; what has expired is gone. */
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
   * Stores one log group: in the shard whose range holds `key` (32 hex digits), or in turn in each writable one.
   * Refuses with LogStoreWithoutShard, ParameterInvalid.
   */
  append(group: StoredGroup, key?: string): Shard {
    const writable = [...this.#shards.values()].filter(({ status }) => status === 'readwrite')
    const shard = key === undefined ? writable[this.#nextWrite++ % writable.length] : ownerOf(writable, hashKey(key))
    if (!shard) throw new SlsRefusal('LogStoreWithoutShard', `logstore ${this.name} has no writable shard for this`)
    shard.append(group)
    return shard
  }

  /**
   * Makes a shard read-only and gives its range to `count` new ones, cut at `key` if given (then two), else in equal
   * parts. Returns the parent, then the children.
   */
  split(id: number, { key, count = 2 }: { key?: string; count?: number } = {}): Shard[] {
    const parent = this.#writable(id)
    const begin = BigInt(`0x${parent.beginKey}`)
    const end = endOf(parent)
    if (!Number.isInteger(count) || count < 2 || count > 256) {
      throw new SlsRefusal('ParameterInvalid', `shardCount must be from 2 to 256, not ${count}`)
    }
    let ranges = bordersOf(begin, end, count)
    if (key !== undefined) {
      const cut = BigInt(`0x${hashKey(key)}`)
      if (cut <= begin || cut >= end) throw new SlsRefusal('ParameterInvalid', `key ${key} is not inside shard ${id}`)
      ranges = [
        [parent.beginKey, hashKey(key)],
        [hashKey(key), parent.endKey],
      ]
    }
    this.seal(id)
    return [parent, ...ranges.map(([beginKey, endKey]) => this.#add({ beginKey, endKey, parents: [id] }))]
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
  seal(id: number): void {
    const shard = this.shard(id)
    shard.sealedAt ??= this.#now()
    for (const group of this.groups.values()) group.sealShard(id)
  }

  deleteShard(id: number): void {
    if (this.shard(id).status === 'readwrite') {
      throw new SlsRefusal('ParameterInvalid', `shard ${id} is readwrite, only readonly shards can be deleted`)
    }
    this.#remove(id)
  }

  createGroup({ name, timeoutSeconds, order }: GroupSettings): ConsumerGroup {
    if (!GROUP_NAME.test(name)) throw new SlsRefusal('ParameterInvalid', `invalid consumer group name: ${name}`)
    this.#assertTimeout(timeoutSeconds)
    if (this.groups.has(name)) throw new SlsRefusal('ConsumerGroupAlreadyExist', 'consumer group already exist')
    const quota = this.#options.maxConsumerGroups ?? 30
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

  /** Refuses with ConsumerGroupNotExist. */
  group(name: string): ConsumerGroup {
    const group = this.groups.get(name)
    if (!group) throw new SlsRefusal('ConsumerGroupNotExist', `consumer group ${name} not exist`)
    return group
  }

  updateGroup(name: string, changes: { timeoutSeconds?: number; order?: boolean }): void {
    const group = this.group(name)
    if (changes.timeoutSeconds !== undefined) this.#assertTimeout(changes.timeoutSeconds)
    group.update(changes)
  }

  deleteGroup(name: string): void {
    this.group(name)
    this.groups.delete(name)
  }

  #assertTimeout(seconds: number): void {
    const floor = this.#options.groupTimeoutFloorSeconds ?? 1
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

  #add(range: { beginKey: string; endKey: string; parents: readonly number[] }): Shard {
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
    const { retentionSeconds } = this.#options
    if (retentionSeconds === undefined && days >= FOREVER_DAYS) return
    const oldest = this.#now() - (retentionSeconds === undefined ? days * DAY_MS : retentionSeconds * 1000)
    const first = shard.receivedAt(shard.begin)
    if (first !== undefined && first < oldest) shard.expireBefore(shard.positionAt(oldest))
    if (shard.sealedAt !== undefined && shard.sealedAt < oldest && shard.begin === shard.end) this.#remove(shard.id)
  }
}

function ownerOf(shards: readonly Shard[], key: string): Shard | undefined {
  return shards.find(({ beginKey, endKey }) => beginKey <= key && (key < endKey || endKey === LAST_KEY))
}

function hashKey(key: string): string {
  const lower = key.toLowerCase()
  if (!HASH_KEY.test(lower)) throw new SlsRefusal('ParameterInvalid', `a hash key has 32 hex digits: ${key}`)
  return lower
}

function endOf(shard: Shard): bigint {
  return shard.endKey === LAST_KEY ? HASH_SPACE : BigInt(`0x${shard.endKey}`)
}

/** `count` ranges of equal size; the one that ends the space ends at `ffff…`, which then belongs to it. */
function bordersOf(begin: bigint, end: bigint, count: number): Array<[string, string]> {
  const border = (index: number) => {
    const key = begin + ((end - begin) * BigInt(index)) / BigInt(count)
    return key === HASH_SPACE ? LAST_KEY : key.toString(16).padStart(32, '0')
  }
  return Array.from({ length: count }, (_, index) => [border(index), border(index + 1)])
}
