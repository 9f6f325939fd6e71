import type { Single } from '../../config/single.ts'
import { onOneLine } from '../../core/text.ts'
import type { MissingLog, ShardResult } from './comparison.ts'
import type { Period } from './period.ts'

export interface Reconciliation {
  readonly period: Period
  readonly sls: Pick<Single['sls'], 'project' | 'logstore' | 'consumerGroup'>
  readonly total: Omit<ShardResult, 'shard'>
  readonly shards: readonly ShardResult[]
  /** The first of them, as many as `--show` says. */
  readonly missing: readonly MissingLog[]
  readonly notes: readonly string[]
  /** Nothing is missing. */
  readonly ok: boolean
}

const COLUMNS = ['wanted', 'found', 'missing', 'duplicated', 'deadLettered', 'pending'] as const
const HEADER = ['SHARD', 'WANTED', 'FOUND', 'MISSING', 'DUPLICATED', 'DEAD-LETTERED', 'PENDING']

export function asJson({ period, sls, ok, total, shards, missing, notes }: Reconciliation): string {
  const { project, logstore, consumerGroup } = sls
  const [from, to] = [isoTime(period.from), isoTime(period.to)]
  return `${JSON.stringify({ project, logstore, consumerGroup, from, to, ok, total, shards, missing, notes })}\n`
}

export function asText({ period, sls, ok, total, shards, missing, notes }: Reconciliation): string {
  const row = (name: string, result: Reconciliation['total']) => [name, ...COLUMNS.map((key) => String(result[key]))]
  const rows = shards.map((result) => row(String(result.shard), result))
  const lines = [
    `${sls.project}/${sls.logstore}, received from ${isoTime(period.from)} until ${isoTime(period.to)}, group ${sls.consumerGroup}`,
    ...aligned([HEADER, ...rows, row('all', total)]),
    ...missing.map(({ shard, id, cursor, time }) =>
      onOneLine(`missing  shard ${shard}  cursor ${cursor}  ${id}  ${time}`),
    ),
    ...(total.missing > missing.length ? [`missing  … ${total.missing - missing.length} more (--show N)`] : []),
    ...notes.map((note) => `note     ${onOneLine(note)}`),
    verdict(ok, total),
  ]
  return `${lines.join('\n')}\n`
}

/** Normal when nothing was logged. Otherwise the period or FILTER_TOPICS is wrong. */
export const NOTHING_COMPARED =
  'no log of the period is wanted: nothing was compared. Check FILTER_TOPICS and the period'

function verdict(ok: boolean, { wanted, missing, pending }: Reconciliation['total']): string {
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
