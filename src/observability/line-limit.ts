import type { Clock } from '../core/clock.ts'

const KEYS_KEPT = 200

interface Window {
  readonly since: number
  lines: number
  suppressed: number
}

/** Keeps repeated lines from filling the log: `lines` of each key pass in an interval, the others only count. */
export class LineLimit {
  readonly #clock: Clock
  readonly #intervalMs: number
  readonly #lines: number
  readonly #windows = new Map<string, Window>()

  constructor(clock: Clock, { intervalMs, lines }: { intervalMs: number; lines: number }) {
    this.#clock = clock
    this.#intervalMs = intervalMs
    this.#lines = lines
  }

  /** Returns the number of lines left out since the last one of `key`. `undefined`: leave this line out too. */
  admit(key: string): { suppressed: number } | undefined {
    const now = this.#clock.monotonic()
    const window = this.#windows.get(key)
    if (window !== undefined && now - window.since < this.#intervalMs) {
      if (window.lines >= this.#lines) {
        window.suppressed++
        return undefined
      }
      window.lines++
      return { suppressed: 0 }
    }
    // Inserted again, so that the first key of the map has the oldest window.
    this.#windows.delete(key)
    this.#windows.set(key, { since: now, lines: 1, suppressed: 0 })
    const [oldest] = this.#windows.keys()
    if (this.#windows.size > KEYS_KEPT && oldest !== undefined) this.#windows.delete(oldest)
    return { suppressed: window?.suppressed ?? 0 }
  }

  /** Keys whose interval is over, and how many of their lines were left out. Each is returned once. */
  *over(): IterableIterator<[key: string, suppressed: number]> {
    const now = this.#clock.monotonic()
    for (const [key, { since, suppressed }] of this.#windows) {
      if (suppressed === 0 || now - since < this.#intervalMs) continue
      this.#windows.delete(key)
      yield [key, suppressed]
    }
  }
}
