import type { BufferPool } from '../../core/buffer-pool.ts'
import type { Inflate } from '../../sls/lz4.ts'
import { PIECE_BYTES } from '../../sls/lz4.ts'
import type { Kernel } from './kernel.ts'
import { INFLATED, PAUSED } from './memory-layout.ts'

/** Keeps the bodies of pulls in the kernel's memory while there is room. The reference works on the others. */
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

  /** Gives back a buffer of `take`. It must not be used any more. */
  give(body: Buffer): void {
    if (this.#kernel.holds(body)) this.#kernel.slots.give(body.byteOffset)
    else this.#pool.give(body)
  }

  /** Inflates the LZ4 block to fill `body`. False when the kernel cannot; `body` may then have any contents. */
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
      // Read before the pause, in which the kernel may inflate another block.
      from = exports.inflatePausedFrom()
      to = exports.inflatePausedTo()
      yield
    }
  } finally {
    slots.give(at)
  }
}
