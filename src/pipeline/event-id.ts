import type { PullPosition } from '../core/batch.ts'

/**
 * The part of an id that the events of one pull share: `<scope>:<shard>:`, for the scope of the program. It is followed by the log group's own cursor
 * and the log's index in the group. Where groups have no cursor of their own, `h:` and a hash of the contents follow.
 */
export function eventIdPrefix(scope: string, { shard, firstGroup }: PullPosition): string {
  return `${scope}:${shard}:${firstGroup === undefined ? 'h:' : ''}`
}
