import type { SourceConfig } from '../../config/model.ts'
import { messageOf } from '../../core/errors.ts'
import type { Shard, SlsClient } from '../../sls/client.ts'
import { cursorNumber, cursorOf } from '../../sls/cursor.ts'
import { decodeLogGroup, encodeLogGroupList, splitLogGroup, splitLogGroupList } from '../../sls/log-group.ts'

const MOST_SHARDS = 4
const GROUPS_A_SHARD = 100
const MOST_BYTES_A_SHARD = 4 << 20
const MOST_LOGS = 1000
const TIMEOUT_MS = 10_000

/** The newest logs of some shards. */
export interface Sample {
  readonly shards: number
  /** Logs that were read, by topic. */
  readonly topics: ReadonlyMap<string, number>
  /** Some of them, at most 1000, spread evenly: each is a body of one group with one log. */
  readonly logs: readonly Buffer[]
  /** Why there may be fewer logs than there should. */
  readonly missed?: string
}

/** Reads without the consumer group: no lease is taken and no checkpoint moves. Fails only when the command is ended. */
export async function sampleOf(client: SlsClient, { query }: SourceConfig, signal: AbortSignal): Promise<Sample> {
  const groups: Buffer[] = []
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
  let shards: Shard[] = []
  let missed: string | undefined
  try {
    shards = newestOf(await client.listShards(bounded))
    for (const { shardId } of shards) groups.push(...(await groupsOf(client, shardId, query, bounded)))
  } catch (error) {
    signal.throwIfAborted()
    missed = bounded.aborted ? `not all came within ${TIMEOUT_MS / 1000} s` : messageOf(error)
  }
  return { shards: shards.length, ...logsOf(groups), ...(missed !== undefined && { missed }) }
}

/** Only shards that are not read-only get new logs. */
function newestOf(shards: readonly Shard[]): Shard[] {
  const open = shards.filter(({ status }) => status !== 'readonly')
  return (open.length === 0 ? shards : open).toSorted((a, b) => b.shardId - a.shardId).slice(0, MOST_SHARDS)
}

async function groupsOf(
  client: SlsClient,
  shard: number,
  query: string | undefined,
  signal: AbortSignal,
): Promise<Buffer[]> {
  const begin = await client.getCursor(shard, 'begin', signal)
  const end = await client.getCursor(shard, 'end', signal)
  if (begin === end) return []
  let from = recent(begin, end)
  for (let count = GROUPS_A_SHARD; ; count = 1) {
    const pull = await client.pull(shard, from, { count, signal, ...(query !== undefined && { query }) })
    if (pull.rawSize <= MOST_BYTES_A_SHARD) return splitLogGroupList(await pull.read())
    pull.discard()
    // One group is at most 10 MB. If even that is too much here, the shard is left out.
    if (count === 1) return []
    from = recent(begin, end, 1n)
  }
}

/** The cursor of the group that is `groups` before the end, or the oldest one. */
function recent(begin: string, end: string, groups = BigInt(GROUPS_A_SHARD)): string {
  const [oldest, newest] = [cursorNumber(begin), cursorNumber(end)]
  if (oldest === undefined || newest === undefined || newest - groups <= oldest) return begin
  return cursorOf(newest - groups)
}

function logsOf(groups: readonly Buffer[]): Pick<Sample, 'topics' | 'logs'> {
  const topics = new Map<string, number>()
  const split = groups.map((group) => {
    const { logs, rest } = splitLogGroup(group)
    const { topic } = decodeLogGroup(rest)
    if (logs.length > 0) topics.set(topic, (topics.get(topic) ?? 0) + logs.length)
    return { logs, rest }
  })
  const step = Math.ceil(split.reduce((sum, { logs }) => sum + logs.length, 0) / MOST_LOGS)
  let seen = 0
  const chosen: Buffer[] = []
  for (const { logs, rest } of split) {
    for (const log of logs) {
      // A log stands in its group as a group stands in a list: field 1.
      if (seen++ % step === 0) chosen.push(encodeLogGroupList([Buffer.concat([rest, encodeLogGroupList([log])])]))
    }
  }
  return { topics, logs: chosen }
}
