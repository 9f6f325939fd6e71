import {
  COPIES,
  COPY_MORE,
  COPY_OUTPUT,
  COPY_ROUTE,
  COPY_SHAPE,
  DONE,
  FULL,
  GROUP,
  GROUP_COUNT,
  GROUP_END,
  GROUP_INDEX,
  GROUP_START,
  GROUP_STOP,
  HANDED_OVER,
  LOG,
  LOG_END,
  LOG_INDEX,
  LOGS_AT,
  NODE_COUNT,
  OUTPUT_ENDS,
  OUTPUT_EVENTS,
  OUTPUT_MAX_BATCH,
  OUTPUT_ROUTES,
  OUTPUT_START,
  OUTPUT_STOP,
  OUTPUT_USED,
  PARSE_COUNT,
  PARSES,
  TIME_COUNT,
  TIMES,
} from '../src/pipeline/wasm/memory-layout.ts'
import { isHashed } from './event-id.ts'
import { canWrite, canWriteAgain, readLog, takeTimes, writeCopy, writeCopyAgain, writeEvent } from './events.ts'
import { useHead, writeMembers, writeTail } from './head.ts'
import { resetKeys } from './keys.ts'
import {
  addTo,
  CONFIG,
  FILTERED,
  GROUPS,
  groupAt,
  inGroup,
  OUTPUTS,
  outputAt,
  program,
  ROUTED,
  setWalk,
  setWord,
  WALK,
  walk,
  word,
} from './layout.ts'
import { addedBytes } from './line.ts'
import { inflate, inflatePausedFrom, inflatePausedTo } from './lz4.ts'
import { parseLines } from './parses.ts'
import { chosen, chosenCount, decideGroup, decideLog, groupIsDecided, reason } from './routes.ts'
import { beginTests } from './tests.ts'
import { examine } from './well-formed.ts'
import { fieldEnd, fieldStart, LOGS, passField, tag } from './wire.ts'

export { examine, inflate, inflatePausedFrom, inflatePausedTo }

/** Whether the kernel can write events of the current group. */
let headIsWritten: bool = false

export function configAt(): usize {
  return CONFIG
}

export function walkAt(): usize {
  return WALK
}

export function groupsAt(): usize {
  return GROUPS
}

export function outputsAt(): usize {
  return OUTPUTS
}

export function filteredAt(): usize {
  return FILTERED
}

export function routedAt(): usize {
  return ROUTED
}

/** Where free memory begins. */
export function freeFrom(): usize {
  return __heap_base
}

/** Prepares for the program that the host has put in place. False when it has keys that the kernel cannot hold. */
export function enterProgram(): bool {
  return resetKeys()
}

/** Continues the walk that the host has put in place. */
export function resume(): void {
  if (walk(GROUP) > 0) beginGroup(groupAt(walk(GROUP) - 1))
}

/** Writes events of an examined body until enough are written, the host must write a log, or the body ends. */
export function encode(): i32 {
  return program(NODE_COUNT) === 0 ? encodePlain() : encodeRouted()
}

function encodePlain(): i32 {
  const output = outputAt(0)
  const events = word(output, OUTPUT_START)
  const stop = word(output, OUTPUT_STOP)
  const ends = word(output, OUTPUT_ENDS)
  const maxBatch = word(output, OUTPUT_MAX_BATCH)
  while (nextLog()) {
    const start = events + word(output, OUTPUT_USED)
    const log = walk(LOG)
    const logEnd = walk(LOG_END)
    const index = walk(LOG_INDEX)
    let end: usize = 0
    if (headIsWritten && canWrite(logEnd - log, 0, stop - start)) {
      if (!isHashed()) end = writeEvent(start, log, logEnd, <u32>index)
      else if (readLog(log, logEnd)) end = writeCopy(start, <u32>index, 0)
    }
    if (end === 0) return HANDED_OVER
    const count = word(output, OUTPUT_EVENTS)
    if (count > 0 && end - events > maxBatch) return FULL
    store<u32>(ends + (count << 2), <u32>(end - events))
    setWord(output, OUTPUT_EVENTS, count + 1)
    setWord(output, OUTPUT_USED, end - events)
    setWalk(LOGS_AT, logEnd)
    setWalk(LOG_INDEX, index + 1)
  }
  return DONE
}

