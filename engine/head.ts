import {
  COPIES,
  COPY_COUNT,
  COPY_IS_OF_LOG,
  COPY_PIECE_COUNT,
  COPY_PIECES,
  COPY_SIZE,
  FIRST_GROUP,
  GROUP_STOP,
  ID_PREFIX,
  ID_PREFIX_BYTES,
  ID_PREFIX_LENGTH,
  MAX_COPIES,
  PIECE_IS_SOURCETYPE,
  PIECE_IS_TEMPLATE,
  PIECE_IS_TEXT,
  PIECE_KIND,
  PIECE_LENGTH,
  PIECE_SIZE,
  PIECE_TEXT,
  SOURCE_START,
  SOURCE_STOP,
  SOURCETYPE_HAS_REST,
  SOURCETYPE_IS_PREFIX,
  SOURCETYPE_LENGTH,
  SOURCETYPE_SIZE,
  SOURCETYPE_TEXT,
  SOURCETYPE_TOPIC,
  SOURCETYPE_TOPIC_LENGTH,
  TAGS_AT,
  TEMPLATE_OTHERWISE,
  TOPIC_START,
  TOPIC_STOP,
} from '../src/pipeline/wasm/memory-layout.ts'
import { copy, same } from './copy.ts'
import { writeDecimal } from './digits.ts'
import { clearHighBytes, highBytes, MAX_ESCAPED, writeEscaped } from './escape.ts'
import { beginGroupHash, endGroupHash, frame, isHashed } from './event-id.ts'
import { config, inGroup, PLACE, program, walk64, word } from './layout.ts'
import { fill } from './template.ts'
import { isUtf8 } from './utf8.ts'
import { fieldEnd, fieldStart, KEY, LOG_TAGS, passField, tag, VALUE } from './wire.ts'

// The parts that all events of a log group share: from the time to the contents, and from the contents to the log's index.
// The first differs from copy to copy in the configured members of the envelope.

const MEMBERS_BYTES: usize = 32 * 1024
/** Most bytes of JSON around the values. */
const FIXED_BYTES: usize = 64
const MAX_TAGS: usize = 32
/** Bytes of JSON around a tag: `","__tag__:`, `":"`. */
const TAG_PUNCTUATION: usize = 16

/** Topic, source and tags as the event begins. */
const MEMBERS: usize = memory.data(32 * 1024 + 64, 16)
/** Heads of copies, one behind the other. */
const HEADS: usize = memory.data(256 * 1024, 16)
const HEADS_END: usize = HEADS + 256 * 1024
/** Place and length of the head of each copy; 0: not written for this group. */
const PLACES: usize = memory.data(8 * MAX_COPIES, 16)
/** Has room behind the prefix for the twenty digits of a number, a colon, and bytes written too many. */
export const TAIL: usize = memory.data(ID_PREFIX_BYTES + 64, 16)
/** Place and length of the key of each tag. */
const TAG_KEYS: usize = memory.data(32 * 8, 16)

const BEFORE_TOPIC: usize = memory.data<u8>(
  [0x22, 0x5f, 0x5f, 0x74, 0x6f, 0x70, 0x69, 0x63, 0x5f, 0x5f, 0x22, 0x3a, 0x22], // "__topic__":"
  16,
)
const BEFORE_SOURCE: usize = memory.data<u8>(
  [0x22, 0x2c, 0x22, 0x5f, 0x5f, 0x73, 0x6f, 0x75, 0x72, 0x63, 0x65, 0x5f, 0x5f, 0x22, 0x3a, 0x22], // ","__source__":"
  16,
)
const BEFORE_TAG: usize = memory.data<u8>(
  [0x22, 0x2c, 0x22, 0x5f, 0x5f, 0x74, 0x61, 0x67, 0x5f, 0x5f, 0x3a], // ","__tag__:
  16,
)

/** The head that `useHead` chose. */
export let headAt: usize = 0
export let headLength: usize = 0
export let tailLength: usize = 0
export let membersLength: usize = 0
/** The source as it stands in the members. */
let sourceAt: usize = 0
let sourceLength: usize = 0
/** The topic as it stands in the members. */
let topicAt: usize = 0
let topicLength: usize = 0
let headsUsed: usize = HEADS
/** End of the group's frames so far. */
let frames: usize = 0

/** Writes the members of the group at this address. False when the host must write its events. */
export function writeMembers(group: usize): bool {
  const topicStart = inGroup(group, TOPIC_START)
  const topicEnd = inGroup(group, TOPIC_STOP)
  const sourceStart = inGroup(group, SOURCE_START)
  const sourceEnd = inGroup(group, SOURCE_STOP)
  const values = topicEnd - topicStart + sourceEnd - sourceStart
  let room = MEMBERS_BYTES - FIXED_BYTES
  if (values > room / MAX_ESCAPED) return false
  room -= MAX_ESCAPED * values
  clearHighBytes()
  topicAt = copy(MEMBERS, BEFORE_TOPIC, 13)
  let out = writeEscaped(topicAt, topicStart, topicEnd)
  topicLength = out - topicAt
  out = copy(out, BEFORE_SOURCE, 16)
  sourceAt = out
  out = writeEscaped(out, sourceStart, sourceEnd)
  sourceLength = out - sourceAt
  if (isHashed()) frames = frame(frame(beginGroupHash(), topicStart, topicEnd), sourceStart, sourceEnd)
  out = writeTags(out, group, room)
  if (out === 0 || (highBytes && !isUtf8(MEMBERS, out))) return false
  if (isHashed()) endGroupHash(frames)
  membersLength = out - MEMBERS
  headsUsed = HEADS
  memory.fill(PLACES, 0, program(COPY_COUNT) << 3)
  return true
}

