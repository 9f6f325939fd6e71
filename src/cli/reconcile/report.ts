import { escapedJson, onOneLine } from '../../core/text.ts'
import type { MissingLog, ShardResult } from './comparison.ts'
import type { Period } from './period.ts'

/** The result of one logstore. */
export interface LogstoreResult {
  readonly source: string
  readonly project: string
  readonly logstore: string
  readonly consumerGroup: string
  readonly total: Total
  readonly shards: readonly ShardResult[]
  /** The first of them; `--show` says how many of all logstores. */
  readonly missing: readonly MissingLog[]
}

type Total = Omit<ShardResult, 'shard'>

export interface Reconciliation {
  readonly period: Period
  /** One at least. */
  readonly logstores: readonly LogstoreResult[]
  readonly notes: readonly string[]
  readonly total: Total
  /** Nothing is missing, and everything was looked for. */
  readonly ok: boolean
}

const COLUMNS = ['wanted', 'found', 'missing', 'duplicated', 'deadLettered', 'notLookedFor', 'pending'] as const
const HEADER = ['SHARD', 'WANTED', 'FOUND', 'MISSING', 'DUPLICATED', 'DEAD-LETTERED', 'NOT-LOOKED-FOR', 'PENDING']

/** A single logstore is the document; several are a list in it. */
export function asJson({ period, logstores, ok, total, notes }: Reconciliation): string {
  const [from, to] = [isoTime(period.from), isoTime(period.to)]
  const [first, ...more] = logstores as readonly [LogstoreResult, ...LogstoreResult[]]
  if (more.length > 0) return `${escapedJson(JSON.stringify({ from, to, ok, total, logstores, notes }))}\n`
  const { project, logstore, consumerGroup, shards, missing } = first
  const document = { project, logstore, consumerGroup, from, to, ok, total, shards, missing, notes }
  return `${escapedJson(JSON.stringify(document))}\n`
}

export function asText({ period, logstores, ok, total, notes }: Reconciliation): string {
  const lines = [
    ...logstores.flatMap((result) => linesOf(result, period)),
    ...notes.map((note) => `note     ${onOneLine(note)}`),
    verdict(ok, total),
  ]
  return `${lines.join('\n')}\n`
}

function linesOf(result: LogstoreResult, period: Period): string[] {
  const { project, logstore, consumerGroup, shards, total, missing } = result
  const row = (name: string, counts: Total) => [name, ...COLUMNS.map((key) => String(counts[key]))]
  const rows = shards.map((shard) => row(String(shard.shard), shard))
  return [
    `${project}/${logstore}, received from ${isoTime(period.from)} until ${isoTime(period.to)}, group ${consumerGroup}`,
    ...aligned([HEADER, ...rows, row('all', total)]),
    ...missing.map(({ shard, index, id, cursor, time }) =>
      onOneLine(
        `missing  shard ${shard}  cursor ${cursor}  ${id}  ${time}${index === undefined ? '' : `  index ${index}`}`,
      ),
    ),
    ...(total.missing > missing.length ? [`missing  … ${total.missing - missing.length} more (--show N)`] : []),
  ]
}

/** Normal when nothing was logged. Otherwise the period or FILTER_TOPICS is wrong. */
export const NOTHING_COMPARED =
  'no log of the period is wanted: nothing was compared. Check FILTER_TOPICS and the period'

function verdict(ok: boolean, { wanted, missing, notLookedFor, pending }: Total): string {
  const unknown = `${notLookedFor} were not looked for: compare shorter periods`
  if (missing > 0 && notLookedFor > 0) return `${missing} of ${wanted} wanted logs are missing, and ${unknown}`
  if (notLookedFor > 0) return `of ${wanted} wanted logs ${unknown}`
  if (!ok) return `${missing} of ${wanted} wanted logs are missing: see docs/reconcile.md`
  if (wanted === 0) return NOTHING_COMPARED
  return pending > 0 ? `nothing is missing; ${pending} are still to be delivered` : 'nothing is missing'
}

function aligned(rows: string[][]): string[] {
  const widths = HEADER.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) => row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  '))
}

function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
}
