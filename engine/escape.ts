const BACKSLASH: u32 = 0x5c
const LETTER_U: u32 = 0x75

/** Second byte of the escape of each control character. */
const CONTROLS: usize = memory.data<u8>([
  0x75, 0x75, 0x75, 0x75, 0x75, 0x75, 0x75, 0x75, 0x62, 0x74, 0x6e, 0x75, 0x66, 0x72, 0x75, 0x75, 0x75, 0x75, 0x75,
  0x75, 0x75, 0x75, 0x75, 0x75, 0x75, 0x75, 0x75, 0x75, 0x75, 0x75, 0x75, 0x75,
])

/** Most bytes that the escape of one byte has. */
export const MAX_ESCAPED: usize = 6

/** Set when a byte above ASCII is written. The caller clears it. */
export let highBytes: bool = false

export function clearHighBytes(): void {
  highBytes = false
}

export function sawHighBytes(): void {
  highBytes = true
}

/**
 * Writes the inside of a JSON string for `[from, to)`, escaped exactly as `JSON.stringify` does, and returns the new position.
 * Reads and writes up to 15 bytes too many. Does not check UTF-8.
 */
export function writeEscaped(out: usize, from: usize, to: usize): usize {
  let seen = i8x16.splat(0)
  while (from + 16 <= to) {
    const bytes = v128.load(from)
    // Most text needs no escape, so it is written first and checked afterwards.
    v128.store(out, bytes)
    seen = v128.or(seen, bytes)
    const marks = escapesIn(bytes)
    out = marks === 0 ? out + 16 : writeMarked(out, from, 16, marks)
    from += 16
  }
  let high = i8x16.bitmask(seen)
  const rest = to - from
  if (rest > 0) {
    const bytes = v128.load(from)
    v128.store(out, bytes)
    const mask = (1 << (<i32>rest)) - 1
    high |= i8x16.bitmask(bytes) & mask
    const marks = escapesIn(bytes) & mask
    out = marks === 0 ? out + rest : writeMarked(out, from, rest, marks)
  }
  if (high !== 0) highBytes = true
  return out
}

/** One bit for each of the sixteen bytes that is `"`, `\` or below 0x20. */
export function escapesIn(bytes: v128): i32 {
  // Flipping 0x02 moves `"` just above the control characters, and the characters between them higher.
  const quoteOrControl = i8x16.le_u(v128.xor(bytes, i8x16.splat(0x02)), i8x16.splat(0x20))
  const backslash = i8x16.eq(bytes, i8x16.splat(0x5c))
  return i8x16.bitmask(v128.or(quoteOrControl, backslash))
}

/** Escapes each marked one of `length` bytes that are written already, and moves the bytes behind it. */
function writeMarked(out: usize, from: usize, length: usize, marks: i32): usize {
  let done: usize = 0
  do {
    const index = <usize>ctz(marks)
    out = writeEscape(out + (index - done), <u32>load<u8>(from + index))
    done = index + 1
    v128.store(out, v128.load(from + done))
    marks &= marks - 1
  } while (marks !== 0)
  return out + (length - done)
}

function writeEscape(out: usize, byte: u32): usize {
  const mark = byte < 0x20 ? <u32>load<u8>(CONTROLS + byte) : byte
  store<u16>(out, <u16>(BACKSLASH | (mark << 8)))
  if (mark !== LETTER_U) return out + 2
  store<u16>(out + 2, 0x3030)
  store<u8>(out + 4, hexDigit(byte >>> 4))
  store<u8>(out + 5, hexDigit(byte & 15))
  return out + 6
}

function hexDigit(value: u32): u8 {
  return <u8>(value < 10 ? 0x30 + value : 0x57 + value)
}
