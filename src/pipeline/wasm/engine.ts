import type { Batch, EncodeCounts, PullPosition, TopicLogs } from '../../core/batch.ts'
import { originOf } from '../../core/batch.ts'
import type { Engine, Walk } from '../engine.ts'
import { Packer } from '../packer.ts'
import type { Program } from '../program.ts'
import { ReferenceEngine } from '../reference/engine.ts'
import type { Leaving } from '../reference/group-routes.ts'
import { GroupRoutes } from '../reference/group-routes.ts'
import { LogGroup } from '../reference/log-group.ts'
import { countReserved, Tally } from '../reference/tally.ts'
import type { Kernel, Position } from './kernel.ts'
import { DONE, FULL, HANDED_OVER } from './memory-layout.ts'
import type { KernelOutput } from './program.ts'

/** The fast engine. The reference engine encodes what the kernel cannot. */
export class WasmEngine implements Engine {
  readonly #kernel: Kernel
  readonly #reference: ReferenceEngine

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.#reference = new ReferenceEngine(kernel.options.memory)
  }

  open(body: Buffer, at: PullPosition, program: Program): Walk {
    const position = this.#kernel.begin(body, at, program)
    if (position === undefined) return this.#reference.open(body, at, program)
    return position.program.isPlain
      ? new PlainWalk(this.#kernel, position, program, at)
      : new RoutedWalk(this.#kernel, position, program, at)
  }

  topics(body: Buffer, at: PullPosition, program: Program): ReadonlyMap<string, TopicLogs> {
    return this.#reference.topics(body, at, program)
  }
}

/** Encodes the logs that the kernel hands over. */
class HandedOver {
  readonly #kernel: Kernel
  readonly #program: Program
  readonly #at: PullPosition
  /** Of the group that a log was of. */
  #last: { readonly groupIndex: number; readonly routes: GroupRoutes } | undefined

  constructor(kernel: Kernel, program: Program, at: PullPosition) {
    this.#kernel = kernel
    this.#program = program
    this.#at = at
  }

  /** The events of the log that the kernel has just handed over. */
  leaving(tally: Tally): Iterable<Leaving> {
    const { group, groupIndex, log, logIndex } = this.#kernel.handedOver
    if (this.#last?.groupIndex !== groupIndex) {
      this.#last = {
        groupIndex,
        routes: new GroupRoutes(this.#program, this.#at, new LogGroup(group), groupIndex),
      }
    }
    return this.#last.routes.leaving(log, logIndex, tally)
  }
}

/** The walk of a program with one route for all logs: the kernel fills one batch after the other. */
class PlainWalk implements Walk {
  readonly #kernel: Kernel
  readonly #position: Position
  readonly #handedOver: HandedOver
  readonly #about: Omit<Batch, 'bytes' | 'ends' | 'count'>
  #finished = false

  constructor(kernel: Kernel, position: Position, program: Program, at: PullPosition) {
    const { outputs, routes } = position.program
    const { destination, index } = outputs[ONLY] as KernelOutput
    this.#kernel = kernel
    this.#position = position
    this.#handedOver = new HandedOver(kernel, program, at)
    this.#about = { origin: originOf(at), sink: destination.sink, ...(index === undefined ? {} : { index }), routes }
  }

  get counts(): EncodeCounts {
    return this.#position.counts
  }

  nextBatch(): Batch | undefined {
    if (this.#finished) return undefined
    const kernel = this.#kernel
    kernel.enter(this.#position)
    const alone = this.#fillBatch()
    const { bytes, ends } = alone ? { bytes: alone, ends: Uint32Array.of(alone.length) } : kernel.take(ONLY)
    kernel.leave(this.#position)
    return ends.length === 0 ? undefined : kernel.options.memory.batchOf(this.#about, bytes, ends)
  }

  /** Returns an event that is too large for the kernel's memory: it becomes its own batch. */
  #fillBatch(): Buffer | undefined {
    const kernel = this.#kernel
    let stop = kernel.encode()
    for (; stop === HANDED_OVER; stop = kernel.encode()) {
      // If the event does not fit, we encode it again for the next batch.
      const tally = new Tally()
      const [leaving] = this.#handedOver.leaving(tally)
      if (leaving === undefined) throw new Error('a plain route has no event for a log')
      const { event } = leaving
      if (!kernel.fits(ONLY, event.length)) return undefined
      if (tally.reservedKeys) countReserved(this.#position.counts)
      const taken = kernel.append(event, ONLY)
      kernel.passHandedOver()
      if (!taken) return event
    }
    this.#finished = stop === DONE
    return undefined
  }
}

/** Number of the output of a plain route. */
const ONLY = 0

/** The walk of any other program: the kernel sorts events by output, and a packer makes batches of them. */
class RoutedWalk implements Walk {
  readonly #kernel: Kernel
  readonly #position: Position
  readonly #handedOver: HandedOver
  readonly #packer: Packer
  #finished = false

  constructor(kernel: Kernel, position: Position, program: Program, at: PullPosition) {
    this.#kernel = kernel
    this.#position = position
    this.#handedOver = new HandedOver(kernel, program, at)
    this.#packer = new Packer(kernel.options.memory, originOf(at), program)
    position.release = () => this.#pack(this.#all(), false)
  }

  get counts(): EncodeCounts {
    return this.#position.counts
  }

  nextBatch(): Batch | undefined {
    let batch = this.#packer.take()
    while (batch === undefined && !this.#finished) {
      this.#kernel.enter(this.#position)
      this.#work()
      this.#kernel.leave(this.#position)
      batch = this.#packer.take()
    }
    return batch
  }

  /** Lets the kernel write until it stops. An output that is not full waits in the kernel: packed, it would be copied twice. */
  #work(): void {
    const kernel = this.#kernel
    const { counts, program } = this.#position
    const stop = kernel.encode()
    this.#finished = stop === DONE
    this.#pack(stop === FULL ? [kernel.fullest(program.outputs.length)] : this.#all(), this.#finished)
    if (stop === HANDED_OVER) {
      for (const { output, route, event } of this.#handedOver.leaving(counts)) this.#packer.add(output, route, event)
      kernel.passHandedOver()
    }
  }

  /** Numbers of all outputs. */
  #all(): number[] {
    return [...this.#position.program.outputs.keys()]
  }

  #pack(numbers: readonly number[], isLast: boolean): void {
    const { outputs } = this.#position.program
    const runs = numbers.map((number) => ({
      output: outputs[number] as KernelOutput,
      ...this.#kernel.take(number),
    }))
    this.#packer.addAll(runs, isLast)
  }
}
