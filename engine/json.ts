import { copy } from './copy.ts'
import { escapesIn } from './escape.ts'

// Passes over JSON and reads its strings. What is no JSON, or too deep, or has half a surrogate pair, is left to the host: then
// these functions return 0.

const MOST_OPEN: u32 = 60
const QUOTE: u32 = 0x22
const COMMA: u32 = 0x2c
const COLON: u32 = 0x3a
const BACKSLASH: u32 = 0x5c
const OPEN_ARRAY: u32 = 0x5b
const CLOSE_ARRAY: u32 = 0x5d
const OPEN_OBJECT: u32 = 0x7b
const CLOSE_OBJECT: u32 = 0x7d
const MINUS: u32 = 0x2d
const PLUS: u32 = 0x2b
const POINT: u32 = 0x2e
const ZERO: u32 = 0x30
const LETTER_E: u32 = 0x65
const LETTER_U: u32 = 0x75
const TRUE: u32 = 0x65757274
const FALSE: u32 = 0x736c6166
const NULL: u32 = 0x6c6c756e

/** Texts of strings with escapes, of one event and of the JSON in it. */
const TEXTS_BYTES: usize = 288 * 1024
const TEXTS: usize = memory.data(288 * 1024 + 64, 16)
let texts: usize = TEXTS

/** Whether white space was passed since the caller cleared it. */
export let hasSpace: bool = false
/** Whether the string that was passed last has escapes. */
export let hasEscapes: bool = false
// The text that was read last.
export let textAt: usize = 0
export let textEnd: usize = 0

/** For the next event: texts that were read hold no longer. */
export function forgetTexts(): void {
  texts = TEXTS
}

/** The next value, as it stands. */
export function textIs(from: usize, to: usize): void {
  textAt = from
  textEnd = to
}

export function clearSpace(): void {
  hasSpace = false
}

/** The next place that is not white space. */
export function skipSpace(at: usize, end: usize): usize {
  return at < end && <u32>load<u8>(at) <= 0x20 ? passSpace(at, end) : at
}

function passSpace(at: usize, end: usize): usize {
  while (at < end) {
    const one = <u32>load<u8>(at)
    if (one !== 0x20 && one !== 0x0a && one !== 0x0d && one !== 0x09) return at
    hasSpace = true
    at++
  }
  return at
}

/** Passes the string whose quote is at `from`, and returns the place behind it. */
export function passText(from: usize, end: usize): usize {
  hasEscapes = false
  let at = from + 1
  while (at < end) {
    const marks = escapesIn(v128.load(at))
    if (marks === 0) {
      at += 16
      continue
    }
    at += <usize>ctz(marks)
    const one = <u32>load<u8>(at)
    if (one !== BACKSLASH) return one === QUOTE && at < end ? at + 1 : 0
    hasEscapes = true
    const length = escapeLength(at, end)
    if (length === 0) return 0
    at += length
  }
  return 0
}

/** Reads the string whose quote is at `from`, and returns the place behind it. */
export function readText(from: usize, end: usize): usize {
  let at = from + 1
  while (at < end) {
    const marks = escapesIn(v128.load(at))
    if (marks === 0) {
      at += 16
      continue
    }
    at += <usize>ctz(marks)
    if (at >= end) return 0
    const one = <u32>load<u8>(at)
    if (one === QUOTE) {
      textAt = from + 1
      textEnd = at
      return at + 1
    }
    return one === BACKSLASH ? readEscaped(from + 1, at, end) : 0
  }
  return 0
}

