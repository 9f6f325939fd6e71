import type { Bytes } from './bytes.ts'
import { WORD_SLACK } from './bytes.ts'
import { MAX_ESCAPED, writeEscaped } from './escape.ts'
import type { KeyTable } from './keys.ts'
import { FieldCursor } from './wire.ts'

/** `number * 8 + wire type` of Key and Value, which Content and LogTag share. */
const KEY = 0x0a
const VALUE = 0x12
const MAX_PAIRS = 512

/** Where the key and the value of a Content or LogTag message are: a missing one is empty, of several the last. */
export class PairReader {
  readonly #bytes: Buffer
  readonly #fields: FieldCursor
  keyStart = 0
  keyEnd = 0
  valueStart = 0
  valueEnd = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.#fields = new FieldCursor(bytes)
  }

  /** `bytes[start, end)` is the message. */
  read(start: number, end: number): void {
    if (!this.#readUsual(start, end)) this.#readAny(start, end)
  }

  get key(): Buffer {
    return this.#bytes.subarray(this.keyStart, this.keyEnd)
  }

  get value(): Buffer {
    return this.#bytes.subarray(this.valueStart, this.valueEnd)
  }

  /** What every producer writes: a key under 128 bytes, then a value under 16 KiB, and nothing else. */
  #readUsual(start: number, end: number): boolean {
    const bytes = this.#bytes
    if (end - start < 4 || bytes[start] !== KEY) return false
    const keyLength = bytes[start + 1] as number
    const keyEnd = start + 2 + keyLength
    // A length of 128 or more is the first byte of a longer varint.
    if (keyLength >= 0x80 || keyEnd + 2 > end || bytes[keyEnd] !== VALUE) return false
    let valueLength = bytes[keyEnd + 1] as number
    let valueStart = keyEnd + 2
    if (valueLength >= 0x80) {
      if (valueStart === end) return false
      const high = bytes[valueStart++] as number
      if (high >= 0x80) return false
      valueLength = (valueLength & 0x7f) | (high << 7)
    }
    if (valueStart + valueLength !== end) return false
    this.keyStart = start + 2
    this.keyEnd = keyEnd
    this.valueStart = valueStart
    this.valueEnd = end
    return true
  }

  #readAny(start: number, end: number): void {
    this.keyStart = this.keyEnd = this.valueStart = this.valueEnd = start
    const fields = this.#fields
    fields.open(start, end)
    while (fields.next()) {
      if (fields.tag === KEY) {
        this.keyStart = fields.start
        this.keyEnd = fields.stop
      } else if (fields.tag === VALUE) {
        this.valueStart = fields.start
        this.valueEnd = fields.stop
      }
    }
  }
}

// Five ints per pair on the tape.
const PAIR = 5
const ID = 0
/** Length of the key and what stands before it in the message. */
const FRAMED_KEY = 1
const MESSAGE = 2
const VALUE_START = 3
const VALUE_END = 4
const KEY_FRAMING = 2

/** The pairs of one event in wire order, as key ids and places of values. Filled and written log by log, never kept. */
export class PairTape {
  readonly #source: Bytes
  readonly #reader: PairReader
  readonly #keys: KeyTable
  readonly #tape = new Int32Array(PAIR * MAX_PAIRS)
  #length = 0
  /** Up to here the tape may be continued with the pairs that still stand there from the event before. */
  #known = 0
  #keysEpoch = -1
  #messageBytes = 0
  /** False when the pairs cannot just be written one after the other (a key twice, a key that is not in the table). */
  plain = true

  constructor(source: Bytes, keys: KeyTable) {
    this.#source = source
    this.#reader = new PairReader(source.buffer)
    this.#keys = keys
  }

  begin(): void {
    this.#keys.beginEvent()
    const keep = this.plain && this.#keysEpoch === this.#keys.epoch
    this.#keysEpoch = this.#keys.epoch
    this.#known = keep ? this.#length : 0
    this.#length = 0
    this.#messageBytes = 0
    this.plain = true
  }

