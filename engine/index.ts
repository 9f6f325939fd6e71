import { eventBound, writeEvent } from './events.ts'
import { writeHead, writeTail } from './head.ts'
import {
  CONFIG,
  config,
  ENDS,
  EVENTS,
  GROUP,
  GROUP_COUNT,
  GROUP_END,
  GROUP_INDEX,
  GROUP_SIZE,
  GROUP_START,
  GROUP_STOP,
  GROUPS,
  LOG,
  LOG_END,
  LOG_INDEX,
  LOGS_AT,
  MAX_BATCH,
  OUTPUT,
  OUTPUT_END,
  setWalk,
  USED,
  WALK,
  walk,
} from './layout.ts'
import { fieldEnd, fieldStart, LOGS, passField, tag } from './wire.ts'

export { inflate, inflatePausedFrom, inflatePausedTo } from './lz4.ts'
export { examine } from './well-formed.ts'

// What `encode` stopped for.
const DONE = 0
/** The next event does not fit into the batch. */
const FULL = 1
/** The log in LOG … LOG_END is left to the host, which moves LOGS_AT and LOG_INDEX past it. */
const LEFT = 2

/** Whether events of the group the walk is in can be written here. */
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

/** Where memory begins that is not used here. */
export function freeFrom(): usize {
  return __heap_base
}

/** Takes up the walk and the groups that the host has put in place. */
export function resume(): void {
  if (walk(GROUP) > 0) beginGroup(GROUPS + (walk(GROUP) - 1) * GROUP_SIZE)
}

/** Writes events until one of the above happens. The body must have been examined. */
export function encode(): i32 {
  const output = config(OUTPUT)
  const outputEnd = config(OUTPUT_END)
  const maxBatch = config(MAX_BATCH)
  const ends = config(ENDS)
  while (nextLog()) {
    const start = output + walk(USED)
    const log = walk(LOG)
    const logEnd = walk(LOG_END)
    const index = walk(LOG_INDEX)
    let end: usize = 0
    if (headIsWritten && eventBound(logEnd - log) <= outputEnd - start) end = writeEvent(start, log, logEnd, <u32>index)
    if (end === 0) return LEFT
    const events = walk(EVENTS)
    if (events > 0 && end - output > maxBatch) return FULL
    store<u32>(ends + (events << 2), <u32>(end - output))
    setWalk(EVENTS, events + 1)
    setWalk(USED, end - output)
    setWalk(LOGS_AT, logEnd)
    setWalk(LOG_INDEX, index + 1)
  }
  return DONE
}

/** Finds the next log, but does not move past it. False when there is none. */
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
    const group = GROUPS + number * GROUP_SIZE
    setWalk(GROUP, number + 1)
    setWalk(LOGS_AT, <usize>load<u32>(group + GROUP_START))
    setWalk(GROUP_END, <usize>load<u32>(group + GROUP_STOP))
    setWalk(LOG_INDEX, 0)
    beginGroup(group)
  }
}

function beginGroup(group: usize): void {
  headIsWritten = writeHead(group)
  writeTail(load<u32>(group + GROUP_INDEX))
}
