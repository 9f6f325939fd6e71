import { abortable } from '../../core/abortable.ts'
import { Fault } from '../../core/errors.ts'
import type { Telemetry } from '../../core/telemetry.ts'
import { AckPoller } from './ack-poller.ts'
import type { HecConnection } from './client.ts'
import { HecClient } from './client.ts'
import { probe } from './probe.ts'

const FIRST_REST_MS = 1_000
const LONGEST_REST_MS = 60_000
/** A learned body size is tried larger again after this long: what taught it may have been a bad event, or be mended. */
const LIMIT_FORGOTTEN_MS = 600_000

export interface EndpointOptions {
  readonly connection: HecConnection
  /** The sink's configured name. */
  readonly sink: string
  readonly telemetry: Pick<Telemetry, 'acknowledged' | 'acknowledgementFailed' | 'notice'>
  readonly ack: 'auto' | boolean
  readonly ackPollMs: number
  readonly ackTimeoutMs: number
  readonly gzip: boolean
  readonly maxBytes: number
  /** `/ack` was answered with a configuration fault. */
  readonly refused: (fault: Fault) => void
}

/** One HEC base URL and everything learned about it. */
export class Endpoint {
  readonly client: HecClient
  readonly acks: AckPoller
  gzip: boolean
  /** The last answer was 404, as of an indexer in a rolling restart, or of a wrong URL. */
  missing = false
  readonly #options: EndpointOptions
  readonly #stop = new AbortController()
  #ack: 'unknown' | 'on' | 'off'
  #sawAckIds = false
  #probing: Promise<void> | undefined
  #limit: number
  #limitLearnedAt = 0

  constructor(url: string, options: EndpointOptions) {
    this.#options = options
    this.client = new HecClient(url, options.connection)
    this.gzip = options.gzip
    this.#ack = options.ack === false ? 'off' : 'unknown'
    this.#limit = options.maxBytes
    this.acks = new AckPoller({
      client: this.client,
      pollMs: options.ackPollMs,
      timeoutMs: options.ackTimeoutMs,
      requestTimeoutMs: options.connection.timeoutMs,
      clock: options.connection.clock,
      sink: options.sink,
      telemetry: options.telemetry,
      refused: (fault) => this.#ackRefused(fault),
    })
  }

  #ackRefused(fault: Fault): void {
    this.missing = fault.code === 'http_404'
    if (fault.code === '14' && this.#options.ack === 'auto') {
      // Acknowledgement was turned off on the token: nothing to mend, and what was unacknowledged is sent once more.
      this.missedAckId()
      this.acks.lose()
    } else this.#options.refused(fault)
  }

  /** Whether 200 is not yet delivery here. While that is not known, it is not. */
  get acknowledges(): boolean {
    return this.#ack !== 'off'
  }

  /** Resolves when it is known whether the endpoint acknowledges; asks it if need be. Throws the Fault in the way. */
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
    const { ack } = await probe(this.client, { connection, signal, sawAckIds: this.#sawAckIds })
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
        this.#options.telemetry.notice(
          'warn',
          'HEC gives ack ids, but SPLUNK_HEC_ACK=false: an accepted request counts as delivered',
          {
            endpoint: this.client.origin,
          },
        )
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

  async close(): Promise<void> {
    this.#stop.abort(new Fault('transient', 'the sink is closed', { code: 'closed' }))
    this.acks.close()
    await this.client.close()
  }
}

interface Health {
  readonly endpoint: Endpoint
  failures: number
  restUntil: number
  onTrial: boolean
}

/** Round robin over endpoints; one that failed rests while another is healthy, then is tried with a single request. */
export class Endpoints {
  readonly #health: readonly Health[]
  readonly #now: () => number
  #next = 0

  constructor(endpoints: readonly Endpoint[], now: () => number) {
    this.#health = endpoints.map((endpoint) => ({ endpoint, failures: 0, restUntil: 0, onTrial: false }))
    this.#now = now
  }

  /** Runs `task` with an endpoint; a transient or ambiguous fault from it lets the endpoint rest. */
  async using<T>(task: (endpoint: Endpoint) => Promise<T>): Promise<T> {
    const health = this.#pick()
    try {
      const result = await task(health.endpoint)
      health.failures = 0
      health.restUntil = 0
      health.endpoint.missing = false
      return result
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      throw this.#failed(health, error)
    } finally {
      health.onTrial = false
    }
  }

  /** Whether some endpoint is where it should be: a 404 elsewhere is then a restart, not a fault. */
  get anyFound(): boolean {
    return this.#health.some(({ endpoint }) => !endpoint.missing)
  }

  /** With another healthy endpoint nobody needs to wait for the one that asked for patience. */
  get anyHealthy(): boolean {
    return this.#health.some((health) => health.failures === 0)
  }

  /**
   * Asks all, ingesting nothing. `undefined` when at least one is usable and none has a configuration fault; a 404 beside a
   * usable endpoint is a restart, not a fault.
   */
  async probe(signal: AbortSignal): Promise<Fault | undefined> {
    const faults = await Promise.all(this.#health.map(({ endpoint }) => probed(endpoint, signal)))
    const usable = faults.includes(undefined)
    const wrong = faults.find((fault) => fault?.kind === 'configuration' && !(usable && fault.code === 'http_404'))
    return wrong ?? (usable ? undefined : faults[0])
  }

  async close(): Promise<void> {
    await Promise.all(this.#health.map(({ endpoint }) => endpoint.close()))
  }

  #pick(): Health {
    const now = this.#now()
    const count = this.#health.length
    const inTurn = this.#health.map((_, i) => this.#health[(this.#next + i) % count] as Health)
    const usable = inTurn.find(({ failures, restUntil, onTrial }) => failures === 0 || (restUntil <= now && !onTrial))
    const picked = usable ?? inTurn.reduce((a, b) => (b.restUntil < a.restUntil ? b : a))
    this.#next = (this.#health.indexOf(picked) + 1) % count
    if (picked.failures > 0) picked.onTrial = true
    return picked
  }

  #failed(health: Health, fault: Fault): Fault {
    let weighed = fault
    health.endpoint.missing = fault.code === 'http_404'
    if (health.endpoint.missing && this.anyFound) {
      weighed = new Fault('transient', fault.message, { code: fault.code, status: 404, cause: fault })
    }
    if (weighed.kind === 'transient' || weighed.kind === 'ambiguous') {
      health.failures++
      const rest = Math.min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** Math.min(health.failures - 1, 10))
      health.restUntil = this.#now() + Math.max(rest, weighed.retryAfterMs ?? 0)
    }
    return weighed
  }
}

async function probed(endpoint: Endpoint, signal: AbortSignal): Promise<Fault | undefined> {
  try {
    await endpoint.probe(signal)
    return undefined
  } catch (error) {
    if (error instanceof Fault) return error
    throw error
  }
}
