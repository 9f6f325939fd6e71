import type { SlsClient } from '../../sls/client.ts'
import { cursorNumber } from '../../sls/cursor.ts'
import { SlsError } from '../../sls/errors.ts'
import type { GroupShard } from '../../sls/group-shards.ts'
import { persistently } from '../persistently.ts'

/** Notes about logs of the period that Log Service no longer has, or may have had: nothing can be compared with them. */
export async function unretained(
  client: SlsClient,
  shards: readonly GroupShard[],
  from: number,
  signal: AbortSignal,
): Promise<string[]> {
  const [younger, expired]: [number[], number[]] = [[], []]
  for (const { shard, checkpoint } of shards) {
    const oldest = await oldestOf(client, shard, signal)
    if (oldest === undefined) continue
    const [mark, begin] = [cursorNumber(checkpoint), cursorNumber(oldest.cursor)]
    if (mark !== undefined && begin !== undefined && mark < begin) expired.push(shard)
    else if (oldest.receivedAt !== undefined && oldest.receivedAt > from) younger.push(shard)
  }
  return [
    ...(expired.length === 0 ? [] : [`logs of shard ${expired.join(', ')} expired before they were delivered`]),
    ...(younger.length === 0
      ? []
      : [`the oldest log of shard ${younger.join(', ')} came after --from: logs that have expired are not compared`]),
  ]
}

interface Oldest {
  readonly cursor: string
  /** Unix seconds; `undefined` if the shard holds no log. */
  readonly receivedAt: number | undefined
}

/** `undefined` of a shard that is deleted. */
async function oldestOf(client: SlsClient, shard: number, signal: AbortSignal): Promise<Oldest | undefined> {
  try {
    return await persistently(async () => {
      const [cursor, end] = await Promise.all([
        client.getCursor(shard, 'begin', signal),
        client.getCursor(shard, 'end', signal),
      ])
      return { cursor, receivedAt: cursor === end ? undefined : await client.getCursorTime(shard, cursor, signal) }
    }, signal)
  } catch (error) {
    if (error instanceof SlsError && (error.reaction === 'shard_gone' || error.reaction === 'invalid_cursor'))
      return undefined
    throw error
  }
}
