import { Fault } from '../../core/errors.ts'
import type { StartPosition } from '../../core/start-position.ts'
import type { SlsClient } from '../../sls/client.ts'
import { cursorNumber } from '../../sls/cursor.ts'
import { SlsError } from '../../sls/errors.ts'
import type { GroupShard } from '../../sls/group-shards.ts'
import { within } from './within.ts'

/** For all questions about one shard. */
const SHARD_MS = 5_000

/**
 * - `caught up`: the checkpoint is the end of the shard; `finished`: of a read-only shard, so no log will come.
 * - `behind`: logs wait after the checkpoint; `not started`: there is no checkpoint yet, and logs wait.
 * - `empty`: there is no checkpoint, and the shard holds no log.
 * - `before the start`: there is no checkpoint, and all logs came before `SLS_START`. They are not delivered.
 * - `expired`: the service no longer has the logs at the checkpoint. `LAG` counts from the oldest log that it has.
 * - `deleted`: the shard is still listed, and the service has removed it.
 * - `unknown`: the service does not tell, and `fault` says why.
 */
type ShardState =
  | 'caught up'
  | 'behind'
  | 'finished'
  | 'not started'
  | 'empty'
  | 'before the start'
  | 'expired'
  | 'deleted'
  | 'unknown'

export interface ShardPosition {
  readonly state: ShardState
  /** Seconds by the service's clock; 0 only where it tells that no log waits, `null` where it does not tell. */
  readonly lagSeconds: number | null
  /** Log groups after the checkpoint; `null` if it is not known. */
  readonly groupsBehind: number | null
  readonly fault?: Fault
}

export interface PositionQuestion {
  readonly client: SlsClient
  readonly shard: Pick<GroupShard, 'shard' | 'status' | 'checkpoint'>
  /** Where a shard without a checkpoint starts. */
  readonly start: StartPosition
}

/** Where the consumer group stands in a shard, whatever the service answers for it. */
export async function positionOf(question: PositionQuestion, signal: AbortSignal): Promise<ShardPosition> {
  try {
    return await within(SHARD_MS, signal, (until) => askedPosition(question, until))
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    if (reactionOf(error) === 'shard_gone') return { state: 'deleted', lagSeconds: 0, groupsBehind: null }
    return { state: 'unknown', lagSeconds: null, groupsBehind: null, fault: error }
  }
}

async function askedPosition(question: PositionQuestion, signal: AbortSignal): Promise<ShardPosition> {
  const { client, start } = question
  const { shard, status, checkpoint } = question.shard
  const [begin, end] = await Promise.all([
    client.getCursor(shard, 'begin', signal),
    client.getCursor(shard, 'end', signal),
  ])
  if (checkpoint === end) {
    return { state: status === 'readonly' ? 'finished' : 'caught up', lagSeconds: 0, groupsBehind: 0 }
  }
  if (checkpoint === '') {
    if (begin === end) return { state: 'empty', lagSeconds: 0, groupsBehind: 0 }
    // With `end` each shard got its checkpoint when the group started: one without is younger, and read from its beginning.
    const from = start.kind === 'time' ? await client.getCursor(shard, start.unixSeconds, signal) : begin
    if (from === end) return { state: 'before the start', lagSeconds: 0, groupsBehind: 0 }
    const lagSeconds = await client.getGroupAge(shard, from, signal)
    return { state: 'not started', lagSeconds, groupsBehind: groupsBetween(from, end) }
  }
  const groupsBehind = groupsBetween(checkpoint, end)
  const passed = groupsBetween(checkpoint, begin) ?? 0
  const age = passed > 0 ? undefined : await ageUnlessExpired(question, signal)
  if (age !== undefined) return { state: 'behind', lagSeconds: age, groupsBehind }
  // If every unread log has expired, none waits, and the end has no time to ask for.
  const lagSeconds = begin === end ? 0 : await client.getGroupAge(shard, begin, signal)
  return { state: 'expired', lagSeconds, groupsBehind }
}

/** It may expire during the question, and cursors that are not numbers do not tell before. */
async function ageUnlessExpired(
  { client, shard: { shard, checkpoint } }: PositionQuestion,
  signal: AbortSignal,
): Promise<number | undefined> {
  try {
    return await client.getGroupAge(shard, checkpoint, signal)
  } catch (error) {
    if (reactionOf(error) === 'invalid_cursor') return undefined
    throw error
  }
}

function reactionOf(error: unknown): string | undefined {
  return error instanceof SlsError ? error.reaction : undefined
}

function groupsBetween(from: string, to: string): number | null {
  const [first, last] = [cursorNumber(from), cursorNumber(to)]
  return first === undefined || last === undefined ? null : Number(last - first)
}
