import { Condition } from '../core/condition.ts'

/** What one pull holds while its body is read and encoded. `release` may be called twice. */
export interface PullReservation {
  /** Takes `bytes` in all if they fit now; otherwise changes nothing and says false. */
  tryGrow(bytes: number): boolean
  release(): void
}

/**
 * Bytes pulled and not yet settled, over all shards of this process: bodies being encoded, and batches on their way. It is
 * the only back-pressure between the SIEM and SLS. Bodies may use half of it, so that they cannot keep the batches made of
 * them from leaving. Something too large for any share passes alone, or nothing could ever move it.
 */
export class ByteBudget {
  readonly limit: number
  readonly #changed: (inFlight: number) => void
  readonly #freed = new Condition()
  /** Pulls wait in line: a large one is not starved by small ones. */
  #pullQueue: Promise<unknown> = Promise.resolve()
  #pulls = 0
  #bodies = 0
  #batches = 0

  /** `changed` is told the bytes pulled and not yet settled. */
  constructor(limit: number, changed: (inFlight: number) => void = () => {}) {
    this.limit = limit
    this.#changed = changed
  }

  get used(): number {
    return this.#pulls + this.#batches
  }

  /** How large a pull may be without having to wait until it is alone. */
  get pullLimit(): number {
    return Math.floor(this.limit / 2)
  }

  /** Waits its turn, then until a body of `bytes` fits. What is only reserved does not count as in flight. */
  async reservePull(bytes: number, signal: AbortSignal): Promise<PullReservation> {
    let held = 0
    let body = 0
    const hold = (total: number, ofBody: number): boolean => {
      if (total > held && !this.#pullFits(total, held)) return false
      this.#pulls += total - held
      this.#bodies += ofBody - body
      held = total
      body = ofBody
      this.#tell()
      return true
    }
    // The condition takes what it found free: between looking and taking nobody else may come.
    const turn = this.#pullQueue.then(() => this.#freed.until(() => hold(bytes, 0), signal))
    this.#pullQueue = turn.catch(() => {})
    await turn
    return { tryGrow: (total) => hold(total, total), release: () => void hold(0, 0) }
  }

  /** Waits until a batch of `bytes` fits; call the result when it is settled. */
  async admitBatch(bytes: number, signal: AbortSignal): Promise<() => void> {
    const take = (): boolean => {
      if (this.#batches > 0 && this.used + bytes > this.limit) return false
      this.#batches += bytes
      this.#tell()
      return true
    }
    await this.#freed.until(take, signal)
    return () => {
      this.#batches -= bytes
      this.#tell()
    }
  }

  #tell(): void {
    this.#changed(this.#bodies + this.#batches)
    this.#freed.notify()
  }

  #pullFits(bytes: number, held: number): boolean {
    const pulls = this.#pulls - held
    const used = this.used - held
    return (pulls === 0 || pulls + bytes <= this.pullLimit) && (used === 0 || used + bytes <= this.limit)
  }
}
