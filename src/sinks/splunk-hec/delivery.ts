import { abortable } from '../../core/abortable.ts'
import type { Batch } from '../../core/batch.ts'
import { sizeOf } from '../../core/batch.ts'
import { Fault } from '../../core/errors.ts'
import type { Lease } from '../../core/lease.ts'
import { backoffMs } from '../../core/retry.ts'
import type { DeadLetterReason } from '../dead-letter-line.ts'
import { deadLetterOf } from '../dead-letter-line.ts'
import type { PendingAck } from './ack-poller.ts'
import type { Answered, Suspect } from './attempts.ts'
import { Attempts, RETRY } from './attempts.ts'
import type { Endpoint } from './endpoint.ts'
import { HeldEvent } from './held-event.ts'
import {
  everythingRefused,
  INDEX_REFUSED,
  MOST_UNKNOWN,
  outcomeStaysUnknown,
  refusesForGood,
  unacknowledged,
} from './lasting-faults.ts'
import type { EventRange } from './range.ts'
import { eventRange, halvesOf, isSingle } from './range.ts'
import type { Acceptance, Decision } from './range-request.ts'
import { RefusedEvent } from './refused-event.ts'
import type { Shared } from './shared.ts'

type Refusal = Extract<Answered, { is: 'refused' | 'too_large' }>

/** HEC's own limit for one event, bytes of the envelope. */
const LARGEST_EVENT_BYTES = 5_242_880
/** After so many single events were cut out of a batch, halving is cheaper than sending the rest again each time. */
const MOST_CUTS = 16
/** Between tries of an event that is refused again, in milliseconds. */
const FAILS_AGAIN_MS = 5_000

/**
 * One batch on its way to being settled. Its events lie in ranges, and an answer moves a whole range or splits it:
 *
 *   to send ──POST──▶ accepted ──token without ack──────────────▶ settled (delivered)
 *    ▲ ▲ ▲               └─token with ack──▶ unacked ──`true`───▶ settled (delivered)
 *    │ │ └── no ack in time, or its id was lost ──┘
 *    │ └──── failed (transient, ambiguous, configuration): after a wait, to another endpoint, or when the gate opens
 *    ├────── too large, or refused and it is unknown which event: two halves
 *    ├────── fails while others are accepted: its parts; a single event is held, or refused for good by a 4xx page
 *            refused at an event: those before it accepted, those after it to send, itself ──▶ settled (dead letter)
 */
export class Delivery {
  readonly #batch: Batch
  readonly #lease: Lease
  readonly #shared: Shared
  readonly #started: () => void
  /** Ranges still to send; the first goes next. */
  readonly #toSend: EventRange[] = []
  /** One promise for each range that waits: for its ack, or to be sent again. */
  readonly #waiting = new Set<Promise<void>>()
  readonly #attempts: Attempts

