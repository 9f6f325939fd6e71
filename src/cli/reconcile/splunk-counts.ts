import { Fault } from '../../core/errors.ts'
import { persistently } from '../persistently.ts'
import type { Counts, FoundEvents } from './comparison.ts'
import type { EventScope, TimeRange } from './spl.ts'
import { ALL_TIME, countsOfIds, countsOfPrefixes, timeRanges } from './spl.ts'
import type { SplunkSearch } from './splunk-search.ts'
import type { WantedWindow } from './wanted.ts'

const IDS_AT_ONCE = 200
/** The most ids that one run searches a second time. */
const SECOND_LOOKS = 5_000

/** Whose events are counted. */
export interface Counted {
  /** All ids begin with it. */
  readonly idScope: string
  /** `index`: of the window. */
  readonly scope: (index: string | undefined) => EventScope
  /** Those of the window. */
  readonly deadLetters: () => Promise<Counts>
}

/** Counts events by id through Splunk's search. */
export class SplunkCounts {
  readonly #search: SplunkSearch
  readonly #notes: Set<string>
  #secondLooks = SECOND_LOOKS

  constructor(search: SplunkSearch, notes: Set<string>) {
    this.#search = search
    this.#notes = notes
  }

  /**
   * Searches by time first: one search finds thousands of ids. Then searches for the remaining ids by name, over all time: a
   * row limit, or a rule in Splunk that changes `_time`, must not make a log look lost. Dead letters need no second search.
   */
  async ofWindow(
    window: WantedWindow,
    { idScope, scope: scopeOf, deadLetters }: Counted,
    signal: AbortSignal,
  ): Promise<FoundEvents> {
    const { shard, index, logs } = window
    const scope = scopeOf(index)
    const found = new Map<string, number>()
    const spl = countsOfPrefixes(scope, [`${idScope}:${shard}:`])
    const times = [...logs.values()].map(({ seconds }) => seconds)
    for (const range of timeRanges(times)) await this.#add(found, logs, spl, range, signal)
    const lacking = await lackingOf(window, found, deadLetters)
    const again = lacking.slice(0, this.#secondLooks)
    this.#secondLooks -= again.length
    if (again.length < lacking.length) {
      this.#notes.add(`only ${SECOND_LOOKS} of the logs not found at their time were looked for by id over all time`)
    }
    for (let i = 0; i < again.length; i += IDS_AT_ONCE) {
      await this.#add(found, logs, countsOfIds(scope, again.slice(i, i + IDS_AT_ONCE)), ALL_TIME, signal)
    }
    if (again.some((id) => found.has(id))) {
      this.#notes.add('some events were found only at another time than the time of their log')
    }
    return { of: (id) => found.get(id) ?? 0, notLookedFor: new Set(lacking.slice(again.length)) }
  }

  async #add(
    found: Map<string, number>,
    logs: WantedWindow['logs'],
    spl: string,
    range: TimeRange,
    signal: AbortSignal,
  ): Promise<void> {
    const rows = await persistently(async () => {
      const counts = new Map<string, number>()
      const row = ({ sls_event_id: id, count }: Record<string, unknown>): void => {
        if (typeof id === 'string' && logs.has(id)) counts.set(id, numberOf(count))
      }
      await this.#search.run(spl, range, row, signal)
      return counts
    }, signal)
    for (const [id, count] of rows) found.set(id, (found.get(id) ?? 0) + count)
  }
}

/** Ids before the checkpoint of which nothing was found, and that no dead letter explains. */
async function lackingOf(
  { committed, logs }: WantedWindow,
  found: ReadonlyMap<string, number>,
  deadLetters: () => Promise<Counts>,
): Promise<string[]> {
  const lacking = committed ? [...logs].filter(([id]) => !found.has(id)) : []
  if (lacking.length === 0) return []
  const letters = await deadLetters()
  return lacking.filter(([id, { times }]) => letters.of(id) < times).map(([id]) => id)
}

/** Splunk writes numbers as text. A count that is not one must not hide a missing log. */
function numberOf(count: unknown): number {
  if ((typeof count === 'string' || typeof count === 'number') && /^\d+$/.test(String(count))) return Number(count)
  throw new Fault('transient', 'a row of Splunk has an event id and no count', { code: 'incomplete' })
}
