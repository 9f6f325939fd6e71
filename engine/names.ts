import {
  GROUP_STOP,
  MAX_NAMES,
  NAME_COUNT,
  NAME_KIND,
  NAME_LENGTH,
  NAME_SIZE,
  NAME_SOURCE,
  NAME_TAG,
  NAME_TEXT,
  NAME_TOPIC,
  NAMES,
  SOURCE_START,
  SOURCE_STOP,
  TAGS_AT,
  TOPIC_START,
  TOPIC_STOP,
} from '../src/pipeline/wasm/memory-layout.ts'
import { same } from './copy.ts'
import { inGroup, PLACE, program, word } from './layout.ts'
import { isUtf8 } from './utf8.ts'
import { fieldEnd, fieldStart, KEY, LOG_TAGS, passField, tag, VALUE } from './wire.ts'

// Values of the program that all logs of a group share.

/** Place and end of each value. A place of 0: there is no such tag. */
const VALUES: usize = memory.data(8 * MAX_NAMES, 16)

export function nameStart(number: usize): usize {
  return <usize>load<u32>(VALUES + (number << 3))
}

export function nameStop(number: usize): usize {
  return <usize>load<u32>(VALUES + (number << 3) + 4)
}

/** Finds the values in a well-formed group. False when a tag is so unusual that the host must read the group. */
export function readNames(group: usize): bool {
  const count = program(NAME_COUNT)
  let hasTags = false
  for (let number: usize = 0; number < count; number++) {
    const name = program(NAMES) + number * PLACE * NAME_SIZE
    const kind = word(name, NAME_KIND)
    if (kind === NAME_TOPIC) set(number, inGroup(group, TOPIC_START), inGroup(group, TOPIC_STOP))
    else if (kind === NAME_SOURCE) set(number, inGroup(group, SOURCE_START), inGroup(group, SOURCE_STOP))
    else {
      set(number, 0, 0)
      hasTags = true
    }
  }
  return !hasTags || readTags(group)
}

function set(number: usize, from: usize, to: usize): void {
  store<u32>(VALUES + (number << 3), <u32>from)
  store<u32>(VALUES + (number << 3) + 4, <u32>to)
}

function readTags(group: usize): bool {
  const end = inGroup(group, GROUP_STOP)
  let at = inGroup(group, TAGS_AT)
  while (at < end) {
    at = passField(at, end)
    if (at === 0) return false
    if (tag !== LOG_TAGS) continue
    const pair = fieldStart
    const pairEnd = fieldEnd
    if (pair === pairEnd || passField(pair, pairEnd) === 0 || tag !== KEY) return false
    const key = fieldStart
    const keyEnd = fieldEnd
    if (keyEnd === pairEnd || passField(keyEnd, pairEnd) !== pairEnd || tag !== VALUE) return false
    // Different invalid bytes can decode to the same key.
    if (!isUtf8(key, keyEnd)) return false
    takeTag(key, keyEnd, fieldStart, fieldEnd)
  }
  return true
}

/** The last of a repeated tag counts. */
function takeTag(key: usize, keyEnd: usize, from: usize, to: usize): void {
  const count = program(NAME_COUNT)
  for (let number: usize = 0; number < count; number++) {
    const name = program(NAMES) + number * PLACE * NAME_SIZE
    const length = word(name, NAME_LENGTH)
    if (word(name, NAME_KIND) !== NAME_TAG || length !== keyEnd - key) continue
    if (same(word(name, NAME_TEXT), key, length)) set(number, from, to)
  }
}
