import type { Clock } from '../core/clock.ts'
import type { Telemetry } from '../core/telemetry.ts'

/** An event is given up after so many refusals in a row, each on another connection. */
const REFUSALS = 3
/** The same while answers contradict each other, at most. */
const MOST_REFUSALS = 60
/** So rarely, at most, an event that nothing is wrong with may then be refused by chance alone. */
const BY_CHANCE = 1e-4
/** Older answers count half. */
const HALVED_AT = 200
/** After so long without a contradiction answers count as consistent again. */
const FORGOTTEN_MS = 600_000

export interface ConsistencyOptions {
  /** Of its warning. */
  readonly details: Readonly<Record<string, string>>
  readonly clock: Pick<Clock, 'monotonic'>
  readonly telemetry: Pick<Telemetry, 'notice'>
}

/**
 * Whether an event is refused and then taken. So it goes if several nodes stand behind one address and one is bad. A refusal
 * proves little then: the more often such refusals come, the more are needed in a row.
 */
export class Consistency {
  readonly #options: ConsistencyOptions
  /** Answers to single events that were taken at last. */
  #refused = 0
  #taken = 0
  #contradictedAt = Number.NEGATIVE_INFINITY

  constructor(options: ConsistencyOptions) {
    this.#options = options
  }

  get contradicts(): boolean {
    return this.#options.clock.monotonic() - this.#contradictedAt < FORGOTTEN_MS
  }

  /** So many refusals of one event in a row are its own. */
  get refusalsNeeded(): number {
    if (!this.contradicts) return REFUSALS
    const share = (this.#refused + 1) / (this.#refused + this.#taken + 1)
    return Math.min(MOST_REFUSALS, Math.max(REFUSALS, Math.ceil(Math.log(BY_CHANCE) / Math.log(share))))
  }

  /** A single event was taken after so many refusals in a row. */
  taken(refusals: number): void {
    const { details, clock, telemetry } = this.#options
    if (refusals > 0) {
      if (!this.contradicts) {
        this.#refused = this.#taken = 0
        const message =
          'an event was taken that had been refused a moment before; refused events are tried more often now'
        telemetry.notice('warn', `${message}. Look for a bad node among several that share an address`, details)
      }
      this.#contradictedAt = clock.monotonic()
    }
    this.#refused += refusals
    this.#taken++
    if (this.#refused + this.#taken < HALVED_AT) return
    this.#refused /= 2
    this.#taken /= 2
  }
}
