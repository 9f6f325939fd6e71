import type { Batch, EncodeCounts, PullPosition } from '../../core/batch.ts'
import { originOf } from '../../core/batch.ts'
import type { Engine, Walk } from '../engine.ts'
import type { Program } from '../program.ts'
import { ReferenceEngine } from '../reference/engine.ts'
import { GroupRoutes } from '../reference/group-routes.ts'
import { LogGroup } from '../reference/log-group.ts'
import { Tally } from '../reference/tally.ts'
import type { Kernel, Position } from './kernel.ts'
import { DONE, HANDED_OVER } from './memory-layout.ts'

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
    return new KernelWalk(this.#kernel, position, program, at)
  }
}

class KernelWalk implements Walk {
  readonly #kernel: Kernel
  readonly #position: Position
  readonly #program: Program
  readonly #at: PullPosition
  readonly #about: Omit<Batch, 'bytes' | 'ends' | 'count'>
  /** Encodes the logs of one group that the kernel hands over. */
  #handedOver: { readonly groupIndex: number; readonly routes: GroupRoutes } | undefined
  #finished = false

  constructor(kernel: Kernel, position: Position, program: Program, at: PullPosition) {
    const { name, destination } = position.program.route
    this.#kernel = kernel
    this.#position = position
    this.#program = program
    this.#at = at
    this.#about = { origin: originOf(at), sink: destination.sink, routes: [name] }
  }

  get counts(): EncodeCounts {
    return this.#position.counts
  }

  nextBatch(): Batch | undefined {
    if (this.#finished) return undefined
    const kernel = this.#kernel
    kernel.enter(this.#position)
    const alone = this.#fillBatch()
    const { bytes, ends } = alone ? { bytes: alone, ends: Uint32Array.of(alone.length) } : kernel.takeBatch()
    kernel.leave(this.#position)
    return ends.length === 0 ? undefined : kernel.options.memory.batchOf(this.#about, bytes, ends)
  }

  /** Returns an event that is too large for the kernel's memory: it becomes its own batch. */
  #fillBatch(): Buffer | undefined {
    const kernel = this.#kernel
    let stop = kernel.encode()
    for (; stop === HANDED_OVER; stop = kernel.encode()) {
      const event = this.#encodeHandedOver()
      if (!kernel.fits(event.length)) return undefined
      const taken = kernel.append(event)
      kernel.passHandedOver()
      if (!taken) return event
    }
    this.#finished = stop === DONE
    return undefined
  }

  /** If the event does not fit, we encode it again for the next batch. */
  #encodeHandedOver(): Buffer {
    const { group, groupIndex, log, logIndex } = this.#kernel.handedOver
    if (this.#handedOver?.groupIndex !== groupIndex) {
      this.#handedOver = {
        groupIndex,
        routes: new GroupRoutes(this.#program, this.#at, new LogGroup(group), groupIndex),
      }
    }
    const [leaving] = this.#handedOver.routes.leaving(log, logIndex, new Tally())
    if (leaving === undefined) throw new Error('a plain route has no event for a log')
    return leaving.event
  }
}
