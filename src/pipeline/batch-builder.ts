import type { Batch, BatchOrigin } from '../core/batch.ts'
import { BufferPool } from '../core/buffer-pool.ts'
import { Bytes } from './reference/bytes.ts'

/** Room past the largest batch, so that an event can be written before it is known whether it still fits in. */
const HEADROOM = 64 * 1024
/** A working buffer filled to this part goes out as the batch itself; below, its bytes are copied and it is kept. */
const HAND_OVER = 0.75

/** The byte budget counts batches, not the buffers they lie in. */
const MOST_ROOM = 4 / 3

/**
 * The memory of batches and of those being filled, used again: by the next pull when a batch did not take it along, and once
 * a batch that did is settled.
 */
export class WorkingBuffers {
  readonly maxBatchBytes: number
  readonly #pool: BufferPool

  /** `keptBytes`: what is kept for later pulls at the most. */
  constructor(maxBatchBytes: number, keptBytes: number) {
    this.maxBatchBytes = maxBatchBytes
    this.#pool = new BufferPool(keptBytes, MOST_ROOM)
  }

  /** Room for a batch to be filled. */
  take(): Bytes {
    return new Bytes(this.#pool.take(this.maxBatchBytes + HEADROOM))
  }

  give({ buffer }: Bytes): void {
    this.#pool.give(buffer)
  }

  /** Copies for a batch to take along, in one piece of memory: thousands of ends a second would be garbage of their own. */
  copyOf(bytes: Buffer, ends: Uint32Array): Pick<Batch, 'bytes' | 'ends'> {
    const endsAt = Math.ceil(bytes.length / ends.BYTES_PER_ELEMENT) * ends.BYTES_PER_ELEMENT
    const both = this.#pool.take(endsAt + ends.byteLength)
    both.set(bytes)
    const copy = new Uint32Array(both.buffer, both.byteOffset + endsAt, ends.length)
    copy.set(ends)
    return { bytes: both.subarray(0, bytes.length), ends: copy }
  }

  /** Takes back the memory of a batch whose bytes nobody will look at again. */
  recycle({ bytes }: Batch): void {
    this.#pool.give(bytes)
  }
}

/**
 * Packs the events of one pull into batches. A batch is closed before an event would push it over the limit; an event
 * over the limit is alone in its batch.
 */
export class BatchBuilder {
  readonly #origin: BatchOrigin
  readonly #buffers: WorkingBuffers
  #working: Bytes | undefined
  #used = 0
  #ends = new Uint32Array(256)
  #count = 0
  #closed: Batch[] = []

  constructor(origin: BatchOrigin, buffers: WorkingBuffers) {
    this.#origin = origin
    this.#buffers = buffers
  }

  /** Where the next event may be written in place, from `position` on. */
  get target(): Bytes {
    this.#working ??= this.#buffers.take()
    return this.#working
  }

  get position(): number {
    return this.#used
  }

  /** Whether `bytes` can be written in place. */
  hasRoom(bytes: number): boolean {
    return this.#used + bytes <= this.target.buffer.length
  }

  /** Takes the event that was written in place and ends at `end`. */
  commit(end: number): void {
    if (this.#count === 0 || end <= this.#buffers.maxBatchBytes) {
      this.#mark(end)
      return
    }
    const event = this.target.buffer.subarray(this.#used, end)
    this.close()
    // The buffer the event lies in may be the one it is moved within.
    this.target.buffer.set(event)
    this.#mark(event.length)
  }

  /** Takes an event that was written elsewhere. */
  append(event: Buffer): void {
    if (this.#count > 0 && this.#used + event.length > this.#buffers.maxBatchBytes) this.close()
    if (this.hasRoom(event.length)) {
      this.target.buffer.set(event, this.#used)
      this.#mark(this.#used + event.length)
      return
    }
    this.close()
    const alone = this.#buffers.copyOf(event, Uint32Array.of(event.length))
    this.#closed.push({ origin: this.#origin, ...alone, count: 1 })
  }

  /** Closes the batch that is being filled, if there is anything in it. */
  close(): void {
    const working = this.#working
    if (this.#count === 0 || working === undefined) return
    const filled = working.buffer.subarray(0, this.#used)
    const whole = this.#used >= working.buffer.length * HAND_OVER
    if (whole) this.#working = undefined
    const ends = this.#ends.subarray(0, this.#count)
    const batch = whole ? { bytes: filled, ends: ends.slice() } : this.#buffers.copyOf(filled, ends)
    this.#closed.push({ origin: this.#origin, ...batch, count: this.#count })
    this.#used = 0
    this.#count = 0
  }

  /** The oldest closed batch not yet taken. */
  shift(): Batch | undefined {
    return this.#closed.length === 0 ? undefined : this.#closed.shift()
  }

  /** Closes the last batch and lets go of the working buffer. */
  finish(): void {
    this.close()
    if (this.#working !== undefined) this.#buffers.give(this.#working)
    this.#working = undefined
  }

  #mark(end: number): void {
    if (this.#count === this.#ends.length) {
      const larger = new Uint32Array(2 * this.#count)
      larger.set(this.#ends)
      this.#ends = larger
    }
    this.#ends[this.#count++] = end
    this.#used = end
  }
}
