import type { Batch, BatchOrigin } from '../core/batch.ts'
import type { BatchMemory } from './batch-memory.ts'
import type { Destination, Program } from './program.ts'

/** Where a packer puts an event. */
export interface Output {
  readonly destination: Destination
  /** All events of a batch name the same index, or none. */
  readonly index: string | undefined
  /** The code of the reason for which they go into the dead letter instead. */
  readonly refused?: string
}

/** Events for one output, one behind the other. */
export interface Run {
  readonly output: Output
  readonly bytes: Buffer
  readonly ends: Uint32Array
  /** Number of the route of each event. */
  readonly routes: Uint16Array
}

/** A batch that is not full yet. */
interface Filling extends Output {
  bytes: Buffer
  used: number
  ends: number[]
  /** Number of the route of each event. */
  via: number[]
}

const FIRST_BYTES = 16 << 10

/**
 * Packs the events of one walk, as they come, into batches for their sinks and indexes. It holds about as many bytes as the
 * largest batch, however many outputs there are.
 */
export class Packer {
  readonly #memory: BatchMemory
  readonly #origin: BatchOrigin
  readonly #routes: readonly string[]
  readonly #most: number
  readonly #fillings = new Map<string, Filling>()
  #held = 0
  readonly #ready: Batch[] = []

  constructor(memory: BatchMemory, origin: BatchOrigin, { routes }: Program) {
    this.#memory = memory
    this.#origin = origin
    this.#routes = routes.map(({ name }) => name)
    this.#most = Math.max(0, ...routes.flatMap(({ copies }) => copies.map((copy) => copy.destination.maxBatchBytes)))
  }

  /** Copies an event, which came by the route of this number. */
  add(output: Output, route: number, event: Buffer): void {
    const filling = this.#fillingOf(output)
    if (filling.used > 0 && filling.used + event.length > output.destination.maxBatchBytes) this.#complete(filling)
    this.#makeRoom(filling, event.length)
    filling.bytes.set(event, filling.used)
    filling.used += event.length
    filling.ends.push(filling.used)
    filling.via.push(route)
    this.#held += event.length
    while (this.#held > this.#most) this.#complete(largest(this.#fillings.values()))
  }

  /**
   * Copies runs of events, one for each output, and each small enough for a batch. Only an output keeps their order.
   * `isLast`: no event follows.
   */
  addAll(runs: readonly Run[], isLast: boolean): void {
    for (const run of runs) if (run.ends.length > 0) this.#addRun(run, isLast)
    while (this.#held > this.#most) this.#complete(largest(this.#fillings.values()))
    if (isLast) this.end()
  }

  #addRun({ output, bytes, ends, routes }: Run, isLast: boolean): void {
    const filling = this.#fillingOf(output)
    const most = output.destination.maxBatchBytes
    if (filling.used > 0 && filling.used + bytes.length > most) this.#complete(filling)
    // What waits is copied twice.
    if (filling.used === 0 && (isLast || 4 * bytes.length > most)) {
      this.#ready.push(this.#memory.batchOf(this.#about(output, routes), bytes, ends))
      return
    }
    this.#makeRoom(filling, bytes.length)
    filling.bytes.set(bytes, filling.used)
    for (let index = 0; index < ends.length; index++) {
      filling.ends.push(filling.used + (ends[index] as number))
      filling.via.push(routes[index] as number)
    }
    filling.used += bytes.length
    this.#held += bytes.length
  }

  /** No event follows: what is left becomes batches, too. */
  end(): void {
    for (const filling of this.#fillings.values()) {
      if (filling.used > 0) this.#complete(filling)
      this.#memory.give(filling.bytes)
    }
    this.#fillings.clear()
  }

  /** The next complete batch. */
  take(): Batch | undefined {
    return this.#ready.shift()
  }

  #fillingOf(output: Output): Filling {
    const { destination, index, refused } = output
    const key = JSON.stringify([destination.sink, index, refused])
    let filling = this.#fillings.get(key)
    if (filling === undefined) {
      filling = { ...output, bytes: this.#memory.take(FIRST_BYTES), used: 0, ends: [], via: [] }
      this.#fillings.set(key, filling)
    }
    return filling
  }

  #complete(filling: Filling): void {
    const { bytes, used, ends, via } = filling
    const about = this.#about(filling, new Uint16Array(via))
    this.#ready.push(this.#memory.batchOf(about, bytes.subarray(0, used), new Uint32Array(ends)))
    this.#held -= used
    filling.used = 0
    filling.ends = []
    filling.via = []
  }

  #makeRoom(filling: Filling, more: number): void {
    const needed = filling.used + more
    if (needed <= filling.bytes.length) return
    const larger = this.#memory.take(Math.max(needed, 2 * filling.bytes.length))
    larger.set(filling.bytes.subarray(0, filling.used))
    this.#memory.give(filling.bytes)
    filling.bytes = larger
  }

  /** `via`: number of the route of each event. */
  #about({ destination, refused }: Output, via: Uint16Array): Omit<Batch, 'bytes' | 'ends' | 'count'> {
    const [first = 0] = via
    return {
      origin: this.#origin,
      sink: destination.sink,
      ...(refused === undefined ? {} : { refused }),
      ...(areAll(via, first)
        ? { routes: [this.#routes[first] as string] }
        : { routes: this.#routes, via: via.slice() }),
    }
  }
}

function largest(fillings: Iterable<Filling>): Filling {
  return [...fillings].reduce((one, other) => (other.used > one.used ? other : one))
}

function areAll(numbers: Uint16Array, number: number): boolean {
  for (let index = 0; index < numbers.length; index++) if (numbers[index] !== number) return false
  return true
}
