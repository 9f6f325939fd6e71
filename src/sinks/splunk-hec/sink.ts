import type { Batch } from '../../core/batch.ts'
import type { Clock } from '../../core/clock.ts'
import type { Fault } from '../../core/errors.ts'
import type { Lease } from '../../core/lease.ts'
import type { Secret } from '../../core/secret.ts'
import type { Telemetry } from '../../core/telemetry.ts'
import type { Tls } from '../../net/tls.ts'
import type { DeadLetter } from '../dead-letter.ts'
import { PauseGate } from '../pause-gate.ts'
import type { Sink } from '../sink.ts'
import type { Shared } from './delivery.ts'
import { Delivery } from './delivery.ts'
import { Endpoint, Endpoints } from './endpoint.ts'
import { SendSlots } from './send-slots.ts'

export interface SplunkHecOptions {
  /** Base URLs; with several, requests go round. */
  readonly urls: readonly string[]
  readonly token: Secret
  /** Indexer acknowledgement; `auto` asks each endpoint. */
  readonly ack: 'auto' | boolean
  /** One request, milliseconds. */
  readonly timeoutMs: number
  readonly ackPollMs: number
  /** Accepted but not acknowledged for so long: sent again. Milliseconds. */
  readonly ackTimeoutMs: number
  readonly gzip: boolean
  /** Largest body before compression. */
  readonly maxBytes: number
  /** Requests in flight, all endpoints together. */
  readonly concurrency: number
  readonly tls: Tls
  readonly deadLetter: DeadLetter
  /** Its configured name. */
  readonly sink: string
  readonly telemetry: Telemetry
  readonly clock: Clock
  readonly userAgent: string
}

/** Splunk HTTP Event Collector, `/services/collector/event`. Keeps the promise of `Sink` with and without indexer acks. */
export class SplunkHecSink implements Sink {
  readonly #shared: Shared

  constructor(options: SplunkHecOptions) {
    const { sink, telemetry, clock, deadLetter, maxBytes } = options
    const scope = { of: 'sink', sink } as const
    const refused = (fault: Fault): void => {
      if (fault.code !== 'http_404' || !endpoints.anyFound) gate.trip(fault)
    }
    const endpoints = new Endpoints(
      options.urls.map((url) => new Endpoint(url, { ...options, connection: options, refused })),
      () => clock.monotonic(),
    )
    const gate = new PauseGate({
      key: { reason: 'hec_configuration', scope },
      clock,
      telemetry,
      probe: (signal) => endpoints.probe(signal),
    })
    const deadLetterGate = new PauseGate({ key: { reason: 'dead_letter', scope }, clock, telemetry })
    const slots = new SendSlots(options.concurrency, clock, telemetry)
    this.#shared = { endpoints, gate, deadLetterGate, slots, deadLetter, maxBytes, sink, telemetry, clock }
  }

  async deliver(batch: Batch, lease: Lease, started: () => void): Promise<void> {
    await new Delivery(batch, lease, started, this.#shared).run()
  }

  async close(): Promise<void> {
    this.#shared.gate.close()
    this.#shared.deadLetterGate.close()
    await this.#shared.endpoints.close()
  }
}
