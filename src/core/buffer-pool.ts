/** Smaller ones come and go with the garbage: kept, thousands of them would crowd out the large and be searched each time. */
const LEAST_KEPT = 64 * 1024
/** What nobody has wanted for so long, or up to twice as long, goes back to the operating system. */
const LONGEST_IDLE_MS = 10_000

/**
 * Large buffers used again instead of left to the garbage collector, which sees memory outside its heap late: at full speed
 * a replica would otherwise hold several times what it works on (432 MB against 300 were measured while draining a backlog).
 */
export class BufferPool {
  readonly #keepBytes: number
  readonly #mostRoom: number
  /** Whoever was given back last comes last, and is taken first: what is not needed sinks. */
  readonly #idle: Array<{ buffer: Buffer; since: number }> = []
  #idleBytes = 0
  #sweeps: NodeJS.Timeout | undefined

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
    const index = this.#idle.findLastIndex(
      ({ buffer: { length } }) => length >= size && length <= this.#mostRoom * size,
    )
    const [found] = index === -1 ? [] : this.#idle.splice(index, 1)
    if (!found) return Buffer.allocUnsafeSlow(roundedUp(size)).subarray(0, size)
    this.#idleBytes -= found.buffer.length
    return found.buffer.subarray(0, size)
  }

  /** Gives back what `take` returned. Nobody may look at it any more. */
  give(buffer: Buffer): void {
    const whole = Buffer.from(buffer.buffer)
    if (whole.length < LEAST_KEPT) return
    this.#idle.push({ buffer: whole, since: performance.now() })
    this.#idleBytes += whole.length
    // Of a size that nobody asks for any more there would otherwise be ever more, and no room for others.
    while (this.#idleBytes > this.#keepBytes) this.#forgetOldest()
    this.#sweeps ??= setInterval(() => this.#sweep(), LONGEST_IDLE_MS).unref()
  }

  /** By a timer, for when nobody comes any more. */
  #sweep(): void {
    const wanted = performance.now() - LONGEST_IDLE_MS
    while ((this.#idle[0]?.since ?? Number.POSITIVE_INFINITY) <= wanted) this.#forgetOldest()
    if (this.#idle.length > 0) return
    clearInterval(this.#sweeps)
    this.#sweeps = undefined
  }

  #forgetOldest(): void {
    this.#idleBytes -= this.#idle.shift()?.buffer.length ?? 0
  }
}

/** To a sixteenth of the next power of two, so that bodies of about one size share buffers. */
function roundedUp(size: number): number {
  const step = 2 ** (Math.ceil(Math.log2(size)) - 4)
  return Math.ceil(size / step) * step
}
