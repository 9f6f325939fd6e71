import type { Batch } from '../core/batch.ts'
import { BufferPool } from '../core/buffer-pool.ts'

/** Most room of a buffer for its batch. The byte budget counts batches, not their buffers. */
const MOST_ROOM = 4 / 3
const KEPT_BYTES = 16 * 1024 * 1024

/** The memory of batches, which serves a later batch once its own is settled. */
export class BatchMemory {
  readonly #pool: BufferPool

  /** `keptBytes`: the most that is kept for later batches. */
  constructor(keptBytes = KEPT_BYTES) {
    this.#pool = new BufferPool(keptBytes, MOST_ROOM)
  }

  /** A batch with copies of these bytes and ends. */
  batchOf(about: Omit<Batch, 'bytes' | 'ends' | 'count'>, bytes: Buffer, ends: Uint32Array): Batch {
    // Both share one buffer: thousands of small arrays a second would be garbage.
    const endsAt = Math.ceil(bytes.length / ends.BYTES_PER_ELEMENT) * ends.BYTES_PER_ELEMENT
    const both = this.#pool.take(endsAt + ends.byteLength)
    both.set(bytes)
    const copy = new Uint32Array(both.buffer, both.byteOffset + endsAt, ends.length)
    copy.set(ends)
    return { ...about, bytes: both.subarray(0, bytes.length), ends: copy, count: ends.length }
  }

  /** A buffer for events that wait for a batch. */
  take(size: number): Buffer {
    return this.#pool.take(size)
  }

  /** Gives back what `take` returned. */
  give(buffer: Buffer): void {
    this.#pool.give(buffer)
  }

  /** For a batch that is settled. Its bytes must not be used any more. */
  recycle({ bytes }: Batch): void {
    this.#pool.give(bytes)
  }
}
