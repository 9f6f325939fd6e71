import type { Batch } from '../../core/batch.ts'
import { Fault } from '../../core/errors.ts'
import type { Lease } from '../../core/lease.ts'
import { LONGEST_PROBE_GAP_MS } from '../../core/retry.ts'
import type { Telemetry } from '../../core/telemetry.ts'
import type { DeadLetter } from '../dead-letter.ts'
import { Endpoints } from '../endpoints.ts'
import { Evidence } from '../evidence.ts'
import { HeldEvents } from '../held-events.ts'
import { PauseGate } from '../pause-gate.ts'
import { SendSlots } from '../send-slots.ts'
import type { Sink } from '../sink.ts'
import type { HecConnection } from './client.ts'
import { Delivery } from './delivery.ts'
import { Endpoint } from './endpoint.ts'
import { neverAcknowledges } from './lasting-faults.ts'
import type { Shared } from './shared.ts'

export interface SplunkHecOptions extends HecConnection {
  /** Base URLs; with several, requests go round. */
  readonly urls: readonly string[]
  /** Indexer acknowledgement; `auto` asks each endpoint. */
  readonly ack: 'auto' | boolean
  readonly ackPollMs: number
  /** Accepted but not acknowledged for so long: sent again. Milliseconds. */
  readonly ackTimeoutMs: number
  readonly gzip: boolean
  /** Largest body before compression. */
  readonly maxBytes: number
  /** Requests in flight, all endpoints together. */
  readonly concurrency: number
  readonly deadLetter: DeadLetter
  /** All events were refused before. So any number may be refused again, and none is held that fails alone. */
  readonly refusedBefore?: boolean
  readonly telemetry: Telemetry
}

/** Splunk HTTP Event Collector, `/services/collector/event`. Keeps the promise of `Sink` with and without indexer acks. */
export class SplunkHecSink implements Sink {
  readonly name: string
  readonly #shared: Shared

  constructor(options: SplunkHecOptions) {
    const { sink, telemetry, clock, deadLetter } = options
    const refused = (endpoint: Endpoint, fault: Fault): void => {
      if (endpoints.refused(endpoint, fault)) gate.trip(fault)
    }
    // Where no other endpoint delivers, it is no fault of this one alone.
    const unacknowledged = (endpoint: Endpoint, sinceMs: number): void => {
      const othersDeliver = all.some((other) => other !== endpoint && other.hasDeliveredSince(sinceMs))
      if (othersDeliver) endpoints.refused(endpoint, neverAcknowledges(endpoint.client.origin))
    }
    const acknowledged = (endpoint: Endpoint): void => endpoints.worked(endpoint)
    const told = { refused, unacknowledged, acknowledged }
    const all = options.urls.map((url) => new Endpoint(url, { ...options, connection: options, ...told }))
    const endpoints = new Endpoints(all, {
      clock,
      probe: probed,
      // The pause of a sink's only endpoint is the pause of the sink.
      changed: ({ client: { origin } }, fault) => {
        if (all.length > 1) telemetry.endpoint(sink, origin, fault)
      },
    })
    const scope = { of: 'sink', sink } as const
    const gate = new PauseGate({
      key: { reason: 'hec_configuration', scope },
      clock,
      telemetry,
      probe: (signal) => endpoints.probe(signal),
    })
    const deadLetterGate = new PauseGate({ key: { reason: 'dead_letter', scope }, clock, telemetry })
    const doubtGate = new PauseGate({
      key: { reason: 'outcome_unknown', scope },
      clock,
      telemetry,
      gapMs: LONGEST_PROBE_GAP_MS,
    })
    const slots = new SendSlots({ most: options.concurrency, peer: 'HEC', clock, telemetry })
    this.name = sink
    this.#shared = {
      ...{ endpoints, gate, doubtGate, deadLetterGate, slots, deadLetter, sink, telemetry, clock },
      ackTimeoutMs: options.ackTimeoutMs,
      evidence: new Evidence(options.refusedBefore),
      refusedBefore: options.refusedBefore ?? false,
      held: new HeldEvents(sink, telemetry),
    }
  }

  async deliver(batch: Batch, lease: Lease, started: () => void): Promise<void> {
    await new Delivery(batch, lease, started, this.#shared).run()
  }

  async close(): Promise<void> {
    const { gate, doubtGate, deadLetterGate, endpoints } = this.#shared
    gate.close()
    doubtGate.close()
    endpoints.close()
    deadLetterGate.close()
    await Promise.all(endpoints.all.map((endpoint) => endpoint.close()))
  }
}

/** Asks the endpoint, ingesting nothing. `undefined` when it is usable. */
async function probed(endpoint: Endpoint, signal: AbortSignal): Promise<Fault | undefined> {
  try {
    await endpoint.probe(signal)
    return undefined
  } catch (error) {
    if (error instanceof Fault) return error
    throw error
  }
}
