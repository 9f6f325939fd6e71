import {
  AFTER_HOST,
  AFTER_HOST_LENGTH,
  FIRST_GROUP,
  GROUP_STOP,
  HOST,
  HOST_LENGTH,
  ID_PREFIX,
  ID_PREFIX_BYTES,
  ID_PREFIX_LENGTH,
  SOURCE_START,
  SOURCE_STOP,
  TAGS_AT,
  TOPIC_START,
  TOPIC_STOP,
} from '../src/pipeline/wasm/memory-layout.ts'
import { copy, same } from './copy.ts'
import { writeDecimal } from './digits.ts'
import { clearHighBytes, highBytes, MAX_ESCAPED, writeEscaped } from './escape.ts'
import { beginGroupHash, endGroupHash, frame, isHashed } from './event-id.ts'
import { config, inGroup, walk64 } from './layout.ts'
import { isUtf8 } from './utf8.ts'
import { fieldEnd, fieldStart, KEY, LOG_TAGS, passField, tag, VALUE } from './wire.ts'

// The parts that all events of a log group share: from the time to the contents, and from the contents to the log's index.

const HEAD_BYTES: usize = 32 * 1024
/** Most bytes of JSON around the values. */
const FIXED_BYTES: usize = 64
const MAX_TAGS: usize = 32
/** Bytes of JSON around a tag: `","__tag__:`, `":"`. */
const TAG_PUNCTUATION: usize = 16

export const HEAD: usize = memory.data(32 * 1024 + 64, 16)
/** Has room behind the prefix for the twenty digits of a number, a colon, and bytes written too many. */
export const TAIL: usize = memory.data(ID_PREFIX_BYTES + 64, 16)
/** Place and length of the key of each tag. */
const TAG_KEYS: usize = memory.data(32 * 8, 16)

const BEFORE_HOST: usize = memory.data<u8>([0x2c, 0x22, 0x68, 0x6f, 0x73, 0x74, 0x22, 0x3a, 0x22], 16) // ,"host":"
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

export let headLength: usize = 0
export let tailLength: usize = 0
/** End of the group's frames so far. */
let frames: usize = 0

/** Writes the head of the group at this address. False when the host must write its events. */
export function writeHead(group: usize): bool {
  const topicStart = inGroup(group, TOPIC_START)
  const topicEnd = inGroup(group, TOPIC_STOP)
  const sourceStart = inGroup(group, SOURCE_START)
  const sourceEnd = inGroup(group, SOURCE_STOP)
  const hostLength: usize = config(HOST) === 0 ? 0 : config(HOST_LENGTH)
  const values = topicEnd - topicStart + 2 * (sourceEnd - sourceStart)
  let room = HEAD_BYTES - FIXED_BYTES
  const fixed = hostLength + config(AFTER_HOST_LENGTH)
  if (fixed > room || values > (room - fixed) / MAX_ESCAPED) return false
  room -= fixed + MAX_ESCAPED * values
  clearHighBytes()
  let out = copy(HEAD, BEFORE_HOST, 9)
  if (config(HOST) === 0) out = writeEscaped(out, sourceStart, sourceEnd)
  else out = copy(out, config(HOST), hostLength)
  out = copy(out, config(AFTER_HOST), config(AFTER_HOST_LENGTH))
  out = copy(out, BEFORE_TOPIC, 13)
  out = writeEscaped(out, topicStart, topicEnd)
  out = copy(out, BEFORE_SOURCE, 16)
  out = writeEscaped(out, sourceStart, sourceEnd)
  if (isHashed()) frames = frame(frame(beginGroupHash(), topicStart, topicEnd), sourceStart, sourceEnd)
  out = writeTags(out, group, room)
  if (out === 0 || (highBytes && !isUtf8(HEAD, out))) return false
  if (isHashed()) endGroupHash(frames)
  headLength = out - HEAD
  return true
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
