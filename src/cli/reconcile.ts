import { readdirSync } from 'node:fs'
import type { Parser } from '../config/parsers.ts'
import { text, wholeNumber } from '../config/parsers.ts'
import type { Single } from '../config/single.ts'
import { Fault, messageOf } from '../core/errors.ts'
import { NO_TELEMETRY } from '../core/telemetry.ts'
import { programOf, referenceEncoder, slsClient } from '../parts.ts'
import { readDeadLetters } from '../sinks/dead-letter-files.ts'
import { shardsOfGroup } from '../sls/group-shards.ts'
import { USER_AGENT } from '../version.ts'
import type { CommandIo } from './command.ts'
import { command, defaulting, EXIT, flag, optional, repeatable, required, UsageError } from './command.ts'
import { singleConfigurationOf } from './configuration.ts'
import { persistently } from './persistently.ts'
import type { Counts, MissingLog, ShardResult } from './reconcile/comparison.ts'
import { compare, emptyResult, totalOf } from './reconcile/comparison.ts'
import { readExportedIds } from './reconcile/exported-ids.ts'
import { IdCounts } from './reconcile/id-counts.ts'
import type { Period } from './reconcile/period.ts'
import { periodOf } from './reconcile/period.ts'
import type { Reconciliation } from './reconcile/report.ts'
import { asJson, asText, NOTHING_COMPARED } from './reconcile/report.ts'
import { countsOfPrefix, scopeOf } from './reconcile/spl.ts'
import { SplunkCounts } from './reconcile/splunk-counts.ts'
import { SplunkSearch } from './reconcile/splunk-search.ts'
import type { WantedWindow } from './reconcile/wanted.ts'
import { wantedWindows } from './reconcile/wanted.ts'

const HELP = `Compare the wanted logs in SLS with the events in Splunk, by sls_event_id: is anything missing?

usage: sls-siem-bridge reconcile --from TIME [--to TIME] [options]

  --from TIME        first receive time at Log Service: 2026-01-31T00:00:00+08:00, unix seconds, or -6h, -2d, -90m
  --to TIME          end of the period, exclusive (default -5m)
  --show N           list the first N missing logs (default 20)
  --dead-letter DIR  look for dead letters here too, not only in DEAD_LETTER_DIR; repeatable
  --ids FILE         compare with a file exported from Splunk by hand (CSV with sls_event_id and count, or one id a line)
  --print-spl        only print the search whose result --ids takes
  --json             one JSON document: from, to, ok, total, shards, missing, notes
  --config FILE      the configuration file (default: BRIDGE_CONFIG; without one, the environment)
  --help

The period is in receive time, the order in which Log Service keeps logs. The settings of "run" (FILTER_TOPICS, SLS_QUERY)
decide which logs are wanted, so use the same environment. Reads Splunk through its REST API: SPLUNK_SEARCH_URL,
SPLUNK_SEARCH_TOKEN. Ingests nothing and commits nothing. See docs/reconcile.md.

MISSING       before the checkpoint, and neither in Splunk nor in a dead letter
DUPLICATED    events in Splunk after the first of each log
DEAD-LETTERED refused by Splunk for good, and kept as dead letters
PENDING       at or after the checkpoint, not in Splunk yet: the bridge still has to deliver them

Exit code 0: nothing is missing; 1: logs are missing, or the comparison failed; 2: wrong usage or configuration.
`

/** A log's own time is before its arrival if its collector was offline, and after it if its clock is wrong. */
const OLDER_SECONDS = 86_400
const NEWER_SECONDS = 3_600
/** An accepted event can be searched after some seconds. */
const INDEXING_SECONDS = 60

interface Question {
  readonly period: Period
  readonly show: number
  readonly deadLetterDirs: readonly string[]
  readonly ids: string | undefined
  readonly json: boolean
}

/** Only DEAD_LETTER_DIR may be missing, when there was no dead letter yet. A folder given here must exist. */
const folder: Parser<string> = {
  allowed: 'a folder that can be read',
  parse(path) {
    try {
      readdirSync(path)
      return { value: path }
    } catch (error) {
      return { refused: `cannot be read: ${messageOf(error)}` }
    }
  },
}

export const reconcileCommand = command({
  name: 'reconcile',
  help: HELP,
  configured: true,
  options: {
    from: required(text),
    to: defaulting('-5m', text),
    show: defaulting('20', wholeNumber(0, 999_999)),
    deadLetter: repeatable(folder),
    ids: optional(text),
    printSpl: flag,
    json: flag,
  },
  async run({ from, to, printSpl, ids, deadLetter, ...others }, io) {
    const period = periodOf(from, to, Date.now() / 1000)
    const asksSplunk = ids === undefined && !printSpl
    const { config, warnings } = await singleConfigurationOf(io, asksSplunk ? ['service', 'search'] : ['service'])
    if (printSpl) {
      const range = { from: Math.max(0, period.from - OLDER_SECONDS), to: period.to + NEWER_SECONDS }
      io.stdout.write(`${countsOfPrefix(scopeOf(config), `${config.sls.logstore}:`, range)}\n`)
      return EXIT.done
    }
    if (asksSplunk && !(config.search.url && config.search.token)) {
      throw new UsageError('set SPLUNK_SEARCH_URL and SPLUNK_SEARCH_TOKEN, or give --ids FILE')
    }
    return answer({ period, ids, deadLetterDirs: deadLetter, ...others }, config, new Set(warnings), io)
  },
})

