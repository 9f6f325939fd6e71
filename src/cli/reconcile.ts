import { readdirSync } from 'node:fs'
import type { Config } from '../config/model.ts'
import type { Parser } from '../config/parsers.ts'
import { text, wholeNumber } from '../config/parsers.ts'
import { messageOf } from '../core/errors.ts'
import type { StartPosition } from '../core/start-position.ts'
import { NO_TELEMETRY } from '../core/telemetry.ts'
import { credentialSources, referenceEncoder, slsClient } from '../parts.ts'
import type { SlsClient } from '../sls/client.ts'
import { SlsError } from '../sls/errors.ts'
import { shardsOfGroup } from '../sls/group-shards.ts'
import type { CommandIo } from './command.ts'
import { command, defaulting, EXIT, flag, optional, repeatable, required, UsageError } from './command.ts'
import { configurationOf, WITHOUT_FILE } from './configuration.ts'
import { persistently } from './persistently.ts'
import type { ComparedLogstore } from './reconcile/compared-logstore.ts'
import { comparedLogstores } from './reconcile/compared-logstore.ts'
import type { Counts, MissingLog, ShardResult } from './reconcile/comparison.ts'
import { compare, emptyResult, totalOf } from './reconcile/comparison.ts'
import { deadLettersOf, lettersOfIndex } from './reconcile/dead-letters.ts'
import type { Period } from './reconcile/period.ts'
import { periodOf } from './reconcile/period.ts'
import type { LogstoreResult, Reconciliation } from './reconcile/report.ts'
import { asJson, asText, NOTHING_COMPARED } from './reconcile/report.ts'
import { unretained } from './reconcile/retention.ts'
import type { Siem } from './reconcile/siem.ts'
import { openSiem } from './reconcile/siem.ts'
import { countsOfPrefixes } from './reconcile/spl.ts'
import { wantedWindows } from './reconcile/wanted.ts'

const HELP = `Compare the wanted logs in SLS with the events in Splunk, by sls_event_id: is anything missing?

usage: sls-siem-bridge reconcile --from TIME [--to TIME] [options]

  --from TIME        first receive time at Log Service: 2026-01-31T00:00:00+08:00, unix seconds, or -6h, -2d, -90m
  --to TIME          end of the period, exclusive (default -5m)
  --show N           list the first N missing logs (default 20)
  --sink NAME        compare only the events for this sink of the configuration file; repeatable. Needed where sinks are
                     different Splunks: one run asks one of them
  --dead-letter DIR  look for dead letters here too, not only in DEAD_LETTER_DIR; repeatable
  --ids FILE         compare with a file exported from Splunk by hand (CSV with sls_event_id and count, or one id a line)
  --print-spl        only print the search whose result --ids takes
  --json             one JSON document: from, to, ok, total, shards, missing, notes; with several logstores "logstores"
                     holds project, logstore, total, shards, missing of each
  --config FILE      the configuration file (default: BRIDGE_CONFIG; without one, the environment)
  --help

The period is in receive time, the order in which Log Service keeps logs. The settings of "run" (FILTER_TOPICS, SLS_QUERY,
the routes of the configuration file) decide which logs are wanted, so use the same. Every copy for a Splunk counts. Reads
Splunk through its REST API: SPLUNK_SEARCH_URL, SPLUNK_SEARCH_TOKEN. Ingests nothing and commits nothing. See
docs/reconcile.md.

MISSING        before the checkpoint, and neither in Splunk nor in a dead letter
DUPLICATED     events in Splunk after the first of each log
DEAD-LETTERED  refused by Splunk for good, and kept as dead letters
NOT-LOOKED-FOR not at their time in Splunk, and too many to look for at others: compare shorter periods
PENDING        at or after the checkpoint, not in Splunk yet: the bridge still has to deliver them

Exit code 0: nothing is missing; 1: logs are missing or were not looked for, or the comparison failed; 2: wrong usage or
configuration.
`

