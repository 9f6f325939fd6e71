/**
 * The part of SPL that this server can evaluate: `*`, and `* | where <field> = '<value>'` as a row filter. Rows that match
 * are put into new groups, as the real service does: one per topic, source and set of tags, in the order they first occur.
 */
import type { LogGroupInput } from '../../sls/log-group.ts'
import { decodeLogGroup, encodeLogGroup, splitLogGroup } from '../../sls/log-group.ts'
import { SlsRefusal } from './refusal.ts'

export interface RowFilter {
  /** Content key, `__topic__`, `__source__` or `__tag__:<key>`; undefined lets every row pass. */
  field?: string
  value: string
}

export interface FilteredGroups {
  /** Encoded groups. */
  groups: Buffer[]
  /** Rows before and after the filter. */
  scanned: number
  matched: number
}

const ALL = /^\s*\*\s*$/
const WHERE = /^\s*\*\s*\|\s*where\s+(?:"([^"]+)"|([\w.-]+))\s*=\s*'((?:[^']|'')*)'\s*$/i

/**
 * Refuses a query that it can't evaluate with ParameterInvalid: a guess might return rows that the service would not.
 */
export function parseQuery(query: string): RowFilter {
  if (ALL.test(query)) return { value: '' }
  const where = WHERE.exec(query)
  if (!where) throw new SlsRefusal('ParameterInvalid', `this emulator cannot evaluate the query: ${query}`)
  const [, quoted, plain, value = ''] = where
  return { field: quoted ?? plain ?? '', value: value.replaceAll("''", "'") }
}

/** Groups with the same key are put together. */
export interface Grouping {
  readonly key: string
  readonly rows: number
}

export function groupingOf(group: Buffer): Grouping {
  const { logs, rest } = splitLogGroup(group)
  const { topic, source, tags } = decodeLogGroup(rest)
  return { key: JSON.stringify([topic, source, tags]), rows: logs.length }
}

export function filterGroups(raw: readonly Buffer[], filter: RowFilter): FilteredGroups {
  const rebuilt = new Map<string, LogGroupInput>()
  let scanned = 0
  let matched = 0
  for (const bytes of raw) {
    const group = decodeLogGroup(bytes)
    const { topic, source, tags } = group
    const shared = new Map([['__topic__', topic], ['__source__', source], ...tags.map(tagField)])
    const key = JSON.stringify([topic, source, tags])
    for (const log of group.logs) {
      scanned += 1
      // As the SDKs flatten a log: contents override fields of the group, and the last of several values wins.
      const own = log.contents.findLast(([name]) => name.toString() === filter.field)?.[1].toString()
      if (filter.field !== undefined && (own ?? shared.get(filter.field)) !== filter.value) continue
      matched += 1
      const { time, timeNs, contents } = log
      const target = rebuilt.get(key) ?? { topic, source, tags, logs: [] }
      target.logs.push({ time, ...(timeNs !== undefined && { timeNs }), contents })
      rebuilt.set(key, target)
    }
  }
  return { groups: [...rebuilt.values()].map(encodeLogGroup), scanned, matched }
}

function tagField([key, value]: [string, string]): [string, string] {
  return [`__tag__:${key}`, value]
}
