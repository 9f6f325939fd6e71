import type { PullPosition, TopicLogs } from '../../core/batch.ts'
import type { Program } from '../program.ts'
import { GroupRoutes } from './group-routes.ts'
import { LogGroup, logGroupsOf } from './log-group.ts'

/**
 * The logs of a body by topic, and how many of them are dropped unread: by the topics of the source, or by a route that topic,
 * source and tags alone decide. No log is read.
 */
export function topicsOf(body: Buffer, at: PullPosition, program: Program): Map<string, TopicLogs> {
  const topics = new Map<string, TopicLogs>()
  let index = 0
  for (const bytes of logGroupsOf(body)) {
    const group = new LogGroup(bytes)
    const topic = group.topic.toString()
    const isDropped =
      !program.topics.wants(group.topic) || new GroupRoutes(program, at, group, index).dropped !== undefined
    const { logs, dropped } = topics.get(topic) ?? { logs: 0, dropped: 0 }
    topics.set(topic, { logs: logs + group.logCount, dropped: dropped + (isDropped ? group.logCount : 0) })
    index++
  }
  return topics
}
