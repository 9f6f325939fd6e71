import { abortable } from '../../core/abortable.ts'
import type { Batch } from '../../core/batch.ts'
import { sizeOf } from '../../core/batch.ts'
import type { Clock } from '../../core/clock.ts'
import { Fault } from '../../core/errors.ts'
import type { Lease } from '../../core/lease.ts'
import { backoffMs, LONGEST_PROBE_GAP_MS, retryDelayMs, untilSuccess } from '../../core/retry.ts'
import type { Telemetry } from '../../core/telemetry.ts'
import type { DeadLetter } from '../dead-letter.ts'
import type { DeadLetterReason } from '../dead-letter-line.ts'
import { deadLetterOf } from '../dead-letter-line.ts'
import type { Endpoints } from '../endpoints.ts'
import type { Evidence } from '../evidence.ts'
import type { HeldEvents } from '../held-events.ts'
import type { Pass, PauseGate } from '../pause-gate.ts'
import type { SendSlots } from '../send-slots.ts'
import type { PendingAck } from './ack-poller.ts'
import type { BodyForm } from './body-forms.ts'
import type { Endpoint } from './endpoint.ts'
import {
  everythingRefused,
  MOST_UNKNOWN,
  mayBeAboutContents,
  outcomeStaysUnknown,
  refusesForGood,
  unacknowledged,
} from './lasting-faults.ts'
import type { Acceptance, Failed, Posted } from './posting.ts'
import { post } from './posting.ts'
import type { EventRange } from './range.ts'
import { around, eventRange, halvesOf, isSingle, oneOf, splitAt } from './range.ts'

/** HEC's own limit for one event, bytes of the envelope. */
const LARGEST_EVENT_BYTES = 5_242_880
/** After so many single events were cut out of a batch, halving is cheaper than sending the rest again each time. */
const MOST_CUTS = 16
const RETRY = { minMs: 250, maxMs: 30_000 }
/** Failures in a row of one request before it is suspected, by the kind of the fault. */
const PATIENCE = { configuration: 2, ambiguous: MOST_UNKNOWN, transient: 6, event: 1, lease: 1 } as const
/** A single event that is refused by a page, alone and again, while others are accepted, is refused for good. */
const TRIES_ALONE = 3
const REFUSED_ALONE_MS = 5_000

/** Shared by all deliveries of a sink. */
export interface Shared {
  readonly endpoints: Endpoints<Endpoint>
  readonly slots: SendSlots
  readonly gate: PauseGate
  /** Closed while outcomes stay unknown. */
  readonly doubtGate: PauseGate
  readonly evidence: Evidence
  readonly held: HeldEvents
  readonly ackTimeoutMs: number
  readonly deadLetter: DeadLetter
  readonly deadLetterGate: PauseGate
  /** The sink's configured name. */
  readonly sink: string
  readonly telemetry: Telemetry
  readonly clock: Clock
}

/** An answer to a request that was sent. */
type Answered = Exclude<Posted, { is: 'over_limit' }>

