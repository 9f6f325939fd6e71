/**
 * A Splunk HTTP Event Collector that real HEC clients can't tell from a splunkd, over real sockets.
 *
 * Implemented: `/services/collector`, `/event`, `/raw`, `/ack`, `/health` (each also as `/1.0`) and OPTIONS; several
 * tokens (ack, allowed indexes, disabled), Splunk and Basic authorization, query-token refusal; channels; gzip; body
 * and event size limits (Enterprise and Cloud style); the envelope stream with its prefix semantics, unknown-key trap
 * and code 7 off by one; a queue that fills up; acknowledgement told once, forgotten on restart and when idle; health.
 * Where splunkd's behaviour was not measured, a comment at that place says so.
 *
 * Not implemented: `NOT_IMPLEMENTED` below.
 *
 * This module is the package's `sls-siem-bridge/emulator/hec`. docs/emulator.md documents its exports. Members marked
 * `@internal` are left out of the published types.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { MAX_PENDING_BYTES } from '../body-room.ts'
import { ControlDoor } from '../control-door.ts'
import type { ListenOptions } from '../listener.ts'
import { Listener } from '../listener.ts'
import type { WaitOptions } from '../watch.ts'
import { Watch } from '../watch.ts'
import { answerAdmin } from './admin.ts'
import type { CollectorOptions, Condition, RefuseRule } from './collector.ts'
import { HecCollector } from './collector.ts'
import type { HecFaultRule } from './faults.ts'
import { HecFaults } from './faults.ts'
import { HecHttp } from './http.ts'
import type { HecIndexOptions, IndexedEvent } from './index.ts'
import { HecIndex } from './index.ts'
import { jsonReply, notFoundReply } from './response.ts'
import { answerSearch, isSearch } from './search.ts'
import type { HecToken, TokenChange } from './tokens.ts'
import { HecTokens } from './tokens.ts'
import { sendReply } from './wire.ts'

export type { Condition, RefuseRule } from './collector.ts'
export type { HecAction, HecFaultRule, HecFaults } from './faults.ts'
export type { HecEnvelope, IndexedEvent } from './index.ts'
export type { HecToken, TokenChange } from './tokens.ts'
export type { HecReceiver }

export const NOT_IMPLEMENTED = [
  '/mint, /s2s, auto_extract_timestamp, fields_<name> parameters, load-balancer cookies, HTTP/1.0 status lines, metrics',
  'sourcetype rules: line breakers, TRUNCATE, timestamp extraction (/raw breaks at every line end)',
  'existence of indexes: a token without a list may write to any',
  'any search except the one that "reconcile" asks',
]

export interface HecReceiverOptions extends ListenOptions, Omit<CollectorOptions, 'index'>, HecIndexOptions {
  /** The one token and its `useACK`, or `tokens` for more. Default: a generated GUID without ack. */
  token?: string
  ack?: boolean
  /** Indexes the one token may write to. Default: any. */
  indexes?: readonly string[]
  tokens?: readonly HecToken[]
  /** The token that a search must show. Default: every search is refused. */
  searchToken?: string
  /** Bytes of a body before compression; more is answered 413 in HTML. Default 33,554,432; Splunk's own is 838,860,800. */
  maxContentLength?: number
  /** Bytes of bodies that are not answered yet, over all connections. One that would exceed it is answered 503 code 9. Default 64 MiB. */
  maxPendingBytes?: number
  /** Splunk Cloud's limit instead: more bytes than this are answered 400 code 6 naming event 0. */
  cloudCap?: number
  /** An idle connection is closed after this long. Default 7,200,000. */
  keepAliveMs?: number
  faults?: readonly HecFaultRule[]
  /** Seed for faults with a probability. Default 1. */
  faultSeed?: number
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

/** Rejects when the port or the output file can't be had. */
export async function startHecReceiver(options: HecReceiverOptions = {}): Promise<HecReceiver> {
  const receiver = new HecReceiver(options)
  await receiver.listen()
  return receiver
}

/** Requests under way get this long before `close` cuts them. */
const GRACE_MS = 300

class HecReceiver implements AsyncDisposable {
  readonly faults: HecFaults
  readonly #tokens: HecTokens
  readonly #collector: HecCollector
  readonly #index: HecIndex
  readonly #searchToken: string | undefined
  readonly #http: HecHttp
  readonly #listener: Listener
  readonly #door = new ControlDoor()
  readonly #watch = new Watch()
  #stall: PromiseWithResolvers<void> | undefined
  #closed: Promise<void> | undefined

