import { copy } from './copy.ts'
import { writeDecimal } from './digits.ts'
import {
  findPlaces,
  hostAt,
  hostEnd,
  idAt,
  idEnd,
  nanosAt,
  seconds,
  sourceAt,
  sourceEnd,
  topicAt,
  topicEnd,
} from './envelope.ts'
import { ask } from './words.ts'

// The header of a message, as src/sinks/syslog/message.ts writes it.

/** By the host's numbers. */
const NO_HEADER: u32 = 0
const RFC5424: u32 = 1

/** The configured texts of a header, each of at most 200 bytes: behind the host, and behind the source. */
const MIDDLE: usize = memory.data(256, 16)
const FINISH: usize = memory.data(256, 16)
let kind: u32 = NO_HEADER
/** Eight times the facility. */
let facility: u32 = 0
let middleLength: usize = 0
let finishLength: usize = 0

const HEADER_BYTES: usize = 16 * 1024
export const HEADER: usize = memory.data(16 * 1024 + 64, 16)
const LONGEST_HOSTNAME: usize = 255
/** Priority, version and time, and bytes written too many. */
const FIXED_BYTES: usize = 128
/** `" topic="` */
const BEFORE_TOPIC: usize = memory.data<u8>([0x22, 0x20, 0x74, 0x6f, 0x70, 0x69, 0x63, 0x3d, 0x22], 16)
/** `" source="` */
const BEFORE_SOURCE: usize = memory.data<u8>([0x22, 0x20, 0x73, 0x6f, 0x75, 0x72, 0x63, 0x65, 0x3d, 0x22], 16)

/** Where the host puts the configured texts. */
export function middleAt(): usize {
  return MIDDLE
}

export function finishAt(): usize {
  return FINISH
}

/** Lengths of the texts that the host has put in place, and the kind of header. */
export function configureHead(header: u32, eightFacilities: u32, middle: usize, finish: usize): void {
  kind = header
  facility = eightFacilities
  middleLength = middle
  finishLength = finish
}

export function hasHead(): bool {
  return kind !== NO_HEADER
}

/** Whether it has the event id. */
export function hasId(): bool {
  return kind === RFC5424
}

/** Writes the header of the envelope that was cut to HEADER and returns its length. 0 when it is the host's, or a word is asked for. */
export function writeHead(severity: u32): usize {
  let out = HEADER
  store<u8>(out++, 0x3c)
  out = writeDecimal(out, facility + severity)
  store<u8>(out++, 0x3e)
  if (kind !== RFC5424) return writeLegacy(out)
  if (!findPlaces()) return 0
  const values = idEnd - idAt + topicEnd - topicAt + sourceEnd - sourceAt
  if (middleLength + finishLength + LONGEST_HOSTNAME + 2 * values + FIXED_BYTES > HEADER_BYTES) return 0
  store<u16>(out, 0x2031)
  out = writeTime(out + 2)
  out = writeHostname(out)
  out = copy(out, MIDDLE, middleLength)
  out = writeParameter(out, idAt, idEnd)
  out = copy(out, BEFORE_TOPIC, 9)
  out = writeParameter(out, topicAt, topicEnd)
  out = copy(out, BEFORE_SOURCE, 10)
  out = writeParameter(out, sourceAt, sourceEnd)
  return copy(out, FINISH, finishLength) - HEADER
}

/** Minutes in the configured zone, up to the seconds: `Dec  1 02:03:`. Each has one place, by its number. */
const MINUTES: u64 = 64
const MINUTE_BYTES: usize = 16
const MINUTE_TEXTS: usize = memory.data(64 * 16, 16)
const MINUTE_NUMBERS: usize = memory.data(64 * 8, 16)
const MINUTE_LENGTH: usize = 13
/** By the host's number. */
const MINUTE: u32 = 5

/** Puts the text of the minute that was asked for in place. */
export function minuteAt(): usize {
  const place = <usize>((seconds / 60) % MINUTES)
  store<u64>(MINUTE_NUMBERS + place * 8, seconds / 60 + 1)
  return MINUTE_TEXTS + place * MINUTE_BYTES
}

export function forgetMinutes(): void {
  memory.fill(MINUTE_NUMBERS, 0, 64 * 8)
}

/** In seconds from 1970 on. */
export function timeAsked(): f64 {
  return <f64>seconds
}

