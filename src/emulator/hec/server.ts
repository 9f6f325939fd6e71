/**
 * A Splunk HTTP Event Collector that real HEC clients can't tell from a splunkd, over real sockets.
 *
 * Implemented: `/services/collector`, `/event`, `/raw`, `/ack`, `/health` (each also as `/1.0`) and OPTIONS; several
 * tokens (ack, allowed indexes, disabled), Splunk and Basic authorization, query-token refusal; channels; gzip; body and
 * event size limits (Enterprise and Cloud style); the envelope stream with its prefix semantics, unknown-key trap and
 * code 7 off by one; a queue that fills up; acknowledgement told once, forgotten on restart and when idle; health.
 * Where splunkd's behaviour is not known from measurements the code nearest to it says so.
 *
 * Not implemented: `/mint`, `/s2s`, `auto_extract_timestamp`, `fields_<name>` parameters (10.4), sourcetype rules (line
 * breakers, TRUNCATE, timestamp extraction: `/raw` breaks at every line end), load-balancer cookies, HTTP/1.0 status
 * lines, existence of indexes (a token without a list may write to any), metrics, and any search but that of `reconcile`.
 */
import { once } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TlsOptions } from 'node:tls'
import { answerAdmin } from './admin.ts'
import type { CollectorOptions, RefuseRule } from './collector.ts'
import { HecCollector } from './collector.ts'
import type { HecFaultRule } from './faults.ts'
import { HecFaults } from './faults.ts'
import { HecHttp } from './http.ts'
import type { HecIndexOptions, IndexedEvent } from './index.ts'
import { HecIndex } from './index.ts'
import { notFoundReply } from './response.ts'
import { answerSearch, isSearch } from './search.ts'
import type { HecToken, TokenState } from './tokens.ts'
import { HecTokens } from './tokens.ts'
import { sendReply } from './wire.ts'

export interface HecReceiverOptions extends Omit<CollectorOptions, 'index'>, HecIndexOptions {
  /** Default 0: any free port. */
  port?: number
  /** Default 127.0.0.1. */
  host?: string
  /** One token and its `useACK`, or `tokens` for more. Default: one generated GUID without ack. */
  token?: string
  ack?: boolean
  /** Indexes the one token may write to. Default: any. */
  indexes?: readonly string[]
  tokens?: readonly HecToken[]
  /** What the search must be asked with. Default: nobody may. */
  searchToken?: string
  /** HTTPS; `requestCert` and `rejectUnauthorized` decide about client certificates. */
  tls?: TlsOptions
  /** Bytes of a body before compression. Default 838,860,800; more is answered 413 in HTML. */
  maxContentLength?: number
  /** Splunk Cloud's limit instead: more bytes than this are answered 400 code 6 naming event 0. */
  cloudCap?: number
  /** An idle connection is closed after this long. Default 7,200,000. */
  keepAliveMs?: number
  faults?: readonly HecFaultRule[]
}

export interface ReceiverState {
  /** Count by `<path> <status> <code>`; `-` where an answer has no HEC code, `cut` and `hang` where there was none. */
  requests: Record<string, number>
  events: number
  /** Distinct `fields.sls_event_id`s, and events that repeated one. */
  uniqueIds: number
  duplicateIds: number
  /** Bytes indexed, and bytes of bodies before compression. */
  indexedBytes: number
  bodyBytes: number
  /** Bodies that ended before they were complete. */
  abortedBodies: number
  connections: { open: number; total: number }
  acks: { told: number; pending: number; forgotten: number; channels: number }
  stalled: boolean
}

/** Starts a receiver. Rejects when the port or the output file can't be had. */
export async function startHecReceiver(options: HecReceiverOptions = {}): Promise<HecReceiver> {
  const receiver = new HecReceiver(options)
  await receiver.listen()
  return receiver
}

export class HecReceiver {
  readonly faults: HecFaults
  readonly tokens: HecTokens
  readonly collector: HecCollector
  readonly index: HecIndex
  readonly #options: HecReceiverOptions
  readonly #server: Server
  readonly #http: HecHttp
  readonly #connections = { open: 0, total: 0 }
  #stall: PromiseWithResolvers<void> | undefined
  #closed: Promise<void> | undefined

