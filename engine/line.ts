import {
  PARSE_FIELDS,
  PARSE_KEY,
  PARSE_PREFIX,
  PARSE_PREFIX_LENGTH,
  PREFIX_BYTES,
} from '../src/pipeline/wasm/memory-layout.ts'
import { copy } from './copy.ts'
import { entryOf, hasKey, isOfLine, keyPieceLength, programKey, putValue, valueStart, valueStop } from './keys.ts'
import { PLACE, word } from './layout.ts'
import { isUtf8 } from './utf8.ts'
import { KEY } from './wire.ts'

// A line is read from its beginning, and nothing is looked at twice. Its fields are stretches of it.

export const BLANK: u32 = 0x20
export const COLON: u32 = 0x3a
export const DASH: u32 = 0x2d
export const OPEN_BRACKET: u32 = 0x5b
export const CLOSE_BRACKET: u32 = 0x5d
const QUOTE: u32 = 0x22
const BACKSLASH: u32 = 0x5c
const CR: u32 = 0x0d
const LF: u32 = 0x0a
const ZERO: u32 = 0x30

/** The rest of the line is `[at, end)`. */
export let at: usize = 0
export let end: usize = 0
/** The stretch that was taken last is `[takenStart, takenStop)`. */
export let takenStart: usize = 0
export let takenStop: usize = 0
/** Bytes of the fields and of their keys that the log has got, before escaping. */
export let addedBytes: usize = 0
let fields: usize = 0
let prefix: usize = 0
let prefixLength: usize = 0
let line: u32 = 0

/** From 128 on the length of a key takes two bytes. */
const LONGEST_NAME: usize = 127
/** The key of a field on the wire, with its tag and length, and room for bytes written too many. */
const NAME: usize = memory.data(2 + PREFIX_BYTES + 4 * 127 + 16, 16)
let nameEnd: usize = NAME

export function beginFields(): void {
  addedBytes = 0
}

export function hasLine(parse: usize): bool {
  return hasKey(programKey(word(parse, PARSE_KEY)))
}

/** Begins the line of this row, without its line end. False when it is no text. */
export function beginLine(parse: usize): bool {
  const entry = programKey(word(parse, PARSE_KEY))
  at = valueStart(entry)
  end = valueStop(entry)
  fields = word(parse, PARSE_FIELDS)
  prefix = word(parse, PARSE_PREFIX)
  prefixLength = word(parse, PARSE_PREFIX_LENGTH)
  // The number wraps after 2^32 lines, and 0 is no line.
  if (++line === 0) line = 1
  if (!isUtf8(at, end)) return false
  if (end > at && <u32>load<u8>(end - 1) === LF) {
    end--
    if (end > at && <u32>load<u8>(end - 1) === CR) end--
  }
  return true
}

/** Makes a field of what was taken last. */
export function putTaken(field: usize): void {
  put(field, takenStart, takenStop)
}

export function put(field: usize, from: usize, to: usize): void {
  putAt(programKey(word(fields + PLACE * field, 0)), from, to)
}

/** Makes another value of a field. */
export function putAt(entry: usize, from: usize, to: usize): void {
  putValue(entry, from, to)
  addedBytes += keyPieceLength(entry) + to - from
}

/** Begins the name of a field that is not known before the line. */
export function beginName(): void {
  nameEnd = copy(NAME + 2, prefix, prefixLength)
}

/** False for a name that is too long. */
export function addToName(from: usize, to: usize): bool {
  if (to - from > LONGEST_NAME) return false
  nameEnd = copy(nameEnd, from, to - from)
  return nameEnd - NAME - 2 <= LONGEST_NAME
}

/** The entry of the name; 0 if only the host can put it. */
export function entryOfName(): usize {
  store<u8>(NAME, <u8>KEY)
  store<u8>(NAME + 1, <u8>(nameEnd - NAME - 2))
  return entryOf(NAME, nameEnd)
}

/** Whether the line has a field of this entry. From now on it has. */
export function isTold(entry: usize): bool {
  return isOfLine(entry, line)
}

export function isDigit(one: u32): bool {
  return one - ZERO < 10
}

/** The byte that stands `offset` bytes further, or 0 behind the end. */
export function byteAt(offset: usize): u32 {
  return at + offset < end ? <u32>load<u8>(at + offset) : 0
}

export function skip(length: usize): void {
  at += length
}

export function take(one: u32): bool {
  if (at >= end || <u32>load<u8>(at) !== one) return false
  at++
  return true
}

/** Takes exactly so many bytes. */
export function takeBytes(length: usize): void {
  takenStart = at
  at += length
  takenStop = at
}

/** Takes everything that is left. */
export function takeRest(): void {
  takeBytes(end - at)
}

/** Takes everything before the next blank or the end; at least one byte. */
export function takeWord(): bool {
  takenStart = at
  at = placeOf(BLANK, at, end)
  takenStop = at
  return at > takenStart
}

/** Takes one digit or more. */
export function takeDigits(): bool {
  const stop = end
  let place = at
  while (place < stop && isDigit(<u32>load<u8>(place))) place++
  takenStart = at
  takenStop = place
  at = place
  return takenStop > takenStart
}

/** Place of the byte in `[from, to)`; `to` if it is not there. Reads up to 15 bytes past the end. */
export function placeOf(one: u32, from: usize, to: usize): usize {
  for (let place = from; place < to; place += 16) {
    const marks = i8x16.bitmask(i8x16.eq(v128.load(place), i8x16.splat(<i8>one)))
    if (marks !== 0) return min(place + <usize>ctz(marks), to)
  }
  return to
}

/** Whether a byte above ASCII is in `[from, to)`. */
export function hasHighByte(from: usize, to: usize): bool {
  let place = from
  for (; place + 16 <= to; place += 16) if (i8x16.bitmask(v128.load(place)) !== 0) return true
  if (place >= to) return false
  return (i8x16.bitmask(v128.load(place)) & ((1 << (<i32>(to - place))) - 1)) !== 0
}

/** Takes the inside of a text in quotes, as it is written: a backslash keeps a quote from ending it. */
export function takeQuoted(): bool {
  if (!take(QUOTE)) return false
  const stop = end
  takenStart = at
  let place = at
  while (place < stop) {
    const bytes = v128.load(place)
    const ends = v128.or(i8x16.eq(bytes, i8x16.splat(<i8>QUOTE)), i8x16.eq(bytes, i8x16.splat(<i8>BACKSLASH)))
    const marks = i8x16.bitmask(ends)
    if (marks === 0) {
      place += 16
      continue
    }
    place += <usize>ctz(marks)
    if (place < stop && <u32>load<u8>(place) === QUOTE) {
      takenStop = place
      at = place + 1
      return true
    }
    place += 2
  }
  return false
}
