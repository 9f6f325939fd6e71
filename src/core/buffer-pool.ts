/** Smaller ones come and go with the garbage: kept, thousands of them would crowd out the large and be searched each time. */
const LEAST_KEPT = 64 * 1024

/**
 * Large buffers used again instead of left to the garbage collector, which sees memory outside its heap late: at full speed
 * a replica would otherwise hold several times what it works on (432 MB against 300 were measured while draining a backlog).
 */
export class BufferPool {
  readonly #keepBytes: number
  readonly #mostRoom: number
  readonly #idle: Buffer[] = []
  #idleBytes = 0

  /** `keepBytes`: how much is kept for later at the most. `mostRoom`: one this many times as large as asked will do (4/3 or more). */
  constructor(keepBytes: number, mostRoom = 4) {
    this.#keepBytes = keepBytes
    this.#mostRoom = mostRoom
  }

  get keptBytes(): number {
    return this.#idleBytes
  }

  /** A buffer of exactly `size` bytes with arbitrary contents. */
  take(size: number): Buffer {
    if (size < LEAST_KEPT) return Buffer.allocUnsafeSlow(size)
    const index = this.#idle.findLastIndex(({ length }) => length >= size && length <= this.#mostRoom * size)
    if (index === -1) return Buffer.allocUnsafeSlow(roundedUp(size)).subarray(0, size)
    const [buffer] = this.#idle.splice(index, 1) as [Buffer]
    this.#idleBytes -= buffer.length
    return buffer.subarray(0, size)
  }

  /** Gives back what `take` returned. Nobody may look at it any more. */
  give(buffer: Buffer): void {
    const whole = Buffer.from(buffer.buffer)
    if (whole.length < LEAST_KEPT) return
    this.#idle.push(whole)
    this.#idleBytes += whole.length
    // The oldest go: of a size that nobody asks for any more there would otherwise be ever more, and no room for others.
    while (this.#idleBytes > this.#keepBytes) this.#idleBytes -= (this.#idle.shift() as Buffer).length
  }
}

/** To a sixteenth of the next power of two, so that bodies of about one size share buffers. */
function roundedUp(size: number): number {
  const step = 2 ** (Math.ceil(Math.log2(size)) - 4)
  return Math.ceil(size / step) * step
}
