import {
  BODY,
  BODY_END,
  CHOOSES_GROUPS,
  COUNT_FILTERED,
  COUNT_LOGS,
  GROUP_COUNT,
  TOPIC_COUNT,
} from '../src/pipeline/wasm/memory-layout.ts'
import { addTo, FILTERED, program, setWalk, walk } from './layout.ts'
import {
  beginGroup,
  currentGroup,
  isWanted,
  keepGroup,
  keepNoGroups,
  keptGroups,
  sawTag,
  setSource,
  setTopic,
} from './log-group.ts'
import { chosenCount, decideGroup, groupIsDecided, reason } from './routes.ts'
import {
  CONTENTS,
  fieldEnd,
  fieldStart,
  KEY,
  LOG_GROUPS,
  LOG_TAGS,
  LOGS,
  passField,
  SOURCE,
  TOPIC,
  tag,
  VALUE,
} from './wire.ts'

/**
 * Reads everything that encoding will read, and notes the groups to deliver and the counts. A body that passes here is
 * well-formed for the host too.
 */
export function examine(): bool {
  const end = walk(BODY_END)
  const routes = program(CHOOSES_GROUPS) !== 0
  const choosy = routes || program(TOPIC_COUNT) > 0
  let at = walk(BODY)
  let groups: u32 = 0
  let logs: u32 = 0
  let filtered: u32 = 0
  keepNoGroups()
  while (at < end) {
    at = passField(at, end)
    if (at === 0) return false
    if (tag !== LOG_GROUPS) continue
    const start = fieldStart
    const stop = fieldEnd
    if (!beginGroup(start, stop, groups++)) return false
    // Topics usually stand behind the logs, so a choice by topic has to pass over the logs first.
    const count = passGroup(start, stop, !choosy)
    if (count < 0) return false
    logs += count
    if (!choosy) {
      if (count > 0) keepGroup()
    } else if (program(TOPIC_COUNT) > 0 && !isWanted()) filtered += count
    else {
      if (routes) {
        if (!decideGroup(currentGroup())) return false
        if (groupIsDecided && chosenCount === 0) {
          addTo(FILTERED, reason, <u32>count)
          continue
        }
      }
      if (passGroup(start, stop, true) < 0) return false
      if (count > 0) keepGroup()
    }
  }
  setWalk(GROUP_COUNT, keptGroups())
  setWalk(COUNT_LOGS, logs)
  setWalk(COUNT_FILTERED, filtered)
  return true
}

/** Number of logs in the group; -1 when it is malformed. */
function passGroup(start: usize, end: usize, closely: bool): i32 {
  let logs = 0
  let at = start
  while (at < end) {
    const field = at
    at = passField(at, end)
    if (at === 0) return -1
    if (tag === LOGS) {
      logs++
      if (closely && !logIsWellFormed(fieldStart, fieldEnd)) return -1
    } else if (tag === TOPIC) setTopic(fieldStart, fieldEnd)
    else if (tag === SOURCE) setSource(fieldStart, fieldEnd)
    else if (tag === LOG_TAGS) {
      sawTag(field)
      if (closely && !pairIsWellFormed(fieldStart, fieldEnd)) return -1
    }
  }
  return logs
}

function logIsWellFormed(start: usize, end: usize): bool {
  let at = start
  while (at < end) {
    const usual = passUsualPair(at, end)
    if (usual !== 0) {
      at = usual
      continue
    }
    at = passField(at, end)
    if (at === 0) return false
    if (tag === CONTENTS && !pairIsWellFormed(fieldStart, fieldEnd)) return false
  }
  return true
}

/**
 * Passes over a usual content: under 16 KiB, a key under 128 bytes, then a value, nothing else. Returns 0 for any other. Wrong
 * lengths make it read bytes behind the content, but then the sum at the end is wrong too.
 */
function passUsualPair(at: usize, end: usize): usize {
  // Four bytes: CONTENTS, its length, KEY, its length. Two bytes behind the key: VALUE, its length.
  const head = load<u32>(at)
  if ((head & 0x80ff80ff) === 0x000a0012) {
    const stop = at + 2 + <usize>((head >>> 8) & 0x7f)
    const keyEnd = at + 4 + <usize>(head >>> 24)
    const tail = <u32>load<u16>(keyEnd)
    const lie = ((tail & 0x80ff) ^ VALUE) | (<u32>(keyEnd + 2 + <usize>(tail >>> 8)) ^ <u32>stop)
    return lie === 0 && stop <= end ? stop : 0
  }
  return passLargerPair(at, end)
}

function passLargerPair(at: usize, end: usize): usize {
  // The same with a length of two bytes in front.
  const size = <usize>load<u16>(at + 1)
  const key = <u32>load<u16>(at + 3)
  if (load<u8>(at) !== CONTENTS || (size & 0x8080) !== 0x80 || (key & 0x80ff) !== KEY) return 0
  const stop = at + 3 + ((size & 0x7f) | ((size >>> 8) << 7))
  const keyEnd = at + 5 + <usize>(key >>> 8)
  if (stop > end || load<u8>(keyEnd) !== VALUE) return 0
  let valueLength = <usize>load<u8>(keyEnd + 1)
  let value = keyEnd + 2
  if (valueLength >= 0x80) {
    const high = <usize>load<u8>(value++)
    if (high >= 0x80) return 0
    valueLength = (valueLength & 0x7f) | (high << 7)
  }
  return value + valueLength === stop ? stop : 0
}

function pairIsWellFormed(start: usize, end: usize): bool {
  let at = start
  while (at < end) {
    at = passField(at, end)
    if (at === 0) return false
  }
  return true
}
