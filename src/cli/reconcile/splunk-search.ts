import type { Dispatcher } from 'undici'
import type { SearchToken } from '../../config/parsers.ts'
import { Fault } from '../../core/errors.ts'
import { beginningOf } from '../../core/text.ts'
import { Connections } from '../../net/connections.ts'
import { networkFault, variablesOf } from '../../net/network-fault.ts'
import type { Tls } from '../../net/tls.ts'
import type { TimeRange } from './spl.ts'

export interface SplunkSearchOptions {
  /** Management URL (port 8089), without trailing slash. */
  readonly url: string
  readonly token: SearchToken
  readonly tls: Tls
  readonly userAgent: string
  /** Collects Splunk's messages beside the rows, for example about search peers that are down. */
  readonly notes: Set<string>
}

const PATH = '/services/search/v2/jobs/export'
/** Before Splunk 9.0.1. */
const OLDER_PATH = '/services/search/jobs/export'
const SETTINGS = variablesOf('SPLUNK_SEARCH')
const CONNECT_TIMEOUT_MS = 10_000
/** A search may take long before its first row, and between two rows. */
const SILENCE_MS = 600_000
const LONGEST_LINE = 1 << 20
const LONGEST_ERROR = 64 << 10
const SHOWN_CHARACTERS = 300

/** Runs searches through Splunk's REST API and reads the rows as they arrive. */
export class SplunkSearch {
  readonly #options: SplunkSearchOptions
  readonly #connections: Connections
  readonly #origin: string
  readonly #prefix: string
  #path = PATH

