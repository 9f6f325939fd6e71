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
  readonly key: string
  bytes: Buffer
  used: number
  readonly ends: number[]
  /** Number of the route of each event. */
  readonly via: number[]
}

/**
 * Packs the events of one walk, as they come, into batches for their sinks and indexes. Its buffers have about as many bytes
 * as two of the largest batch, however many outputs there are.
 */
export class Packer {
  readonly #memory: BatchMemory
  readonly #origin: BatchOrigin
  readonly #routes: readonly string[]
  readonly #mostHeld: number
  readonly #fillings = new Map<string, Filling>()
  /** Bytes of all buffers, also those that no event uses yet. */
  #held = 0
  readonly #ready: Batch[] = []

  constructor(memory: BatchMemory, origin: BatchOrigin, { routes }: Program) {
    this.#memory = memory
    this.#origin = origin
    this.#routes = routes.map(({ name }) => name)
    // A buffer that grows is up to twice as large as its events.
    this.#mostHeld =
      2 * Math.max(0, ...routes.flatMap(({ copies }) => copies.map((copy) => copy.destination.maxBatchBytes)))
  }

  /** Copies an event, which came by the route of this number. */
  add(output: Output, route: number, event: Buffer): void {
    const filling = this.#withRoom(output, event.length) ?? this.#start(output, event.length)
    filling.bytes.set(event, filling.used)
    filling.used += event.length
    filling.ends.push(filling.used)
    filling.via.push(route)
    this.#limit()
  }

  /**
   * Copies runs of events, one for each output, and each small enough for a batch. Only an output keeps their order.
   * `isLast`: no event follows.
   */
  addAll(runs: readonly Run[], isLast: boolean): void {
    for (const run of runs) if (run.ends.length > 0) this.#addRun(run, isLast)
    this.#limit()
    if (isLast) this.end()
  }

  #addRun({ output, bytes, ends, routes }: Run, isLast: boolean): void {
    const known = this.#withRoom(output, bytes.length)
    // What waits is copied twice.
    if (known === undefined && (isLast || 4 * bytes.length > output.destination.maxBatchBytes)) {
      this.#ready.push(this.#memory.batchOf(this.#about(output, routes), bytes, ends))
      return
    }
    const filling = known ?? this.#start(output, bytes.length)
    filling.bytes.set(bytes, filling.used)
    for (let index = 0; index < ends.length; index++) {
      filling.ends.push(filling.used + (ends[index] as number))
      filling.via.push(routes[index] as number)
    }
    filling.used += bytes.length
  }

  /** No event follows: what is left becomes batches, too. */
  end(): void {
    for (const filling of this.#fillings.values()) this.#complete(filling)
  }

  /** The next complete batch. */
  take(): Batch | undefined {
    return this.#ready.shift()
  }

  /** The filling of an output, with room for so many bytes more. It is completed instead if they would be too many. */
  #withRoom(output: Output, more: number): Filling | undefined {
    const filling = this.#fillings.get(keyOf(output))
    if (filling === undefined) return undefined
    const needed = filling.used + more
    const most = output.destination.maxBatchBytes
    if (needed > most) {
      this.#complete(filling)
      return undefined
    }
    if (needed > filling.bytes.length) {
      const larger = this.#take(Math.max(needed, Math.min(2 * filling.bytes.length, most)))
      larger.set(filling.bytes.subarray(0, filling.used))
      this.#give(filling.bytes)
      filling.bytes = larger
    }
    return filling
  }

  /** An index may get one event only, so a filling begins with no more room than it needs. */
  #start(output: Output, size: number): Filling {
    const filling = { ...output, key: keyOf(output), bytes: this.#take(size), used: 0, ends: [], via: [] }
    this.#fillings.set(filling.key, filling)
    return filling
  }

  #complete({ key, bytes, used, ends, via, ...output }: Filling): void {
    const about = this.#about(output, new Uint16Array(via))
    this.#ready.push(this.#memory.batchOf(about, bytes.subarray(0, used), new Uint32Array(ends)))
    this.#fillings.delete(key)
    this.#give(bytes)
  }

  /** Completes the largest fillings if the buffers are too large. */
  #limit(): void {
    if (this.#held <= this.#mostHeld) return
    // A quarter becomes free: with thousands of fillings, a search for each event would take long.
    const enough = 0.75 * this.#mostHeld
    for (const filling of [...this.#fillings.values()].sort((one, other) => other.used - one.used)) {
      if (this.#held <= enough) return
      this.#complete(filling)
    }
  }

  #take(size: number): Buffer {
    this.#held += size
    return this.#memory.take(size)
  }

  #give(bytes: Buffer): void {
    this.#held -= bytes.length
    this.#memory.give(bytes)
  }

  /** `via`: number of the route of each event. */
  #about({ destination, index, refused }: Output, via: Uint16Array): Omit<Batch, 'bytes' | 'ends' | 'count'> {
    const [first = 0] = via
    return {
      origin: this.#origin,
      sink: destination.sink,
      ...(index === undefined ? {} : { index }),
      ...(refused === undefined ? {} : { refused }),
      ...(areAll(via, first)
        ? { routes: [this.#routes[first] as string] }
        : { routes: this.#routes, via: via.slice() }),
    }
  }
}

function keyOf({ destination, index, refused }: Output): string {
  return JSON.stringify([destination.sink, index, refused])
}

function areAll(numbers: Uint16Array, number: number): boolean {
  for (let index = 0; index < numbers.length; index++) if (numbers[index] !== number) return false
  return true
}
