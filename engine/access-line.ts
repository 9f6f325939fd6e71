import {
  AGENT,
  AUTH,
  BYTES,
  CLIENTIP,
  HTTPVERSION,
  IDENT,
  RAWREQUEST,
  REFERRER,
  REQUEST,
  RESPONSE,
  TIMESTAMP,
  VERB,
} from '../src/pipeline/wasm/memory-layout.ts'
import {
  at,
  BLANK,
  byteAt,
  CLOSE_BRACKET,
  COLON,
  DASH,
  end,
  hasHighByte,
  isDigit,
  OPEN_BRACKET,
  placeOf,
  put,
  putTaken,
  skip,
  take,
  takeBytes,
  takeDigits,
  takenStart,
  takenStop,
  takeQuoted,
  takeWord,
} from './line.ts'

// Lines of web servers, as src/pipeline/lines/apache.ts reads them. Whatever is not surely such a line is the host's.

const SLASH: u32 = 0x2f
const PLUS: u32 = 0x2b
const DOT: u32 = 0x2e
const UNDERSCORE: u32 = 0x5f
/** Length of `10/Oct/2000:13:55:36 -0700`. */
const DATE_LENGTH: usize = 26
/** `HTTP/` in two parts. */
const HTTP: u32 = 0x50545448

/** False when the host must read the line. */
export function readAccessLine(isCombined: bool): bool {
  if (!takeWord()) return false
  putTaken(CLIENTIP)
  if (!take(BLANK) || !takeWord()) return false
  putTaken(IDENT)
  if (!take(BLANK) || !takeUser()) return false
  putTaken(AUTH)
  skip(2)
  if (!isDate()) return false
  takeBytes(DATE_LENGTH)
  putTaken(TIMESTAMP)
  skip(2)
  if (!takeQuoted() || !putRequest(takenStart, takenStop)) return false
  if (!take(BLANK) || !takeDigits()) return false
  putTaken(RESPONSE)
  if (!take(BLANK)) return false
  if (takeDigits()) putTaken(BYTES)
  else if (!take(DASH)) return false
  if (!isEndOfField()) return false
  return !isCombined || readReferrerAndAgent()
}

function readReferrerAndAgent(): bool {
  if (!take(BLANK) || !takeQuoted()) return false
  putTaken(REFERRER)
  if (!take(BLANK) || !takeQuoted()) return false
  putTaken(AGENT)
  return isEndOfField()
}

function isEndOfField(): bool {
  return at === end || byteAt(0) === BLANK
}

/** Takes everything before the next ` [`; at least one byte. */
function takeUser(): bool {
  let bracket = placeOf(OPEN_BRACKET, at + 1, end)
  while (bracket < end && <u32>load<u8>(bracket - 1) !== BLANK) bracket = placeOf(OPEN_BRACKET, bracket + 1, end)
  if (bracket >= end || bracket < at + 2) return false
  takeBytes(bracket - 1 - at)
  return true
}

/** Whether a date stands here, with its bracket and a blank behind it. */
function isDate(): bool {
  const date = at
  if (end - date < DATE_LENGTH + 2) return false
  return (
    areTwoDigits(date) &&
    isByte(date + 2, SLASH) &&
    isLetter(<u32>load<u8>(date + 3)) &&
    isLetter(<u32>load<u8>(date + 4)) &&
    isLetter(<u32>load<u8>(date + 5)) &&
    isByte(date + 6, SLASH) &&
    areTwoDigits(date + 7) &&
    areTwoDigits(date + 9) &&
    isByte(date + 11, COLON) &&
    areTwoDigits(date + 12) &&
    isByte(date + 14, COLON) &&
    areTwoDigits(date + 15) &&
    isByte(date + 17, COLON) &&
    areTwoDigits(date + 18) &&
    isByte(date + 20, BLANK) &&
    (isByte(date + 21, PLUS) || isByte(date + 21, DASH)) &&
    areTwoDigits(date + 22) &&
    areTwoDigits(date + 24) &&
    isByte(date + 26, CLOSE_BRACKET) &&
    isByte(date + 27, BLANK)
  )
}

function isByte(place: usize, one: u32): bool {
  return <u32>load<u8>(place) === one
}

function areTwoDigits(place: usize): bool {
  return isDigit(<u32>load<u8>(place)) && isDigit(<u32>load<u8>(place + 1))
}

function isLetter(one: u32): bool {
  return (one | 0x20) - 0x61 < 26
}

/** Makes fields of `GET /path HTTP/1.1` in `[from, to)`. False for characters of which only the host knows whether they are blanks. */
function putRequest(from: usize, to: usize): bool {
  if (hasHighByte(from, to)) return false
  let verb = from
  while (verb < to && isOfWord(<u32>load<u8>(verb))) verb++
  const path = verb + 1
  const pathEnd = placeOfSpace(path, to)
  const version = pathEnd + 6
  const isRequest = verb > from && pathEnd > path && <u32>load<u8>(verb) === BLANK
  if (isRequest && (pathEnd === to || isVersion(pathEnd, to))) {
    put(VERB, from, verb)
    put(REQUEST, path, pathEnd)
    if (pathEnd < to) put(HTTPVERSION, version, to)
  } else if (to > from) put(RAWREQUEST, from, to)
  return true
}

/** Whether ` HTTP/1.1` or ` HTTP/2` is all that stands in `[from, to)`. */
function isVersion(from: usize, to: usize): bool {
  if (to - from < 7 || <u32>load<u8>(from) !== BLANK) return false
  if (load<u32>(from + 1) !== HTTP || <u32>load<u8>(from + 5) !== SLASH) return false
  let digits = from + 6
  while (digits < to && isDigit(<u32>load<u8>(digits))) digits++
  if (digits === from + 6) return false
  if (digits === to) return true
  if (<u32>load<u8>(digits) !== DOT) return false
  const fraction = digits + 1
  digits = fraction
  while (digits < to && isDigit(<u32>load<u8>(digits))) digits++
  return digits > fraction && digits === to
}

function isOfWord(one: u32): bool {
  return isLetter(one) || isDigit(one) || one === UNDERSCORE
}

/** Place of the first blank, tab or line end; `to` or more if there is none. */
function placeOfSpace(from: usize, to: usize): usize {
  let place = from
  while (place < to) {
    const marks = i8x16.bitmask(i8x16.lt_u(v128.load(place), i8x16.splat(0x21)))
    if (marks === 0) {
      place += 16
      continue
    }
    place += <usize>ctz(marks)
    const one = <u32>load<u8>(place)
    if (one === BLANK || one - 0x09 < 5) return min(place, to)
    place++
  }
  return to
}
