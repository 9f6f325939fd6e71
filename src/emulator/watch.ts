export interface WaitOptions {
  /** How long to wait before the promise rejects. Default 10,000. */
  timeoutMs?: number
}

interface Waiting {
  ask: () => void
  giveUp: (why: string) => void
}

const LONGEST_TIMER_MS = 2 ** 31 - 1

/** Conditions that callers wait for. Each one is asked at once and after every change; no clock polls it. */
export class Watch {
  readonly #waiting = new Set<Waiting>()
  #closed = false

  /** Asks every condition again. */
  changed(): void {
    for (const { ask } of this.#waiting) ask()
  }

  /**
   * Resolves with the first truthy value of `met`. Rejects with what `met` throws, and with an Error that begins with
   * `describe()` after the timeout or when the server closes.
   */
  until<T>(
    met: () => T,
    { timeoutMs = 10_000 }: WaitOptions = {},
    describe = () => String(met),
  ): Promise<NonNullable<T>> {
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(timer)
        this.#waiting.delete(waiting)
      }
      const giveUp = (why: string) => {
        end()
        reject(new Error(`${describe()}: ${why}`))
      }
      const ask = () => {
        try {
          const value = met()
          if (value instanceof Promise) throw new TypeError('the condition must answer at once, not with a promise')
          if (!value) return
          end()
          resolve(value)
        } catch (error) {
          end()
          reject(error)
        }
      }
      const waiting: Waiting = { ask, giveUp }
      const timer = setTimeout(giveUp, Math.min(timeoutMs, LONGEST_TIMER_MS), `not within ${timeoutMs} ms`)
      this.#waiting.add(waiting)
      ask()
      if (this.#closed && this.#waiting.has(waiting)) giveUp(CLOSED)
    })
  }

  /** Rejects every wait that is left. */
  close(): void {
    this.#closed = true
    for (const { giveUp } of this.#waiting) giveUp(CLOSED)
  }
}

const CLOSED = 'the server was closed'
