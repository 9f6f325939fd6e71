import type { Batch } from '../../core/batch.ts'
import { whileWaiting } from '../../core/clock.ts'
import { Fault } from '../../core/errors.ts'
import type { Lease } from '../../core/lease.ts'
import { backoffMs, untilSuccess } from '../../core/retry.ts'
import type { Inconclusive } from '../endpoints.ts'
import type { Pass } from '../pause-gate.ts'
import type { Endpoint } from './endpoint.ts'
import {
  everythingRefused,
  INDEX_REFUSED,
  isWordOfHec,
  MOST_UNKNOWN,
  mayBeAboutContents,
  ofTheseEvents,
  outcomeStaysUnknown,
  refusesForGood,
} from './lasting-faults.ts'
import type { EventRange } from './range.ts'
import { around, isSingle, oneOf, partsOf, splitAt } from './range.ts'
import type { Acceptance, Decision, Failed } from './range-request.ts'
import { sendRange } from './range-request.ts'
import type { Shared } from './shared.ts'

export const RETRY = { minMs: 250, maxMs: 30_000 }
const TOLD_EACH_MS = 15_000
/** Failures in a row of one request before it is suspected, by the kind of the fault. */
const PATIENCE = { configuration: 2, ambiguous: MOST_UNKNOWN, transient: 6, event: 1, lease: 1 } as const
/** The same where HEC says why. A busy one takes some requests and not others, so that takes minutes. */
const PATIENCE_WITH_HEC = { ...PATIENCE, configuration: 4, transient: 20 } as const

/** After a wait that was asked for and is as long as this, the next refusal is suspicious. */
const LONG_ASKED_MS = 5_000
/** So long at most several events wait, although longer was asked for, until one of them is tried alone. */
const FIRST_ASKED_MS = 20_000

/** A range whose outcome is unknown is cut into so many: each failure may cost a timeout, or the wait for an ack. */
const PARTS_IN_DOUBT = 8

/** An answer to a request that was sent. `refusers`: the endpoints that refused a single event. */
export type Answered = Exclude<Decision, { is: 'over_limit' }> & { readonly refusers?: readonly Endpoint[] }

/** A range that fails while the sink accepts others: the fault is about what is in it. */
export interface Suspect {
  readonly is: 'suspect'
  readonly parts: readonly EventRange[]
  readonly fault: Fault
  readonly endpoint: Endpoint
  /** The endpoint accepted an event in the same attempt. Otherwise it may refuse everything by now. */
  readonly proven: boolean
}

export interface AttemptsOptions {
  readonly batch: Batch
  readonly lease: Lease
  readonly shared: Shared
  /** Called before the first byte of each request leaves. */
  readonly started: () => void
  /** Ranges of the delivery that wait to be sent; the first goes next. */
  readonly toSend: EventRange[]
  readonly accepted: (range: EventRange, acceptance: Acceptance) => void
}

/** The requests of one delivery: each is tried until an answer decides something about its events. */
export class Attempts {
  readonly #batch: Batch
  readonly #lease: Lease
  readonly #shared: Shared
  readonly #started: () => void
  readonly #toSend: EventRange[]
  readonly #accepted: (range: EventRange, acceptance: Acceptance) => void
  /** Events tried alone, to learn whether the sink takes any. */
  #tries = 0
  /** When the range that is tried was tried first. */
  #since = 0

  constructor({ batch, lease, shared, started, toSend, accepted }: AttemptsOptions) {
    this.#batch = batch
    this.#lease = lease
    this.#shared = shared
    this.#started = started
    this.#toSend = toSend
    this.#accepted = accepted
  }

