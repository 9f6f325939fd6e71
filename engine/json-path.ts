import {
  READING_REST,
  READING_REST_COUNT,
  STEP_KEY,
  STEP_LENGTH,
  STEP_SIZE,
} from '../src/pipeline/wasm/memory-layout.ts'
import { same } from './copy.ts'
import { escapesIn } from './escape.ts'
import { PLACE, word } from './layout.ts'

// Looks values up in JSON text by scanning, exactly as src/pipeline/reference/json-path.ts does.

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
const ZERO: u32 = 0x30
const LETTER_U: u32 = 0x75
const TRUE: u32 = 0x65757274
const FALSE: u32 = 0x736c6166
const NULL: u32 = 0x6c6c756e

/** Texts of strings with escapes, of one log. */
const TEXTS_BYTES: usize = 64 * 1024
const TEXTS: usize = memory.data(64 * 1024 + 64, 16)
let texts: usize = TEXTS

/** Set when only the host can tell. The caller clears it. */
export let jsonIsUnsure: bool = false

// The value found: `[foundStart, foundStop)`, a text, or an array of scalars if it is a list.
export let foundStart: usize = 0
export let foundStop: usize = 0
export let foundList: bool = false
/** Whether it is an object or an array that is no list: its text. */
export let foundContainer: bool = false

let at: usize = 0
let end: usize = 0
/** Whether the scalar just passed is `null`. */
let isNull: bool = false

/** For the next log: texts that were found hold no longer. */
export function forgetTexts(): void {
  texts = TEXTS
  jsonIsUnsure = false
}

/** Finds the value at a reading's path in the JSON text `[from, to)`. */
export function lookUp(reading: usize, from: usize, to: usize): bool {
  at = from
  end = to
  skipSpace()
  if (byte() !== OPEN_OBJECT && byte() !== OPEN_ARRAY) return false
  const count = <u32>word(reading, READING_REST_COUNT)
  let step = word(reading, READING_REST)
  for (let depth: u32 = 1; depth <= count; depth++) {
    const key = word(step, STEP_KEY)
    const length = word(step, STEP_LENGTH)
    if (!(key === 0 ? goToElement(length, depth) : goToMember(key, length, depth))) return false
    step += PLACE * STEP_SIZE
  }
  return readValue(count)
}

/** Only the host can tell. */
export function beUnsure(): void {
  jsonIsUnsure = true
}

/** Whether the text `[from, to)` may be an object or an array. */
export function looksLikeJson(from: usize, to: usize): bool {
  at = from
  end = to
  skipSpace()
  return byte() === OPEN_OBJECT || byte() === OPEN_ARRAY
}

/** Begins with the elements of the list that was found. */
export function beginElements(from: usize, to: usize): void {
  at = from + 1
  end = to
}

/** Finds the next element. False behind the last. */
export function nextElement(): bool {
  while (true) {
    skipSpace()
    if (byte() === CLOSE_ARRAY) return false
    if (byte() === COMMA) {
      at++
      continue
    }
    if (!passScalar(true)) return false
    if (!isNull) return true
  }
}

/** 0 at the end, where no byte of JSON is. */
function byte(): u32 {
  return at < end ? <u32>load<u8>(at) : 0
}

function skipSpace(): void {
  while (at < end) {
    const one = <u32>load<u8>(at)
    if (one > 0x20 || (one !== 0x20 && one !== 0x0a && one !== 0x0d && one !== 0x09)) return
    at++
  }
}

function take(one: u32): bool {
  if (byte() !== one) return false
  at++
  return true
}

function takeComma(): bool {
  skipSpace()
  return take(COMMA)
}

function goToMember(key: usize, length: usize, depth: u32): bool {
  if (depth > MAX_DEPTH || !take(OPEN_OBJECT)) return false
  do {
    skipSpace()
    const start = at + 1
    if (!passString()) return false
    const isSame = hasEscapes ? isEscaped(start, at - 1, key, length) : isText(start, at - 1, key, length)
    skipSpace()
    if (!take(COLON)) return false
    skipSpace()
    if (isSame) return true
  } while (passValue(depth + 1) && takeComma())
  return false
}

