import type { Batch } from '../../core/batch.ts'
import { bytesOf } from '../../core/batch.ts'
import { Fault } from '../../core/errors.ts'
import type { LogstoreRef } from '../../core/shard.ts'
import type { Encoder } from '../../pipeline/encoder.ts'
import type { SlsClient } from '../../sls/client.ts'
import { cursorNumber, cursorOf } from '../../sls/cursor.ts'
import type { GroupShard } from '../../sls/group-shards.ts'
import { firstGroupOf } from '../../sls/pull.ts'
import { persistently } from '../persistently.ts'
import type { Period } from './period.ts'

interface WantedLog {
  /** Its own time, unix seconds: `_time` in the SIEM. */
  readonly seconds: number
  /** Its place in the shard. */
  readonly cursor: string
  /** Events with this id: copies, or identical logs with `SLS_QUERY`, where ids are hashes. */
  times: number
}

/** Some of one shard's wanted logs, a bounded number. */
export interface WantedWindow {
  readonly shard: number
  /** The index that they go to, if indexes are told apart. */
  readonly index?: string
  /** The checkpoint is after them. So the bridge claims that each was acknowledged, filtered or dead-lettered. */
  readonly committed: boolean
  /** They came before the start of the group: the bridge delivers none of them, unless it had another start before. */
  readonly unowed?: true
  readonly logs: ReadonlyMap<string, WantedLog>
}

export interface WantedOptions {
  readonly client: SlsClient
  readonly logstore: LogstoreRef
  /** The encoder of the bridge, so that the same code decides which logs are wanted and makes their ids. */
  readonly encoder: Encoder
  /** Names of the sinks whose events count. */
  readonly sinks: ReadonlySet<string>
  /** Copies in different indexes are told apart. */
  readonly byIndex: boolean
  readonly fetchCount: number
  readonly query?: string
  /** Unix seconds: `SLS_START`, if it is a time. */
  readonly start?: number
}

/** About 10 MB of ids and cursors. */
const WINDOW_LOGS = 50_000

/**
 * The wanted logs of one shard that the service received in the period. They are cut at the group's checkpoint. The service
 * itself ends a pull there.
 */
export async function* wantedWindows(
  options: WantedOptions,
  shard: Pick<GroupShard, 'shard' | 'checkpoint'>,
  period: Period,
  signal: AbortSignal,
): AsyncGenerator<WantedWindow> {
  for (const { from, to, committed, unowed } of await stretchesIn(period, options, shard, signal)) {
    const logsByIndex = new Map<string | undefined, Map<string, WantedLog>>()
    const windowOf = (index: string | undefined): WantedWindow => {
      const logs = logsByIndex.get(index) ?? new Map()
      logsByIndex.delete(index)
      return { shard: shard.shard, ...(index !== undefined && { index }), committed, ...(unowed && { unowed }), logs }
    }
    for await (const batch of batches(options, { shard: shard.shard, from, to }, signal)) {
      const index = options.byIndex ? indexOf(batch) : undefined
      const logs = logsByIndex.get(index) ?? new Map()
      logsByIndex.set(index, logs)
      if (options.sinks.has(batch.sink)) add(batch, logs)
      options.encoder.recycle(batch)
      if (logs.size >= WINDOW_LOGS / logsByIndex.size) yield windowOf(index)
    }
    for (const [index, { size }] of [...logsByIndex]) if (size > 0) yield windowOf(index)
  }
}

/** All events of a batch go to one index. */
function indexOf(batch: Batch): string | undefined {
  return (JSON.parse(bytesOf(batch, { from: 0, to: 1 }).toString('utf8')) as { index?: string }).index
}

export interface Stretch {
  readonly from: string
  /** Exclusive. */
  readonly to: string
  readonly committed: boolean
  readonly unowed?: true
}

/** Without a checkpoint no log from before the start can have been delivered, so none is read. */
async function stretchesIn(
  period: Period,
  { client, start = 0 }: WantedOptions,
  { shard, checkpoint }: Pick<GroupShard, 'shard' | 'checkpoint'>,
  signal: AbortSignal,
): Promise<Stretch[]> {
  const at = (time: number) => persistently(() => client.getCursor(shard, time, signal), signal)
  const owedFrom = Math.min(Math.max(period.from, start), period.to)
  const [from, owed, to] = [await at(period.from), await at(owedFrom), await at(period.to)]
  const unowed: Stretch[] =
    from === owed || checkpoint === '' ? [] : [{ from, to: owed, committed: false, unowed: true }]
  return [...unowed, ...stretchesOf(owed, to, checkpoint)]
}