async function answer(question: Question, config: Single, notes: Set<string>, io: CommandIo): Promise<number> {
  const { stdout, stderr, signal } = io
  const { sls, proxies } = config
  const client = slsClient({ source: sls, logstore: sls.logstore, proxies, telemetry: NO_TELEMETRY })
  try {
    const siem = await openSiem(question.ids, config, notes)
    try {
      const reconciliation = await reconcile(question, config, { client, siem, notes, signal })
      stdout.write(question.json ? asJson(reconciliation) : asText(reconciliation))
      return reconciliation.ok ? EXIT.done : EXIT.failed
    } finally {
      await siem.close()
    }
  } catch (error) {
    if (!signal.aborted) throw error
    stderr.write('sls-siem-bridge reconcile: stopped before it was done\n')
    return EXIT.failed
  } finally {
    await client.close()
  }
}

interface Siem {
  ofWindow(window: WantedWindow, signal: AbortSignal): Promise<Counts>
  close(): Promise<void>
}

async function openSiem(ids: string | undefined, config: Single, notes: Set<string>): Promise<Siem> {
  if (ids !== undefined) return exported(ids, notes)
  const { url = '', token, tls } = config.search
  if (!token) throw new Error('no token')
  const search = new SplunkSearch({
    url,
    token,
    tls,
    userAgent: USER_AGENT,
    notes,
  })
  const counts = new SplunkCounts(search, { scope: scopeOf(config), logstore: config.sls.logstore, notes })
  return { ofWindow: (window, signal) => counts.ofWindow(window, signal), close: () => search.close() }
}

async function exported(path: string, notes: Set<string>): Promise<Siem> {
  const { counts, unread } = await readExportedIds(path).catch((error) => {
    throw new Fault('configuration', `cannot read ${path}: ${messageOf(error)}`, { code: 'ids' })
  })
  if (unread.count > 0) {
    notes.add(`${unread.count} lines of ${path} hold no id, the first is line ${unread.first}`)
  }
  return { ofWindow: async () => counts, close: async () => {} }
}

interface Means {
  readonly client: ReturnType<typeof slsClient>
  readonly siem: Siem
  readonly notes: Set<string>
  readonly signal: AbortSignal
}

/** Reads the checkpoints first, so that everything before them was delivered before Splunk is asked. */
async function reconcile(
  { period, show, deadLetterDirs }: Question,
  config: Single,
  { client, siem, notes, signal }: Means,
): Promise<Reconciliation> {
  const { sls } = config
  if (period.to > Date.now() / 1000 - INDEXING_SECONDS) {
    notes.add('--to is less than a minute ago: events delivered since then may not be searchable yet')
  }
  if (sls.query !== undefined) {
    notes.add('with SLS_QUERY identical logs share an id: their numbers of missing and duplicated logs are estimates')
  }
  const shards = await persistently(() => shardsOfGroup(client, sls.consumerGroup, signal), signal)
  const encoder = referenceEncoder(programOf(config.whole, sls, sls.logstore))
  const letters = onlyOnce(() => deadLettersOf(config, deadLetterDirs, notes))
  const results: ShardResult[] = []
  const missing: MissingLog[] = []
  for (const shard of shards) {
    const result = emptyResult(shard.shard)
    results.push(result)
    for await (const window of wantedWindows(
      {
        client,
        logstore: { source: sls.name, project: sls.project, logstore: sls.logstore },
        encoder,
        ...wanted(config),
      },
      shard,
      period,
      signal,
    )) {
      const lost = await compare(window, await siem.ofWindow(window, signal), letters, result)
      missing.push(...lost.slice(0, Math.max(0, show - missing.length)))
    }
  }
  const total = totalOf(results)
  if (total.wanted === 0) notes.add(NOTHING_COMPARED)
  return { period, sls, total, shards: results, missing, notes: [...notes], ok: total.missing === 0 }
}

function wanted({ sls }: Single): { fetchCount: number; query?: string } {
  return { fetchCount: sls.fetchCount, ...(sls.query === undefined ? {} : { query: sls.query }) }
}

function onlyOnce<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}

async function deadLettersOf(
  { deadLetterDir, sls }: Single,
  others: readonly string[],
  notes: Set<string>,
): Promise<Counts> {
  const counts = new IdCounts()
  let damaged = 0
  for (const dir of new Set([deadLetterDir, ...others])) {
    for await (const { letter } of readDeadLetters(dir)) {
      if (!letter) damaged++
      else if (letter.origin.project === sls.project && letter.origin.event_id) counts.add(letter.origin.event_id)
    }
  }
  if (damaged > 0) notes.add(`${damaged} damaged lines among the dead letters were skipped`)
  return counts
}
