/**
 * The search of a splunkd that `reconcile` uses, on the receiver's own port: `POST /services/search/v2/jobs/export`,
 * also under its older name. It understands exactly
 *
 *     | tstats count where index=<index> source="<source>" sls_event_id="<text>*" by sls_event_id
 *     | tstats count where index=<index> source="<source>" (sls_event_id="<id>" OR …) by sls_event_id
 *
 * also without `source`, and with texts that end in `*` among the ids. `earliest_time`, `latest_time` (unix seconds, the
 * latter exclusive) and `output_mode=json` come with it. Every other search is refused, so that an invented result is never
 * mistaken for Splunk's.
 */
import type { IncomingMessage } from 'node:http'
import { readBody } from './body.ts'
import type { HecIndex } from './index.ts'
import type { HecReply } from './response.ts'
import { JSON_TYPE, jsonReply } from './response.ts'

const PATHS: readonly string[] = ['/services/search/v2/jobs/export', '/services/search/jobs/export']
const MAX_BODY = 1_000_000
const TEXT = '"((?:[^"\\\\]|\\\\.)*)"'
const SEARCH = new RegExp(
  `^\\| tstats count where index=(?:(\\*)|${TEXT}) (?:source=${TEXT} )?` +
    `(?:sls_event_id=${TEXT}|\\((sls_event_id=${TEXT}(?: OR sls_event_id=${TEXT})*)\\)) by sls_event_id$`,
)
const ONE_ID = new RegExp(`sls_event_id=${TEXT}`, 'g')

interface Search {
  /** `undefined`: all. */
  index: string | undefined
  /** `undefined`: all. */
  source: string | undefined
  wants: (id: string) => boolean
}

export function isSearch(path: string): boolean {
  return PATHS.includes(path)
}

/** A request must show `token` as its authentication token or session key; without one every request is refused. */
export async function answerSearch(
  index: HecIndex,
  token: string | undefined,
  request: IncomingMessage,
): Promise<HecReply> {
  if (request.method !== 'POST') return refusal(405, 'FATAL', 'only POST is answered here')
  const [, given] = /^(?:Bearer|Splunk) (\S+)$/.exec(request.headers.authorization ?? '') ?? []
  if (token === undefined || given !== token) return refusal(401, 'WARN', 'call not properly authenticated')
  if (!index.kept) return refusal(400, 'FATAL', 'this receiver does not keep events, so it cannot search them')
  const body = await readBody(request, MAX_BODY)
  if (!Buffer.isBuffer(body)) return refusal(400, 'FATAL', `the body is ${body}`)
  const form = new URLSearchParams(body.toString('utf8'))
  const search = parse(form.get('search') ?? '')
  if (!search) return refusal(400, 'FATAL', 'this receiver answers only the searches of reconcile')
  const [earliest, latest] = ['earliest_time', 'latest_time'].map((name) => Number(form.get(name) ?? Number.NaN))
  if (Number.isNaN(earliest) || Number.isNaN(latest) || form.get('output_mode') !== 'json') {
    return refusal(400, 'FATAL', 'earliest_time and latest_time must be unix seconds, output_mode json')
  }
  return rows(counts(index, search, earliest as number, latest as number))
}

function parse(text: string): Search | undefined {
  const match = SEARCH.exec(text)
  if (!match) return undefined
  const [, , index, source, one, several = ''] = match
  const texts = one === undefined ? [...several.matchAll(ONE_ID)].map(([, id = '']) => id) : [one]
  const [prefixes, ids] = [texts.filter(isPrefix), texts.filter((text) => !isPrefix(text))]
  const [begins, whole] = [prefixes.map((text) => plain(text.slice(0, -1))), new Set(ids.map(plain))]
  return {
    index: index === undefined ? undefined : plain(index),
    source: source === undefined ? undefined : plain(source),
    wants: (id) => whole.has(id) || begins.some((begin) => id.startsWith(begin)),
  }
}

function isPrefix(text: string): boolean {
  return text.endsWith('*')
}

function plain(quoted: string): string {
  return quoted.replace(/\\(.)/g, '$1')
}

function counts(index: HecIndex, search: Search, earliest: number, latest: number): Map<string, number> {
  const found = new Map<string, number>()
  for (const { envelope } of index.since(0)) {
    const id = envelope.fields?.['sls_event_id']
    const time = Number(envelope.time)
    if (typeof id !== 'string' || !search.wants(id) || time < earliest || time >= latest) continue
    if (search.source !== undefined && envelope.source !== search.source) continue
    if (search.index !== undefined && envelope.index !== search.index) continue
    found.set(id, (found.get(id) ?? 0) + 1)
  }
  return found
}

function rows(found: ReadonlyMap<string, number>): HecReply {
  const last = found.size - 1
  const lines = [...found].map(([id, count], offset) => {
    const result = { sls_event_id: id, count: String(count) }
    return JSON.stringify({ preview: false, offset, ...(offset === last && { lastrow: true }), result })
  })
  const body = lines.length > 0 ? lines : [JSON.stringify({ preview: false, lastrow: true })]
  return { status: 200, body: `${body.join('\n')}\n`, type: JSON_TYPE }
}

function refusal(status: number, type: 'FATAL' | 'WARN', text: string): HecReply {
  return jsonReply(status, { messages: [{ type, text }] })
}
