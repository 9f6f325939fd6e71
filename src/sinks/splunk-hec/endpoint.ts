import { abortable } from '../../core/abortable.ts'
import { Fault } from '../../core/errors.ts'
import type { Telemetry } from '../../core/telemetry.ts'
import { Consistency } from '../consistency.ts'
import { Evidence } from '../evidence.ts'
import { AckPoller } from './ack-poller.ts'
import { BodyForms } from './body-forms.ts'
import type { HecConnection } from './client.ts'
import { HecClient } from './client.ts'
import { probe } from './probe.ts'

/** After this time a learned limit is doubled. A bad event may have taught it, or the server's limit may have grown. */
const LIMIT_FORGOTTEN_MS = 600_000
/** So many accepted requests without an ack, and none acknowledged between them, are no accident. */
const MOST_UNACKNOWLEDGED = 3

export interface EndpointOptions {
  readonly connection: HecConnection
  readonly telemetry: Pick<Telemetry, 'acknowledged' | 'acknowledgementFailed' | 'notice'>
  readonly ack: 'auto' | boolean
  readonly ackPollMs: number
  readonly ackTimeoutMs: number
  readonly gzip: boolean
  readonly maxBytes: number
  readonly refusedBefore?: boolean
  /** `/ack` was answered with a configuration fault. */
  readonly refused: (endpoint: Endpoint, fault: Fault) => void
  /** It accepts and does not acknowledge. The first such request in a row was accepted at `sinceMs`. */
  readonly unacknowledged: (endpoint: Endpoint, sinceMs: number) => void
  /** It acknowledges again. */
  readonly acknowledged: (endpoint: Endpoint) => void
}

/** One HEC base URL and everything learned about it. */
export class Endpoint {
  readonly client: HecClient
  readonly acks: AckPoller
  readonly forms: BodyForms
  readonly evidence: Evidence
  readonly consistency: Consistency
  readonly #options: EndpointOptions
  readonly #stop = new AbortController()
  #ack: 'unknown' | 'on' | 'off'
  #sawAckIds = false
  #probing: Promise<void> | undefined
  #limit: number
  #limitLearnedAt = 0
  #largestTaken = 0
  /** Accepted requests in a row without an ack, and when the first of them was accepted. */
  #unacknowledged = 0
  #unacknowledgedSince = 0
  /** When something was last delivered here: acknowledged, or accepted where nothing is acknowledged. */
  #deliveredAt = Number.NEGATIVE_INFINITY

  constructor(url: string, options: EndpointOptions) {
    this.#options = options
    this.client = new HecClient(url, options.connection)
    this.evidence = new Evidence(options.refusedBefore)
    const endpoint = this.client.origin
    const means = { clock: options.connection.clock, telemetry: options.telemetry }
    this.consistency = new Consistency({ ...means, details: { endpoint } })
    this.forms = new BodyForms({ ...means, endpoint, gzip: options.gzip })
    this.#ack = options.ack === false ? 'off' : 'unknown'
    this.#limit = options.maxBytes
    this.acks = new AckPoller({
      client: this.client,
      pollMs: options.ackPollMs,
      timeoutMs: options.ackTimeoutMs,
      requestTimeoutMs: options.connection.timeoutMs,
      clock: options.connection.clock,
      sink: options.connection.sink,
      telemetry: options.telemetry,
      refused: (fault) => this.#ackRefused(fault),
      settled: (result, sinceMs) => (result === 'acked' ? this.delivered() : this.#missedAck(sinceMs)),
    })
  }

  #ackRefused(fault: Fault): void {
    if (fault.code === '14' && this.#options.ack === 'auto') {
      // Acknowledgement was turned off on the token: no fault, and what was unacknowledged is sent once more.
      this.missedAckId()
      this.acks.lose()
    } else this.#options.refused(this, fault)
  }

  /** Whether a 200 still needs an ack to be delivery here. Assumed until it is known. */
  get acknowledges(): boolean {
    return this.#ack !== 'off'
  }