/** A log's own time is before its arrival if its collector was offline, and after it if its clock is wrong. */
const OLDER_SECONDS = 86_400
const NEWER_SECONDS = 3_600
/** An accepted event can be searched after some seconds. */
const INDEXING_SECONDS = 60

interface Question {
  /** By the time of the service. */
  readonly periodAt: (nowSeconds: number) => Period
  readonly show: number
  readonly deadLetterDirs: readonly string[]
  /** Names of the sinks that count; none: all. */
  readonly sinks: readonly string[]
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
    sink: repeatable(text),
    deadLetter: repeatable(folder),
    ids: optional(text),
    printSpl: flag,
    json: flag,
  },
  async run({ from, to, printSpl, ids, deadLetter, sink: sinks, ...others }, io) {
    const periodAt = periodOf(from, to)
    const asksSplunk = ids === undefined && !printSpl
    const { config, warnings } = await configurationOf(
      io,
      asksSplunk ? ['service', 'search'] : ['service'],
      WITHOUT_FILE,
    )
    const { logstores, notes } = comparedLogstores(config, sinks, !asksSplunk)
    if (printSpl) {
      io.stdout.write(`${searchOf(logstores, periodAt(Date.now() / 1000))}\n`)
      return EXIT.done
    }
    if (asksSplunk && !(config.search.url && config.search.token)) {
      throw new UsageError('set SPLUNK_SEARCH_URL and SPLUNK_SEARCH_TOKEN, or give --ids FILE')
    }
    const question = { periodAt, ids, sinks, deadLetterDirs: deadLetter, ...others }
    return answer(question, { config, logstores }, new Set([...warnings, ...notes]), io)
  },
})

/** One search for all of them. Only a single one names its index and source. */
function searchOf(logstores: readonly ComparedLogstore[], period: Period): string {
  const range = { from: Math.max(0, period.from - OLDER_SECONDS), to: period.to + NEWER_SECONDS }
  const [first, ...more] = logstores
  const scope = first === undefined || more.length > 0 ? { index: undefined } : first.scope(undefined)
  const prefixes = logstores.map(({ program }) => `${program.idScope}:`)
  return countsOfPrefixes(scope, prefixes, range)
}

interface Subject {
  readonly config: Config
  readonly logstores: readonly ComparedLogstore[]
}

async function answer(question: Question, subject: Subject, notes: Set<string>, io: CommandIo): Promise<number> {
  const { stdout, stderr, signal } = io
  try {
    const siem = await openSiem(question.ids, subject.config, notes)
    try {
      const reconciliation = await reconcile(question, subject, { siem, notes, signal })
      stdout.write(question.json ? asJson(reconciliation) : asText(reconciliation))
      return reconciliation.ok ? EXIT.done : EXIT.failed
    } finally {
      await siem.close()
    }
  } catch (error) {
    if (!signal.aborted) throw error
    stderr.write('sls-siem-bridge reconcile: stopped before it was done\n')
    return EXIT.failed
  }
}

interface Means {
  readonly siem: Siem
  readonly notes: Set<string>
  readonly signal: AbortSignal
}

async function reconcile(question: Question, { config, logstores }: Subject, means: Means): Promise<Reconciliation> {
  const { notes } = means
  const dirs = [config.deadLetterDir, ...question.deadLetterDirs]
  const letters = onlyOnce(() => deadLettersOf(logstores, dirs, notes))
  const asked = clientsOf(config, logstores)
  try {
    const period = await periodOfService(question, asked, means)
    const results: LogstoreResult[] = []
    let left = question.show
    for (const { logstore, client } of asked) {
      const place = asked.length > 1 ? `${logstore.ref.project}/${logstore.ref.logstore}: ` : ''
      const note = (text: string) => void notes.add(`${place}${text}`)
      const result = await ofLogstore(logstore, { ...means, client, letters, note, period, show: left })
      results.push(result)
      left -= result.missing.length
    }
    const total = totalOf(results.flatMap(({ shards }) => shards))
    if (total.wanted === 0) notes.add(NOTHING_COMPARED)
    return { period, logstores: results, total, notes: [...notes], ok: total.missing + total.notLookedFor === 0 }
  } finally {
    await Promise.all(asked.map(({ client }) => client.close()))
  }
}

