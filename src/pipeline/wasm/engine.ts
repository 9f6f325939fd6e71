import type { Batch, BatchOrigin, EncodeCounts, PullPosition } from '../../core/batch.ts'
import { originOf } from '../../core/batch.ts'
import type { BatchMemory } from '../batch-memory.ts'
import type { Engine, Walk } from '../engine.ts'
import type { ReferenceEngine } from '../reference/engine.ts'
import type { GroupEvents } from '../reference/events.ts'
import type { Kernel, Position } from './kernel.ts'
import { DONE, LEFT } from './memory-layout.ts'

/** The fast engine. The reference writes the bodies and logs that the kernel leaves. */
export class WasmEngine implements Engine {
  readonly #kernel: Kernel
  readonly #reference: ReferenceEngine
  readonly #memory: BatchMemory

  /** All three must be made from the same options. */
  constructor(kernel: Kernel, reference: ReferenceEngine, memory: BatchMemory) {
    this.#kernel = kernel
    this.#reference = reference
    this.#memory = memory
  }

  open(body: Buffer, at: PullPosition): Walk {
    const position = this.#kernel.begin(body, at)
    if (position === undefined) return this.#reference.open(body, at)
    return new KernelWalk(this.#kernel, this.#reference, this.#memory, position, at)
  }
}

class KernelWalk implements Walk {
  readonly #kernel: Kernel
  readonly #reference: ReferenceEngine
  readonly #memory: BatchMemory
  readonly #position: Position
  readonly #at: PullPosition
  readonly #origin: BatchOrigin
  /** Writes the logs of one group that the kernel leaves. */
  #left: { readonly groupIndex: number; readonly events: GroupEvents } | undefined
  #finished = false

  constructor(kernel: Kernel, reference: ReferenceEngine, memory: BatchMemory, position: Position, at: PullPosition) {
    this.#kernel = kernel
    this.#reference = reference
    this.#memory = memory
    this.#position = position
    this.#at = at
    this.#origin = originOf(at)
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
    return ends.length === 0 ? undefined : this.#memory.batchOf(this.#origin, bytes, ends)
  }

  /** Returns an event that is too large for the kernel's memory: it becomes its own batch. */
  #fillBatch(): Buffer | undefined {
    const kernel = this.#kernel
    let stop = kernel.encode()
    for (; stop === LEFT; stop = kernel.encode()) {
      const event = this.#leftEvent()
      if (!kernel.fits(event.length)) return undefined
      const taken = kernel.append(event)
      kernel.passLeft()
      if (!taken) return event
    }
    this.#finished = stop === DONE
    return undefined
  }

  /** Written twice when it has to wait for the next batch. */
  #leftEvent(): Buffer {
    const { group, groupIndex, log, logIndex } = this.#kernel.left
    if (this.#left?.groupIndex !== groupIndex) {
      this.#left = { groupIndex, events: this.#reference.eventsOf(group, groupIndex, this.#at) }
    }
    return this.#left.events.eventOf(log, logIndex)
  }
}
