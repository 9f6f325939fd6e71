import type { Clock } from '../../src/core/clock.ts'

interface Timer {
  at: number
  ring: () => void
}

/** Turns of the event loop without anything going on that count as quiet: streams hand bytes over in a turn or two. */
const QUIET_TURNS = 10
/** Something under way for so long is stuck, and so would the test be. Real time. */
const STUCK_MS = 30_000
const WALL_START = Date.UTC(2026, 0, 1)

/**
 * Time that passes only when a test says so. Work between two timers is real: `advance` lets promises, sockets and
 * everything else that is `busy` come to rest before it goes on to the next timer.
 */
export class ManualClock implements Clock {
  readonly #busy: () => boolean
  #now = 0
  #wallAhead = 0
  #timers: Timer[] = []

  /** `busy`: something is under way outside of this process's promises that will go on by itself. */
  constructor(busy: () => boolean = () => false) {
    this.#busy = busy
  }

  readonly monotonic = (): number => this.#now

  readonly wall = (): number => WALL_START + this.#now + this.#wallAhead

  readonly sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      const timer: Timer = {
        at: this.#now + Math.max(0, ms),
        ring: () => {
          signal?.removeEventListener('abort', aborted)
          resolve()
        },
      }
      const aborted = (): void => {
        this.#timers = this.#timers.filter((other) => other !== timer)
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', aborted, { once: true })
      this.#timers.push(timer)
    })

  /** Time passes. Timers ring in the order in which they fall due, and each has its effect before the next. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await this.#quiet()
    for (let timer = this.#nextUntil(end); timer; timer = this.#nextUntil(end)) {
      this.#now = Math.max(this.#now, timer.at)
      this.#timers = this.#timers.filter((other) => other !== timer)
      timer.ring()
      await this.#quiet()
    }
    this.#now = end
  }

  /** Whatever can happen without time passing happens. */
  settle(): Promise<void> {
    return this.advance(0)
  }

  /** Time passes and nothing runs, as in a stopped process. Timers that fell due ring late. */
  freeze(ms: number): void {
    this.#now += ms
  }

  /** The wall clock is set. */
  setWallAhead(ms: number): void {
    this.#wallAhead = ms
  }

  #nextUntil(end: number): Timer | undefined {
    const due = this.#timers.filter(({ at }) => at <= end)
    return due.length === 0 ? undefined : due.reduce((first, timer) => (timer.at < first.at ? timer : first))
  }

  async #quiet(): Promise<void> {
    const stuckAt = performance.now() + STUCK_MS
    for (let turns = 0; turns < QUIET_TURNS; turns = this.#busy() ? 0 : turns + 1) {
      if (performance.now() > stuckAt) throw new Error(`something is still under way after ${STUCK_MS} ms of real time`)
      await new Promise(setImmediate)
    }
  }
}
