import type { WantedWindow } from './wanted.ts'

/** One line of the result. */
export interface ShardResult {
  readonly shard: number
  /** Logs the filter wants; every copy counts. */
  wanted: number
  /** Wanted logs that are in the SIEM. */
  found: number
  /** Before the checkpoint, and neither in the SIEM nor in a dead letter: lost, or not searchable yet. */
  missing: number
  /** Events in the SIEM after the first of each log. */
  duplicated: number
  /** Not in the SIEM, but in a dead letter. */
  deadLettered: number
  /** Before the checkpoint, not in the SIEM at their time, and not looked for at others: nothing is known of them. */
  notLookedFor: number
  /** At or after the checkpoint and not in the SIEM yet: the bridge still has to deliver them. */
  pending: number
}

export interface MissingLog {
  readonly shard: number
  /** The index that it is missing in, if indexes are told apart. */
  readonly index?: string
  readonly id: string
  readonly cursor: string
  /** The log's own time, ISO 8601. */
  readonly time: string
}

export interface Counts {
  /** Events with this id. */
  of(id: string): number
}

export interface FoundEvents extends Counts {
  /** Ids of which 0 proves nothing. */
  readonly notLookedFor?: ReadonlySet<string>
}

export function emptyResult(shard: number): ShardResult {
  return { shard, wanted: 0, found: 0, missing: 0, duplicated: 0, deadLettered: 0, notLookedFor: 0, pending: 0 }
}

export interface Lacking {
  readonly missing: readonly MissingLog[]
  /** Logs from before the start that are not there. They count nowhere else. */
  readonly unowed: number
}

/** Adds a window to its shard's line and returns what lacks. Reads `deadLetters` only if some log was not found. */
export async function compare(
  { shard, index, committed, unowed, logs }: WantedWindow,
  events: FoundEvents,
  deadLetters: () => Promise<Counts>,
  result: ShardResult,
): Promise<Lacking> {
  const missing: MissingLog[] = []
  let neverOwed = 0
  for (const [id, { times, seconds, cursor }] of logs) {
    const there = events.of(id)
    const lacking = Math.max(0, times - there)
    result.wanted += times
    result.found += times - lacking
    result.duplicated += Math.max(0, there - times)
    if (lacking === 0) continue
    const letters = Math.min(lacking, (await deadLetters()).of(id))
    result.deadLettered += letters
    if (unowed) {
      result.wanted -= lacking - letters
      neverOwed += lacking - letters
    } else if (!committed) result.pending += lacking - letters
    else if (events.notLookedFor?.has(id)) result.notLookedFor += lacking - letters
    else if (lacking > letters) {
      result.missing += lacking - letters
      const time = new Date(seconds * 1000).toISOString()
      missing.push({ shard, ...(index !== undefined && { index }), id, cursor, time })
    }
  }
  return { missing, unowed: neverOwed }
}

export function totalOf(results: readonly ShardResult[]): Omit<ShardResult, 'shard'> {
  const { shard, ...total } = emptyResult(0)
  for (const result of results) {
    for (const key of Object.keys(total) as Array<keyof typeof total>) total[key] += result[key]
  }
  return total
}
