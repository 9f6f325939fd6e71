import { Changes } from '../core/changes.ts'

/** So many events are given up without one acceptance between them, and no more. */
export const MOST_UNPROVEN = 10

/**
 * What a sink accepted and refused, over all its deliveries. It tells one bad event from a sink that refuses everything, and
 * one request that always fails from a sink that is down.
 */
export class Evidence {
  readonly #changes = new Changes()
  #acceptances = 0
  #unproven = 0
  #spells = 0
  readonly #most: number

  /** `refusedBefore`: any number of events may be refused again. */
  constructor(refusedBefore = false) {
    this.#most = refusedBefore ? Number.POSITIVE_INFINITY : MOST_UNPROVEN
  }

  /** How often the sink has accepted anything. A fault is about one request if this grows while the request fails. */
  get acceptances(): number {
    return this.#acceptances
  }

  /** So many events were refused without one acceptance that it cannot be the events. */
  get everythingRefused(): boolean {
    return this.#unproven >= this.#most
  }

  /** An event was given up, and nothing has been accepted since. */
  get inDoubt(): boolean {
    return this.#unproven > 0
  }

  /** How often everything was refused, until something was accepted. What was learned across such a spell is worth nothing. */
  get spells(): number {
    return this.#spells
  }

  accepted(): void {
    this.#acceptances++
    if (this.everythingRefused) this.#spells++
    this.#unproven = 0
    this.#changes.notify()
  }

  /** Resolves once anything has been accepted since the count of acceptances was `before`. Rejects with the signal's reason. */
  acceptedSince(before: number, signal: AbortSignal): Promise<void> {
    return this.#changes.until(() => this.#acceptances > before, signal)
  }

  /** Whether a refused event may be given up. Counted at once, since many deliveries ask. */
  mayGiveUp(): boolean {
    if (this.everythingRefused) return false
    this.refused()
    return true
  }

  /** An event was refused. */
  refused(): void {
    this.#unproven++
  }
}
