import type { Clock } from '../core/clock.ts'

const STEP_MS = 10_000
const STEPS = 60

/** A number over the last ten minutes, one value for every ten seconds. */
export class History {
  static readonly minutes = (STEPS * STEP_MS) / 60_000

  readonly #clock: Clock
  readonly #firstStep: number
  readonly #slots: Array<{ step: number; value: number } | undefined> = new Array(STEPS)

  constructor(clock: Clock) {
    this.#clock = clock
    this.#firstStep = this.#step()
  }

  /** Sets the value of this step; the last call of a step counts. */
  set(value: number): void {
    const step = this.#step()
    this.#slots[step % STEPS] = { step, value }
  }

  add(amount: number): void {
    const step = this.#step()
    const slot = this.#slots[step % STEPS]
    if (slot?.step === step) slot.value += amount
    else this.#slots[step % STEPS] = { step, value: amount }
  }

  /** Oldest first; the last one is the step under way. `null` where nothing is known. */
  values(): Array<number | null> {
    const last = this.#step()
    return Array.from({ length: STEPS }, (_, index) => {
      const step = last - STEPS + 1 + index
      const slot = step < 0 ? undefined : this.#slots[step % STEPS]
      return slot?.step === step ? slot.value : null
    })
  }

  /** The sum of each step that is over, oldest first: 0 where nothing was added, `null` before the start. */
  counts(): Array<number | null> {
    const first = this.#firstStep - (this.#step() - STEPS + 1)
    return this.values()
      .map((value, index) => (index < first ? null : (value ?? 0)))
      .slice(0, -1)
  }

  /** The rate of the last minute, per second, of a process that has been up for `upMs`. */
  perSecond(upMs: number): number {
    const recent = this.values().slice(-6)
    const coveredMs = Math.min(upMs, (recent.length - 1) * STEP_MS + (this.#clock.monotonic() % STEP_MS))
    const sum = recent.reduce<number>((total, value) => total + (value ?? 0), 0)
    return coveredMs < 1_000 ? sum : (sum * 1000) / coveredMs
  }

  #step(): number {
    return Math.floor(this.#clock.monotonic() / STEP_MS)
  }
}