/**
 * Chooses the head of the copy at this address, which is written once per group, or for each log. False when there is no room for
 * it, or only the host knows it.
 */
export function useHead(copyAt: usize): bool {
  const place = PLACES + ((copyAt - program(COPIES)) / COPY_BYTES) * 8
  headAt = <usize>load<u32>(place)
  headLength = <usize>load<u32>(place + 4)
  return headAt !== 0 || writeHead(copyAt, place)
}

const COPY_BYTES: usize = PLACE * COPY_SIZE
const AUTO: u32 = 0x6f747561

function writeHead(copyAt: usize, place: usize): bool {
  let out = headsUsed
  let next = word(copyAt, COPY_PIECES)
  for (let left = word(copyAt, COPY_PIECE_COUNT); left > 0; left--) {
    let piece = next
    next += PLACE * PIECE_SIZE
    if (word(piece, PIECE_KIND) === PIECE_IS_TEMPLATE) {
      const template = word(piece, PIECE_TEXT)
      const end = fill(out, template, HEADS_END - out)
      // A source type of this name is chosen by the topic.
      if (end === 0 || (end - out === 4 && load<u32>(out) === AUTO)) return false
      if (end > out) {
        out = end
        continue
      }
      piece = template + PLACE * TEMPLATE_OTHERWISE
    }
    const kind = word(piece, PIECE_KIND)
    let text = sourceAt
    let length = sourceLength
    let more: usize = 0
    if (kind === PIECE_IS_TEXT) {
      text = word(piece, PIECE_TEXT)
      length = word(piece, PIECE_LENGTH)
    } else if (kind === PIECE_IS_SOURCETYPE) {
      const found = sourcetype(word(piece, PIECE_TEXT))
      text = word(found, SOURCETYPE_TEXT)
      length = word(found, SOURCETYPE_LENGTH)
      if (word(found, SOURCETYPE_HAS_REST) !== 0) more = topicLength - word(found, SOURCETYPE_TOPIC_LENGTH)
    }
    if (length + more + membersLength + 32 > HEADS_END - out) return false
    out = copy(out, text, length)
    if (more > 0) out = copy(out, topicAt + topicLength - more, more)
  }
  out = copy(out, MEMBERS, membersLength)
  headAt = headsUsed
  headLength = out - headAt
  // The next head takes its place.
  if (word(copyAt, COPY_IS_OF_LOG) !== 0) return true
  store<u32>(place, <u32>headAt)
  store<u32>(place + 4, <u32>headLength)
  headsUsed = out
  return true
}

/** The row of the table for the topic. Its last row is for every topic. */
function sourcetype(table: usize): usize {
  let row = table
  while (!fitsTopic(row)) row += PLACE * SOURCETYPE_SIZE
  return row
}

function fitsTopic(row: usize): bool {
  const length = word(row, SOURCETYPE_TOPIC_LENGTH)
  const isPrefix = word(row, SOURCETYPE_IS_PREFIX) !== 0
  const fits = isPrefix ? length + word(row, SOURCETYPE_HAS_REST) <= topicLength : length === topicLength
  return fits && same(word(row, SOURCETYPE_TOPIC), topicAt, length)
}

/** Returns the new position, or 0 when a tag is unusual or repeated, or `room` bytes are too few. */
function writeTags(start: usize, group: usize, room: usize): usize {
  const end = inGroup(group, GROUP_STOP)
  let out = start
  let count: usize = 0
  let at = inGroup(group, TAGS_AT)
  while (at < end) {
    at = passField(at, end)
    if (tag !== LOG_TAGS) continue
    const pair = fieldStart
    const pairEnd = fieldEnd
    const most = MAX_ESCAPED * (pairEnd - pair) + TAG_PUNCTUATION
    if (count === MAX_TAGS || most > room) return 0
    room -= most
    if (pair === pairEnd || passField(pair, pairEnd) === 0 || tag !== KEY) return 0
    const key = fieldStart
    const keyEnd = fieldEnd
    if (keyEnd === pairEnd || passField(keyEnd, pairEnd) !== pairEnd || tag !== VALUE) return 0
    for (let index: usize = 0; index < count; index++) {
      const other = TAG_KEYS + (index << 3)
      if (<usize>load<u32>(other + 4) === keyEnd - key && same(<usize>load<u32>(other), key, keyEnd - key)) return 0
    }
    store<u32>(TAG_KEYS + (count << 3), <u32>key)
    store<u32>(TAG_KEYS + (count << 3) + 4, <u32>(keyEnd - key))
    count++
    if (isHashed()) frames = frame(frame(frames, key, keyEnd), fieldStart, fieldEnd)
    out = copy(out, BEFORE_TAG, 11)
    out = writeEscaped(out, key, keyEnd)
    store<u32>(out, 0x00223a22) // ":"
    out = writeEscaped(out + 3, fieldStart, fieldEnd)
  }
  return out
}

/** Writes the part from the contents to the log's index or hash, for the group with this index in the pull. */
export function writeTail(index: usize): void {
  let out = copy(TAIL, config(ID_PREFIX), config(ID_PREFIX_LENGTH))
  if (!isHashed()) {
    out = writeDecimal(out, walk64(FIRST_GROUP) + <u64>index)
    store<u8>(out++, 0x3a)
  }
  tailLength = out - TAIL
}