/** The same of a string with its first escape at `first`. */
function readEscaped(from: usize, first: usize, end: usize): usize {
  if (end - from > TEXTS_BYTES - (texts - TEXTS)) return 0
  let out = copy(texts, from, first - from)
  let at = first
  while (at < end) {
    const bytes = v128.load(at)
    const quotes = i8x16.bitmask(i8x16.eq(bytes, i8x16.splat(0x22)))
    const backslashes = i8x16.bitmask(i8x16.eq(bytes, i8x16.splat(0x5c)))
    const escaped = (backslashes << 1) & 0xffff
    const others = i8x16.bitmask(i8x16.lt_u(bytes, i8x16.splat(0x20))) | (quotes & ~escaped) | (escaped & ~quotes)
    if (others === 0) {
      // JSON in a string: each backslash stands before a quote. Without one, the next block begins with what is behind the last.
      const isLast = backslashes >>> 15
      out = writeKept(out, bytes, <u32>(~backslashes & (0xffff >>> isLast)))
      at += <usize>(16 - isLast)
      continue
    }
    v128.store(out, bytes)
    const before = <usize>ctz(quotes | backslashes | i8x16.bitmask(i8x16.lt_u(bytes, i8x16.splat(0x20))))
    at += before
    out += before
    if (at >= end) return 0
    const one = <u32>load<u8>(at)
    if (one === QUOTE) {
      textAt = texts
      textEnd = out
      texts = out
      return at + 1
    }
    if (one !== BACKSLASH) return 0
    const mark = <u32>load<u8>(at + 1)
    if (mark === LETTER_U) {
      if (end - at < 6) return 0
      const unit = unitAt(at + 2)
      if (unit < 0 || (unit & 0xf800) === 0xd800) return 0
      out = writeUnit(out, <u32>unit)
      at += 6
    } else {
      const meant = meaningOf(mark)
      if (meant === 0) return 0
      store<u8>(out++, <u8>meant)
      at += 2
    }
  }
  return 0
}

/** For each set of eight bytes, the places of those in it. */
const PLACES: usize = memory.data(256 * 8, 16)
let hasPlaces: bool = false

/** Writes the bytes that a mask keeps, without gaps. */
function writeKept(out: usize, bytes: v128, kept: u32): usize {
  if (kept === 0xffff) {
    v128.store(out, bytes)
    return out + 16
  }
  if (!hasPlaces) findPlaces()
  const low = kept & 0xff
  const high = (kept >>> 8) & 0xff
  v128.store(out, i8x16.swizzle(bytes, v128.load64_zero(PLACES + <usize>low * 8)))
  out += <usize>popcnt(low)
  const places = v128.load64_zero(PLACES + <usize>high * 8)
  v128.store(out, i8x16.swizzle(bytes, i8x16.add(places, i8x16.splat(8))))
  return out + <usize>popcnt(high)
}

function findPlaces(): void {
  for (let kept: u32 = 0; kept < 256; kept++) {
    let out = PLACES + <usize>kept * 8
    for (let place: u32 = 0; place < 8; place++) if (((kept >>> place) & 1) !== 0) store<u8>(out++, <u8>place)
  }
  hasPlaces = true
}

function writeUnit(out: usize, unit: u32): usize {
  if (unit < 0x80) {
    store<u8>(out, <u8>unit)
    return out + 1
  }
  if (unit < 0x800) {
    store<u8>(out, <u8>(0xc0 | (unit >>> 6)))
    store<u8>(out + 1, <u8>(0x80 | (unit & 0x3f)))
    return out + 2
  }
  store<u8>(out, <u8>(0xe0 | (unit >>> 12)))
  store<u8>(out + 1, <u8>(0x80 | ((unit >>> 6) & 0x3f)))
  store<u8>(out + 2, <u8>(0x80 | (unit & 0x3f)))
  return out + 3
}

/** Bytes of the escape at `at`. */
function escapeLength(at: usize, end: usize): usize {
  if (end - at < 2) return 0
  const mark = <u32>load<u8>(at + 1)
  if (mark === LETTER_U) return end - at >= 6 && unitAt(at + 2) >= 0 ? 6 : 0
  return meaningOf(mark) === 0 ? 0 : 2
}

/** The character that a letter behind a backslash means. */
function meaningOf(mark: u32): u32 {
  if (mark === QUOTE || mark === BACKSLASH || mark === 0x2f) return mark
  if (mark === 0x6e) return 0x0a
  if (mark === 0x74) return 0x09
  if (mark === 0x72) return 0x0d
  if (mark === 0x62) return 0x08
  return mark === 0x66 ? 0x0c : 0
}

