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
  /** Where it is in its shard. */
  readonly cursor: string
  /** Logs with this id: more than one only where ids are hashes of contents (`SLS_QUERY`) and logs are identical. */
  times: number
}

/** A bounded run of one shard's wanted logs. */
export interface WantedWindow {
  readonly shard: number
  /** The checkpoint is past them: each was acknowledged, filtered or dead-lettered, or so it was claimed. */
  readonly committed: boolean
  readonly logs: ReadonlyMap<string, WantedLog>
}

export interface WantedOptions {
  readonly client: SlsClient
  readonly logstore: LogstoreRef
  /** The bridge's own, so that what is wanted and how it is called is decided by the same code. */
  readonly encoder: Encoder
  readonly fetchCount: number
  readonly query?: string
}

/** Some 10 MB of ids and places. */
const WINDOW_LOGS = 50_000

/**
 * The logs of one shard that the service received in the period and the bridge wants. Cut at the group's checkpoint, which
 * the service itself compares: a pull ends there.
 */
export async function* wantedWindows(
  options: WantedOptions,
  shard: Pick<GroupShard, 'shard' | 'checkpoint'>,
  period: Period,
  signal: AbortSignal,
): AsyncGenerator<WantedWindow> {
  const at = (time: number) => persistently(() => options.client.getCursor(shard.shard, time, signal), signal)
  const stretches = stretchesOf(await at(period.from), await at(period.to), shard.checkpoint)
  for (const { from, to, committed } of stretches) {
    let logs = new Map<string, WantedLog>()
    for await (const batch of batches(options, { shard: shard.shard, from, to }, signal)) {
      add(batch, logs)
      options.encoder.recycle(batch)
      if (logs.size < WINDOW_LOGS) continue
      yield { shard: shard.shard, committed, logs }
      logs = new Map()
    }
    if (logs.size > 0) yield { shard: shard.shard, committed, logs }
  }
}

export interface Stretch {
  readonly from: string
  /** Exclusive. */
  readonly to: string
  readonly committed: boolean
}

/** What lies before the checkpoint and what does not. Cursors that cannot be compared count as before it. */
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
    // No more than there is: whoever does not heed the end gives no log beyond it either.
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

/** Whether a cursor is at another or past it; of cursors that are no numbers only the former can be told. */
function reaches(cursor: string, goal: string): boolean {
  const left = groupsBetween(cursor, goal)
  return cursor === goal || (left !== undefined && left <= 0)
}

/** At the most: a cursor grows by one with every log group, or by more. */
function groupsBetween(from: string, to: string): number | undefined {
  const [first, last] = [cursorNumber(from), cursorNumber(to)]
  return first === undefined || last === undefined ? undefined : Number(last - first)
}

/** The end of a shard looks the same, but nothing before `to` is the end: what was not read must not count as compared. */
function incomplete(shard: number, at: string): Fault {
  const message = `shard ${shard} was not read to the end of the period: nothing came at cursor ${at}, nor did it move on`
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
const ID_OPEN = Buffer.from('"},"fields":{"sls_event_id":"')
const ID_CLOSE = '"}}\n'
const DOT = 0x2e

/** Reads both where the encoder writes them, at the ends of the envelope. */
export function idAndTime(event: Buffer): { id: string; seconds: number } {
  const start = event.lastIndexOf(ID_OPEN) + ID_OPEN.length
  const seconds = Number(event.toString('latin1', TIME_START, event.indexOf(DOT, TIME_START)))
  return { id: JSON.parse(`"${event.toString('utf8', start, event.length - ID_CLOSE.length)}"`) as string, seconds }
}

/** `<logstore>:<shard>:<position>:<index>` holds the log group's own cursor; a hash does not. */
function cursorInId(id: string): string | undefined {
  const position = /:(\d+):\d+$/.exec(id)?.[1]
  return position === undefined ? undefined : cursorOf(BigInt(position))
}
