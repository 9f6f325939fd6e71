import { copy } from './copy.ts'
import { writeDecimal } from './digits.ts'
import {
  cutEnvelope,
  eventAt,
  eventEnd,
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

// Turns HEC envelopes into syslog frames with JSON payloads (RFC 5424, RFC 6587). src/sinks/syslog/message.ts says what a
// message is, and makes those that are left to the host.

/** A message without structured data has none of the header. */
let hasHeader: bool = false
// Around a message stand a line end behind it, its length before it, or both and a command of RELP.
const LINES: u32 = 0
const COUNTS: u32 = 1
let framing: u32 = LINES
let maxBytes: usize = 0

/** The configured texts of a header, each of at most 200 bytes: up to the time, from the host to the id, and from the source to the payload. */
const START: usize = memory.data(256, 16)
const MIDDLE: usize = memory.data(256, 16)
const FINISH: usize = memory.data(256, 16)
let startLength: usize = 0
let middleLength: usize = 0
let finishLength: usize = 0

const HEADER_BYTES: usize = 16 * 1024
const HEADER: usize = memory.data(16 * 1024 + 64, 16)
const LONGEST_HOSTNAME: usize = 255
/** Time, count, line end, and bytes written too many. */
const FIXED_BYTES: usize = 128
/** ` syslog ` */
const COMMAND: usize = memory.data<u8>([0x20, 0x73, 0x79, 0x73, 0x6c, 0x6f, 0x67, 0x20], 16)
/** The largest number of a command of RELP. */
const LARGEST_NUMBER: u32 = 999_999_999
/** `" topic="` */
const BEFORE_TOPIC: usize = memory.data<u8>([0x22, 0x20, 0x74, 0x6f, 0x70, 0x69, 0x63, 0x3d, 0x22], 16)
/** `" source="` */
const BEFORE_SOURCE: usize = memory.data<u8>([0x22, 0x20, 0x73, 0x6f, 0x75, 0x72, 0x63, 0x65, 0x3d, 0x22], 16)
/** `,"sls_event_id":"` */
const BEFORE_ID: usize = memory.data<u8>(
  [0x2c, 0x22, 0x73, 0x6c, 0x73, 0x5f, 0x65, 0x76, 0x65, 0x6e, 0x74, 0x5f, 0x69, 0x64, 0x22, 0x3a, 0x22],
  16,
)

/** Where free memory begins. */
export function freeFrom(): usize {
  return __heap_base
}

/** Where the host puts the configured texts. */
export function startAt(): usize {
  return START
}

export function middleAt(): usize {
  return MIDDLE
}

export function finishAt(): usize {
  return FINISH
}

/** Lengths of the texts that the host has put in place, and whether there is a header at all. */
export function configure(start: usize, middle: usize, finish: usize, header: bool, frames: u32, most: usize): void {
  startLength = start
  middleLength = middle
  finishLength = finish
  hasHeader = header
  framing = frames
  maxBytes = most
}

let end: usize = 0
let full: bool = false

/** Whether `frame` stopped because the next frame might not have fitted. */
export function isFull(): bool {
  return full
}

/** End of the last frame that `frame` wrote. */
export function framesEnd(): usize {
  return end
}

/**
 * Frames envelopes that lie one behind the other from `from` on, until one is the host's or might not fit before `stop`. `ends`
 * has the end of each as its distance from `base`, `first` is the number of the first command. Returns how many were framed. Reads and writes up to 31 bytes past either.
 */
export function frame(from: usize, base: usize, ends: usize, count: usize, out: usize, stop: usize, first: u32): usize {
  let at = from
  let number = first
  end = out
  full = false
  for (let index: usize = 0; index < count; index++) {
    const next = base + <usize>load<u32>(ends + (index << 2))
    const written = writeFrame(at, next, end, stop, number)
    if (written === 0) return index
    end = written
    at = next
    number = number === LARGEST_NUMBER ? 1 : number + 1
  }
  return count
}

function writeFrame(from: usize, to: usize, out: usize, stop: usize, number: u32): usize {
  if (!cutEnvelope(from, to)) return 0
  let header: usize = 0
  let more: usize = 0
  if (hasHeader) {
    header = writeHeader()
    if (header === 0) return 0
  } else if (load<u8>(eventAt) === 0x7b) {
    more = idEnd - idAt + 18 - (eventEnd - eventAt === 2 ? 1 : 0)
  }
  const length = header + eventEnd - eventAt + more
  if (length > maxBytes) return 0
  full = length + FIXED_BYTES > stop - out
  if (full) return 0
  let at = out
  if (framing > COUNTS) {
    at = writeDecimal(at, number)
    at = copy(at, COMMAND, 8)
  }
  if (framing !== LINES) {
    at = writeDecimal(at, length)
    store<u8>(at++, 0x20)
  }
  at = copy(at, HEADER, header)
  at = framing === LINES ? copyOnOneLine(at, eventAt, eventEnd) : copy(at, eventAt, eventEnd - eventAt)
  if (more > 0) at = writeMember(at - 1)
  if (framing !== COUNTS) store<u8>(at++, 0x0a)
  return at
}

/** The id as the last member of the event, in place of its closing brace. */
function writeMember(out: usize): usize {
  const skipped: usize = eventEnd - eventAt === 2 ? 1 : 0
  let at = copy(out, BEFORE_ID + skipped, 17 - skipped)
  at = copy(at, idAt, idEnd - idAt)
  store<u16>(at, 0x7d22)
  return at + 2
}

/** In JSON a line end stands only between values, where a blank means the same. */
function copyOnOneLine(out: usize, from: usize, to: usize): usize {
  const stop = out + (to - from)
  for (let at = from; out < stop; at += 16) {
    const bytes = v128.load(at)
    const lineEnds = v128.or(i8x16.eq(bytes, i8x16.splat(0x0a)), i8x16.eq(bytes, i8x16.splat(0x0d)))
    v128.store(out, v128.bitselect(i8x16.splat(0x20), bytes, lineEnds))
    out += 16
  }
  return stop
}

/** Writes the header of the envelope that was cut to HEADER and returns its length, or 0 when it is the host's. */
function writeHeader(): usize {
  if (!findPlaces()) return 0
  const values = idEnd - idAt + topicEnd - topicAt + sourceEnd - sourceAt
  if (startLength + middleLength + finishLength + LONGEST_HOSTNAME + 2 * values + FIXED_BYTES > HEADER_BYTES) return 0
  let out = copy(HEADER, START, startLength)
  out = writeTime(out)
  out = writeHostname(out)
  out = copy(out, MIDDLE, middleLength)
  out = writeValue(out, idAt, idEnd)
  out = copy(out, BEFORE_TOPIC, 9)
  out = writeValue(out, topicAt, topicEnd)
  out = copy(out, BEFORE_SOURCE, 10)
  out = writeValue(out, sourceAt, sourceEnd)
  out = copy(out, FINISH, finishLength)
  return out - HEADER
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
function writeValue(out: usize, from: usize, to: usize): usize {
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
  return marked === 0 ? end : writeMarkedValue(end - (to - from), from, to)
}

function writeMarkedValue(out: usize, from: usize, to: usize): usize {
  for (let at = from; at < to; at++) {
    const byte = load<u8>(at)
    if (byte === 0x5d) store<u8>(out++, 0x5c)
    store<u8>(out++, byte === 0x7f ? 0x20 : byte)
  }
  return out
}