/** The number of four hexadecimal digits; -1 if one is none. */
function unitAt(place: usize): i32 {
  let value: i32 = 0
  for (let index: usize = 0; index < 4; index++) {
    const one = <u32>load<u8>(place + index)
    const small = one | 0x20
    if (one - ZERO < 10) value = (value << 4) | <i32>(one - ZERO)
    else if (small - 0x61 < 6) value = (value << 4) | <i32>(small - 0x57)
    else return -1
  }
  return value
}

/** Passes a value and returns the place behind it. */
export function passValue(from: usize, end: usize): usize {
  // One bit for each open object or array, the innermost lowest: 1 for an object.
  let kinds: u64 = 0
  let open: u32 = 0
  let at = from
  while (true) {
    if (at >= end) return 0
    const one = <u32>load<u8>(at)
    if (one === QUOTE) {
      const length = shortLength(at + 1)
      at = length < 16 ? at + length + 2 : passText(at, end)
      if (at === 0 || at > end) return 0
    } else if (one === OPEN_OBJECT || one === OPEN_ARRAY) {
      const isObject = one === OPEN_OBJECT
      at = skipSpace(at + 1, end)
      if (at >= end) return 0
      if (<u32>load<u8>(at) !== (isObject ? CLOSE_OBJECT : CLOSE_ARRAY)) {
        if (open === MOST_OPEN) return 0
        kinds = (kinds << 1) | (isObject ? 1 : 0)
        open++
        if (isObject) {
          at = passKey(at, end)
          if (at === 0) return 0
        }
        continue
      }
      at++
    } else {
      at = passWord(at, end)
      if (at === 0) return 0
    }
    // Behind a value.
    while (true) {
      if (open === 0) return at
      at = skipSpace(at, end)
      if (at >= end) return 0
      const isObject = (kinds & 1) !== 0
      const next = <u32>load<u8>(at++)
      if (next === COMMA) {
        at = skipSpace(at, end)
        if (isObject) {
          at = passKey(at, end)
          if (at === 0) return 0
        }
        break
      }
      if (next !== (isObject ? CLOSE_OBJECT : CLOSE_ARRAY)) return 0
      kinds >>= 1
      open--
    }
  }
}

/** Passes a key with its colon and white space. */
function passKey(from: usize, end: usize): usize {
  if (from >= end || <u32>load<u8>(from) !== QUOTE) return 0
  const length = shortLength(from + 1)
  const at = length < 16 ? from + length + 2 : passText(from, end)
  if (at === 0 || at > end) return 0
  return <u32>load<u8>(at) === COLON && <u32>load<u8>(at + 1) > 0x20 ? at + 1 : passColon(at, end)
}

/** Bytes of a string without escapes, or 16 if it is longer or has some. */
function shortLength(from: usize): usize {
  const marks = escapesIn(v128.load(from))
  if (marks === 0) return 16
  const length = <usize>ctz(marks)
  return <u32>load<u8>(from + length) === QUOTE ? length : 16
}

/** Passes a colon with its white space, and returns the place of what follows. */
export function passColon(from: usize, end: usize): usize {
  const at = skipSpace(from, end)
  if (at >= end || <u32>load<u8>(at) !== COLON) return 0
  return skipSpace(at + 1, end)
}

/** Passes a number or a literal. */
function passWord(from: usize, end: usize): usize {
  const left = end - from
  const word = load<u32>(from)
  if (left >= 4 && (word === TRUE || word === NULL)) return from + 4
  if (left >= 5 && word === FALSE && <u32>load<u8>(from + 4) === LETTER_E) return from + 5
  let at = from
  if (<u32>load<u8>(at) === MINUS) at++
  if (at < end && <u32>load<u8>(at) === ZERO) at++
  else at = passDigits(at, end)
  if (at !== 0 && at < end && <u32>load<u8>(at) === POINT) at = passDigits(at + 1, end)
  if (at !== 0 && at < end && (<u32>load<u8>(at) | 0x20) === LETTER_E) {
    at++
    const sign = <u32>load<u8>(at)
    at = passDigits(at < end && (sign === PLUS || sign === MINUS) ? at + 1 : at, end)
  }
  return at
}

/** Passes one digit or more. */
function passDigits(from: usize, end: usize): usize {
  let at = from
  while (at < end && <u32>load<u8>(at) - ZERO < 10) at++
  return at === from ? 0 : at
}
