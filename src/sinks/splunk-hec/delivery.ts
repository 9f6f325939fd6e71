import { abortable } from '../../core/abortable.ts'
import type { Batch } from '../../core/batch.ts'
import { sizeOf } from '../../core/batch.ts'
import type { Clock } from '../../core/clock.ts'
import type { Lease } from '../../core/lease.ts'
import { backoffMs, retryDelayMs, untilSuccess } from '../../core/retry.ts'
import type { Telemetry } from '../../core/telemetry.ts'
import type { DeadLetter } from '../dead-letter.ts'
import type { DeadLetterReason } from '../dead-letter-line.ts'
import { deadLetterOf } from '../dead-letter-line.ts'
import type { Endpoints } from '../endpoints.ts'
import type { Pass, PauseGate } from '../pause-gate.ts'
import type { SendSlots } from '../send-slots.ts'
import type { PendingAck } from './ack-poller.ts'
import type { Endpoint } from './endpoint.ts'
import type { Acceptance, Failed, Posted } from './posting.ts'
import { post } from './posting.ts'
import type { EventRange } from './range.ts'
import { eventRange, halvesOf, isSingle, splitAt } from './range.ts'

/** HEC's own limit for one event, bytes of the envelope. */
const LARGEST_EVENT_BYTES = 5_242_880
/** After so many single events were cut out of a batch, halving is cheaper than sending the rest again each time. */
const MOST_CUTS = 16
const RETRY = { minMs: 250, maxMs: 30_000 }

/** Shared by all deliveries of a sink. */
export interface Shared {
  readonly endpoints: Endpoints<Endpoint>
  readonly slots: SendSlots
  readonly gate: PauseGate
  readonly deadLetter: DeadLetter
  readonly deadLetterGate: PauseGate
  /** The sink's configured name. */
  readonly sink: string
  readonly telemetry: Telemetry
  readonly clock: Clock
}

/**
 * One batch on its way to being settled. Its events lie in ranges, and an answer moves a whole range or splits it:
 *
 *   to send ──POST──▶ accepted ──token without ack──────────────▶ settled (delivered)
 *    ▲ ▲ ▲               └─token with ack──▶ unacked ──`true`───▶ settled (delivered)
 *    │ │ └── no ack in time, or its id was lost ──┘
 *    │ └──── failed (transient, ambiguous, configuration): after a wait, to another endpoint, or when the gate opens
 *    └────── too large, or refused and it is unknown which event: two halves
 *            refused at an event: those before it accepted, those after it to send, itself ──▶ settled (dead letter)
 */
export class Delivery {
  readonly #batch: Batch
  readonly #lease: Lease
  readonly #shared: Shared
  readonly #started: () => void
  /** In this order. */
  readonly #toSend: EventRange[] = []
  /** One promise for each range that was accepted and waits for its ack. */
  readonly #unacked = new Set<Promise<void>>()