  /** Waits out every fault that decides nothing about events, and returns the first answer that does. */
  async untilAnswered(first: EventRange): Promise<Answered | Suspect> {
    const { signal } = this.#lease
    const { endpoints, gate, deadLetterGate, doubtGate, sink, telemetry, clock, ackTimeoutMs } = this.#shared
    const attempt = new Attempt(first)
    this.#since = clock.monotonic()
    const once = async (): Promise<Answered | Suspect> => {
      await deadLetterGate.opened(signal)
      return await doubtGate.through(signal, async (doubt) => {
        try {
          const decision = await gate.through(signal, async (pass) => {
            const refusers: Endpoint[] = []
            const answer = await endpoints.using(
              (at) => this.#sendOnce(attempt, at, both(doubt, pass)),
              (result) => isInconclusive(result, refusers, ackTimeoutMs),
            )
            // Another endpoint takes what those refused, so it is they.
            if (answer.is === 'accepted') for (const { evidence } of refusers) evidence.refused()
            if (answer.is === 'suspect' && !answer.proven) pass.unproven()
            return answer.is === 'suspect' ? answer : { ...answer, refusers }
          })
          // Only an ack tells that the events arrived.
          const unacked = decision.is === 'accepted' && decision.acceptance !== 'delivered'
          if (unacked || decision.is === 'suspect') doubt.unproven()
          return decision
        } catch (error) {
          if (error instanceof Fault && error.kind === 'ambiguous' && attempt.unknown >= MOST_UNKNOWN) {
            throw outcomeStaysUnknown(error)
          }
          throw error
        }
      })
    }
    const decision = await untilSuccess(once, {
      clock,
      signal,
      delayAfter: async (fault) => {
        if (fault.kind !== 'transient' && fault.kind !== 'ambiguous') throw fault
        attempt.failures++
        telemetry.deliveryFailed(sink, fault, attempt.failures, this.#seconds)
        await this.#waiting(this.#rest(attempt, fault), fault)
        return 0
      },
    })
    signal.throwIfAborted() // an answer that came after the lease ended settles nothing
    return decision
  }

  /**
   * The backoff, and then what is left of the wait that the other side asked for. That ends as soon as the sink accepts
   * another request: the wait was about what is in this one, and those beside it need not wait. The first wait of several
   * events is short, since nobody else may be there to tell.
   */
  async #rest(attempt: Attempt, fault: Fault): Promise<void> {
    const { signal } = this.#lease
    const { endpoints, evidence, clock } = this.#shared
    const before = evidence.acceptances
    const delayMs = backoffMs(attempt.failures, RETRY)
    const isDoubted = mayBeAboutContents(fault) && !isWordOfHec(fault)
    const isFirst = attempt.refusals === 1 && !isSingle(attempt.range) && isDoubted
    const asked = Math.min(fault.retryAfterMs ?? 0, isFirst ? FIRST_ASKED_MS : Number.POSITIVE_INFINITY)
    await clock.sleep(delayMs, signal)
    if (asked <= delayMs || attempt.range.suspect || endpoints.anyHealthy) return
    const over = new AbortController()
    const either = AbortSignal.any([signal, over.signal])
    const rest = clock.sleep(asked - delayMs, either)
    try {
      await Promise.race([rest, evidence.acceptedSince(before, either)])
    } finally {
      over.abort()
      await rest.catch(() => {})
    }
    if (asked >= LONG_ASKED_MS && isDoubted) attempt.refusals = Math.max(attempt.refusals, PATIENCE[fault.kind] - 1)
  }

  get #seconds(): number {
    return (this.#shared.clock.monotonic() - this.#since) / 1000
  }

