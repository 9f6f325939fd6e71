import { same } from './copy.ts'
import {
  config,
  GROUP_INDEX,
  GROUP_SIZE,
  GROUP_START,
  GROUP_STOP,
  GROUPS,
  MAX_GROUPS,
  SOURCE_START,
  SOURCE_STOP,
  TAGS_AT,
  TOPIC_COUNT,
  TOPIC_START,
  TOPIC_STOP,
  TOPICS,
} from './layout.ts'

/** The group whose place is being written down, the one after those that are kept. */
let group: usize = GROUPS

export function keptGroups(): usize {
  return (group - GROUPS) / GROUP_SIZE
}

export function keepNoGroups(): void {
  group = GROUPS
}

/** False when there is no more room. */
export function beginGroup(start: usize, end: usize, index: u32): bool {
  if (keptGroups() === MAX_GROUPS) return false
  store<u32>(group + GROUP_START, <u32>start)
  store<u32>(group + GROUP_STOP, <u32>end)
  store<u32>(group + GROUP_INDEX, index)
  setTopic(start, start)
  setSource(start, start)
  store<u32>(group + TAGS_AT, <u32>end)
  return true
}

/** Of a repeated Topic or Source the last counts. */
export function setTopic(start: usize, end: usize): void {
  store<u32>(group + TOPIC_START, <u32>start)
  store<u32>(group + TOPIC_STOP, <u32>end)
}

export function setSource(start: usize, end: usize): void {
  store<u32>(group + SOURCE_START, <u32>start)
  store<u32>(group + SOURCE_STOP, <u32>end)
}

export function sawTag(at: usize): void {
  if (load<u32>(group + TAGS_AT) === load<u32>(group + GROUP_STOP)) store<u32>(group + TAGS_AT, <u32>at)
}

export function keepGroup(): void {
  group += GROUP_SIZE
}

/** Whether the topic of the group is one of those to deliver. */
export function isWanted(): bool {
  const topicStart = <usize>load<u32>(group + TOPIC_START)
  const length = <usize>load<u32>(group + TOPIC_STOP) - topicStart
  const count = config(TOPIC_COUNT)
  let topic = config(TOPICS)
  for (let index: usize = 0; index < count; index++) {
    const size = <usize>load<u32>(topic)
    if (size === length && same(topic + 4, topicStart, length)) return true
    topic += 4 + size
  }
  return false
}