  /** Adds the Content or LogTag message in `[start, end)`. */
  add(start: number, end: number): void {
    const reader = this.#reader
    reader.read(start, end)
    if (!this.plain) return
    if (this.#known > 0) this.#leaveKnown()
    const tape = this.#tape
    const length = this.#length
    const id = length < tape.length ? this.#keys.take(this.#source, reader.keyStart, reader.keyEnd) : -1
    if (id < 0) {
      this.plain = false
      return
    }
    const isUsual = reader.keyStart === start + KEY_FRAMING
    tape[length + ID] = id
    tape[length + FRAMED_KEY] = isUsual ? reader.keyEnd - start : 0
    tape[length + MESSAGE] = start
    tape[length + VALUE_START] = reader.valueStart
    tape[length + VALUE_END] = reader.valueEnd
    this.#length = length + PAIR
    this.#messageBytes += end - start
  }

  /**
   * The short cut that makes the difference: most logs have the keys of the log before them, in the same order, and
   * equal bytes are the same key. Adds the fields with tag byte `field` from `from` on as long as that is so, and
   * returns where it stopped; `add` takes it from there. Keys that were no duplicates in that log are none in this.
   */
  addKnown(field: number, from: number, end: number): number {
    const { buffer: bytes, view } = this.#source
    const tape = this.#tape
    const safe = Math.min(end, bytes.length - 4)
    let at = from | 0
    let length = this.#length
    for (; length < this.#known && at + 2 < safe && bytes[at] === field; length += PAIR) {
      let start = (at + 2) | 0
      let size = bytes[at + 1] as number
      if (size >= 0x80) {
        const high = bytes[start++] as number
        if (high >= 0x80) break
        size = (size & 0x7f) | (high << 7)
      }
      const stop = (start + size) | 0
      const framed = tape[length + FRAMED_KEY] as number
      const keyEnd = (start + framed) | 0
      if (stop > end || keyEnd + 2 > stop || keyEnd > safe || bytes[keyEnd] !== VALUE) break
      if (framed === 0 || !sameBytes(view, start, tape[length + MESSAGE] as number, framed)) break
      let value = (keyEnd + 2) | 0
      let valueSize = bytes[keyEnd + 1] as number
      if (valueSize >= 0x80) {
        const high = bytes[value++] as number
        if (high >= 0x80) break
        valueSize = (valueSize & 0x7f) | (high << 7)
      }
      if (value + valueSize !== stop) break
      tape[length + MESSAGE] = start
      tape[length + VALUE_START] = value
      tape[length + VALUE_END] = stop
      this.#messageBytes += size
      at = stop
    }
    this.#length = length
    return at
  }

  /** `write` writes at most this many bytes, slack included. */
  get bound(): number {
    return MAX_ESCAPED * this.#messageBytes + (this.#length / PAIR) * this.#keys.punctuation + WORD_SLACK
  }

  /** Writes `","key":"value` for each pair: the quote before it ends the value written earlier, its own stays open. */
  write(target: Bytes, start: number): number {
    const tape = this.#tape
    const keys = this.#keys
    const source = this.#source
    const length = this.#length
    let at = start
    for (let pair = 0; pair < length; pair += PAIR) {
      at = keys.writeKey(tape[pair + ID] as number, target, at)
      at = writeEscaped(target, at, source, tape[pair + VALUE_START] as number, tape[pair + VALUE_END] as number)
    }
    return at
  }

  /** From here on the keys of this event are its own: those so far have to count for finding duplicates. */
  #leaveKnown(): void {
    this.#known = 0
    for (let pair = 0; pair < this.#length; pair += PAIR) this.#keys.mark(this.#tape[pair + ID] as number)
  }
}

/** Compares in words. Four bytes must be readable at either place, however short they are. */
function sameBytes(view: DataView, one: number, other: number, length: number): boolean {
  const last = (length - 4) | 0
  if (last < 0) return (view.getInt32(one, true) ^ view.getInt32(other, true)) << (-8 * last) === 0
  if (view.getInt32(one + last, true) !== view.getInt32(other + last, true)) return false
  for (let offset = 0; offset < last; offset = (offset + 4) | 0) {
    if (view.getInt32(one + offset, true) !== view.getInt32(other + offset, true)) return false
  }
  return true
}