function isText(from: usize, to: usize, key: usize, length: usize): bool {
  return to - from === length && same(from, key, length)
}

function isEscaped(from: usize, to: usize, key: usize, length: usize): bool {
  const before = texts
  const start = texts
  const stop = writeUnescaped(from, to)
  texts = before
  return stop !== 0 && isText(start, stop, key, length)
}

function goToElement(index: usize, depth: u32): bool {
  if (depth > MAX_DEPTH || !take(OPEN_ARRAY)) return false
  skipSpace()
  for (let left = index; left > 0; left--) if (!passValue(depth + 1) || !takeComma()) return false
  skipSpace()
  return byte() !== CLOSE_ARRAY
}

/** Reads the value here, which is inside `depth` objects and arrays. */
function readValue(depth: u32): bool {
  const start = at
  foundList = false
  foundContainer = false
  if (byte() === OPEN_ARRAY) {
    if (!readArray(depth + 1)) return false
  } else if (byte() === OPEN_OBJECT) {
    if (!passValue(depth + 1)) return false
  } else return passScalar(true) && !isNull
  foundStart = start
  foundStop = at
  foundContainer = !foundList
  return true
}

/** Passes an array, which is a list if its elements are scalars. */
function readArray(depth: u32): bool {
  foundList = true
  if (depth > MAX_DEPTH) return false
  at++
  skipSpace()
  if (take(CLOSE_ARRAY)) return true
  do {
    skipSpace()
    if (byte() === OPEN_OBJECT || byte() === OPEN_ARRAY) {
      foundList = false
      if (!passValue(depth + 1)) return false
    } else if (!passScalar(false)) return false
  } while (takeComma())
  return take(CLOSE_ARRAY)
}

/** Passes a value, which is at this depth if it is an object or array. */
function passValue(depth: u32): bool {
  // One bit for each open object or array, the innermost lowest: 1 for an object.
  let kinds: u64 = 0
  let open: u32 = 0
  while (true) {
    skipSpace()
    const one = byte()
    if (one === OPEN_OBJECT || one === OPEN_ARRAY) {
      if (depth + open > MAX_DEPTH) return false
      at++
      skipSpace()
      const isObject = one === OPEN_OBJECT
      if (!take(isObject ? CLOSE_OBJECT : CLOSE_ARRAY)) {
        kinds = (kinds << 1) | (isObject ? 1 : 0)
        open++
        if (isObject && !passKey()) return false
        continue
      }
    } else if (!passScalar(false)) return false
    // Behind a value.
    while (true) {
      if (open === 0) return true
      const isObject = (kinds & 1) !== 0
      skipSpace()
      if (take(COMMA)) {
        if (isObject && !passKey()) return false
        break
      }
      if (!take(isObject ? CLOSE_OBJECT : CLOSE_ARRAY)) return false
      kinds >>= 1
      open--
    }
  }
}

function passKey(): bool {
  skipSpace()
  if (!passString()) return false
  skipSpace()
  return take(COLON)
}

/** Passes a string, number or literal, and finds its text if `reads`. */
function passScalar(reads: bool): bool {
  isNull = false
  const start = at
  if (byte() === QUOTE) {
    if (!passString()) return false
    if (!reads) return true
    foundStart = start + 1
    foundStop = at - 1
    if (hasEscapes) {
      const text = texts
      foundStop = writeUnescaped(foundStart, foundStop)
      foundStart = text
      if (foundStop === 0) return false
    }
    return true
  }
  if (!passWord()) return false
  // The end of the text is no end of a literal or number.
  if (at === end || !isBehindScalar(<u32>load<u8>(at))) return false
  foundStart = start
  foundStop = at
  return true
}

