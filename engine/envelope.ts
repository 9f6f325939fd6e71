import { same } from './copy.ts'

// Finds the parts of a HEC envelope of which a syslog message is made. None of the texts that it looks for can stand elsewhere:
// quotes inside a string are escaped, and `fields` comes last. What is spelled otherwise is left to the host.

const OPEN: usize = memory.data<u8>(
  [0x7b, 0x22, 0x74, 0x69, 0x6d, 0x65, 0x22, 0x3a], // {"time":
  16,
)
const BEFORE_HOST: usize = memory.data<u8>(
  [0x2c, 0x22, 0x68, 0x6f, 0x73, 0x74, 0x22, 0x3a, 0x22], // ,"host":"
  16,
)
const BEFORE_EVENT: usize = memory.data<u8>(
  [0x2c, 0x22, 0x65, 0x76, 0x65, 0x6e, 0x74, 0x22, 0x3a], // ,"event":
  16,
)
const BEFORE_FIELDS: usize = memory.data<u8>(
  [0x2c, 0x22, 0x66, 0x69, 0x65, 0x6c, 0x64, 0x73, 0x22, 0x3a, 0x7b], // ,"fields":{
  16,
)
const BEFORE_ID: usize = memory.data<u8>(
  [0x22, 0x73, 0x6c, 0x73, 0x5f, 0x65, 0x76, 0x65, 0x6e, 0x74, 0x5f, 0x69, 0x64, 0x22, 0x3a, 0x22], // "sls_event_id":"
  16,
)
const BEFORE_TOPIC: usize = memory.data<u8>(
  [0x7b, 0x22, 0x5f, 0x5f, 0x74, 0x6f, 0x70, 0x69, 0x63, 0x5f, 0x5f, 0x22, 0x3a, 0x22], // {"__topic__":"
  16,
)
const BEFORE_SOURCE: usize = memory.data<u8>(
  [0x22, 0x2c, 0x22, 0x5f, 0x5f, 0x73, 0x6f, 0x75, 0x72, 0x63, 0x65, 0x5f, 0x5f, 0x22, 0x3a, 0x22], // ","__source__":"
  16,
)

const OPEN_LENGTH: usize = 8
const BEFORE_HOST_LENGTH: usize = 9
const BEFORE_EVENT_LENGTH: usize = 9
const BEFORE_FIELDS_LENGTH: usize = 11
const BEFORE_ID_LENGTH: usize = 16
const BEFORE_TOPIC_LENGTH: usize = 14
const BEFORE_SOURCE_LENGTH: usize = 16
const NANO_DIGITS: usize = 9
/** Ten digits reach into the year 2286. */
const MOST_DIGITS: usize = 10

export let seconds: u64 = 0
/** Nine digits. */
export let nanosAt: usize = 0
export let hostAt: usize = 0
export let hostEnd: usize = 0
export let eventAt: usize = 0
export let eventEnd: usize = 0
export let idAt: usize = 0
export let idEnd: usize = 0
export let topicAt: usize = 0
export let topicEnd: usize = 0
export let sourceAt: usize = 0
export let sourceEnd: usize = 0

/** Cuts the envelope in `[from, end)`. False where the host must: a part is missing, or has an escape. Reads 15 bytes past it. */
export function cutEnvelope(from: usize, end: usize): bool {
  if (!same(from, OPEN, OPEN_LENGTH)) return false
  nanosAt = readSeconds(from + OPEN_LENGTH)
  if (nanosAt === 0 || !same(nanosAt + NANO_DIGITS, BEFORE_HOST, BEFORE_HOST_LENGTH)) return false
  hostAt = nanosAt + NANO_DIGITS + BEFORE_HOST_LENGTH
  hostEnd = endOfPlain(hostAt, end)
  if (hostEnd === 0) return false
  eventAt = findEvent(hostEnd, end)
  if (eventAt === 0) return false
  eventEnd = findFields(eventAt, end)
  if (eventEnd === 0 || !same(eventEnd + BEFORE_FIELDS_LENGTH, BEFORE_ID, BEFORE_ID_LENGTH)) return false
  idAt = eventEnd + BEFORE_FIELDS_LENGTH + BEFORE_ID_LENGTH
  idEnd = endOfPlain(idAt, end)
  return idEnd !== 0
}

/** Finds topic and source at the beginning of the event that was cut last. False where the host must. */
export function findPlaces(): bool {
  if (!same(eventAt, BEFORE_TOPIC, BEFORE_TOPIC_LENGTH)) return false
  topicAt = eventAt + BEFORE_TOPIC_LENGTH
  topicEnd = endOfPlain(topicAt, eventEnd)
  if (topicEnd === 0 || !same(topicEnd, BEFORE_SOURCE, BEFORE_SOURCE_LENGTH)) return false
  sourceAt = topicEnd + BEFORE_SOURCE_LENGTH
  sourceEnd = endOfPlain(sourceAt, eventEnd)
  return sourceEnd !== 0
}

/** The place of the nanoseconds; 0 if these are no seconds with nine decimals. */
function readSeconds(from: usize): usize {
  let at = from
  let value: u64 = 0
  for (let digit = <u32>load<u8>(at) - 0x30; digit < 10; digit = <u32>load<u8>(at) - 0x30) {
    value = value * 10 + digit
    at++
    if (at - from > MOST_DIGITS) return 0
  }
  if (at === from || load<u8>(at) !== 0x2e) return 0
  for (let index: usize = 1; index <= NANO_DIGITS; index++) if (<u32>load<u8>(at + index) - 0x30 > 9) return 0
  seconds = value
  return at + 1
}

/** The closing quote of the string whose inside begins at `from`; 0 if it has an escape, or does not end. */
function endOfPlain(from: usize, end: usize): usize {
  for (let at = from; at < end; at += 16) {
    const bytes = v128.load(at)
    const marks = i8x16.bitmask(v128.or(i8x16.eq(bytes, i8x16.splat(0x22)), i8x16.eq(bytes, i8x16.splat(0x5c))))
    if (marks === 0) continue
    const place = at + <usize>ctz(marks)
    return place < end && load<u8>(place) === 0x22 ? place : 0
  }
  return 0
}

/** The first place behind `,"event":`, or 0. */
function findEvent(from: usize, end: usize): usize {
  for (let at = from; at < end; at += 16) {
    const commas = i8x16.eq(v128.load(at), i8x16.splat(0x2c))
    let marks = i8x16.bitmask(v128.and(commas, i8x16.eq(v128.load(at + 2), i8x16.splat(0x65))))
    while (marks !== 0) {
      const place = at + <usize>ctz(marks)
      if (same(place, BEFORE_EVENT, BEFORE_EVENT_LENGTH)) return place + BEFORE_EVENT_LENGTH
      marks &= marks - 1
    }
  }
  return 0
}

/** The last place of `,"fields":{`, or 0. */
function findFields(from: usize, end: usize): usize {
  for (let at = end; at > from; ) {
    at -= 16
    const commas = i8x16.eq(v128.load(at), i8x16.splat(0x2c))
    let marks = i8x16.bitmask(v128.and(commas, i8x16.eq(v128.load(at + 10), i8x16.splat(0x7b))))
    while (marks !== 0) {
      const bit = 31 - <i32>clz(marks)
      const place = at + <usize>bit
      if (place < from) return 0
      if (same(place, BEFORE_FIELDS, BEFORE_FIELDS_LENGTH)) return place
      marks ^= 1 << bit
    }
  }
  return 0
}
