import type { TopicSelection } from '../select.ts'
import { contentsOf, LogGroup, logGroupsOf, timeOf } from './log-group.ts'

/**
 * Reads everything that encoding will read, and throws its Fault `corrupt_log_group` beforehand. A malformed body is pulled
 * again, so a batch of it that had left would be delivered twice.
 */
export function assertWellFormed(body: Buffer, topics: TopicSelection): void {
  for (const bytes of logGroupsOf(body)) {
    const group = new LogGroup(bytes)
    if (!topics.wants(group.topic)) continue
    readToTheEnd(group.tags())
    for (const log of group.logs()) {
      timeOf(log)
      readToTheEnd(contentsOf(log))
    }
  }
}

function readToTheEnd(parts: Iterable<unknown>): void {
  for (const _ of parts);
}
