import type { Clock } from '../../src/core/clock.ts'

interface Timer {
  /** Whole milliseconds. */
  readonly at: number
  readonly order: number
  ring: (() => void) | undefined
}

const WALL_START = Date.UTC(2026, 0, 1)

/**
 * Time of a whole fleet. It passes only while `advance` runs: from one timer to the next, after every promise that can
 * settle. Timers of one millisecond fire in the order in which they were set, so that runs can be repeated. It is made for
 * millions of timers, which the clock of the unit tests is not.
 */
export class SimulatedClock {
  readonly #busy: () => boolean
  readonly #heap: Timer[] = []
  #now = 0
  #orders = 0

  /** `busy`: some work waits for a turn of the event loop (`setImmediate`), not for a promise. */
  constructor(busy: () => boolean) {
    this.#busy = busy
  }

  readonly now = (): number => this.#now

  /** Milliseconds since the epoch. */
  readonly wall = (): number => WALL_START + this.#now

  /** Fires once after `ms`. Call the result to cancel it. */
  after(ms: number, ring: () => void): () => void {
    const timer: Timer = { at: Math.ceil(this.#now + Math.max(0, ms)), order: this.#orders++, ring }
    this.#push(timer)
    return () => {
      timer.ring = undefined
    }
  }

  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await this.#quiet()
    for (let next = this.#heap[0]; next !== undefined && next.at <= end; next = this.#heap[0]) {
      this.#now = Math.max(this.#now, next.at)
      for (; next !== undefined && next.at <= this.#now; next = this.#heap[0]) {
        this.#pop()
        next.ring?.()
      }
      await this.#quiet()
    }
    this.#now = end
  }

  /** A turn of the event loop comes after all pending promises. */
  async #quiet(): Promise<void> {
    do await new Promise(setImmediate)
    while (this.#busy())
  }

  #push(timer: Timer): void {
    const heap = this.#heap
    let index = heap.push(timer) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!before(timer, heap[parent] as Timer)) break
      heap[index] = heap[parent] as Timer
      index = parent
    }
    heap[index] = timer
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as Timer
    if (heap.length === 0) return
    let index = 0
    for (let child = 1; child < heap.length; child = 2 * index + 1) {
      if (child + 1 < heap.length && before(heap[child + 1] as Timer, heap[child] as Timer)) child++
      if (!before(heap[child] as Timer, last)) break
      heap[index] = heap[child] as Timer
      index = child
    }
    heap[index] = last
  }
}

/** The clock of one process. Once the process is killed, none of its sleeps ends. */
export class ProcessClock implements Clock {
  readonly #time: SimulatedClock
  #killed = false

  constructor(time: SimulatedClock) {
    this.#time = time
    this.monotonic = time.now
    this.wall = time.wall
  }

  readonly monotonic: () => number
  readonly wall: () => number

  get killed(): boolean {
    return this.#killed
  }

  kill(): void {
    this.#killed = true
  }

  readonly sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      if (this.#killed) return
      signal?.throwIfAborted()
      const aborted = (): void => {
        cancel()
        if (!this.#killed) reject(signal?.reason)
      }
      const cancel = this.#time.after(ms, () => {
        signal?.removeEventListener('abort', aborted)
        if (!this.#killed) resolve()
      })
      signal?.addEventListener('abort', aborted, { once: true })
    })
}

function before(one: Timer, other: Timer): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}
