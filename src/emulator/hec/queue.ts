export type QueueLevel = 'ok' | 'warn' | 'full'

export interface QueueOptions {
  /** Bytes of events that fit before HEC is busy. Default: no limit. */
  capacityBytes?: number
  /** How fast indexing empties the queue. Default: at once. */
  drainBytesPerSecond?: number
}

/** The input queue between HEC and indexing. Accepted events fill it; it drains at a steady rate. */
export class InputQueue {
  /** Set by hand: overrules the simulated level until unset. */
  forced: QueueLevel | undefined
  readonly #capacity: number
  readonly #rate: number
  #fill = 0
  #atMs = performance.now()

  constructor({ capacityBytes = Infinity, drainBytesPerSecond = Infinity }: QueueOptions = {}) {
    this.#capacity = capacityBytes
    this.#rate = drainBytesPerSecond
  }

  get level(): QueueLevel {
    if (this.forced) return this.forced
    this.#drain()
    if (this.#fill >= this.#capacity) return 'full'
    return this.#fill >= this.#capacity * 0.8 ? 'warn' : 'ok'
  }

  /** Takes an event unless the queue is full. The last one taken may exceed the capacity, so that any size passes. */
  offer(bytes: number): boolean {
    if (this.#capacity === Infinity) return this.forced !== 'full'
    if (this.level === 'full') return false
    this.#fill += bytes
    return true
  }

  #drain(): void {
    const now = performance.now()
    const drained = this.#rate === Infinity ? this.#fill : ((now - this.#atMs) / 1000) * this.#rate
    this.#fill = Math.max(0, this.#fill - drained)
    this.#atMs = now
  }
}
