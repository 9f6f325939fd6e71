import type { Clock } from '../core/clock.ts'

const KEYS_KEPT = 200

/** Keeps a repeated failure from filling the log. The first line of each key passes at once, then one per interval. */
export class LineLimit {
  readonly #clock: Clock
  readonly #intervalMs: number
  readonly #keys = new Map<string, { lineAt: number; suppressed: number }>()

  constructor(clock: Clock, intervalMs: number) {
    this.#clock = clock
    this.#intervalMs = intervalMs
  }

  /** Returns the number of lines left out since the last one of `key`. `undefined`: leave this line out too. */
  admit(key: string): { suppressed: number } | undefined {
    const now = this.#clock.monotonic()
    const entry = this.#keys.get(key)
    if (entry !== undefined && now - entry.lineAt < this.#intervalMs) {
      entry.suppressed++
      return undefined
    }
    // Inserted again, so that the first key of the map has the oldest last line.
    this.#keys.delete(key)
    this.#keys.set(key, { lineAt: now, suppressed: 0 })
    const [oldest] = this.#keys.keys()
    if (this.#keys.size > KEYS_KEPT && oldest !== undefined) this.#keys.delete(oldest)
    return { suppressed: entry?.suppressed ?? 0 }
  }
}
