// Writes texts as values and headers of CEF and LEEF, escaped as src/sinks/syslog/extension.ts says.

/** By the host's number. */
export const CEF: u32 = 1
export const LEEF: u32 = 2
const BACKSLASH: u32 = 0x5c
const BAR: u32 = 0x7c
const BLANK: u32 = 0x20

/** Set when a value ends with white space that only the host knows. The caller clears it. */
export let endsOddly: bool = false

export function clearEndsOddly(): void {
  endsOddly = false
}

/** Writes a value without white space at its end, and returns the new position. Reads and writes up to 16 bytes too many. */
export function writeValue(start: usize, from: usize, to: usize, format: u32): usize {
  let out = start
  while (from < to) {
    const bytes = v128.load(from)
    v128.store(out, bytes)
    const marks = format === CEF ? marksOfCef(bytes) : controls(bytes)
    const left = to - from
    const mine = left >= 16 ? marks : marks & ((1 << (<i32>left)) - 1)
    if (mine === 0) {
      from += 16
      out += 16
      continue
    }
    const before = <usize>ctz(mine)
    from += before
    out = writeMarked(out + before, <u32>load<u8>(from++))
  }
  out -= from - to
  while (out > start && <u32>load<u8>(out - 1) === BLANK) out--
  if (out > start && <u32>load<u8>(out - 1) >= 0x80 && isWhite(out)) endsOddly = true
  return out
}

function marksOfCef(bytes: v128): i32 {
  const escaped = v128.or(i8x16.eq(bytes, i8x16.splat(0x5c)), i8x16.eq(bytes, i8x16.splat(0x3d)))
  return controls(bytes) | i8x16.bitmask(escaped)
}

/** One bit for each byte that is below 0x20, or 0x7f. */
function controls(bytes: v128): i32 {
  return i8x16.bitmask(v128.or(i8x16.lt_u(bytes, i8x16.splat(0x20)), i8x16.eq(bytes, i8x16.splat(0x7f))))
}

function writeMarked(out: usize, one: u32): usize {
  if (one === 0x0a || one === 0x0d) {
    store<u16>(out, one === 0x0a ? 0x6e5c : 0x725c)
    return out + 2
  }
  if (one < 0x20 || one === 0x7f) {
    store<u8>(out, <u8>BLANK)
    return out + 1
  }
  store<u16>(out, <u16>(BACKSLASH | (one << 8)))
  return out + 2
}

/** Whether a character of more than one byte that ends at `to` is white space for JavaScript. */
function isWhite(to: usize): bool {
  const two = <u32>load<u16>(to - 2)
  if (two === 0xa0c2) return true // U+00A0
  const three = ((<u32>load<u8>(to - 3)) << 16) | ((<u32>load<u8>(to - 2)) << 8) | <u32>load<u8>(to - 1)
  if (three === 0xe19a80 || three === 0xe38080 || three === 0xefbbbf) return true
  if (three >= 0xe28080 && three <= 0xe2808a) return true
  return three === 0xe280a8 || three === 0xe280a9 || three === 0xe280af || three === 0xe2819f
}

/** Writes a part of a header and returns the new position. */
export function writeHeaderText(out: usize, from: usize, to: usize, format: u32): usize {
  for (let at = from; at < to; at++) {
    const one = <u32>load<u8>(at)
    if (one < 0x20 || one === 0x7f) store<u8>(out++, <u8>BLANK)
    else if (format === LEEF) store<u8>(out++, <u8>(one === BAR ? 0x5f : one))
    else {
      if (one === BAR || one === BACKSLASH) store<u8>(out++, <u8>BACKSLASH)
      store<u8>(out++, <u8>one)
    }
  }
  return out
}