function isBehindScalar(one: u32): bool {
  return (
    one === COMMA ||
    one === CLOSE_OBJECT ||
    one === CLOSE_ARRAY ||
    one === 0x20 ||
    one === 0x0a ||
    one === 0x0d ||
    one === 0x09
  )
}

/** A number or a literal. */
function passWord(): bool {
  const left = end - at
  const word = left >= 4 ? load<u32>(at) : 0
  if (word === TRUE || word === NULL) {
    isNull = word === NULL
    at += 4
    return true
  }
  if (word === FALSE && left >= 5 && load<u8>(at + 4) === 0x65) {
    at += 5
    return true
  }
  take(MINUS)
  if (!take(ZERO) && !passDigits()) return false
  if (take(0x2e) && !passDigits()) return false
  if ((byte() | 0x20) === 0x65) {
    at++
    if (byte() === 0x2b || byte() === MINUS) at++
    return passDigits()
  }
  return true
}

function passDigits(): bool {
  const start = at
  while (byte() - ZERO < 10) at++
  return at > start
}

/** Whether the string that `passString` passed has escapes. */
let hasEscapes: bool = false

/** Passes a string, whose escapes must be those of JSON. */
function passString(): bool {
  hasEscapes = false
  if (!take(QUOTE)) return false
  let place = at
  while (true) {
    const marks = escapesIn(v128.load(place))
    if (marks === 0) {
      place += 16
      if (place >= end) return false
      continue
    }
    place += <usize>ctz(marks)
    if (place >= end) return false
    const one = <u32>load<u8>(place)
    at = place + 1
    if (one === QUOTE) return true
    if (one !== BACKSLASH) return false
    hasEscapes = true
    const mark = byte()
    at++
    if (mark === LETTER_U) {
      if (at + 4 > end || hexAt(at) < 0) return false
      at += 4
    } else if (simpleEscape(mark) === 0) return false
    place = at
  }
}

/** The character that a letter behind a backslash means; 0 if it has no meaning. */
function simpleEscape(mark: u32): u32 {
  if (mark === QUOTE || mark === BACKSLASH || mark === 0x2f) return mark
  if (mark === 0x6e) return 0x0a
  if (mark === 0x74) return 0x09
  if (mark === 0x72) return 0x0d
  if (mark === 0x62) return 0x08
  return mark === 0x66 ? 0x0c : 0
}

/** The number of four hexadecimal digits; -1 if one is none. */
function hexAt(place: usize): i32 {
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

/** Writes the text of a well-formed string behind the other texts, and returns its end; 0 if only the host can tell. */
function writeUnescaped(from: usize, to: usize): usize {
  if (to - from > TEXTS_BYTES - (texts - TEXTS)) {
    jsonIsUnsure = true
    return 0
  }
  let out = texts
  let place = from
  while (place < to) {
    const one = <u32>load<u8>(place)
    if (one !== BACKSLASH) {
      store<u8>(out++, <u8>one)
      place++
      continue
    }
    const mark = <u32>load<u8>(place + 1)
    place += 2
    if (mark !== LETTER_U) {
      store<u8>(out++, <u8>simpleEscape(mark))
      continue
    }
    const unit = <u32>hexAt(place)
    place += 4
    if (unit < 0x80) store<u8>(out++, <u8>unit)
    else if (unit < 0x800) {
      store<u8>(out, <u8>(0xc0 | (unit >>> 6)))
      store<u8>(out + 1, <u8>(0x80 | (unit & 0x3f)))
      out += 2
    } else if (unit - 0xd800 < 0x800) {
      // Half of a surrogate pair.
      jsonIsUnsure = true
      return 0
    } else {
      store<u8>(out, <u8>(0xe0 | (unit >>> 12)))
      store<u8>(out + 1, <u8>(0x80 | ((unit >>> 6) & 0x3f)))
      store<u8>(out + 2, <u8>(0x80 | (unit & 0x3f)))
      out += 3
    }
  }
  texts = out
  return out
}
