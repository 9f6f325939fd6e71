import type { Batch } from '../../core/batch.ts'
import type { Clock } from '../../core/clock.ts'
import type { Lease } from '../../core/lease.ts'
import { LONGEST_PROBE_GAP_MS } from '../../core/retry.ts'
import type { Telemetry } from '../../core/telemetry.ts'
import type { Tls } from '../../net/tls.ts'
import { Consistency } from '../consistency.ts'
import type { DeadLetter } from '../dead-letter.ts'
import { Endpoints } from '../endpoints.ts'
import { Evidence } from '../evidence.ts'
import { PauseGate } from '../pause-gate.ts'
import type { Sink } from '../sink.ts'
import { Delivery } from './delivery.ts'
import { Framer } from './frames.ts'
import type { FramerOptions, Framing, MessageOptions } from './message.ts'
import { Pace } from './pace.ts'
import { RelpTarget } from './relp-target.ts'
import type { Shared } from './shared.ts'
import { StreamTarget } from './stream-target.ts'
import type { Confirm, Target } from './target.ts'
import { DATAGRAMS_AT_ONCE, UdpTarget } from './udp-target.ts'

export interface SyslogOptions extends MessageOptions {
  /** The sink's configured name. */
  readonly sink: string
  /** `tcp://`, `tls://`, `udp://`, `relp://` or `relp+tls://`, host and port; with several, batches go round. */
  readonly urls: readonly string[]
  readonly tls: Tls
  readonly framing: Framing
  readonly confirm: Confirm
  /** To one target, those that drain not counted. */
  readonly connections: number
  /** Events a second, all connections together. */
  readonly maxEps?: number
  readonly deadLetter: DeadLetter
  /** All events were refused before, so any number may be refused again. */
  readonly refusedBefore?: boolean
  readonly clock: Clock
  readonly telemetry: Telemetry
}

/** One for each URL. */
export function targetsOf(options: Omit<SyslogOptions, 'deadLetter' | 'refusedBefore'>): Target[] {
  const { urls, maxEps, clock } = options
  const pace = maxEps === undefined ? undefined : new Pace(maxEps, clock)
  const framerOf = (framing: FramerOptions['framing'], most = Number.POSITIVE_INFINITY) =>
    new Framer({ ...options, framing }, Math.min(most, pace?.most ?? most))
  const [framer, commands] = [framerOf(options.framing), framerOf('relp')]
  const datagrams = framerOf('octet', DATAGRAMS_AT_ONCE)
  return urls.map((url) => {
    if (url.startsWith('udp:')) return new UdpTarget({ ...options, url, pace, framer: datagrams })
    if (url.startsWith('relp')) return new RelpTarget({ ...options, url, pace, framer: commands })
    return new StreamTarget({ ...options, url, pace, framer })
  })
}

/** Messages to a syslog collector (RFC 5424, RFC 6587). The mode of confirmation says when a batch counts as delivered. */
export class SyslogSink implements Sink {
  readonly name: string
  readonly #shared: Shared

  constructor(options: SyslogOptions) {
    const { sink, clock, telemetry, deadLetter, maxBytes } = options
    const scope = { of: 'sink', sink } as const
    const all = targetsOf(options)
    const targets = new Endpoints<Target>(all, {
      clock,
      probe: (target, signal) => target.probe(signal),
      // The pause of a sink's only target is the pause of the sink.
      changed: ({ url }, fault) => {
        if (all.length > 1) telemetry.endpoint(sink, url, fault)
      },
    })
    const atTargets = new Map(all.map((target) => [target, new Evidence(options.refusedBefore)]))
    this.name = sink
    this.#shared = {
      ...{ sink, maxBytes, targets, deadLetter, clock, telemetry },
      evidence: new Evidence(options.refusedBefore),
      evidenceAt: (target) => atTargets.get(target) as Evidence,
      consistency: new Consistency({ details: { sink }, clock, telemetry }),
      gate: new PauseGate({
        key: { reason: 'syslog_configuration', scope },
        clock,
        telemetry,
        probe: (signal) => targets.probe(signal),
      }),
      doubtGate: new PauseGate({
        key: { reason: 'outcome_unknown', scope },
        clock,
        telemetry,
        gapMs: LONGEST_PROBE_GAP_MS,
      }),
      deadLetterGate: new PauseGate({ key: { reason: 'dead_letter', scope }, clock, telemetry }),
    }
  }

  async deliver(batch: Batch, lease: Lease, started: () => void): Promise<void> {
    await new Delivery(batch, lease, started, this.#shared).run()
  }

  async close(): Promise<void> {
    const { gate, doubtGate, deadLetterGate, targets } = this.#shared
    gate.close()
    doubtGate.close()
    deadLetterGate.close()
    targets.close()
    for (const target of targets.all) target.close()
  }
}