  constructor(options: HecReceiverOptions) {
    const { token, ack, indexes, tokens, tls, keepAliveMs = 7_200_000 } = options
    this.#options = options
    this.tokens = new HecTokens(
      tokens ?? [{ ...(token ? { token } : {}), ...(ack ? { ack } : {}), ...(indexes ? { indexes } : {}) }],
    )
    this.faults = new HecFaults(options.faults)
    this.index = new HecIndex(options)
    this.collector = new HecCollector({ ...options, index: this.index })
    const { maxContentLength = 838_860_800, cloudCap } = options
    this.#http = new HecHttp(this.tokens, this.collector, this.faults, { maxContentLength, cloudCap })
    const onRequest = (request: IncomingMessage, response: ServerResponse) => void this.#serve(request, response)
    const http = { keepAliveTimeout: keepAliveMs, requestTimeout: 0 }
    this.#server = tls ? createTlsServer({ ...tls, ...http }, onRequest) : createServer(http, onRequest)
    this.#server.on('connection', (socket) => {
      this.#connections.open += 1
      this.#connections.total += 1
      socket.on('close', () => (this.#connections.open -= 1))
    })
  }

  async listen(): Promise<void> {
    const { port = 0, host = '127.0.0.1' } = this.#options
    this.#server.listen(port, host)
    try {
      await once(this.#server, 'listening')
    } catch (error) {
      await this.index.close()
      throw error
    }
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Base URL, as `SPLUNK_HEC_URL` takes it. */
  get url(): string {
    const { tls, host = '127.0.0.1' } = this.#options
    const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
    return `${tls ? 'https' : 'http'}://${name.includes(':') ? `[${name}]` : name}:${this.port}`
  }

  /** The first token's value. */
  get token(): string {
    return (this.tokens.find() as TokenState).token
  }

  get searchToken(): string | undefined {
    return this.#options.searchToken
  }

  /** Every kept event, in the order indexed. Empty with `keep: false`. */
  get events(): IndexedEvent[] {
    return this.index.since(0)
  }

  state(): ReceiverState {
    const { index, collector } = this
    const { told, pending, forgotten, channels } = collector.acks
    return {
      requests: Object.fromEntries([...this.#http.requests].sort()),
      events: index.events,
      uniqueIds: index.ids.unique,
      duplicateIds: index.ids.duplicates,
      indexedBytes: index.bytes,
      bodyBytes: this.#http.bodyBytes,
      abortedBodies: this.#http.abortedBodies,
      connections: { ...this.#connections },
      acks: { told, pending, forgotten, channels },
      stalled: this.#stall !== undefined,
    }
  }

  /** Refuse events that contain a text, for good. */
  refuse(rule: RefuseRule): void {
    this.collector.refuse.push(rule)
  }

  /** Forgets channels and acks, as a restart does, but keeps the connections. */
  forgetAcks(): void {
    this.collector.acks.forget()
  }

  /** As if splunkd was killed and started again: channels, acks and connections are gone, what was indexed stays. */
  async restart(): Promise<void> {
    await this.collector.restart()
    this.#server.closeAllConnections()
  }

  /** From now on connections are accepted and nothing is answered. */
  stall(): void {
    this.#stall ??= Promise.withResolvers()
  }

  /** Goes on with the requests that waited. */
  resume(): void {
    this.#stall?.resolve()
    this.#stall = undefined
  }

  /** Forgets events and counts. Channels, faults and rules stay, and the output keeps what it has. */
  clear(): void {
    this.index.clear()
    this.#http.clear()
  }

  /** Ends connections (those with a request under way after a moment) and flushes the output. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    const impatient = setTimeout(() => this.#server.closeAllConnections(), 300)
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
    clearTimeout(impatient)
    await this.collector.indexDue(Infinity)
    await this.index.close()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!URL.canParse(request.url ?? '', 'http://receiver')) {
      return sendReply(request, response, notFoundReply(404))
    }
    const url = new URL(request.url ?? '', 'http://receiver')
    if (url.pathname.startsWith('/_receiver/'))
      return sendReply(request, response, await answerAdmin(this, request, url))
    if (isSearch(url.pathname)) {
      return sendReply(request, response, await answerSearch(this.index, this.searchToken, request))
    }
    await this.#stall?.promise
    if (!request.socket.destroyed) await this.#http.serve(request, response, url)
  }
}
