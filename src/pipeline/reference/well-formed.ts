import type { TopicSelection } from '../select.ts'
import { contentsOf, LogGroup, logGroupsOf, timeOf } from './log-group.ts'

/**
 * Reads everything that encoding will read, and throws its Fault `corrupt_log_group` beforehand. No batch of a body may leave
 * whose end turns out malformed: the retried pull would deliver that batch again.
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