  /** A delivery that waits for long is told of, whatever it waits for. */
  #waiting<T>(task: Promise<T>, fault: Fault): Promise<T> {
    const { clock, sink, telemetry } = this.#shared
    return whileWaiting(clock, task, TOLD_EACH_MS, () => telemetry.deliveryWaits(sink, fault, this.#seconds))
  }

  /** A failure is thrown as its fault: the gate closes on it, and the endpoint rests. */
  async #sendOnce(attempt: Attempt, endpoint: Endpoint, pass: Pick<Pass, 'check'>): Promise<Answered | Suspect> {
    const { evidence } = this.#shared
    const { acceptances } = evidence
    if (evidence.everythingRefused || endpoint.evidence.everythingRefused) {
      const answered = await this.#sendOneOfAll(attempt, endpoint, pass)
      if (answered) return answered
    }
    const { gate, doubtGate } = this.#shared
    const isInDoubt = attempt.range.unknown >= MOST_UNKNOWN && !isSingle(attempt.range)
    if (isInDoubt && (gate.isClosed || doubtGate.isClosed)) return await this.#sendOneInDoubt(attempt, endpoint, pass)
    let decision = await this.#send(attempt.range, endpoint, pass)
    // Within the pass: what was not sent proves nothing, and would open the gates.
    while (decision.is === 'over_limit') {
      const [part, rest] = splitAt(this.#batch, attempt.range, decision.limit)
      this.#toSend.unshift(rest)
      attempt.range = part
      decision = await this.#send(part, endpoint, pass)
    }
    if (decision.is !== 'failed') return decision
    const { range } = attempt
    const { fault, rest, before } = decision
    const progress = rest.from > range.from
    if (progress) attempt.failures = attempt.refusals = 0
    this.#accepted({ ...range, to: rest.from }, before)
    attempt.failed({ ...rest, failedAt: progress ? undefined : (rest.failedAt ?? acceptances) }, fault)
    attempt.refusals++
    const suspected = await this.#partsToSuspect(attempt, fault, endpoint, pass)
    if (suspected) return { is: 'suspect', fault, endpoint, ...suspected, proven: progress || suspected.proven }
    throw range.suspect && fault.code === INDEX_REFUSED ? ofTheseEvents(fault) : fault
  }

  async #send(range: EventRange, endpoint: Endpoint, pass: Pick<Pass, 'check'>): Promise<Decision | Failed> {
    const { evidence, endpoints } = this.#shared
    const leaving = (): void => {
      pass.check()
      this.#lease.assertHeld()
      this.#started()
    }
    const { signal } = this.#lease
    const request = sendRange({ batch: this.#batch, range, endpoint, signal, leaving }, this.#shared)
    const decision = await this.#waiting(request, noAnswerYet(endpoint.client.origin))
    if (acceptedSome(decision, range)) {
      // What was learned while everything was refused was learned from whatever refused it.
      if (evidence.everythingRefused) for (const each of endpoints.all) each.forgetLimit()
      if (endpoint.evidence.everythingRefused) endpoint.forgetLimit()
      evidence.accepted()
      endpoint.evidence.accepted()
      if (range.held) endpoint.consistency.taken(range.held.refusals)
    }
    return decision
  }

  /**
   * Everything is refused: gives up nothing. One event is tried, another each time, until one is accepted: of the range, or
   * of those behind it, for the range may have none that is good. An event whose outcome is unknown is tried again before
   * another. `undefined`: one of those behind the range was accepted.
   */
  async #sendOneOfAll(attempt: Attempt, endpoint: Endpoint, pass: Pick<Pass, 'check'>): Promise<Answered | undefined> {
    const { range } = attempt
    const ranges = [range, ...this.#toSend]
    const inDoubt = ranges.find((each) => isSingle(each) && each.unknown > 0 && each.unknown < MOST_UNKNOWN)
    const tries = inDoubt ? 0 : this.#tries++
    const tried = inDoubt ?? ranges[tries % ranges.length] ?? range
    const index = oneOf(tried, Math.floor(tries / ranges.length))
    const one = { ...tried, from: index, to: index + 1 }
    const decision = await this.#send(one, endpoint, pass)
    if (decision.is === 'over_limit') throw new Error('a single event is never over the limit')
    if (decision.is === 'accepted') {
      if (tried === range) {
        this.#toSend.unshift(...around(range, index))
        return decision
      }
      this.#replace(tried, around(tried, index))
      this.#accepted(one, decision.acceptance)
      return undefined
    }
    const after = decision.is === 'failed' ? decision.rest : { ...decision.range, unknown: 0 }
    // Events in doubt are sent alone, so that their next request counts as a repetition.
    if (isSingle(tried) || after.unknown > 0) {
      const others = around(tried, index)
      if (tried === range) this.#toSend.unshift(...others)
      else this.#replace(tried, [after, ...others])
    }
    const fault = decision.is === 'failed' ? decision.fault : everythingRefused(decision.reason)
    if (tried === range && (isSingle(tried) || after.unknown > 0)) attempt.failed(after, fault)
    else attempt.unknown = after.unknown
    throw fault
  }

  /**
   * The range may have arrived, and the sink is paused. So one event of it is repeated, another each time, until the outcome is
   * known. Once it is delivered, the others are suspects: one of them may be the reason.
   */
  async #sendOneInDoubt(
    attempt: Attempt,
    endpoint: Endpoint,
    pass: Pick<Pass, 'check'>,
  ): Promise<Exclude<Decision, { is: 'over_limit' }> | Suspect> {
    const { range, fault } = attempt
    const index = oneOf(range, this.#tries++)
    const one = { ...range, from: index, to: index + 1 }
    const decision = await this.#send(one, endpoint, pass)
    if (decision.is === 'over_limit') throw new Error('a single event is never over the limit')
    if (decision.is === 'failed') {
      const { unknown, doubtful } = decision.rest
      attempt.failed({ ...range, unknown, doubtful }, decision.fault)
      throw decision.fault
    }
    const parts = around(range, index)
    if (fault && decision.is === 'accepted' && decision.acceptance === 'delivered') {
      this.#accepted(one, decision.acceptance)
      return { is: 'suspect', parts, fault, endpoint, proven: true }
    }
    this.#toSend.unshift(...parts)
    return decision
  }

  /** Whether the endpoint accepts an event that waits behind the range. */
  async #takesAnother(endpoint: Endpoint, pass: Pick<Pass, 'check'>): Promise<boolean> {
    const [next] = this.#toSend
    if (next === undefined) return false
    const index = oneOf(next, this.#tries++)
    const one = { ...next, from: index, to: index + 1 }
    const decision = await this.#send(one, endpoint, pass)
    if (decision.is === 'accepted') {
      this.#replace(next, around(next, index))
      this.#accepted(one, decision.acceptance)
      return true
    }
    // Events in doubt are sent alone, so that their next request counts as a repetition.
    if (decision.is === 'failed' && decision.rest.unknown > 0)
      this.#replace(next, [decision.rest, ...around(next, index)])
    return false
  }

  #replace(range: EventRange, parts: readonly EventRange[]): void {
    this.#toSend.splice(this.#toSend.indexOf(range), 1, ...parts)
  }

  /**
   * Parts of a range that fails although the sink accepts something else; `undefined` while that is not known. Without
   * other deliveries one event of the range is tried, another each time.
   */
  async #partsToSuspect(
    { range, refusals }: Attempt,
    fault: Fault,
    endpoint: Endpoint,
    pass: Pick<Pass, 'check'>,
  ): Promise<Pick<Suspect, 'parts' | 'proven'> | undefined> {
    const { evidence } = this.#shared
    const overdue = refusals - (range.suspect ? 1 : patienceWith(fault))
    // Events name their indexes, so another event may tell at once.
    const atOnce = fault.code === INDEX_REFUSED && refusals === 1
    if (!mayBeAboutContents(fault) || (overdue < 0 && !atOnce)) return undefined
    if (range.held) {
      range.held.failedAt(endpoint, fault)
      return { parts: [range], proven: false }
    }
    if (overdue >= 0 && range.failedAt !== undefined && evidence.acceptances > range.failedAt) {
      return { parts: partsOf(this.#batch, range, fault.kind === 'ambiguous' ? PARTS_IN_DOUBT : 2), proven: false }
    }
    if (isSingle(range))
      return (await this.#takesAnother(endpoint, pass)) ? { parts: [range], proven: true } : undefined
    if (overdue % 2 === 1) return undefined
    const index = oneOf(range, this.#tries++)
    const one = { ...range, from: index, to: index + 1 }
    const decision = await this.#send(one, endpoint, pass)
    if (decision.is !== 'accepted') return undefined
    this.#accepted(one, decision.acceptance)
    return { parts: around(range, index), proven: true }
  }
}

/** Failures in a row of one request, before it is suspected. */
function patienceWith(fault: Fault): number {
  return isWordOfHec(fault) ? PATIENCE_WITH_HEC[fault.kind] : PATIENCE[fault.kind]
}

function noAnswerYet(origin: string): Fault {
  return new Fault('transient', `${origin} has not answered yet`, { code: 'no_answer_yet' })
}

/** A range on its way to an answer. */
class Attempt {
  range: EventRange
  /** In a row: of any try, and of requests that were sent. */
  failures = 0
  refusals = 0
  /** How often in a row what was sent last had an unknown outcome. */
  unknown = 0
  /** Of the last failure. */
  fault: Fault | undefined

  constructor(range: EventRange) {
    this.range = range
  }

  failed(rest: EventRange, fault: Fault): void {
    this.range = rest
    this.unknown = rest.unknown
    this.fault = fault
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
function acceptedSome(decision: Decision | Failed, range: EventRange): boolean {
  if (decision.is === 'accepted') return true
  // Without an ack id nothing shows that those before the bad one were taken: they are sent again.
  if (decision.is === 'refused')
    return decision.at !== undefined && decision.at > 0 && decision.before !== 'unacknowledged'
  return decision.is === 'failed' && decision.rest.from > range.from
}

/** An event that is refused alone is given up only if no other endpoint takes it. */
function isInconclusive(
  result: Answered | Suspect,
  refusers: Endpoint[],
  ackTimeoutMs: number,
): Inconclusive | undefined {
  if (result.is === 'accepted' && result.acceptance !== 'delivered' && result.endpoint.missesAcks) {
    return { provenWithinMs: ackTimeoutMs }
  }
  if ((result.is === 'too_large' || result.is === 'refused') && isSingle(result.range)) {
    refusers.push(result.endpoint)
    return 'elsewhere'
  }
  if (result.is !== 'suspect' || result.proven) return undefined
  const [first] = result.parts
  const isRefused = result.parts.length === 1 && first && isSingle(first) && refusesForGood(result.fault)
  if (isRefused) refusers.push(result.endpoint)
  return isRefused ? 'elsewhere' : 'proves nothing'
}