interface Asked {
  readonly logstore: ComparedLogstore
  readonly client: SlsClient
}

function clientsOf(config: Config, logstores: readonly ComparedLogstore[]): Asked[] {
  const credentials = credentialSources(NO_TELEMETRY)
  return logstores.map((logstore) => {
    const { source, ref } = logstore
    const parts = { source, logstore: ref.logstore, proxies: config.proxies, telemetry: NO_TELEMETRY }
    return { logstore, client: slsClient({ ...parts, credentials: credentials(source) }) }
  })
}

/** By the clock of the first service: that of this machine may be wrong, and regions have the same time. */
async function periodOfService(question: Question, asked: readonly Asked[], { notes, signal }: Means): Promise<Period> {
  const { client } = asked[0] as Asked
  const now = await persistently(() => client.getTime(signal), signal)
  const period = question.periodAt(now)
  if (period.to > now - INDEXING_SECONDS) {
    notes.add('--to is less than a minute ago: events delivered since then may not be searchable yet')
  }
  return period
}

interface LogstoreMeans extends Means {
  /** Adds a note about this logstore. */
  readonly note: (text: string) => void
  readonly client: SlsClient
  readonly letters: () => Promise<Counts>
  readonly period: Period
  readonly show: number
}

/** Reads the checkpoints first, so that everything before them was delivered before Splunk is asked. */
async function ofLogstore(
  logstore: ComparedLogstore,
  { client, siem, letters, note, period, show, signal }: LogstoreMeans,
): Promise<LogstoreResult> {
  const { source, ref, program, sinks, byIndex } = logstore
  const { query, fetchCount, consumerGroup } = source
  if (query !== undefined) {
    note('with SLS_QUERY identical logs share an id: their numbers of missing and duplicated logs are estimates')
  }
  const shards = await persistently(() => shardsOfGroup(client, consumerGroup, signal), signal)
  const encoder = referenceEncoder(program)
  const reading = {
    ...{ client, logstore: ref, encoder, sinks, byIndex, fetchCount },
    ...(query === undefined ? {} : { query }),
    ...(source.start.kind === 'time' && { start: source.start.unixSeconds }),
  }
  const results: ShardResult[] = []
  const missing: MissingLog[] = []
  let unowed = 0
  for (const doubt of await unretained(client, shards, period.from, signal)) note(doubt)
  for (const shard of shards) {
    const result = emptyResult(shard.shard)
    results.push(result)
    try {
      for await (const window of wantedWindows(reading, shard, period, signal)) {
        const deadLetters = async () => lettersOfIndex(await letters(), window.index)
        const found = await siem.ofWindow(window, { logstore, deadLetters }, signal)
        const lost = await compare(window, found, deadLetters, result)
        unowed += lost.unowed
        missing.push(...lost.missing.slice(0, Math.max(0, show - missing.length)))
      }
    } catch (error) {
      if (!(error instanceof SlsError && error.reaction === 'shard_gone')) throw error
      note(`shard ${shard.shard} is deleted: its logs have expired, and cannot be compared`)
    }
  }
  const total = totalOf(results)
  for (const doubt of notesOfStart(source.start, period, { unowed, missing: total.missing })) note(doubt)
  return { ...ref, consumerGroup, total, shards: results, missing }
}

function notesOfStart(
  start: StartPosition,
  { from }: Period,
  { unowed, missing }: { unowed: number; missing: number },
): string[] {
  if (start.kind === 'end' && missing > 0) {
    return [
      'with SLS_START=end logs from before the first start of the group are never delivered, but look missing here',
    ]
  }
  if (start.kind !== 'time' || start.unixSeconds <= from) return []
  const lacking = unowed === 0 ? '' : `. ${unowed} of them are not in Splunk, in shards that have a checkpoint`
  return [`logs from before the start (SLS_START) are never delivered, so they do not count${lacking}`]
}

function onlyOnce<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}
