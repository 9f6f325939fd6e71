import type { WrittenLogs } from '../../src/sls/official-client.ts'
import type { LedgerEntry } from './ledger.ts'
import { forNode, groupsFor } from './log-groups.ts'

const LARGEST = 50_000
const NOW = Math.floor(Date.now() / 1000)

/** A topic that no table knows. The names of its contents mean nothing in CEF and LEEF, so each stands there as it is. */
export const PLAIN_TOPIC = 'judged|\\ "]'

const VALUES = {
  equals: '/a?b=c|d&e=f',
  path: 'C:\\dir\\',
  lines: 'l1\r\nl2\nl3',
  forged: 'user=bob src=9.9.9.9 cs1Label=x',
  backslash: '\\n is two bytes, \\= too',
  json: '{"q":"a=b","p":"C:\\\\x","l":"1\\n2"}',
  chinese: '张三 👩‍👩‍👧',
  tabs: 'a\tb',
  spaces: '  two before',
  quotes: '"a" \'b\' ]',
  percent: '%20 %d $x',
  angle: '<14>1 - - - - - -',
  empty: '',
}

const TRAIL = {
  eventName: 'StopInstance',
  eventTime: '2026-11-29T10:53:42.123Z',
  eventRW: 'Write',
  sourceIpAddress: '10.1.2.3',
  userIdentity: { userName: 'alice', type: 'ram-user' },
  requestParameters: { Filter: 'a=b|c\nd' },
}

/** rsyslog reads no header of a year after 2099. */
function fits(log: WrittenLogs['logs'][number]): boolean {
  return JSON.stringify(log).length < LARGEST && log.timestamp < Date.UTC(2100, 0) / 1000
}

/** Logs that a parser of syslog may misread. All fit into a message. */
export const HARD: readonly WrittenLogs[] = [
  ...groupsFor('syslog', { bytes: false, hashKeys: false, repeatedKeys: false })
    .map(forNode)
    .map((group) => ({ ...group, logs: group.logs.filter(fits) }))
    .filter(({ logs }) => logs.length > 0),
  {
    ...{ topic: PLAIN_TOPIC, source: 'a"b]c\\d', tags: [{ host: 'h=|1' }] },
    logs: Object.entries(VALUES).map(([key, value], i) => ({
      ...{ timestamp: NOW, timestampNsPart: 123_456_789 + i },
      content: { [key]: value, last: 'x' },
    })),
  },
  {
    ...{ topic: 'actiontrail_audit_event', source: '' },
    logs: [{ timestamp: NOW, content: { event: JSON.stringify(TRAIL), large: '值'.repeat(LARGEST / 4) } }],
  },
]

/** What a reader of CEF or LEEF must find in a log of the plain topic, by the contract and not by the sink's code. */
export function expectedPairs({ id, event, nanoseconds }: LedgerEntry, format: 'cef' | 'leef'): Record<string, string> {
  const milliseconds = String(nanoseconds / 1_000_000n)
  const pairs = Object.entries(event).flatMap(([key, value]): [string, string][] => {
    // LEEF has no escapes: a line end becomes two bytes, and a TAB separates pairs.
    const text = (format === 'cef' ? value : value.replaceAll('\n', '\\n').replaceAll('\r', '\\r')).replaceAll(
      '\t',
      ' ',
    )
    return text === '' ? [] : [[key.replace(/[^A-Za-z0-9]/g, ''), text]]
  })
  return {
    ...Object.fromEntries(pairs),
    ...(format === 'cef' ? { rt: milliseconds } : { devTime: milliseconds, sev: '2' }),
    slsEventId: id,
  }
}

/** As RFC 3339 with six digits, cut and not rounded. */
function microseconds({ nanoseconds }: LedgerEntry): string {
  const seconds = new Date(Number(nanoseconds / 1_000_000_000n) * 1000).toISOString().slice(0, 19)
  return `${seconds}.${String((nanoseconds / 1000n) % 1_000_000n).padStart(6, '0')}Z`
}

/** The parameters of a message's structured data. The shard is the second part of the id. */
function parametersOf({ id, event }: LedgerEntry): Record<string, string> {
  const [, shard = ''] = id.split(':')
  return { id, topic: event['__topic__'] ?? '', source: event['__source__'] ?? '', shard }
}

/** The same as it stands on the wire. */
function structuredData(entry: LedgerEntry): string {
  const parameters = Object.entries(parametersOf(entry)).map(([k, v]) => `${k}="${v.replace(/["\\\]]/g, '\\$&')}"`)
  return `[sls@32473 ${parameters.join(' ')}]`
}

/** A message of RFC 5424 with a JSON payload, as a judge reads it. */
export interface ReadMessage {
  time: string
  host: string
  app: string
  /** As on the wire, or its parameters. */
  data: string | Record<string, string>
  event: unknown
}

export function expectedMessage(entry: LedgerEntry, data: 'wire' | 'parameters'): ReadMessage {
  return {
    ...{ time: microseconds(entry), host: 'conformance', app: 'sls', event: entry.event },
    data: data === 'wire' ? structuredData(entry) : parametersOf(entry),
  }
}

/** In the order of their ids. */
export function sorted<T extends { readonly data?: unknown; readonly event: unknown }>(messages: readonly T[]): T[] {
  return messages.toSorted((one, other) => (idOf(one) < idOf(other) ? -1 : 1))
}

function idOf({ data, event }: { readonly data?: unknown; readonly event: unknown }): string {
  if (typeof data === 'string') return /id="([^"]*)"/.exec(data)?.[1] ?? data
  const { id, sls_event_id } = { ...(data as object), ...(event as object) } as Record<string, unknown>
  return String(id ?? sls_event_id)
}
