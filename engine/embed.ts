import { escapesIn, sawHighBytes } from './escape.ts'

// Writes JSON into JSON: validated, without insignificant white space, everything else as it was. Whatever
// src/pipeline/reference/json.ts refuses is refused.

const MAX_DEPTH: u32 = 64
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
const LETTERS: usize = memory.data<u8>([0x22, 0x5c, 0x2f, 0x62, 0x66, 0x6e, 0x72, 0x74, 0, 0, 0, 0, 0, 0, 0, 0], 16)

let at: usize = 0
let end: usize = 0
let out: usize = 0
let seen: v128 = i8x16.splat(0)

/** Writes the object or array `[from, to)` and returns the new position; 0 if it is none that every reader takes. */
export function embed(start: usize, from: usize, to: usize): usize {
  begin(start, from, to)
  if (at >= end) return 0
  const first = <u32>load<u8>(at)
  return first === OPEN_OBJECT || first === OPEN_ARRAY ? embedRest() : 0
}

/** The same for any value. */
export function embedAny(start: usize, from: usize, to: usize): usize {
  begin(start, from, to)
  return at < end ? embedRest() : 0
}

function begin(start: usize, from: usize, to: usize): void {
  at = from
  end = to
  out = start
  seen = i8x16.splat(0)
  skipSpace()
}

function embedRest(): usize {
  if (!embedValue()) return 0
  skipSpace()
  if (at !== end) return 0
  if (i8x16.bitmask(seen) !== 0) sawHighBytes()
  return out
}

function skipSpace(): void {
  while (at < end) {
    const one = <u32>load<u8>(at)
    if (one > 0x20 || (one !== 0x20 && one !== 0x0a && one !== 0x0d && one !== 0x09)) return
    at++
  }
}

function embedValue(): bool {
  // One bit for each open object or array, the innermost lowest: 1 for an object.
  let kinds: u64 = 0
  let depth: u32 = 0
  while (true) {
    if (at >= end) return false
    let one = <u32>load<u8>(at)
    if (one === QUOTE) {
      if (!embedString()) return false
    } else if (one === OPEN_OBJECT || one === OPEN_ARRAY) {
      if (++depth > MAX_DEPTH) return false
      const isObject = one === OPEN_OBJECT
      kinds = (kinds << 1) | (isObject ? 1 : 0)
      store<u8>(out++, <u8>one)
      at++
      skipSpace()
      if (at >= end) return false
      one = <u32>load<u8>(at)
      if (one !== (isObject ? CLOSE_OBJECT : CLOSE_ARRAY)) {
        if (isObject && !embedKey()) return false
        continue
      }
    } else if (!embedWord()) return false
    // Behind a value, or at the end of an empty object or array.
    while (true) {
      if (depth === 0) return true
      skipSpace()
      if (at >= end) return false
      one = <u32>load<u8>(at)
      const isObject = (kinds & 1) !== 0
      store<u8>(out++, <u8>one)
      at++
      if (one === COMMA) {
        skipSpace()
        if (isObject && !embedKey()) return false
        break
      }
      if (one !== (isObject ? CLOSE_OBJECT : CLOSE_ARRAY)) return false
      kinds >>= 1
      depth--
    }
  }
}

/** With the colon. */
function embedKey(): bool {
  if (at >= end || load<u8>(at) !== QUOTE || !embedString()) return false
  skipSpace()
  if (at >= end || load<u8>(at) !== COLON) return false
  store<u8>(out++, COLON)
  at++
  skipSpace()
  return true
}

function embedString(): bool {
  store<u8>(out, QUOTE)
  // Locals are faster.
  let from = at + 1
  let to = out + 1
  while (true) {
    const bytes = v128.load(from)
    v128.store(to, bytes)
    seen = v128.or(seen, bytes)
    const marks = escapesIn(bytes)
    if (marks === 0) {
      from += 16
      to += 16
      if (from >= end) return false
      continue
    }
    const before = <usize>ctz(marks)
    from += before
    to += before
    if (from >= end) return false
    const one = <u32>load<u8>(from)
    if (one === QUOTE) {
      at = from + 1
      out = to + 1
      return true
    }
    at = from
    out = to
    if (one !== BACKSLASH || !embedEscape()) return false
    from = at
    to = out
  }
}

function embedEscape(): bool {
  if (end - at < 2) return false
  const mark = <u32>load<u8>(at + 1)
  if (mark !== LETTER_U) {
    if (i8x16.bitmask(i8x16.eq(v128.load(LETTERS), i8x16.splat(<i8>mark))) === 0 || mark === 0) return false
    store<u16>(out, load<u16>(at))
    at += 2
    out += 2
    return true
  }
  const unit = unitAt(at)
  if (unit < 0 || isLow(unit)) return false
  const length: usize = isHigh(unit) ? 12 : 6
  if (length === 12 && !isLow(unitAt(at + 6))) return false
  v128.store(out, v128.load(at))
  at += length
  out += length
  return true
}

/** The number of an escape such as `\\u0041`; -1 if there is none. */
function unitAt(place: usize): i32 {
  if (end < place + 6 || load<u16>(place) !== 0x755c) return -1
  let value: i32 = 0
  for (let index: usize = 2; index < 6; index++) {
    const one = <u32>load<u8>(place + index)
    const small = one | 0x20
    if (one - ZERO < 10) value = (value << 4) | <i32>(one - ZERO)
    else if (small - 0x61 < 6) value = (value << 4) | <i32>(small - 0x57)
    else return -1
  }
  return value
}

function isHigh(unit: i32): bool {
  return unit >= 0xd800 && unit <= 0xdbff
}

function isLow(unit: i32): bool {
  return unit >= 0xdc00 && unit <= 0xdfff
}

/** A literal or number. What stands behind it must be right for a value. */
function embedWord(): bool {
  const start = at
  const left = end - at
  const word = load<u32>(at)
  if (left >= 4 && (word === TRUE || word === NULL)) at += 4
  else if (left >= 5 && word === FALSE && <u32>load<u8>(at + 4) === LETTER_E) at += 5
  else if (!passNumber()) return false
  for (let from = start; from < at; from += 16) {
    v128.store(out + (from - start), v128.load(from))
  }
  out += at - start
  return true
}

function passNumber(): bool {
  pass(MINUS)
  if (!pass(ZERO) && !passDigits()) return false
  if (pass(POINT) && !passDigits()) return false
  if (at < end && (<u32>load<u8>(at) | 0x20) === LETTER_E) {
    at++
    if (!pass(PLUS)) pass(MINUS)
    return passDigits()
  }
  return true
}

function pass(one: u32): bool {
  if (at >= end || <u32>load<u8>(at) !== one) return false
  at++
  return true
}

function passDigits(): bool {
  const start = at
  while (at < end && <u32>load<u8>(at) - ZERO < 10) at++
  return at > start
}
