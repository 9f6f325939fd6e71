import { isUtf8 } from 'node:buffer'
import { Bytes, WORD_SLACK } from './bytes.ts'
import { copyWords } from './write.ts'

/** A key in Log Service has at most 128 bytes (SLS protocol: limits). */
const MAX_KEY_BYTES = 128
const MAX_KEYS = 2048
const SLOT_BITS = 12
/** Keys chosen to collide cost at most this many comparisons. */
const MAX_PROBES = 8
const ARENA_BYTES = 16 * 1024

// One entry of eight ints per key, so that all that is asked about a key sits in one cache line.
const ENTRY = 8
const LENGTH = 0
const FIRST = 1
const LAST = 2
const RAW = 3
const PIECE = 4
const PIECE_LENGTH = 5
const EVENT = 6
const RESERVED = 7

/**
 * Keys seen so far, each with the JSON that stands between the value before it and its own: `","key":"`. Logs of one
 * logstore share a few dozen keys, so each is escaped once and then found by its bytes.
 */
export class KeyTable {
  /** Bytes of JSON that `writeKey` adds to an escaped key. */
  readonly punctuation: number
  readonly #prefix: string
  readonly #reserved: (key: string) => boolean
  readonly #slots = new Int32Array(1 << SLOT_BITS)
  readonly #entries = new Int32Array(MAX_KEYS * ENTRY)
  #arena = Bytes.allocate(ARENA_BYTES)
  #arenaUsed = 0
  #size = 0
  #turnedAway = 0
  #event = 0
  /** Ids hold as long as this stays the same. */
  epoch = 0

  /** `prefix` (plain ASCII) is put before each key in the JSON; `reserved` keys are never handed out. */
  constructor(prefix: string, reserved: (key: string) => boolean) {
    this.#prefix = prefix
    this.punctuation = prefix.length + '","":"'.length
    this.#reserved = reserved
  }

  /** Forgets which keys `take` has handed out. May begin a new epoch. */
  beginEvent(): void {
    // The number wraps after 2^32 events. A key last seen exactly then is taken for a duplicate: slower, never wrong.
    this.#event = (this.#event + 1) | 0
    if (this.#turnedAway > MAX_KEYS) this.#clear()
  }

  /** The id of a key that is new in this event; -1 for a duplicate and for any key that cannot be kept. */
  take(source: Bytes, start: number, end: number): number {
    const length = end - start
    if (length > MAX_KEY_BYTES) return -1
    const id = this.#find(source, start, length)
    if (id < 0 || this.#entries[id * ENTRY + RESERVED] !== 0) return -1
    if (this.#entries[id * ENTRY + EVENT] === this.#event) return -1
    this.mark(id)
    return id
  }

  /** Makes `take` refuse this key for the rest of the event. */
  mark(id: number): void {
    this.#entries[id * ENTRY + EVENT] = this.#event
  }

  /** Writes `","key":"`; the new position. */
  writeKey(id: number, target: Bytes, at: number): number {
    const entry = id * ENTRY
    const from = this.#entries[entry + PIECE] as number
    return copyWords(target, at, this.#arena, from, this.#entries[entry + PIECE_LENGTH] as number)
  }

  #find(source: Bytes, start: number, length: number): number {
    const first = length < 4 ? shortWord(source.buffer, start, length) : source.view.getInt32(start, true)
    const last = length < 4 ? first : source.view.getInt32(start + length - 4, true)
    const hash = Math.imul(Math.imul(first, 0x9e3779b1) ^ Math.imul(last, 0x85ebca77) ^ length, 0xc2b2ae3d)
    let slot = hash >>> (32 - SLOT_BITS)
    for (let probe = 0; probe < MAX_PROBES; probe++) {
      const id = (this.#slots[slot] as number) - 1
      if (id < 0) return this.#insert(slot, source, start, length, first, last)
      if (this.#is(id, source, start, length, first, last)) return id
      slot = (slot + 1) & ((1 << SLOT_BITS) - 1)
    }
    this.#turnedAway++
    return -1
  }

  #is(id: number, source: Bytes, start: number, length: number, first: number, last: number): boolean {
    const entries = this.#entries
    const entry = id * ENTRY
    if (entries[entry + FIRST] !== first || entries[entry + LAST] !== last || entries[entry + LENGTH] !== length) {
      return false
    }
    const raw = entries[entry + RAW] as number
    const { view } = this.#arena
    for (let offset = 4; offset < length - 4; offset = (offset + 4) | 0) {
      if (view.getInt32(raw + offset, true) !== source.view.getInt32(start + offset, true)) return false
    }
    return true
  }

  #insert(slot: number, source: Bytes, start: number, length: number, first: number, last: number): number {
    const raw = source.buffer.subarray(start, start + length)
    // Different invalid bytes can decode to the same key, so the bytes of such a key do not identify it.
    if (!isUtf8(raw)) return -1
    if (this.#size === MAX_KEYS) {
      this.#turnedAway++
      return -1
    }
    const key = raw.toString()
    const piece = Buffer.from(`",${JSON.stringify(this.#prefix + key)}:"`)
    const id = this.#size++
    const entry = id * ENTRY
    this.#entries[entry + LENGTH] = raw.length
    this.#entries[entry + FIRST] = first
    this.#entries[entry + LAST] = last
    this.#entries[entry + RAW] = this.#keep(raw)
    this.#entries[entry + PIECE] = this.#keep(piece)
    this.#entries[entry + PIECE_LENGTH] = piece.length
    this.#entries[entry + EVENT] = this.#event - 1
    this.#entries[entry + RESERVED] = this.#reserved(key) ? 1 : 0
    this.#slots[slot] = id + 1
    return id
  }

  #keep(bytes: Buffer): number {
    const at = this.#arenaUsed
    const end = at + bytes.length + WORD_SLACK
    if (end > this.#arena.buffer.length) {
      const larger = Bytes.allocate(2 * end)
      larger.buffer.set(this.#arena.buffer.subarray(0, at))
      this.#arena = larger
    }
    this.#arena.buffer.set(bytes, at)
    this.#arenaUsed = end
    return at
  }

  /** A table full of keys nobody uses any more would send every log with a new one the slow way for ever. */
  #clear(): void {
    this.#slots.fill(0)
    this.#size = 0
    this.#arenaUsed = 0
    this.#turnedAway = 0
    this.epoch++
  }
}

function shortWord(bytes: Buffer, start: number, length: number): number {
  let word = 0
  for (let at = start + length - 1; at >= start; at--) word = (word << 8) | (bytes[at] as number)
  return word
}