  constructor(options: SplunkSearchOptions) {
    const url = new URL(options.url)
    this.#options = options
    this.#origin = url.origin
    this.#prefix = url.pathname.replace(/\/$/, '')
    this.#connections = new Connections(url.origin, {
      headersTimeout: SILENCE_MS,
      bodyTimeout: SILENCE_MS,
      connect: { timeoutMs: CONNECT_TIMEOUT_MS, tls: options.tls },
    })
  }

  /** Calls `row` for each result. If it throws a Fault, the caller drops the rows given before. */
  async run(
    search: string,
    { from, to }: TimeRange,
    row: (result: Record<string, unknown>) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const form = new URLSearchParams({
      search,
      output_mode: 'json',
      earliest_time: String(from),
      latest_time: String(to),
      preview: '0',
      adhoc_search_level: 'fast',
    })
    try {
      const answer = await this.#post(form, signal)
      if (answer.statusCode !== 200) throw await this.#refusal(answer)
      await this.#read(answer, row)
    } catch (error) {
      signal.throwIfAborted()
      throw error instanceof Fault || !(error instanceof Error) ? error : this.#networkFault(error)
    }
  }

  async close(): Promise<void> {
    await this.#connections.end()
  }

  async #post(form: URLSearchParams, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const { token, userAgent } = this.#options
    const post = () =>
      this.#connections.request({
        path: this.#prefix + this.#path,
        method: 'POST',
        headers: {
          authorization: `${token.scheme} ${token.secret.reveal()}`,
          'content-type': 'application/x-www-form-urlencoded',
          'user-agent': userAgent,
        },
        body: form.toString(),
        signal,
      })
    const answer = await post()
    if (answer.statusCode !== 404 || this.#path === OLDER_PATH) return answer
    await answer.body.dump()
    this.#path = OLDER_PATH
    return post()
  }

  /**
   * One JSON object a line: `{"preview":false,"offset":0,"result":{…}}`, the last one with `"lastrow":true`; without any
   * result `{"preview":false,"lastrow":true}` alone.
   */
  async #read(answer: Dispatcher.ResponseData, row: (result: Record<string, unknown>) => void): Promise<void> {
    let ended = false
    for await (const line of linesOf(answer.body)) {
      const { result, preview, lastrow, messages } = this.#parsed(line)
      for (const message of Array.isArray(messages) ? messages : []) this.#note(message as Record<string, unknown>)
      if (preview === true) continue
      if (typeof result === 'object' && result !== null) {
        row(result as Record<string, unknown>)
      }
      ended ||= lastrow === true
    }
    if (!ended) {
      const message = `an answer of ${this.#origin} has no end mark: rows may be missing`
      throw new Fault('transient', message, { code: 'incomplete' })
    }
  }

  #parsed(line: string): Record<string, unknown> {
    try {
      const value: unknown = JSON.parse(line)
      if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
    } catch {}
    throw this.#notSplunk(200, line)
  }

  #note({ type, text }: Record<string, unknown>): void {
    const said = this.#shown(`${type}: ${text}`)
    if (type === 'FATAL') {
      throw new Fault('configuration', `Splunk refuses the search: ${said}`, { code: 'search_refused' })
    }
    if (type === 'WARN' || type === 'ERROR') this.#options.notes.add(`Splunk says ${said}`)
  }

  async #refusal(answer: Dispatcher.ResponseData): Promise<Fault> {
    const { statusCode: status } = answer
    const text = await firstPart(answer.body)
    const said = this.#shown(messagesIn(text) ?? text) || 'empty answer'
    const message = `${this.#origin} answered HTTP ${status}: ${said}`
    const details = { code: `http_${status}`, status }
    if (status === 429 || status >= 500) return new Fault('transient', message, details)
    if (status === 401) {
      const advice =
        'Check SPLUNK_SEARCH_TOKEN: an authentication token of a user who may search (Settings → Tokens), not the HEC token.'
      return new Fault('configuration', message, { ...details, advice })
    }
    if (status === 403) {
      const advice =
        'Give the user of SPLUNK_SEARCH_TOKEN the capability "search", and the index among those it may search.'
      return new Fault('configuration', message, { ...details, advice })
    }
    if (status === 400) return new Fault('configuration', message, details)
    return this.#notSplunk(status, text)
  }

  #notSplunk(status: number, text: string): Fault {
    return new Fault('configuration', `${this.#origin} answered HTTP ${status}: ${this.#shown(text) || 'nothing'}`, {
      code: `http_${status}`,
      status,
      advice:
        'Check SPLUNK_SEARCH_URL: it is the management port (8089), not HEC (8088) or Splunk Web (8000); on Splunk Cloud ask support to open it.',
    })
  }

  #networkFault(error: Error): Fault {
    return networkFault(error, { sent: false, answering: false }, this.#origin, SETTINGS)
  }

  #shown(text: string): string {
    return beginningOf(this.#options.token.secret.hiddenIn(text), SHOWN_CHARACTERS)
  }
}

async function* linesOf(body: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of body) {
    let from = 0
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, from)) {
      const line = Buffer.concat([rest, chunk.subarray(from, end)]).toString('utf8')
      rest = Buffer.alloc(0)
      from = end + 1
      if (line.trim() !== '') yield line
    }
    rest = Buffer.concat([rest, chunk.subarray(from)])
    if (rest.length > LONGEST_LINE) {
      throw new Fault('configuration', 'a line of the answer is longer than a row can be', { code: 'not_splunk' })
    }
  }
  const line = rest.toString('utf8')
  if (line.trim() !== '') yield line
}

async function firstPart(body: AsyncIterable<Buffer>): Promise<string> {
  let text = ''
  for await (const chunk of body) {
    text += chunk.toString('utf8')
    if (text.length > LONGEST_ERROR) break
  }
  return text
}

/** Splunk's own words in `{"messages":[{"type":"WARN","text":"…"}]}`. It reports errors in this form too. */
function messagesIn(text: string): string | undefined {
  try {
    const { messages } = JSON.parse(text) as { messages?: Array<{ text?: unknown }> }
    return messages?.map(({ text: said }) => String(said)).join('; ')
  } catch {
    return undefined
  }
}
