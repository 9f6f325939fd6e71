import {
  DONE,
  ENDS,
  EVENTS,
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
  MAX_BATCH,
  OUTPUT,
  OUTPUT_END,
  USED,
} from '../src/pipeline/wasm/memory-layout.ts'
import { canWrite, writeEvent } from './events.ts'
import { writeHead, writeTail } from './head.ts'
import { CONFIG, config, GROUPS, groupAt, inGroup, setWalk, WALK, walk } from './layout.ts'
import { fieldEnd, fieldStart, LOGS, passField, tag } from './wire.ts'

export { inflate, inflatePausedFrom, inflatePausedTo } from './lz4.ts'
export { examine } from './well-formed.ts'

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

/** Where free memory begins. */
export function freeFrom(): usize {
  return __heap_base
}

/** Continues the walk that the host has put in place. */
export function resume(): void {
  if (walk(GROUP) > 0) beginGroup(groupAt(walk(GROUP) - 1))
}

/** Writes events of an examined body until the batch is full, the host must write a log, or the body ends. */
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
    if (headIsWritten && canWrite(logEnd - log, outputEnd - start)) end = writeEvent(start, log, logEnd, <u32>index)
    if (end === 0) return HANDED_OVER
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
  headIsWritten = writeHead(group)
  writeTail(inGroup(group, GROUP_INDEX))
}
