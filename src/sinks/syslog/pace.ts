import type { Clock } from '../../core/clock.ts'

/** Pieces are so small that a second has this many of them. */
const PIECES_A_SECOND = 20

/** Spreads messages over time, because a collector's licence drops what comes in bursts. */
export class Pace {
  /** Messages that may leave together. */
  readonly most: number
  readonly #msEach: number
  readonly #clock: Clock
  /** When the next may leave, by the monotonic clock. */
  #freeAt = 0

  constructor(eventsPerSecond: number, clock: Clock) {
    this.most = Math.max(1, Math.floor(eventsPerSecond / PIECES_A_SECOND))
    this.#msEach = 1000 / eventsPerSecond
    this.#clock = clock
  }

  /** Resolves when so many more may leave. Rejects with the signal's reason. */
  async take(messages: number, signal: AbortSignal): Promise<void> {
    const now = this.#clock.monotonic()
    const at = Math.max(now, this.#freeAt)
    this.#freeAt = at + messages * this.#msEach
    if (at > now) await this.#clock.sleep(at - now, signal)
  }
}
