import type { TopicSelection } from '../select.ts'
import { LogGroupView } from './log-view.ts'
import { PairReader } from './pairs.ts'
import { FieldCursor } from './wire.ts'

const LOG_GROUPS = 0x0a
const TIME = 0x08
const CONTENTS = 0x12

/**
 * Looks at everything that encoding will look at and throws its Fault `corrupt_log_group` beforehand, so that no batch of a
 * body leaves whose end turns out malformed: the retried pull would deliver that batch again. A fifth of encoding's time.
 */
export function assertWellFormed(body: Buffer, topics: TopicSelection): void {
  const groups = new FieldCursor(body)
  const group = new LogGroupView(body)
  const log = new FieldCursor(body)
  const pair = new PairReader(body)
  groups.open(0, body.length)
  while (groups.next()) {
    if (groups.tag !== LOG_GROUPS) continue
    group.open(groups.start, groups.stop)
    if (!topics.wants(body, group.topicStart, group.topicEnd)) continue
    group.eachTag((start, end) => pair.read(start, end))
    while (group.nextLog()) {
      log.open(group.logStart, group.logEnd)
      while (log.next()) {
        if (log.tag === CONTENTS) pair.read(log.start, log.stop)
        else if (log.tag === TIME) log.uint32()
      }
    }
  }
}