  constructor(batch: Batch, lease: Lease, started: () => void, shared: Shared) {
    this.#batch = batch
    this.#lease = lease
    this.#shared = shared
    let begun = false
    this.#started = () => {
      if (!begun) started()
      begun = true
    }
  }

  /** Resolves when every event is settled; rejects with the lease's end. */
  async run(): Promise<void> {
    const { signal } = this.#lease
    signal.throwIfAborted()
    await this.#buryOversized()
    for (;;) {
      const next = this.#toSend.shift()
      if (next) await this.#settle(next)
      else if (this.#unacked.size > 0) await abortable(Promise.race(this.#unacked), signal)
      else break
    }
    // Acks that were cancelled with the lease are no longer waited for, and are not settled either.
    signal.throwIfAborted()
    this.#started()
  }

  async #settle(range: EventRange): Promise<void> {
    const posted = await this.#postUntilAnswered(range)
    switch (posted.is) {
      case 'accepted':
        return this.#accepted(posted.range, posted.acceptance)
      case 'refused':
        return await this.#refused(posted)
      case 'too_large':
        if (isSingle(posted.range)) return await this.#bury(posted.range.from, posted.reason)
        return this.#sendNext(...halvesOf(this.#batch, posted.range))
      case 'over_limit':
        return this.#sendNext(...splitAt(this.#batch, posted.range, posted.limit))
    }
  }

  /** Waits out every fault that decides nothing about events, and returns the first answer that does. */
  async #postUntilAnswered(first: EventRange): Promise<Posted> {
    const { signal } = this.#lease
    const { endpoints, gate, deadLetterGate, sink, telemetry, clock } = this.#shared
    let range = first
    let failures = 0
    const since = clock.monotonic()
    /** A failure is thrown as its fault: the gate closes on it, and the endpoint rests. */
    const postOnce = async (pass: Pass, endpoint: Endpoint): Promise<Posted> => {
      const posted = await this.#post(range, endpoint, pass)
      if (posted.is !== 'failed') return posted
      if (posted.rest.from > range.from) failures = 0
      this.#accepted({ ...range, to: posted.rest.from }, posted.before)
      range = posted.rest
      throw posted.fault
    }
    const attempt = async (): Promise<Posted> => {
      await deadLetterGate.opened(signal)
      return await gate.through(signal, (pass) => endpoints.using((endpoint) => postOnce(pass, endpoint)))
    }
    const posted = await untilSuccess(attempt, {
      clock,
      signal,
      delayAfter: (fault) => {
        if (fault.kind !== 'transient' && fault.kind !== 'ambiguous') throw fault
        failures++
        telemetry.deliveryFailed(sink, fault, failures, (clock.monotonic() - since) / 1000)
        return endpoints.anyHealthy ? backoffMs(failures, RETRY) : retryDelayMs(fault, failures, RETRY)
      },
    })
    signal.throwIfAborted() // an answer that came after the lease ended settles nothing
    return posted
  }

  #post(range: EventRange, endpoint: Endpoint, pass: Pass): Promise<Posted | Failed> {
    const leaving = (): void => {
      pass.check()
      this.#lease.assertHeld()
      this.#started()
    }
    return post({ batch: this.#batch, range, endpoint, signal: this.#lease.signal, leaving }, this.#shared)
  }

  /** The events are delivered, wait for their ack, or (accepted by an ack token without an id) are sent again. */
  #accepted({ from, to, cuts }: EventRange, acceptance: Acceptance): void {
    if (from === to) return
    if (acceptance === 'unacknowledged') this.#sendNext(eventRange(from, to, 'partial_unacked', cuts))
    else if (acceptance === 'delivered') this.#delivered(to - from)
    else this.#untilAcked(from, to, acceptance)
  }

  #untilAcked(from: number, to: number, ack: PendingAck): void {
    const settled = ack.then((result) => {
      this.#unacked.delete(settled)
      if (result === 'acked') this.#delivered(to - from)
      if (result === 'timeout') this.#toSend.push(eventRange(from, to, 'ack_timeout'))
      if (result === 'lost') this.#toSend.push(eventRange(from, to, 'ack_lost'))
    })
    this.#unacked.add(settled)
  }

  #delivered(events: number): void {
    this.#shared.telemetry.delivered(this.#shared.sink, events)
  }

  async #refused({ range, at, before, reason }: Posted & { is: 'refused' }): Promise<void> {
    if (isSingle(range)) return await this.#bury(range.from, reason)
    if (at === undefined) return this.#sendNext(...halvesOf(this.#batch, range))
    if (at === 0 && reason.code === '6') return await this.#suspectSizeCap(range)
    const bad = range.from + at
    this.#accepted({ ...range, to: bad }, before)
    await this.#bury(bad, reason)
    this.#goOnAfter(range, bad + 1)
  }

  /**
   * Splunk Cloud answers a body over its cap exactly like a bad first event. The first event alone tells: refused again,
   * it was the event; accepted, it was the size.
   */
  async #suspectSizeCap(range: EventRange): Promise<void> {
    const { from } = range
    const first = eventRange(from, from + 1, 'bisect')
    const posted = await this.#postUntilAnswered(first)
    if (posted.is === 'over_limit') throw new Error('a single event is never over the limit')
    if (posted.is === 'accepted') {
      this.#accepted(first, posted.acceptance)
      posted.endpoint.learnLimit(sizeOf(this.#batch, range))
      this.#sendNext(...halvesOf(this.#batch, { ...range, from: from + 1 }))
    } else {
      await this.#bury(from, posted.reason)
      this.#goOnAfter(range, from + 1)
    }
  }

  #goOnAfter(range: EventRange, from: number): void {
    if (from >= range.to) return
    const rest = eventRange(from, range.to, undefined, range.cuts + 1)
    if (rest.cuts < MOST_CUTS) this.#sendNext(rest)
    else this.#sendNext(...halvesOf(this.#batch, { ...rest, cuts: 0 }))
  }

  #sendNext(...ranges: EventRange[]): void {
    this.#toSend.unshift(...ranges)
  }

  async #buryOversized(): Promise<void> {
    const { count, bytes } = this.#batch
    let from = 0
    for (let i = 0; i < count && bytes.length > LARGEST_EVENT_BYTES; i++) {
      const size = sizeOf(this.#batch, { from: i, to: i + 1 }) - 1
      if (size <= LARGEST_EVENT_BYTES) continue
      const text = `${size} bytes, and HEC takes events of at most ${LARGEST_EVENT_BYTES}`
      await this.#bury(i, { code: 'event_too_large', text, status: null })
      if (i > from) this.#toSend.push(eventRange(from, i))
      from = i + 1
    }
    if (count > from) this.#toSend.push(eventRange(from, count))
  }

  async #bury(index: number, reason: DeadLetterReason): Promise<void> {
    const { deadLetter, deadLetterGate, sink, telemetry } = this.#shared
    const entry = deadLetterOf(this.#batch, index, reason)
    await deadLetterGate.through(this.#lease.signal, () => deadLetter.write([entry]))
    telemetry.deadLettered(sink, reason.code, 1)
  }
}