  constructor(batch: Batch, lease: Lease, started: () => void, shared: Shared) {
    this.#batch = batch
    this.#lease = lease
    this.#shared = shared
    let begun = false
    this.#started = () => {
      if (!begun) started()
      begun = true
    }
    this.#attempts = new Attempts({
      batch,
      lease,
      shared,
      started: this.#started,
      toSend: this.#toSend,
      accepted: (range, acceptance) => this.#accepted(range, acceptance),
    })
  }

  /** Resolves when every event is settled; rejects with the lease's end. */
  async run(): Promise<void> {
    const { signal } = this.#lease
    signal.throwIfAborted()
    await this.#buryOversized()
    try {
      for (;;) {
        const next = this.#toSend.shift()
        if (next) await this.#settle(next)
        else if (this.#waiting.size > 0) await abortable(Promise.race(this.#waiting), signal)
        else break
      }
    } finally {
      this.#shared.held.release(this)
    }
    // Acks that were cancelled with the lease are no longer waited for, and are not settled either.
    signal.throwIfAborted()
    this.#started()
  }

  async #settle(range: EventRange): Promise<void> {
    const decision = await this.#attempts.untilAnswered(range)
    switch (decision.is) {
      case 'accepted':
        return this.#accepted(decision.range, decision.acceptance)
      case 'refused':
        return await this.#refused(decision)
      case 'too_large':
        if (isSingle(decision.range)) return await this.#refusedAlone(decision)
        return this.#sendNext(...halvesOf(this.#batch, decision.range))
      case 'suspect':
        return await this.#suspected(decision)
    }
  }

  /** Its parts are sent, each to be suspected at its first failure. An event that stands alone is held, or given up. */
  async #suspected({ parts, fault, endpoint }: Suspect): Promise<void> {
    const { evidence } = this.#shared
    const [first] = parts
    if (parts.length === 1 && first && isSingle(first) && first.suspect)
      return await this.#failsAlone(first, fault, endpoint)
    // No answer to a body that is larger than any that was taken: perhaps the size is the reason.
    const size = parts.reduce((sum, part) => sum + sizeOf(this.#batch, part), 0)
    if (fault.status === undefined && endpoint.mayBeTooLarge(size)) endpoint.learnLimit(size)
    const now = evidence.acceptances
    this.#sendNext(...parts.map((part) => ({ ...part, suspect: true, failedAt: isSingle(part) ? part.failedAt : now })))
  }

  async #failsAlone(event: EventRange, fault: Fault, endpoint: Endpoint): Promise<void> {
    const { endpoints, refusedBefore, held: reported } = this.#shared
    for (const each of endpoints.all) each.forgetLimit()
    const held = event.held ?? new HeldEvent(endpoints.all, fault)
    if (refusedBefore ? held.failedOften : refusesForGood(fault) && held.isRefusedForGood) {
      const reason = { code: fault.code, text: fault.message, status: fault.status ?? null }
      return await this.#giveUp(event.from, { reason, endpoint })
    }
    reported.hold(this, this.#heldFault(fault))
    this.#sendLater({ ...event, held }, refusedBefore ? FAILS_AGAIN_MS : held.gapMs)
  }

  #heldFault(last: Fault): Fault {
    const { shard, cursor } = this.#batch.origin
    const message = `one event of shard ${shard} (pulled at cursor ${cursor}) fails while others are accepted: ${last.message}`
    const ofHec = last.code === INDEX_REFUSED ? last.advice : undefined
    return new Fault('configuration', message, {
      code: last.code,
      cause: last,
      ...(last.status !== undefined && { status: last.status }),
      advice: `All others are delivered. ${ofHec ?? 'Look for a firewall or proxy that refuses or cuts requests by their contents.'}`,
    })
  }

  /** The events are delivered, wait for their ack, or (accepted by an ack token without an id) are sent again. */
  #accepted(range: EventRange, acceptance: Acceptance): void {
    const { from, to, cuts } = range
    if (from === to) return
    if (acceptance === 'unacknowledged') this.#sendNext(eventRange(from, to, 'partial_unacked', cuts))
    else if (acceptance === 'delivered') this.#delivered(to - from)
    else this.#untilAcked(range, acceptance)
  }

  #untilAcked(range: EventRange, ack: PendingAck): void {
    this.#wait(
      ack.then(async (result) => {
        if (result === 'acked') this.#delivered(range.to - range.from)
        else if (result !== 'cancelled') await this.#notAcknowledged(range, result)
      }),
    )
  }

  /** It may have arrived. Each time it waits longer, and after three times the sink pauses. */
  async #notAcknowledged({ from, to, unknown }: EventRange, result: 'lost' | 'timeout'): Promise<void> {
    const { doubtGate, ackTimeoutMs, sink, telemetry, clock } = this.#shared
    const times = unknown + 1
    const fault = unacknowledged(result, ackTimeoutMs)
    telemetry.deliveryFailed(sink, fault, times, 0)
    if (times >= MOST_UNKNOWN) doubtGate.trip(outcomeStaysUnknown(fault))
    const again = { ...eventRange(from, to, result === 'lost' ? 'ack_lost' : 'ack_timeout'), unknown: times }
    await clock.sleep(backoffMs(times, RETRY), this.#lease.signal)
    this.#toSend.push(again)
  }

  #sendLater(range: EventRange, delayMs: number): void {
    const { clock } = this.#shared
    this.#wait(clock.sleep(delayMs, this.#lease.signal).then(() => void this.#toSend.push(range)))
  }

  /** `run` waits for it. What ends with the lease is not settled, and `run` says so. */
  #wait(task: Promise<void>): void {
    const waiting = task
      .catch((error) => {
        if (!this.#lease.signal.aborted) throw error
      })
      .finally(() => this.#waiting.delete(waiting))
    this.#waiting.add(waiting)
  }

  #delivered(events: number): void {
    this.#shared.telemetry.delivered(this.#shared.sink, events)
    this.#shared.doubtGate.resume()
  }

  async #refused(decision: Decision & { is: 'refused' }): Promise<void> {
    const { range, at, before, reason, endpoint } = decision
    if (isSingle(range)) return await this.#refusedAlone(decision)
    if (at === undefined) return this.#sendNext(...halvesOf(this.#batch, range))
    const bad = range.from + at
    if (at > 0) this.#accepted({ ...range, to: bad }, before)
    const upToBad = sizeOf(this.#batch, { from: range.from, to: bad + 1 })
    const maySize = reason.code === '6' && (at === 0 || endpoint.mayBeTooLarge(upToBad))
    // Nothing was accepted: perhaps another endpoint, or another node behind this address, takes what this one refuses.
    if (at === 0 || maySize || endpoint.consistency.contradicts) {
      const size = at === 0 ? sizeOf(this.#batch, range) : upToBad
      return await this.#tryAlone({ ...range, from: bad }, decision, maySize ? size : undefined)
    }
    await this.#giveUp(bad, decision)
    this.#goOnAfter(range, bad + 1)
  }

  /**
   * Splunk Cloud answers a body over its cap exactly like a bad first event, and a proxy that cuts bodies makes the event at
   * the cut a bad one. The first event of the range alone tells: refused again, it was the event; accepted where it was
   * refused, it was `size`.
   */
  async #tryAlone(range: EventRange, refusal: Decision & { is: 'refused' }, size: number | undefined): Promise<void> {
    const { from } = range
    const first = { ...eventRange(from, from + 1, 'bisect'), refusals: size === undefined ? 1 : 0 }
    const rest = { ...range, from: from + 1 }
    const { evidence } = this.#shared
    const { spells } = evidence
    if (rest.from < rest.to) this.#sendNext(rest)
    const decision = await this.#attempts.untilAnswered(first)
    // Events of the rest may have been tried meanwhile. What is left of it then waits to be sent.
    const place = this.#toSend.indexOf(rest)
    if (place >= 0) this.#toSend.splice(place, 1)
    if (decision.is === 'accepted') {
      this.#accepted(first, decision.acceptance)
      const { endpoint } = decision
      const sameSink = endpoint.forms.isCurrent(refusal.form) && evidence.spells === spells
      const isLimit = sameSink && !endpoint.consistency.contradicts
      if (size !== undefined && endpoint === refusal.endpoint && isLimit) endpoint.learnLimit(size)
      if (place >= 0) this.#sendNext(...halvesOf(this.#batch, rest))
      return
    }
    if (decision.is === 'suspect') await this.#suspected(decision)
    else await this.#refusedAlone(decision)
    if (place >= 0) this.#goOnAfter(range, from + 1)
  }

  /** Given up, or sent again later: endpoints that could not be asked may take it. */
  async #refusedAlone({ range, reason, endpoint, refusers = [endpoint] }: Refusal): Promise<void> {
    const { endpoints, clock } = this.#shared
    const refused = range.refused ?? new RefusedEvent(clock)
    refused.refusedBy(refusers)
    if (refused.isForGood(endpoints.all)) return await this.#giveUp(range.from, { reason, endpoint })
    for (const { evidence } of refusers) evidence.refused()
    this.#sendLater({ ...eventRange(range.from, range.to), refused }, refused.gapMs)
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

  /** Dead-letters a refused event, unless so many were refused, by the sink or this endpoint, that it cannot be the events. */
  async #giveUp(index: number, by: { reason: DeadLetterReason; endpoint: Endpoint }): Promise<void> {
    const { evidence, gate } = this.#shared
    const ofEndpoint = by.endpoint.evidence
    if (!ofEndpoint.everythingRefused && evidence.mayGiveUp()) {
      ofEndpoint.refused()
      return await this.#bury(index, by.reason)
    }
    // An endpoint alone is paused at its next refusal.
    if (evidence.everythingRefused) gate.trip(everythingRefused(by.reason))
    this.#sendNext(eventRange(index, index + 1))
  }

  async #bury(index: number, reason: DeadLetterReason): Promise<void> {
    const { deadLetter, deadLetterGate, sink, telemetry } = this.#shared
    const entry = deadLetterOf(this.#batch, index, reason)
    await deadLetterGate.through(this.#lease.signal, () => deadLetter.write([entry]))
    telemetry.deadLettered(sink, reason.code, 1)
  }
}
