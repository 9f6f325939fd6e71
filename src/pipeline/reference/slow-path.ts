import { isUtf8 } from 'node:buffer'
import { Bytes, WORD_SLACK } from './bytes.ts'
import { MAX_ESCAPED, writeEscaped } from './escape.ts'
import { put } from './write.ts'

const KEY_OPEN = Buffer.from('"')
const VALUE_OPEN = Buffer.from('":"')
const NEXT = Buffer.from('",')
const PUNCTUATION = KEY_OPEN.length + VALUE_OPEN.length + NEXT.length

/**
 * The pairs of an event by the contract itself: a Map, in which a later write of a key wins and keeps the first
 * position. (An object would move keys that look like integers to the front.) For the rare event whose bytes cannot be
 * written as they come.
 */
export class EventPairs {
  readonly #pairs: Map<string, Buffer>

  constructor(base?: EventPairs) {
    this.#pairs = new Map(base === undefined ? [] : base.#pairs)
  }

  set(key: string, value: Buffer): void {
    this.#pairs.set(key, validUtf8(value))
  }

  /** At most this many bytes are written, slack included. */
  get bound(): number {
    let bound = WORD_SLACK
    // A UTF-16 unit is at most three bytes of UTF-8, and at most six once it is escaped.
    for (const [key, value] of this.#pairs) bound += MAX_ESCAPED * (key.length + value.length) + PUNCTUATION
    return bound
  }

  /** Writes `"key":"value","key":"value` with the last quote left open; the new position. */
  write(target: Bytes, start: number): number {
    let at = start
    for (const [key, value] of this.#pairs) {
      if (at > start) at = put(target, at, NEXT)
      at = put(target, at, KEY_OPEN)
      at = putEscaped(target, at, Buffer.from(key))
      at = put(target, at, VALUE_OPEN)
      at = putEscaped(target, at, value)
    }
    return at
  }
}

/** Invalid bytes become U+FFFD. */
export function validUtf8(bytes: Buffer): Buffer {
  return isUtf8(bytes) ? bytes : Buffer.from(bytes.toString())
}

function putEscaped(target: Bytes, at: number, bytes: Buffer): number {
  return writeEscaped(target, at, new Bytes(bytes), 0, bytes.length)
}