/** A range that fails while the sink accepts others: the fault is about what is in it. */
interface Suspect {
  readonly is: 'suspect'
  readonly parts: readonly EventRange[]
  readonly fault: Fault
  readonly endpoint: Endpoint
}

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
  /** Events tried alone, to learn whether the sink takes any. */
  #tries = 0

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
    const posted = await this.#postUntilAnswered(range)
    switch (posted.is) {
      case 'accepted':
        return this.#accepted(posted.range, posted.acceptance)
      case 'refused':
        return await this.#refused(posted)
      case 'too_large':
        if (isSingle(posted.range)) return await this.#giveUp(posted.range.from, posted)
        return this.#sendNext(...halvesOf(this.#batch, posted.range))
      case 'suspect':
        return await this.#suspected(posted)
    }
  }

  /** Waits out every fault that decides nothing about events, and returns the first answer that does. */
  async #postUntilAnswered(first: EventRange): Promise<Answered | Suspect> {
    const { signal } = this.#lease
    const { endpoints, gate, deadLetterGate, doubtGate, evidence, sink, telemetry, clock } = this.#shared
    const since = clock.monotonic()
    let range = first
    /** In a row: of any attempt, and of requests that were sent. */
    let failures = 0
    let refusals = 0
    /** A failure is thrown as its fault: the gate closes on it, and the endpoint rests. */
    const postOnce = async (pass: Pick<Pass, 'check'>, endpoint: Endpoint): Promise<Answered | Suspect> => {
      const { acceptances } = evidence
      if (evidence.everythingRefused || endpoint.evidence.everythingRefused) {
        const answered = await this.#postWhileAllIsRefused(range, endpoint, pass)
        if (answered) return answered
      }
      let posted = await this.#post(range, endpoint, pass)
      // Within the pass: what was not sent proves nothing, and would open the gates.
      while (posted.is === 'over_limit') {
        const [part, rest] = splitAt(this.#batch, range, posted.limit)
        this.#sendNext(rest)
        range = part
        posted = await this.#post(range, endpoint, pass)
      }
      if (posted.is !== 'failed') return posted
      const progress = posted.rest.from > range.from
      if (progress) failures = refusals = 0
      this.#accepted({ ...range, to: posted.rest.from }, posted.before)
      range = { ...posted.rest, failedAt: progress ? undefined : (posted.rest.failedAt ?? acceptances) }
      refusals++
      const parts = await this.#partsToSuspect(range, posted.fault, refusals, endpoint, pass)
      if (parts) return { is: 'suspect', parts, fault: posted.fault, endpoint }
      throw posted.fault
    }
    const attempt = async (): Promise<Answered | Suspect> => {
      await deadLetterGate.opened(signal)
      return await doubtGate.through(signal, async (doubt) => {
        try {
          const posted = await gate.through(signal, (pass) => endpoints.using((at) => postOnce(both(doubt, pass), at)))
          // Only an ack tells that the events arrived.
          const unacked = posted.is === 'accepted' && posted.acceptance !== 'delivered'
          if (unacked || posted.is === 'suspect') doubt.unproven()
          return posted
        } catch (error) {
          if (error instanceof Fault && error.kind === 'ambiguous' && range.unknown >= MOST_UNKNOWN) {
            throw outcomeStaysUnknown(error)
          }
          throw error
        }
      })
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

  async #post(range: EventRange, endpoint: Endpoint, pass: Pick<Pass, 'check'>): Promise<Posted | Failed> {
    const { evidence, endpoints } = this.#shared
    const leaving = (): void => {
      pass.check()
      this.#lease.assertHeld()
      this.#started()
    }
    const { signal } = this.#lease
    const posted = await post({ batch: this.#batch, range, endpoint, signal, leaving }, this.#shared)
    if (acceptedSome(posted, range)) {
      // What was learned while everything was refused was learned from whatever refused it.
      if (evidence.everythingRefused) for (const each of endpoints.all) each.forgetLimit()
      if (endpoint.evidence.everythingRefused) endpoint.forgetLimit()
      evidence.accepted()
      endpoint.evidence.accepted()
    }
    return posted
  }

  /**
   * Gives up nothing. One event is tried, another each time, until one is accepted: of the range, or of those behind it, for
   * the range may have none that is good. `undefined`: one of those behind it was accepted.
   */
  async #postWhileAllIsRefused(
    range: EventRange,
    endpoint: Endpoint,
    pass: Pick<Pass, 'check'>,
  ): Promise<Answered | undefined> {
    const ranges = [range, ...this.#toSend]
    const tries = this.#tries++
    const tried = ranges[tries % ranges.length] ?? range
    const index = oneOf(tried, Math.floor(tries / ranges.length))
    const one = { ...tried, from: index, to: index + 1 }
    const posted = await this.#post(one, endpoint, pass)
    if (posted.is === 'over_limit') throw new Error('a single event is never over the limit')
    if (posted.is === 'failed') throw posted.fault
    if (posted.is === 'refused' || posted.is === 'too_large') throw everythingRefused(posted.reason)
    if (tried === range) {
      this.#sendNext(...around(range, index))
      return posted
    }
    this.#toSend.splice(this.#toSend.indexOf(tried), 1, ...around(tried, index))
    if (posted.is === 'accepted') this.#accepted(one, posted.acceptance)
    return undefined
  }

  /**
   * Parts of a range that fails although the sink accepts something else; `undefined` while that is not known. Without
   * other deliveries one event of the range is tried, another each time.
   */
  async #partsToSuspect(
    range: EventRange,
    fault: Fault,
    failures: number,
    endpoint: Endpoint,
    pass: Pick<Pass, 'check'>,
  ): Promise<readonly EventRange[] | undefined> {
    const { evidence } = this.#shared
    const overdue = failures - (range.suspect ? 1 : PATIENCE[fault.kind])
    if (!mayBeAboutContents(fault) || overdue < 0) return undefined
    if (isSingle(range) && range.heldBefore > 0) return [range]
    if (range.failedAt !== undefined && evidence.acceptances > range.failedAt) {
      return isSingle(range) ? [range] : splitAt(this.#batch, range, sizeOf(this.#batch, range) / 2)
    }
    if (isSingle(range) || overdue % 2 === 1) return undefined
    const index = oneOf(range, this.#tries++)
    const one = { ...range, from: index, to: index + 1 }
    const posted = await this.#post(one, endpoint, pass)
    if (posted.is !== 'accepted') return undefined
    this.#accepted(one, posted.acceptance)
    return around(range, index)
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
    const { evidence, endpoints, held } = this.#shared
    for (const each of endpoints.all) each.forgetLimit()
    const others = event.failedAt !== undefined && evidence.acceptances > event.failedAt
    // What is refused while nothing else is accepted may be refused like everything.
    const heldBefore = Math.max(1, event.heldBefore + (others ? 1 : 0))
    const forGood = refusesForGood(fault)
    if (forGood && others && heldBefore >= TRIES_ALONE) {
      const reason = { code: fault.code, text: fault.message, status: fault.status ?? null }
      return await this.#giveUp(event.from, { reason, endpoint })
    }
    held.hold(this, this.#heldFault(fault))
    const gapMs = forGood && others && heldBefore < TRIES_ALONE ? REFUSED_ALONE_MS : LONGEST_PROBE_GAP_MS
    this.#sendLater({ ...event, heldBefore, failedAt: evidence.acceptances }, gapMs)
  }

  #heldFault(last: Fault): Fault {
    const { shard, cursor } = this.#batch.origin
    const message = `one event of shard ${shard} (pulled at cursor ${cursor}) fails while others are accepted: ${last.message}`
    return new Fault('configuration', message, {
      code: last.code,
      cause: last,
      ...(last.status !== undefined && { status: last.status }),
      advice: 'All others are delivered. Look for a firewall or proxy that refuses or cuts requests by their contents.',
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

  async #refused(posted: Posted & { is: 'refused' }): Promise<void> {
    const { range, at, before, reason, form } = posted
    if (isSingle(range)) return await this.#giveUp(range.from, posted)
    if (at === undefined) return this.#sendNext(...halvesOf(this.#batch, range))
    if (at === 0 && reason.code === '6') return await this.#suspectSizeCap(range, form)
    const bad = range.from + at
    this.#accepted({ ...range, to: bad }, before)
    await this.#giveUp(bad, posted)
    this.#goOnAfter(range, bad + 1)
  }

  /**
   * Splunk Cloud answers a body over its cap exactly like a bad first event. The first event alone tells: refused again,
   * it was the event; accepted, it was the size.
   */
  async #suspectSizeCap(range: EventRange, form: BodyForm): Promise<void> {
    const { from } = range
    const first = eventRange(from, from + 1, 'bisect')
    const rest = { ...range, from: from + 1 }
    const { evidence } = this.#shared
    const { spells } = evidence
    this.#sendNext(rest)
    const posted = await this.#postUntilAnswered(first)
    // Events of the rest may have been tried meanwhile. What is left of it then waits to be sent.
    const place = this.#toSend.indexOf(rest)
    if (place >= 0) this.#toSend.splice(place, 1)
    if (posted.is === 'accepted') {
      this.#accepted(first, posted.acceptance)
      const sameSink = posted.endpoint.forms.isCurrent(form) && evidence.spells === spells
      if (sameSink) posted.endpoint.learnLimit(sizeOf(this.#batch, range))
      if (place >= 0) this.#sendNext(...halvesOf(this.#batch, rest))
      return
    }
    if (posted.is === 'suspect') await this.#suspected(posted)
    else await this.#giveUp(from, posted)
    if (place >= 0) this.#goOnAfter(range, from + 1)
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
      ofEndpoint.mayGiveUp()
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

/** Sent only while both gates let it. */
function both(a: Pass, b: Pass): Pick<Pass, 'check'> {
  return {
    check: () => {
      a.check()
      b.check()
    },
  }
}

/** Whether the answer shows that the sink takes events. */
function acceptedSome(posted: Posted | Failed, range: EventRange): boolean {
  if (posted.is === 'accepted') return true
  // Without an ack id nothing shows that those before the bad one were taken: they are sent again.
  if (posted.is === 'refused') return posted.at !== undefined && posted.at > 0 && posted.before !== 'unacknowledged'
  return posted.is === 'failed' && posted.rest.from > range.from
}
