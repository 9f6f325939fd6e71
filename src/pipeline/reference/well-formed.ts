import type { TopicSelection } from '../select.ts'
import { contentsOf, LogGroup, logGroupsOf, timeOf } from './log-group.ts'

/**
 * Reads everything that encoding will read, and throws the Fault `corrupt_log_group` of a malformed body. It throws before
 * any batch is sent. Otherwise the retried pull would deliver batches twice.
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