  /** Resolves when it is known whether the endpoint acknowledges, asking it if necessary. Throws the Fault that prevents it. */
  async ready(signal: AbortSignal): Promise<void> {
    if (this.#ack !== 'unknown') return
    this.#probing ??= this.probe(this.#stop.signal).finally(() => {
      this.#probing = undefined
    })
    await abortable(this.#probing, signal)
  }

  /** Asks (again), whatever is known. */
  async probe(signal: AbortSignal): Promise<void> {
    const { connection, ack: wanted } = this.#options
    const options = { connection, signal, sawAckIds: this.#sawAckIds, wantsAck: wanted !== false }
    const { ack } = await probe(this.client, options)
    if (wanted === true && !ack) {
      throw new Fault('configuration', `${this.client.origin}: the token has indexer acknowledgement off`, {
        code: 'ack_off',
        advice: 'Turn acknowledgement on for the HEC token, or set SPLUNK_HEC_ACK=auto or false.',
      })
    }
    if (wanted !== false) this.#ack = ack ? 'on' : 'off'
  }

  /** An answer carried an ack id. Says whether it is to be awaited. */
  sawAckId(): boolean {
    if (this.#options.ack === false) {
      if (!this.#sawAckIds) {
        const message = 'HEC gives ack ids, but SPLUNK_HEC_ACK=false: an accepted request counts as delivered'
        this.#options.telemetry.notice('warn', message, { endpoint: this.client.origin })
      }
      this.#sawAckIds = true
      return false
    }
    this.#sawAckIds = true
    this.#ack = 'on'
    return true
  }

  /** An accepted request got no ack id where one was expected: the token may have been changed. */
  missedAckId(): void {
    this.#sawAckIds = false
    this.#ack = 'unknown'
  }

  /** It accepts, and acknowledged none of the last requests. So a 200 proves nothing here until an ack comes. */
  get missesAcks(): boolean {
    return this.#unacknowledged >= MOST_UNACKNOWLEDGED
  }

  hasDeliveredSince(ms: number): boolean {
    return this.#deliveredAt > ms
  }

  /** Events are safe here. */
  delivered(): void {
    const { missesAcks } = this
    this.#deliveredAt = this.#options.connection.clock.monotonic()
    this.#unacknowledged = 0
    if (missesAcks) this.#options.acknowledged(this)
  }

  #missedAck(sinceMs: number): void {
    // An indexer that restarted has forgotten some, and acknowledges what came later.
    if (this.#ack !== 'on' || this.hasDeliveredSince(sinceMs)) return
    if (this.#unacknowledged++ === 0) this.#unacknowledgedSince = sinceMs
    if (this.missesAcks) this.#options.unacknowledged(this, this.#unacknowledgedSince)
  }

  /** Largest body, in bytes before compression. */
  get limit(): number {
    const { clock } = this.#options.connection
    if (this.#limit < this.#options.maxBytes && clock.monotonic() - this.#limitLearnedAt >= LIMIT_FORGOTTEN_MS) {
      this.#limitLearnedAt = clock.monotonic()
      this.#limit = Math.min(this.#options.maxBytes, this.#limit * 2)
    }
    return this.#limit
  }

  /** A body of `bytes` was too large here. */
  learnLimit(bytes: number): void {
    const limit = Math.max(1, Math.floor(bytes / 2))
    if (limit >= this.#limit) return
    this.#limit = limit
    this.#limitLearnedAt = this.#options.connection.clock.monotonic()
    this.#options.telemetry.notice('warn', 'HEC takes smaller bodies than configured; sending smaller ones there', {
      endpoint: this.client.origin,
      bytes: limit,
    })
  }

  /** A body of `bytes` was accepted. */
  tookBody(bytes: number): void {
    if (bytes > this.#largestTaken) this.#largestTaken = bytes
  }

  /** Whether a body of `bytes` may be too large here, as far as is known. */
  mayBeTooLarge(bytes: number): boolean {
    return bytes > this.#largestTaken
  }

  /** What taught the limit was not the size. */
  forgetLimit(): void {
    this.#limit = this.#options.maxBytes
  }

  async close(): Promise<void> {
    this.#stop.abort(new Fault('transient', 'the sink is closed', { code: 'closed' }))
    this.acks.close()
    await this.client.close()
  }
}
