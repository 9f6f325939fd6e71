import { randomUUID } from 'node:crypto'
import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import type { HecReceiver } from '../../src/emulator/hec/server.ts'
import { startHecReceiver } from '../../src/emulator/hec/server.ts'
import { tlsConnectOptions } from '../../src/net/tls.ts'
import { cannot } from './fact.ts'
import type { FoundEvent } from './splunk-search.ts'
import { searchEvents } from './splunk-search.ts'
import type { HecAccess, Subject } from './subject.ts'

export interface HecRequest {
  method?: string
  /** Path after `/services/collector`. Default `/event`. */
  path?: string
  token?: 'plain' | 'ack'
  /** Instead of the token; `null` sends none. */
  authorization?: string | null
  /** Default: a new GUID, because the bridge always sends one; `null` sends none. */
  channel?: string | null
  headers?: Readonly<Record<string, string>>
  /** Default `sls-siem-bridge-conformance`; `null` sends none. */
  userAgent?: string | null
  body?: string | Buffer
}

export interface HecAnswer {
  status: number
  header: (name: string) => string | undefined
  text: string
  /** HEC's own answer, if there is one. */
  reply: { code?: number; ackId?: number; 'invalid-event-number'?: number; acks?: Record<string, boolean> } | undefined
  /** Whether it came on the previous request's connection. */
  reused: boolean
}

export const GZIP = { 'Content-Encoding': 'gzip' }
const PROLOGUE = 'slssiembridgeconformance'
const SEARCH_SECONDS = 60

/** The tested HTTP Event Collector, our receiver or a real one. */
export class HecService {
  readonly access: HecAccess
  readonly subject: Subject
  /** Set if our receiver is tested. */
  readonly receiver: HecReceiver | undefined
  readonly #agent: HttpAgent
  readonly #run = Date.now().toString(36)
  #marks = 0

  static async start(subject: Subject): Promise<HecService> {
    if (subject.hec) return new HecService(subject, subject.hec, undefined)
    const [token, ackToken] = [randomUUID(), randomUUID()]
    const receiver = await startHecReceiver({
      tokens: [
        { token, name: 'plain', indexes: ['main'] },
        { token: ackToken, name: 'ack', ack: true },
      ],
    })
    const access = { url: receiver.url, token, ackToken, tls: { verify: true }, search: undefined }
    return new HecService(subject, access, receiver)
  }

  private constructor(subject: Subject, access: HecAccess, receiver: HecReceiver | undefined) {
    this.subject = subject
    this.access = access
    this.receiver = receiver
    const pool = { keepAlive: true, maxSockets: 1 }
    this.#agent = access.url.startsWith('https:')
      ? new HttpsAgent({ ...pool, ...tlsConnectOptions(access.tls) })
      : new HttpAgent(pool)
  }

  get judged(): string {
    return this.receiver ? 'our HEC receiver' : `Splunk at ${this.access.url}`
  }

  allows(what: 'large'): boolean {
    return this.receiver !== undefined || this.subject[what]
  }

  /** A word that no other event contains. */
  mark(): string {
    return `${PROLOGUE}${this.#run}x${++this.#marks}`
  }

  /** Sends one request, on the previous connection if it is still open. */
  send(given: HecRequest = {}): Promise<HecAnswer> {
    const { method = 'POST', path = '/event', body, userAgent = 'sls-siem-bridge-conformance' } = given
    const { channel = randomUUID(), authorization = `Splunk ${this.#token(given.token ?? 'plain')}` } = given
    const headers: Record<string, string> = {
      ...(authorization !== null && { Authorization: authorization }),
      ...(channel !== null && { 'X-Splunk-Request-Channel': channel }),
      ...(userAgent !== null && { 'User-Agent': userAgent }),
      ...(body !== undefined && {
        'Content-Length': String(Buffer.byteLength(body)),
        'Content-Type': 'application/json',
      }),
      ...given.headers,
    }
    const request = this.access.url.startsWith('https:') ? httpsRequest : httpRequest
    return new Promise((resolve, reject) => {
      const url = `${this.access.url}/services/collector${path}`
      const outgoing = request(url, { method, headers, agent: this.#agent, timeout: 60_000 }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString()
          const header = (name: string) => response.headers[name]?.toString()
          const { reusedSocket: reused } = outgoing
          resolve({ status: response.statusCode ?? 0, header, text, reply: replyOf(text), reused })
        })
      })
      outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer from ${url} within a minute`)))
      outgoing.on('error', reject)
      outgoing.end(body)
    })
  }

  /** Posts concatenated envelopes: objects, or unchanged text. */
  post(envelopes: ReadonlyArray<object | string>, rest: HecRequest = {}): Promise<HecAnswer> {
    const texts = envelopes.map((envelope) => (typeof envelope === 'string' ? envelope : JSON.stringify(envelope)))
    return this.send({ body: texts.join('\n'), ...rest })
  }

  /** Call this before posting events whose result only a search can show. */
  needSearch(): void {
    if (!this.receiver && !this.access.search) cannot('needs a look at the index: set SPLUNK_SEARCH_URL')
  }

  /** Events with the mark, after a later event with the mark was found. Missing events were then not indexed. */
  async indexed(mark: string): Promise<FoundEvent[]> {
    const last = `${mark} sentinel`
    const without = (found: FoundEvent[]) => found.filter(({ raw }) => raw !== last)
    if (this.receiver) return without(keptEvents(this.receiver, mark))
    const { search, tls } = this.access
    if (!search) throw new Error('needSearch was not asked')
    const answer = await this.post([{ event: last }])
    if (answer.status !== 200) throw new Error(`cannot post the last event: ${said(answer)}`)
    for (let second = 0; second < SEARCH_SECONDS; second++) {
      const found = await searchEvents({ ...search, tls }, mark)
      if (found.some(({ raw }) => raw === last)) return without(await searchEvents({ ...search, tls }, mark))
      await sleep(1000)
    }
    throw new Error(`the last event was not found within ${SEARCH_SECONDS} s: may the user search that index?`)
  }

  /** Waits only for a real service. */
  async pass(ms: number): Promise<void> {
    if (!this.receiver) await sleep(ms)
  }

  async close(): Promise<void> {
    this.#agent.destroy()
    await this.receiver?.close()
  }

  #token(which: 'plain' | 'ack'): string {
    if (which === 'plain') return this.access.token
    return this.access.ackToken ?? cannot('needs SPLUNK_HEC_ACK_TOKEN')
  }
}

/** `400 12 #0`: status, HEC code, number of the refused event; or the answer's format. */
export function said({ status, reply, text }: HecAnswer): string {
  const number = reply?.['invalid-event-number']
  if (reply?.code !== undefined) return `${status} ${reply.code}${number === undefined ? '' : ` #${number}`}`
  if (text.trim() === '') return `${status} empty`
  return `${status} ${/^\s*<(!doctype|html)/i.test(text) ? 'HTML' : 'no code'}`
}

function replyOf(text: string): HecAnswer['reply'] {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

function keptEvents(receiver: HecReceiver, mark: string): FoundEvent[] {
  return receiver.events.flatMap(({ line, envelope: { event, fields, host } }) => {
    const raw = typeof event === 'string' ? event : JSON.stringify(event)
    // From the text: parsing a number would lose digits.
    const time = /"time":"?([0-9.]+)/.exec(line)?.[1] ?? ''
    const long = String(fields?.['conformance_long'] ?? '')
    return line.includes(`${mark} `) ? [{ raw, time, host, long }] : []
  })
}
