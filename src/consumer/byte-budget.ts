interface Waiter {
  readonly bytes: number
  readonly grant: () => void
}

/** A share of the budget. `release` may be called once more than needed without harm; everything else while it is held. */
export interface Reservation {
  readonly bytes: number
  /** Takes `bytes` in all if they fit now; otherwise changes nothing and says false. */
  tryGrow(bytes: number): boolean
  /** Sets the share to what is really held, larger or smaller. */
  resize(bytes: number): void
  release(): void
}

/**
 * Bytes pulled and not yet settled, over all shards of this process. It is the only back-pressure between the SIEM and
 * SLS: when it is used up nobody pulls. First come, first served, so that a large request is not starved by small ones.
 */
export class ByteBudget {
  readonly limit: number
  readonly #changed: (used: number) => void
  readonly #waiting = new Set<Waiter>()
  #used = 0

  constructor(limit: number, changed: (used: number) => void = () => {}) {
    this.limit = limit
    this.#changed = changed
  }

  get used(): number {
    return this.#used
  }

  /**
   * Waits until `bytes` fit. Something larger than the whole budget is let through alone: a single log group must be able
   * to pass however small the budget was set.
   */
  async reserve(bytes: number, signal: AbortSignal): Promise<Reservation> {
    signal.throwIfAborted()
    if (this.#waiting.size > 0 || !this.#fits(bytes)) await this.#wait(bytes, signal)
    else this.#add(bytes)
    return this.#reservation(bytes)
  }

  #reservation(initial: number): Reservation {
    let held = initial
    const resize = (bytes: number): void => {
      const change = bytes - held
      held = bytes
      this.#add(change)
      if (change < 0) this.#grantWaiting()
    }
    return {
      get bytes() {
        return held
      },
      tryGrow: (bytes) => {
        const alone = this.#used === held
        if (bytes > held && !alone && this.#used - held + bytes > this.limit) return false
        resize(bytes)
        return true
      },
      resize,
      release: () => resize(0),
    }
  }

  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.limit
  }

  #add(bytes: number): void {
    this.#used += bytes
    this.#changed(this.#used)
  }

  #wait(bytes: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const aborted = (): void => {
        this.#waiting.delete(waiter)
        reject(signal.reason)
        this.#grantWaiting()
      }
      const waiter: Waiter = {
        bytes,
        grant: () => {
          signal.removeEventListener('abort', aborted)
          resolve()
        },
      }
      this.#waiting.add(waiter)
      signal.addEventListener('abort', aborted, { once: true })
    })
  }

  #grantWaiting(): void {
    for (const waiter of this.#waiting) {
      if (!this.#fits(waiter.bytes)) return
      this.#waiting.delete(waiter)
      this.#add(waiter.bytes)
      waiter.grant()
    }
  }
}
