import { configureContents, fieldAt, separatorAt, writeField, writeKeyValues } from './contents.ts'
import { copy } from './copy.ts'
import { writeDecimal } from './digits.ts'
import { cutEnvelope, eventAt, eventEnd, idAt, idEnd } from './envelope.ts'
import { forgetEvents, readMembers } from './members.ts'
import { PAYLOAD, payloadEnd } from './payload.ts'
import { configureSiem, forgetKeys, readKind, setNextKey, syslogSeverity, writeEvent } from './siem.ts'
import {
  configureHead,
  finishAt,
  forgetMinutes,
  HEADER,
  hasHead,
  hasId,
  middleAt,
  minuteAt,
  timeAsked,
  writeHead,
} from './syslog-head.ts'
import { askNothing, forgetWords, handedAt, keep, learn, lengthAsked, spaceAsked, wordAsked } from './words.ts'

export {
  configureContents,
  configureSiem,
  fieldAt,
  finishAt,
  handedAt,
  keep,
  learn,
  lengthAsked,
  middleAt,
  minuteAt,
  separatorAt,
  setNextKey,
  spaceAsked,
  timeAsked,
  wordAsked,
}

// Turns HEC envelopes into syslog frames with payloads of each format (RFC 5424, RFC 3164, RFC 6587).
// src/sinks/syslog/message.ts says what a message is, and makes those that are left to the host.

// Around a message stand a line end behind it, its length before it, or both and a command of RELP.
const LINES: u32 = 0
const COUNTS: u32 = 1
let framing: u32 = LINES
let maxBytes: usize = 0
/** By the host's numbers; between them are CEF and LEEF. */
const JSON_EVENTS: u32 = 0
const KEY_VALUES: u32 = 3
const ONE_FIELD: u32 = 4
let format: u32 = JSON_EVENTS
/** 0–7, or `AUTO`: by what the log says. */
let severity: u32 = 0
const AUTO: u32 = 8

/** Count, number, command, line end, and bytes written too many. */
const FIXED_BYTES: usize = 128
/** ` syslog ` */
const COMMAND: usize = memory.data<u8>([0x20, 0x73, 0x79, 0x73, 0x6c, 0x6f, 0x67, 0x20], 16)
/** The largest number of a command of RELP. */
const LARGEST_NUMBER: u32 = 999_999_999
/** `,"sls_event_id":"` */
const BEFORE_ID: usize = memory.data<u8>(
  [0x2c, 0x22, 0x73, 0x6c, 0x73, 0x5f, 0x65, 0x76, 0x65, 0x6e, 0x74, 0x5f, 0x69, 0x64, 0x22, 0x3a, 0x22],
  16,
)

/** Where free memory begins. */
export function freeFrom(): usize {
  return __heap_base
}

/** Forgets all that the host has taught. */
export function forget(): void {
  forgetWords()
  forgetEvents()
  forgetKeys()
}

/** The kind of header, with lengths of the texts that the host has put in place, and what a message is. */
export function configure(
  header: u32,
  eightFacilities: u32,
  severityOfAll: u32,
  middle: usize,
  finish: usize,
  payload: u32,
  frames: u32,
  most: usize,
): void {
  configureHead(header, eightFacilities, middle, finish)
  forgetMinutes()
  severity = severityOfAll
  format = payload
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
 * Frames envelopes that lie one behind the other from `from` on, until one is the host's, asks for a word, or might not fit before
 * `stop`. `ends` has the end of each as its distance from `base`, `first` is the number of the first command. Returns how many were
 * framed. Reads and writes up to 31 bytes past either.
 */
export function frame(from: usize, base: usize, ends: usize, count: usize, out: usize, stop: usize, first: u32): usize {
  let at = from
  let number = first
  end = out
  full = false
  askNothing()
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
  const isJson = format === JSON_EVENTS
  if (severity === AUTO || (!isJson && format < KEY_VALUES)) {
    if (!readKind()) return 0
  } else if (!isJson && !readMembers(eventAt, eventEnd)) return 0
  const header = hasHead() ? writeHead(severity === AUTO ? syslogSeverity : severity) : 0
  if (hasHead() && header === 0) return 0
  if (!isJson && !writePayload()) return 0
  let payload = eventAt
  let length = eventEnd - eventAt
  let more: usize = 0
  if (!isJson) {
    payload = PAYLOAD
    length = payloadEnd - PAYLOAD
  } else if (!hasId() && load<u8>(eventAt) === 0x7b) {
    more = idEnd - idAt + 18 - (length === 2 ? 1 : 0)
  }
  const all = header + length + more
  if (all > maxBytes) return 0
  full = all + FIXED_BYTES > stop - out
  if (full) return 0
  let at = out
  if (framing > COUNTS) {
    at = writeDecimal(at, number)
    at = copy(at, COMMAND, 8)
  }
  if (framing !== LINES) {
    at = writeDecimal(at, all)
    store<u8>(at++, 0x20)
  }
  at = copy(at, HEADER, header)
  at = framing === LINES && isJson ? copyOnOneLine(at, payload, payload + length) : copy(at, payload, length)
  if (more > 0) at = writeMember(at - 1)
  if (framing !== COUNTS) store<u8>(at++, 0x0a)
  return at
}

function writePayload(): bool {
  if (format === KEY_VALUES) return writeKeyValues(!hasId())
  return format === ONE_FIELD ? writeField() : writeEvent()
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
