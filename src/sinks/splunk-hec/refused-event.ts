import type { Clock } from '../../core/clock.ts'
import { backoffMs } from '../../core/retry.ts'
import type { Endpoint } from './endpoint.ts'

/** So long an event waits for an endpoint that may take it. */
const WAITS_FOR_OTHERS_MS = 60_000
const GAPS = { minMs: 250, maxMs: 5_000 }

/**
 * A single event that some endpoints refuse, while others could not be asked. An endpoint that has accepted nothing since
 * may refuse everything, and one that rests may take it.
 */
export class RefusedEvent {
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #since: number
  /** By endpoint: its acceptances when it refused the event first. */
  readonly #refusers = new Map<Endpoint, number>()
  #rounds = 0

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
    this.#since = clock.monotonic()
  }

  refusedBy(endpoints: readonly Endpoint[]): void {
    this.#rounds++
    for (const endpoint of endpoints) {
      if (!this.#refusers.has(endpoint)) this.#refusers.set(endpoint, endpoint.evidence.acceptances)
    }
  }

  get gapMs(): number {
    return backoffMs(this.#rounds, GAPS)
  }

  /** Each of `all` refused it, or one that takes others, or nobody else could be asked for long. */
  isForGood(all: readonly Endpoint[]): boolean {
    const refusers = [...this.#refusers]
    return (
      all.every((endpoint) => this.#refusers.has(endpoint)) ||
      refusers.some(([{ evidence }, before]) => evidence.acceptances > before) ||
      this.#clock.monotonic() - this.#since >= WAITS_FOR_OTHERS_MS
    )
  }
}
