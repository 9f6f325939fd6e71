/** Unix seconds of `_time`; `to` is exclusive, as `latest` is. */
export interface TimeRange {
  readonly from: number
  readonly to: number
}

/** Where the events are, as the bridge writes it into every envelope. Absent: anywhere. */
export interface EventScope {
  readonly index: string | undefined
  readonly source?: string
}

/** All `_time`s that a log can have: SLS counts seconds in 32 bits. */
export const ALL_TIME: TimeRange = { from: 0, to: 2 ** 32 }

/**
 * Events by id, for all ids with one of these prefixes. `tstats` reads index-time fields where they are stored. A plain
 * `sls_event_id=…` would look for the id in the event's text first, where it is not, and find nothing.
 */
export function countsOfPrefixes(scope: EventScope, prefixes: readonly string[], inline?: TimeRange): string {
  const wanted = prefixes.map((prefix) => `sls_event_id=${quoted(`${prefix}*`)}`)
  return counts(scope, wanted.length === 1 ? (wanted[0] as string) : `(${wanted.join(' OR ')})`, inline)
}

/** Events by id, only for these ids. */
export function countsOfIds(scope: EventScope, ids: readonly string[]): string {
  return counts(scope, `(${ids.map((id) => `sls_event_id=${quoted(id)}`).join(' OR ')})`)
}

function counts({ index, source }: EventScope, ids: string, inline?: TimeRange): string {
  const where = [
    `index=${index === undefined ? '*' : quoted(index)}`,
    ...(source === undefined ? [] : [`source=${quoted(source)}`]),
    ids,
    ...(inline ? [`earliest=${inline.from}`, `latest=${inline.to}`] : []),
  ]
  return `| tstats count where ${where.join(' ')} by sls_event_id`
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}

const APART_SECONDS = 3_600
const MOST_RANGES = 16

/**
 * The times of a window as a few ranges, so that one log with a stray time does not make a search go through years. Each
 * range costs a search, so the closest ranges are joined when there are many.
 */
export function timeRanges(times: Iterable<number>): TimeRange[] {
  const sorted = [...new Set(times)].sort((a, b) => a - b)
  const ranges: Array<{ from: number; to: number }> = []
  for (const second of sorted) {
    const last = ranges.at(-1)
    // One second more on both sides, since a proxy in between may round the time.
    if (last && second - last.to <= APART_SECONDS) last.to = second + 2
    else ranges.push({ from: Math.max(0, second - 1), to: second + 2 })
  }
  while (ranges.length > MOST_RANGES) joinClosest(ranges)
  return ranges
}

function joinClosest(ranges: Array<{ from: number; to: number }>): void {
  const gap = (i: number): number => (ranges[i + 1] as TimeRange).from - (ranges[i] as TimeRange).to
  let closest = 0
  for (let i = 1; i < ranges.length - 1; i++) if (gap(i) < gap(closest)) closest = i
  const [, next] = [ranges[closest], ranges.splice(closest + 1, 1)[0]]
  ;(ranges[closest] as { to: number }).to = (next as TimeRange).to
}
