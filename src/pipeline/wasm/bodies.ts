import type { BufferPool } from '../../core/buffer-pool.ts'
import type { Inflate } from '../../sls/lz4.ts'
import { PIECE_BYTES } from '../../sls/lz4.ts'
import type { Kernel } from './kernel.ts'
import { INFLATED, PAUSED } from './memory-layout.ts'

/** Bodies of pulls where the kernel can work on them, as far as there is room; the others are as good for the other engine. */
export class KernelBodies {
  readonly #kernel: Kernel
  readonly #pool: BufferPool

  constructor(kernel: Kernel, pool: BufferPool) {
    this.#kernel = kernel
    this.#pool = pool
  }

  /** A buffer of exactly `size` bytes with arbitrary contents. */
  take(size: number): Buffer {
    const at = this.#kernel.slots.take(size)
    return at === undefined ? this.#pool.take(size) : this.#kernel.bytes.subarray(at, at + size)
  }

  /** Gives back what `take` returned. Nobody may look at it any more. */
  give(body: Buffer): void {
    if (this.#kernel.holds(body)) this.#kernel.slots.give(body.byteOffset)
    else this.#pool.give(body)
  }

  /** Inflates the LZ4 block to fill `body`. False, with anything in it, when that is impossible here or altogether. */
  readonly inflate: Inflate = (block, body) => inflate(this.#kernel, block, body)
}

function* inflate(kernel: Kernel, block: Uint8Array, body: Buffer): Generator<void, boolean> {
  const { slots, bytes, exports } = kernel
  if (!kernel.holds(body)) return false
  const at = slots.take(block.length)
  if (at === undefined) return false
  try {
    bytes.set(block, at)
    const start = body.byteOffset
    const blockEnd = at + block.length
    const end = start + body.length
    let from = at
    let to = start
    for (;;) {
      const stop = exports.inflate(from, blockEnd, start, to, end, to + PIECE_BYTES)
      if (stop !== PAUSED) return stop === INFLATED
      // Before the pause: in it the kernel may be at another block.
      from = exports.inflatePausedFrom()
      to = exports.inflatePausedTo()
      yield
    }
  } finally {
    slots.give(at)
  }
}
