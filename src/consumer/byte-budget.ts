import { Changes } from '../core/changes.ts'

/** The bytes that one pull holds while its body is read and encoded. `release` may be called twice. */
export interface PullReservation {
  /** Holds `bytes` in all if they fit now. Otherwise false, and nothing changes. */
  tryGrow(bytes: number): boolean
  release(): void
}

/**
 * Bytes pulled and not yet settled, over all shards of this process: bodies being encoded, and batches on their way. It is
 * the only back-pressure between the SIEM and SLS. Bodies may use half of it, so that the batches made of them can always
 * leave. A body or batch that is too large for its share passes alone.
 */
export class ByteBudget {
  readonly limit: number
  readonly #changed: (inFlight: number) => void
  readonly #freed = new Changes()
  /** Pulls wait in line: a large one is not starved by small ones. */
  #pullQueue: Promise<unknown> = Promise.resolve()
  #pulls = 0
  #bodies = 0
  #batches = 0

  /** `changed` gets the bytes pulled and not yet settled, whenever they change. */
  constructor(limit: number, changed: (inFlight: number) => void = () => {}) {
    this.limit = limit
    this.#changed = changed
  }

  get used(): number {
    return this.#pulls + this.#batches
  }

  /** The largest pull that need not wait until it is alone, in bytes. */
  get pullLimit(): number {
    return Math.floor(this.limit / 2)
  }

  /** Waits its turn, then until a body of `bytes` fits. Bytes that are only reserved are not yet in flight. */
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
    // The condition itself takes the bytes, so that no other pull comes between looking and taking.
    const turn = this.#pullQueue.then(() => this.#freed.until(() => hold(bytes, 0), signal))
    this.#pullQueue = turn.catch(() => {})
    await turn
    return { tryGrow: (total) => hold(total, total), release: () => void hold(0, 0) }
  }

  /** Waits until a batch of `bytes` fits. Call the result when the batch is settled. */
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
