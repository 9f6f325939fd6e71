import {
  GROUP_INDEX,
  GROUP_START,
  GROUP_STOP,
  MAX_GROUPS,
  SOURCE_START,
  SOURCE_STOP,
  TAGS_AT,
  TOPIC_COUNT,
  TOPIC_IS_PREFIX,
  TOPIC_START,
  TOPIC_STOP,
  TOPICS,
} from '../src/pipeline/wasm/memory-layout.ts'
import { same } from './copy.ts'
import { groupAt, inGroup, program, setInGroup } from './layout.ts'

/** Number of groups to deliver so far. */
let kept: usize = 0
/** Address of the current group, behind those to deliver. */
let group: usize = 0

export function keptGroups(): usize {
  return kept
}

export function keepNoGroups(): void {
  kept = 0
}

/** False when there are too many groups. */
export function beginGroup(start: usize, end: usize, index: u32): bool {
  if (kept === MAX_GROUPS) return false
  group = groupAt(kept)
  setInGroup(group, GROUP_START, start)
  setInGroup(group, GROUP_STOP, end)
  setInGroup(group, GROUP_INDEX, index)
  setTopic(start, start)
  setSource(start, start)
  setInGroup(group, TAGS_AT, end)
  return true
}

/** The last of a repeated Topic or Source counts. */
export function setTopic(start: usize, end: usize): void {
  setInGroup(group, TOPIC_START, start)
  setInGroup(group, TOPIC_STOP, end)
}

export function setSource(start: usize, end: usize): void {
  setInGroup(group, SOURCE_START, start)
  setInGroup(group, SOURCE_STOP, end)
}

export function sawTag(at: usize): void {
  if (inGroup(group, TAGS_AT) === inGroup(group, GROUP_STOP)) setInGroup(group, TAGS_AT, at)
}

export function currentGroup(): usize {
  return group
}

export function keepGroup(): void {
  kept++
}

/** Whether the list has the topic of the current group. Ask only if there is a list: without one, all are wanted. */
export function isWanted(): bool {
  const topicStart = inGroup(group, TOPIC_START)
  const length = inGroup(group, TOPIC_STOP) - topicStart
  const count = program(TOPIC_COUNT)
  let topic = program(TOPICS)
  for (let index: usize = 0; index < count; index++) {
    const size = <usize>(load<u32>(topic) & ~TOPIC_IS_PREFIX)
    const isPrefix = (load<u32>(topic) & TOPIC_IS_PREFIX) !== 0
    if ((isPrefix ? size <= length : size === length) && same(topic + 4, topicStart, size)) return true
    topic += 4 + size
  }
  return false
}
