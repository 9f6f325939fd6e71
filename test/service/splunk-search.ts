import { Agent, request } from 'undici'
import type { Tls } from '../../src/net/tls.ts'
import { tlsConnectOptions } from '../../src/net/tls.ts'

export interface FoundEvent {
  raw: string
  /** Epoch seconds with nine decimal places. */
  time: string
  host: string
  /** The indexed field `conformance_long`. */
  long: string
}

interface SearchAccess {
  url: string
  authorization: string
  tls: Tls
}

const COLUMNS: ReadonlyArray<keyof FoundEvent> = ['raw', 'time', 'host', 'long']

/** Every indexed event with the word, over all time, in no particular order. */
export async function searchEvents({ url, authorization, tls }: SearchAccess, word: string): Promise<FoundEvent[]> {
  const search = [
    `search index=* TERM(${word})`,
    'rename conformance_long AS long, _raw AS raw',
    'eval time=strftime(_time, "%s.%9N")',
    `table ${COLUMNS.join(' ')}`,
  ].join(' | ')
  const form = { search, output_mode: 'json', earliest_time: '0', latest_time: '+10y' }
  const agent = new Agent({ connect: tlsConnectOptions(tls) })
  try {
    const { statusCode, body } = await request(`${url.replace(/\/+$/, '')}/services/search/v2/jobs/export`, {
      ...{ method: 'POST', dispatcher: agent, body: new URLSearchParams(form).toString() },
      headers: { authorization, 'content-type': 'application/x-www-form-urlencoded' },
    })
    const text = await body.text()
    if (statusCode !== 200) throw new Error(`the search answered HTTP ${statusCode}: ${text.slice(0, 200)}`)
    return text.split('\n').flatMap(resultOf)
  } finally {
    await agent.close()
  }
}

/** One line of an export: a final result, or something else. */
function resultOf(line: string): FoundEvent[] {
  if (line.trim() === '') return []
  const { preview, result } = JSON.parse(line) as { preview?: boolean; result?: Record<string, unknown> }
  if (preview === true || result === undefined) return []
  const [raw, time, host, long] = COLUMNS.map((column) => String(result[column] ?? ''))
  return [{ raw: raw ?? '', time: time ?? '', host: host ?? '', long: long ?? '' }]
}