  /** @internal */
  constructor(options: HecReceiverOptions) {
    const { token, ack, indexes, tokens, keepAliveMs = 7_200_000, faults: rules = [], faultSeed: seed = 1 } = options
    this.#searchToken = options.searchToken
    this.#tokens = new HecTokens(
      tokens ?? [{ ...(token ? { token } : {}), ...(ack ? { ack } : {}), ...(indexes ? { indexes } : {}) }],
    )
    this.faults = new HecFaults({ rules, seed, watch: this.#watch })
    this.#index = new HecIndex(options)
    this.#collector = new HecCollector({ ...options, index: this.#index })
    const { maxContentLength = 33_554_432, maxPendingBytes = MAX_PENDING_BYTES, cloudCap } = options
    const limits = { maxContentLength, maxPendingBytes, cloudCap }
    this.#http = new HecHttp(this.#tokens, this.#collector, this.faults, limits)
    const serve = (request: IncomingMessage, response: ServerResponse) =>
      void this.#serve(request, response).then(() => this.#watch.changed())
    this.#listener = new Listener(options, { keepAliveTimeout: keepAliveMs, requestTimeout: 0 }, serve)
  }

  /** @internal */
  async listen(): Promise<void> {
    try {
      await this.#listener.listen()
    } catch (error) {
      await this.#index.close()
      throw error
    }
  }

  get port(): number {
    return this.#listener.port
  }

  /** Base URL, as `SPLUNK_HEC_URL` takes it. */
  get url(): string {
    return this.#listener.url
  }

  /** Values of the tokens, in the order given. */
  get tokens(): string[] {
    return this.#tokens.values()
  }

  /** The first token's value. */
  get token(): string {
    return this.tokens[0] as string
  }

  /** Shown in the header `x-control-secret`, it opens `/_receiver/…` to other machines, too. */
  get controlSecret(): string {
    return this.#door.secret
  }

  /** Settings of a bridge that writes here with the first token; with a search token also those of `reconcile`. */
  environment() {
    const token = this.#searchToken
    return {
      SPLUNK_HEC_URL: this.url,
      SPLUNK_HEC_TOKEN: this.token,
      ...(token !== undefined && { SPLUNK_SEARCH_URL: this.url, SPLUNK_SEARCH_TOKEN: token }),
    }
  }

  /** Every kept event, in the order indexed. Empty with `keep: false`. */
  get events(): IndexedEvent[] {
    return this.#index.since(0)
  }

  /** Resolves with every kept event as soon as so many were indexed. Rejects when that takes too long. */
  async received(count: number, wait?: WaitOptions): Promise<IndexedEvent[]> {
    const describe = () => `the receiver has ${this.#index.events} of ${count} events`
    await this.#watch.until(() => this.#index.events >= count, wait, describe)
    return this.events
  }

  /**
   * Resolves with the first truthy value of `met`, which is asked now and after every request. Rejects when that takes
   * too long, and when the receiver closes.
   */
  until<T>(met: () => T, wait?: WaitOptions): Promise<NonNullable<T>> {
    return this.#watch.until(met, wait)
  }

  state(): ReceiverState {
    const index = this.#index
    const { told, pending, forgotten, channels } = this.#collector.acks
    return {
      requests: Object.fromEntries([...this.#http.requests].sort()),
      events: index.events,
      uniqueIds: index.ids.unique,
      duplicateIds: index.ids.duplicates,
      indexedBytes: index.bytes,
      bodyBytes: this.#http.bodyBytes,
      abortedBodies: this.#http.abortedBodies,
      connections: { ...this.#listener.connections },
      acks: { told, pending, forgotten, channels },
      stalled: this.#stall !== undefined,
    }
  }

  /** Refuses events that contain a text, for good. */
  refuse(...rules: RefuseRule[]): void {
    this.#collector.refuse.push(...rules)
  }

  /** Drops every rule of `refuse`. */
  acceptAll(): void {
    this.#collector.refuse.length = 0
  }

  /** Sets the conditions that are given and returns all of them. */
  condition(given: Partial<Condition> = {}): Condition {
    return this.#collector.condition(given)
  }

  /**
   * Disables or enables a token, or its acknowledgement: the first token, unless one is named. Throws if there is none.
   */
  setToken(change: TokenChange): void {
    this.#tokens.change(change)
  }

  /** Forgets channels and acks, as a restart does, but keeps the connections. */
  forgetAcks(): void {
    this.#collector.acks.forget()
  }

  /** Acts as if splunkd was killed and started again: it loses channels, acks and connections, and keeps its events. */
  async restart(): Promise<void> {
    await this.#collector.restart()
    this.#listener.cutConnections()
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

  /** Forgets events and counts. Channels, faults, rules and the output stay. */
  clear(): void {
    this.#index.clear()
    this.#http.clear()
  }

  /** Ends connections (those with a request under way after a moment) and flushes the output. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#watch.close()
    await this.#listener.close(GRACE_MS)
    this.#http.close()
    await this.#collector.indexDue(Infinity)
    await this.#index.close()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!URL.canParse(request.url ?? '', 'http://receiver')) {
      return sendReply(request, response, notFoundReply(404))
    }
    const url = new URL(request.url ?? '', 'http://receiver')
    if (url.pathname.startsWith('/_receiver/')) {
      const refused = this.#door.refusal(request)
      if (refused !== undefined)
        return sendReply(request, response, { ...jsonReply(403, { error: refused }), close: true })
      const parts = { faults: this.faults, tokens: this.#tokens, collector: this.#collector, index: this.#index }
      return sendReply(request, response, await answerAdmin({ ...parts, receiver: this }, request, url))
    }
    if (isSearch(url.pathname)) {
      return sendReply(request, response, await answerSearch(this.#index, this.#searchToken, request))
    }
    await this.#stall?.promise
    if (!request.socket.destroyed) await this.#http.serve(request, response, url)
  }
}