/** The part before the checkpoint and the part after it. Cursors that cannot be compared count as before it. */
export function stretchesOf(from: string, to: string, checkpoint: string): Stretch[] {
  if (from === to) return []
  if (checkpoint === '') return [{ from, to, committed: false }]
  const [first, last, mark] = [from, to, checkpoint].map(cursorNumber)
  if (first === undefined || last === undefined || mark === undefined || mark >= last) {
    return [{ from, to, committed: true }]
  }
  if (mark <= first) return [{ from, to, committed: false }]
  return [
    { from, to: checkpoint, committed: true },
    { from: checkpoint, to, committed: false },
  ]
}

async function* batches(
  { client, logstore, encoder, fetchCount, query }: WantedOptions,
  { shard, from, to }: { shard: number; from: string; to: string },
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  for (let cursor = from; !reaches(cursor, to); ) {
    const at = cursor
    // At most the groups up to `to`, so that a service that ignores the end sends no log after it either.
    const count = Math.min(fetchCount, groupsBetween(at, to) ?? fetchCount)
    const { body, pull } = await persistently(async () => {
      const answer = await client.pull(shard, at, {
        ...{ count, endCursor: to, signal },
        ...(query === undefined ? {} : { query }),
      })
      const read = { body: await answer.read(), pull: answer }
      if (reaches(at, answer.nextCursor)) throw incomplete(shard, at)
      return read
    }, signal)
    const firstGroup = query === undefined ? firstGroupOf(pull, at) : undefined
    yield* encoder.encode(body, { ...logstore, shard, cursor: at, firstGroup })
    cursor = pull.nextCursor
  }
}

/** Whether a cursor is at another cursor or after it. Cursors that are not numbers can only be equal. */
function reaches(cursor: string, goal: string): boolean {
  const left = groupsBetween(cursor, goal)
  return cursor === goal || (left !== undefined && left <= 0)
}

/** An upper bound: each log group moves a cursor on by one or more. */
function groupsBetween(from: string, to: string): number | undefined {
  const [first, last] = [cursorNumber(from), cursorNumber(to)]
  return first === undefined || last === undefined ? undefined : Number(last - first)
}

/** Such an answer normally means the end of the shard, but `to` lies after it. Unread logs must not count as compared. */
function incomplete(shard: number, at: string): Fault {
  const message = `shard ${shard} was not read to the end of the period: at cursor ${at} no log came and the cursor did not move`
  return new Fault('transient', message, { code: 'incomplete' })
}

function add(batch: Batch, logs: Map<string, WantedLog>): void {
  for (let i = 0; i < batch.count; i++) {
    const { id, seconds } = idAndTime(bytesOf(batch, { from: i, to: i + 1 }))
    const known = logs.get(id)
    if (known) known.times++
    else logs.set(id, { seconds, cursor: cursorInId(id) ?? batch.origin.cursor, times: 1 })
  }
}

const TIME_START = '{"time":'.length
const ID_OPEN = Buffer.from(',"fields":{"sls_event_id":"')
const QUOTE = 0x22
const DOT = 0x2e

/**
 * Reads both at the places where the encoder writes them: the first and the last member of the envelope. Inside a text the
 * quotes would be escaped. Ids have nothing that must be.
 */
export function idAndTime(event: Buffer): { id: string; seconds: number } {
  const start = event.lastIndexOf(ID_OPEN) + ID_OPEN.length
  const seconds = Number(event.toString('latin1', TIME_START, event.indexOf(DOT, TIME_START)))
  return { id: event.toString('utf8', start, event.indexOf(QUOTE, start)), seconds }
}

/** `<scope>:<shard>:<position>:<index>` holds the log group's own cursor; a hash does not. */
function cursorInId(id: string): string | undefined {
  const position = /:(\d+):\d+$/.exec(id)?.[1]
  return position === undefined ? undefined : cursorOf(BigInt(position))
}
