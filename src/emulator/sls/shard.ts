import { cursorNumber, cursorOf } from '../../sls/cursor.ts'
import type { StoredBlock } from './lz4-join.ts'
import { framedSize } from './lz4-join.ts'
import { SlsRefusal } from './refusal.ts'

/**
 * One PutLogs body, validated.
 * @internal
 */
export interface StoredGroup extends StoredBlock {
  logs: number
  /** Unix milliseconds of the server's clock when it came in; never less than its predecessor's. */
  receivedAt: number
}

/** @internal */
export interface ShardOptions {
  id: number
  /** 32 hex digits; the end is exclusive, except `ffff…`. */
  beginKey: string
  endKey: string
  /** Unix milliseconds. */
  createdAt: number
  parents?: readonly number[]
}

/** @internal */
export interface ReadRange {
  /** Position of the first group. */
  from: number
  groups: readonly StoredGroup[]
}

/** @internal */
export interface ReadLimits {
  count: number
  /** Stops before the group that would exceed this size of LogGroupList; one group is always read. */
  maxBytes: number
  /** Exclusive. */
  endCursor?: string
}

/**
 * One shard: log groups in the order they came. A position counts groups since the shard was made; the cursor of a
 * position is the base64 of a decimal int64, shifted by a base that no other shard of this process is near, so that a
 * cursor taken to the wrong shard is refused.
 */
export class Shard {
  readonly id: number
  readonly beginKey: string
  readonly endKey: string
  /** Unix milliseconds. */
  readonly createdAt: number
  readonly parents: readonly number[]
  /**
   * Unix milliseconds; undefined while it can be written.
   * @internal
   */
  sealedAt: number | undefined
  readonly #base: bigint
  /** `#groups[0]` is at this position; positions before it have expired. */
  #begin = 0
  /** Leading entries of `#groups` that have expired and wait to be cut off. */
  #dead = 0
  #groups: StoredGroup[] = []
  #logs = 0
  #rawBytes = 0
  #storedBytes = 0

  /** @internal */
  constructor(options: ShardOptions) {
    this.id = options.id
    this.beginKey = options.beginKey
    this.endKey = options.endKey
    this.createdAt = options.createdAt
    this.parents = options.parents ?? []
    this.#base = BigInt(Math.floor(options.createdAt)) * 1_000_000n + BigInt(options.id + 1) * 100_000_000_000n
  }

  get status(): 'readwrite' | 'readonly' {
    return this.sealedAt === undefined ? 'readwrite' : 'readonly'
  }

  /** Position of the oldest group retained. */
  get begin(): number {
    return this.#begin
  }

  /** Position the next group will get. */
  get end(): number {
    return this.#begin + this.#groups.length - this.#dead
  }

  /** Sums over the log groups that are retained. */
  get totals(): { groups: number; logs: number; rawBytes: number; storedBytes: number } {
    return {
      ...{ groups: this.end - this.begin, logs: this.#logs },
      ...{ rawBytes: this.#rawBytes, storedBytes: this.#storedBytes },
    }
  }

  /** @internal */
  append(group: StoredGroup): void {
    const newest = this.#groups.at(-1)?.receivedAt ?? 0
    this.#groups.push(group.receivedAt < newest ? { ...group, receivedAt: newest } : group)
    this.#count(group, 1)
  }

  /** Cursor of the log group at a position, or of the one that comes next at the end. */
  cursorAt(position: number): string {
    return cursorOf(this.number(position))
  }

  /** The int64 behind the cursor of a position. */
  number(position: number): bigint {
    return this.#base + BigInt(position)
  }

  /**
   * The position a cursor names, from `begin` to `end`. Refuses with InvalidCursor a cursor that is malformed, another
   * shard's or past the end. An expired one is refused too, unless `expired` says to read on at the oldest group.
   */
  positionOf(cursor: string, expired: 'refuse' | 'oldest' = 'refuse'): number {
    const position = this.find(cursor)
    if (position === undefined) throw new SlsRefusal('InvalidCursor', `invalid cursor ${cursor} for shard ${this.id}`)
    if (position >= this.begin) return position
    if (expired === 'refuse') throw new SlsRefusal('InvalidCursor', `cursor ${cursor} has expired`)
    return this.begin
  }

  /**
   * The position a cursor names, expired or not; undefined if it is none of this shard's.
   * @internal
   */
  find(cursor: string): number | undefined {
    const value = cursorNumber(cursor)
    if (value === undefined) return undefined
    const position = Number(value - this.#base)
    return position < 0 || position > this.end ? undefined : position
  }

  /**
   * First group received at or after `time` (ms); clamped to begin and end.
   * @internal
   */
  positionAt(time: number): number {
    let low = this.begin
    let high = this.end
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#at(middle).receivedAt < time) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Receive time (ms) of the group at a position; undefined at the end. */
  receivedAt(position: number): number | undefined {
    return position < this.end ? this.#at(position).receivedAt : undefined
  }

  /** @internal */
  read(from: number, limits: ReadLimits): ReadRange {
    const stop = limits.endCursor === undefined ? this.end : this.positionOf(limits.endCursor, 'oldest')
    const groups: StoredGroup[] = []
    let bytes = 0
    for (let position = from; position < stop && groups.length < limits.count; position++) {
      const group = this.#at(position)
      bytes += framedSize(group.rawSize)
      if (bytes > limits.maxBytes && groups.length > 0) break
      groups.push(group)
    }
    return { from, groups }
  }

  /**
   * Forgets every group before a position.
   * @internal
   */
  expireBefore(position: number): number {
    const stop = Math.min(position, this.end)
    const expired = Math.max(0, stop - this.#begin)
    for (; this.#begin < stop; this.#begin++) {
      this.#count(this.#groups[this.#dead] as StoredGroup, -1)
      this.#groups[this.#dead++] = EXPIRED
    }
    // Cut in large steps: a shard that expires group by group would otherwise move its whole array each time.
    if (this.#dead > 1024 && this.#dead * 2 > this.#groups.length) {
      this.#groups = this.#groups.slice(this.#dead)
      this.#dead = 0
    }
    return expired
  }

  #at(position: number): StoredGroup {
    return this.#groups[position - this.#begin + this.#dead] as StoredGroup
  }

  #count(group: StoredGroup, sign: 1 | -1): void {
    this.#logs += sign * group.logs
    this.#rawBytes += sign * group.rawSize
    this.#storedBytes += sign * group.bytes.length
  }
}

const EXPIRED: StoredGroup = { bytes: Buffer.alloc(0), rawSize: 0, tail: 0, logs: 0, receivedAt: 0 }
