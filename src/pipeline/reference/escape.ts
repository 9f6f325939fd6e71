import { isUtf8 } from 'node:buffer'
import type { Bytes } from './bytes.ts'

/** No byte becomes longer than this: a control character is written `\u00xx`, an invalid byte as U+FFFD. */
export const MAX_ESCAPED = 6

const HEX = Buffer.from('0123456789abcdef')
const BACKSLASH = 0x5c
const LETTER_U = 0x75
const ZERO = 0x30
/** Four bytes that need no escape, to fill up a word whose last bytes belong to something else. */
const HARMLESS = 0x61616161
const HIGH_BITS = 0x80808080 | 0

/** Second byte of each byte's escape; 0 where the byte stands for itself. */
const ESCAPES = new Uint8Array(256).fill(LETTER_U, 0, 0x20)
for (const byte of Buffer.from('\b\t\n\f\r"\\')) ESCAPES[byte] = JSON.stringify(String.fromCharCode(byte)).charCodeAt(2)

/**
 * Writes the inside of a JSON string for `source[from, to)` to `target` at `start`, escaped exactly as `JSON.stringify`
 * does; the new position. UTF-8 is not checked here: look at `target.seen` and check what was written.
 */
export function writeEscaped(target: Bytes, start: number, source: Bytes, from: number, to: number): number {
  const { view: read } = source
  const { view: write } = target
  let seen = 0
  // `| 0` keeps these machine integers: without it the loop is half as fast.
  let at = start | 0
  let next = from | 0
  while (next < to) {
    const length = Math.min(4, to - next) | 0
    const word = length === 4 ? read.getInt32(next, true) : lastWord(source, next, to)
    seen |= word
    // Written first and looked at afterwards: text that needs no escape is the rule.
    write.setInt32(at, word, true)
    const marks = escapesIn(word)
    if (marks === 0) {
      at = (at + length) | 0
      next = (next + length) | 0
    } else {
      const index = firstMarked(marks)
      at = writeEscape(target, (at + index) | 0, (word >>> (index << 3)) & 0xff)
      next = (next + index + 1) | 0
    }
  }
  target.seen |= seen
  return at
}

/**
 * Has a high bit set when one of the four bytes is `"`, `\` or below 0x20. With 0x02 flipped, `"` lands just above the
 * control characters and what was between them goes up, so one comparison finds both. Only the lowest mark is sure to
 * be true: the subtraction borrows from the bytes above it.
 */
function escapesIn(word: number): number {
  const quoteOrControl = ((word ^ 0x02020202) - 0x21212121) | 0
  const backslash = ((word ^ 0x5c5c5c5c) - 0x01010101) | 0
  return (quoteOrControl | backslash) & ~word & HIGH_BITS
}

/** The one to three bytes before `to`, filled up to a word. */
function lastWord(source: Bytes, from: number, to: number): number {
  if (from + 4 <= source.buffer.length) {
    const keep = (1 << ((to - from) * 8)) - 1
    return (source.view.getInt32(from, true) & keep) | (HARMLESS & ~keep)
  }
  let word = HARMLESS
  for (let at = to - 1; at >= from; at--) word = (word << 8) | (source.buffer[at] as number)
  return word
}

function firstMarked(marks: number): number {
  return (31 - Math.clz32(marks & -marks)) >>> 3
}

function writeEscape(target: Bytes, at: number, byte: number): number {
  const mark = ESCAPES[byte] as number
  target.view.setInt16(at, BACKSLASH | (mark << 8), true)
  if (mark !== LETTER_U) return (at + 2) | 0
  target.buffer[at + 2] = ZERO
  target.buffer[at + 3] = ZERO
  target.buffer[at + 4] = HEX[byte >>> 4] as number
  target.buffer[at + 5] = HEX[byte & 15] as number
  return (at + 6) | 0
}

/** Whether `writeEscaped` can have put anything but ASCII into `[from, to)` of `target`, and that is not UTF-8. */
export function hasInvalidUtf8(target: Bytes, from: number, to: number): boolean {
  return (target.seen & HIGH_BITS) !== 0 && !isUtf8(target.buffer.subarray(from, to))
}