/** `<14>Dec  1 02:03:04 host sls: ` (RFC 3164). MIDDLE has what follows the host. */
function writeLegacy(start: usize): usize {
  const minute = seconds / 60
  const place = <usize>(minute % MINUTES)
  if (load<u64>(MINUTE_NUMBERS + place * 8) !== minute + 1) {
    ask(MINUTE, nanosAt, 0)
    return 0
  }
  let out = copy(start, MINUTE_TEXTS + place * MINUTE_BYTES, MINUTE_LENGTH)
  writeTwo(out, <u32>(seconds % 60))
  store<u8>(out + 2, 0x20)
  out = writeHostname(out + 3)
  return copy(out, MIDDLE, middleLength) - HEADER
}

/** `2026-12-01T02:03:04`; neighbours mostly share it, and nearly always its day. */
const TIME: usize = memory.data(32, 16)
let written: u64 = u64.MAX_VALUE
let writtenDay: u64 = u64.MAX_VALUE

/** Receivers take six digits; the rest is cut, not rounded. */
function writeTime(out: usize): usize {
  if (seconds !== written) {
    const day = seconds / 86_400
    if (day !== writtenDay) writeDay(day)
    const second = <u32>(seconds - day * 86_400)
    const minute = second / 60
    store<u8>(TIME + 10, 0x54)
    writeTwo(TIME + 11, minute / 60)
    store<u8>(TIME + 13, 0x3a)
    writeTwo(TIME + 14, minute % 60)
    store<u8>(TIME + 16, 0x3a)
    writeTwo(TIME + 17, second % 60)
    store<u8>(TIME + 19, 0x2e)
    written = seconds
    writtenDay = day
  }
  copy(out, TIME, 20)
  store<u64>(out + 20, load<u64>(nanosAt))
  store<u16>(out + 26, 0x205a)
  return out + 28
}

/** The day by its number from 1970 on. Years begin with March, so that a leap day is their last. */
function writeDay(day: u64): void {
  const days = <u32>day + 719_468
  const era = days / 146_097
  const dayOfEra = days % 146_097
  const yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
  const dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
  const fromMarch = (5 * dayOfYear + 2) / 153
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  writeTwo(TIME, year / 100)
  writeTwo(TIME + 2, year % 100)
  store<u8>(TIME + 4, 0x2d)
  writeTwo(TIME + 5, month)
  store<u8>(TIME + 7, 0x2d)
  writeTwo(TIME + 8, dayOfYear - (153 * fromMarch + 2) / 5 + 1)
}

function writeTwo(out: usize, value: u32): void {
  store<u8>(out, <u8>(0x30 + value / 10))
  store<u8>(out + 1, <u8>(0x30 + (value % 10)))
}

/** Printable ASCII, one `_` for any other character; never empty. */
function writeHostname(out: usize): usize {
  const stop = out + LONGEST_HOSTNAME
  let to = out
  for (let at = hostAt; at < hostEnd && to < stop; at++) {
    const byte = <u32>load<u8>(at)
    if ((byte & 0xc0) === 0x80) continue
    store<u8>(to++, byte - 0x21 < 0x5e ? <u8>byte : 0x5f)
  }
  if (to === out) store<u8>(to++, 0x2d)
  return to
}

/** A PARAM-VALUE of a text without quotes and backslashes: `]` is escaped, and the only control character becomes a blank. */
function writeParameter(out: usize, from: usize, to: usize): usize {
  const end = out + (to - from)
  let marked: i32 = 0
  for (let at = from; out < end; at += 16) {
    const bytes = v128.load(at)
    v128.store(out, bytes)
    const marks = i8x16.bitmask(v128.or(i8x16.eq(bytes, i8x16.splat(0x5d)), i8x16.eq(bytes, i8x16.splat(0x7f))))
    const left = to - at
    marked |= left >= 16 ? marks : marks & ((1 << (<i32>left)) - 1)
    out += 16
  }
  return marked === 0 ? end : writeMarkedParameter(end - (to - from), from, to)
}

function writeMarkedParameter(out: usize, from: usize, to: usize): usize {
  for (let at = from; at < to; at++) {
    const byte = load<u8>(at)
    if (byte === 0x5d) store<u8>(out++, 0x5c)
    store<u8>(out++, byte === 0x7f ? 0x20 : byte)
  }
  return out
}