function encodeRouted(): i32 {
  while (nextLog()) {
    const log = walk(LOG)
    const logEnd = walk(LOG_END)
    const index = walk(LOG_INDEX)
    if (!headIsWritten || !readLog(log, logEnd)) return HANDED_OVER
    beginTests()
    let length = logEnd - log
    const parses = program(PARSE_COUNT)
    if (parses !== 0) {
      // A hash is made of the contents as they were.
      if (isHashed() || !parseLines(program(PARSES), parses)) return HANDED_OVER
      length += addedBytes
    }
    const times = program(TIME_COUNT)
    if (times !== 0 && !takeTimes(program(TIMES), times)) return HANDED_OVER
    if (!groupIsDecided && !decideLog()) return HANDED_OVER
    if (chosenCount === 0) addTo(FILTERED, reason, 1)
    else {
      const stop = writeCopies(length, <u32>index)
      if (stop !== DONE) return stop
    }
    setWalk(LOGS_AT, logEnd)
    setWalk(LOG_INDEX, index + 1)
  }
  return DONE
}

/** Writes the chosen copies of the log that was read: all of them or none. DONE if it did. */
function writeCopies(length: usize, index: u32): i32 {
  for (let number: usize = 0; number < chosenCount; number++) {
    const copy = chosen(number)
    const shape = word(copy, COPY_SHAPE)
    const output = outputAt(word(copy, COPY_OUTPUT))
    const used = word(output, OUTPUT_USED)
    const start = word(output, OUTPUT_START) + used
    let end: usize = 0
    if (useHead(copy)) {
      const room = word(output, OUTPUT_STOP) - start
      const isSame = number > 0 && word(chosen(number - 1), COPY_SHAPE) === shape
      if (isSame) end = canWriteAgain(room) ? writeCopyAgain(start) : 0
      else if (canWrite(length, word(copy, COPY_MORE), room)) end = writeCopy(start, index, shape)
    }
    const events = word(output, OUTPUT_EVENTS)
    const isFull = end !== 0 && events > 0 && end - word(output, OUTPUT_START) > word(output, OUTPUT_MAX_BATCH)
    if (end === 0 || isFull) {
      unwriteCopies(number)
      // Copies of one log that fill an output alone are the host's.
      return isFull && word(output, OUTPUT_EVENTS) > 0 ? FULL : HANDED_OVER
    }
    const route = word(copy, COPY_ROUTE)
    store<u32>(word(output, OUTPUT_ENDS) + (events << 2), <u32>(end - start + used))
    store<u16>(word(output, OUTPUT_ROUTES) + (events << 1), <u16>route)
    setWord(output, OUTPUT_USED, end - start + used)
    setWord(output, OUTPUT_EVENTS, events + 1)
    addTo(ROUTED, route, 1)
  }
  return DONE
}

/** Takes back the first `count` of the chosen copies. */
function unwriteCopies(count: usize): void {
  while (count > 0) {
    count--
    const copy = chosen(count)
    const output = outputAt(word(copy, COPY_OUTPUT))
    const events = word(output, OUTPUT_EVENTS) - 1
    const before: usize = events === 0 ? 0 : <usize>load<u32>(word(output, OUTPUT_ENDS) + ((events - 1) << 2))
    setWord(output, OUTPUT_USED, before)
    setWord(output, OUTPUT_EVENTS, events)
    addTo(ROUTED, word(copy, COPY_ROUTE), <u32>-1)
  }
}

/** Finds the next log without moving past it. False when there is none. */
function nextLog(): bool {
  while (true) {
    const end = walk(GROUP_END)
    let at = walk(LOGS_AT)
    while (at < end) {
      at = passField(at, end)
      if (tag !== LOGS) continue
      setWalk(LOG, fieldStart)
      setWalk(LOG_END, fieldEnd)
      return true
    }
    const number = walk(GROUP)
    if (number === walk(GROUP_COUNT)) return false
    const group = groupAt(number)
    setWalk(GROUP, number + 1)
    setWalk(LOGS_AT, inGroup(group, GROUP_START))
    setWalk(GROUP_END, inGroup(group, GROUP_STOP))
    setWalk(LOG_INDEX, 0)
    beginGroup(group)
  }
}

function beginGroup(group: usize): void {
  headIsWritten = writeMembers(group)
  if (program(NODE_COUNT) === 0) headIsWritten = headIsWritten && useHead(program(COPIES))
  else if (!decideGroup(group)) headIsWritten = false
  writeTail(inGroup(group, GROUP_INDEX))
}
