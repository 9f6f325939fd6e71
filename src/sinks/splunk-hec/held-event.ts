import type { Fault } from '../../core/errors.ts'
import type { Backoff } from '../../core/retry.ts'
import { backoffMs } from '../../core/retry.ts'
import type { Endpoint } from './endpoint.ts'
import { refusesForGood } from './lasting-faults.ts'

/** So many refusals by a page, alone and while others are accepted, refuse an event for good. */
const REFUSALS = 3
/** An event that is about to be given up is tried again soon, in milliseconds. */
const REFUSED_ALONE_MS = 5_000
/** Any other is tried less and less often. */
const GAPS: Backoff = { minMs: 15_000, maxMs: 300_000 }

/**
 * A single event that fails although others are accepted. It is given up only for a page that refuses it, and only when no
 * other endpoint that works would take it. What an endpoint refuses while it accepts nothing else proves nothing.
 */
export class HeldEvent {
  /** By endpoint: its acceptances when the event was first held, and when it last failed there. */
  readonly #first: ReadonlyMap<Endpoint, number>
  readonly #last: Map<Endpoint, number>
  readonly #refusers = new Set<Endpoint>()
  #refusals: number
  #failures = 1
  #wasCounted: boolean

  /** `fault`: why it failed alone for the first time. */
  constructor(endpoints: readonly Endpoint[], fault: Fault) {
    this.#first = new Map(endpoints.map((endpoint) => [endpoint, endpoint.evidence.acceptances]))
    this.#last = new Map(this.#first)
    this.#wasCounted = refusesForGood(fault)
    this.#refusals = this.#wasCounted ? 1 : 0
  }

  failedAt(endpoint: Endpoint, fault: Fault): void {
    const { acceptances } = endpoint.evidence
    this.#failures++
    const takesOthers = acceptances > (this.#last.get(endpoint) ?? acceptances)
    this.#last.set(endpoint, acceptances)
    this.#wasCounted = takesOthers && refusesForGood(fault)
    if (!this.#wasCounted) return
    this.#refusals++
    this.#refusers.add(endpoint)
  }

  /** How often it was refused while others were accepted. */
  get refusals(): number {
    return this.#refusals
  }

  /** Milliseconds until it is tried again. Short if its last failure counted, and a few more refuse it for good. */
  get gapMs(): number {
    const isCloseToRefused = this.#wasCounted && this.#refusals < REFUSALS
    return isCloseToRefused ? REFUSED_ALONE_MS : backoffMs(this.#failures, GAPS)
  }

  /** Enough for one that is a dead letter already. */
  get failedOften(): boolean {
    return this.#failures >= REFUSALS
  }

  /** Refused often enough, and by each endpoint that has accepted anything meanwhile. */
  get isRefusedForGood(): boolean {
    const works = [...this.#first].filter(([{ evidence }, first]) => evidence.acceptances > first)
    const needed = Math.max(REFUSALS, ...works.map(([{ consistency }]) => consistency.refusalsNeeded))
    return this.#refusals >= needed && works.every(([endpoint]) => this.#refusers.has(endpoint))
  }
}
