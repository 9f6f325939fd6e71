import type { Batch, Span } from '../../core/batch.ts'
import { bytesOf } from '../../core/batch.ts'
import { BufferPool } from '../../core/buffer-pool.ts'
import { numberAfter } from './command-number.ts'
import { FrameKernel } from './kernel.ts'
import type { FramerOptions, Message } from './message.ts'
import { Messages } from './message.ts'

/** Whole frames, one behind the other. */
export interface Piece {
  readonly bytes: Buffer
  /** Of the events in it. */
  readonly indexes: readonly number[]
  /** Of those that were shortened. */
  readonly cut: readonly number[]
  /** Of those that are JSON because they have no field for `raw`. */
  readonly asJson: readonly number[]
}

/** Makes pieces when they are asked for. `next`: the number of the next command of RELP, asked for each piece. */
export type Pieces = (next?: () => number) => Iterable<Piece>

/** An event of which no message can be made. */
export interface Oversized {
  readonly index: number
  /** Bytes of the message that it would have been. */
  readonly length: number
}

const PIECE_BYTES = 128 * 1024
/** Memory of pieces that have left. */
const KEPT_BYTES = 8 * PIECE_BYTES
const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20

/**
 * Frames the events of batches: `MSG-LEN SP MSG` or `MSG LF` (RFC 6587), or `NUMBER SP syslog SP MSG-LEN SP MSG LF` (RELP). The
 * kernel makes those that it can.
 */
export class Framer {
  readonly #most: number
  readonly #options: FramerOptions
  readonly #messages: Messages
  readonly #kernel: FrameKernel | null
  readonly #pool = new BufferPool(KEPT_BYTES)

  /** `most`: frames of a piece. */
  constructor(options: FramerOptions, most = Number.POSITIVE_INFINITY, kernel = FrameKernel.for(options)) {
    this.#most = most
    this.#options = options
    this.#messages = new Messages(options)
    this.#kernel = kernel
  }

  /** Pieces are made when they are asked for, so that a batch is not held twice. Tells of events that have no message. */
  *pieces(
    batch: Batch,
    { from, to }: Span,
    oversized: (event: Oversized) => void,
    next: () => number = () => 1,
  ): Generator<Piece, void> {
    for (let index = from; index < to; ) {
      const piece = this.#begin(next())
      while (index < to && piece.count < this.#most) {
        const run = { from: index, to: Math.min(to, index + this.#most - piece.count) }
        const framed = this.#kernel?.frame(batch, run, this.#options, piece)
        if (framed) piece.framed(index, framed.count, framed.end)
        index += framed?.count ?? 0
        if (index === run.to || (framed?.isFull && piece.count > 0)) break
        const message = this.#messages.of(bytesOf(batch, { from: index, to: index + 1 }), batch.origin)
        if ('tooLong' in message) oversized({ index, length: message.tooLong })
        else if (!piece.add(index, this.#frameOf(message, piece.next), message)) break
        index++
      }
      if (piece.count > 0) yield piece
      else this.recycle(piece)
    }
  }

  /** Takes back the memory of a piece that has left. */
  recycle({ bytes }: Piece): void {
    this.#pool.give(bytes)
  }

  #begin(number: number): Filling {
    return new Filling(this.#pool.take(PIECE_BYTES), number)
  }

  #frameOf({ head, payload }: Message, number: number): Buffer {
    const { framing } = this.#options
    const header = Buffer.from(head)
    const length = header.length + payload.length
    if (framing === 'octet') return Buffer.concat([Buffer.from(`${length} `), header, payload])
    if (framing === 'lf') return Buffer.concat([header, onOneLine(payload), LINE_END])
    return Buffer.concat([Buffer.from(`${number} syslog ${length} `), header, payload, LINE_END])
  }
}

/** A piece that is being filled. */
class Filling implements Piece {
  readonly indexes: number[] = []
  readonly cut: number[] = []
  readonly asJson: number[] = []
  #memory: Buffer
  #used = 0
  readonly #number: number

  /** `number`: of its first frame. */
  constructor(memory: Buffer, number: number) {
    this.#memory = memory
    this.#number = number
  }

  get count(): number {
    return this.indexes.length
  }

  get bytes(): Buffer {
    return this.#memory.subarray(0, this.#used)
  }

  /** Memory for more frames. */
  get room(): Buffer {
    return this.#memory.subarray(this.#used)
  }

  /** The number of the next frame. */
  get next(): number {
    return numberAfter(this.#number, this.count)
  }

  /** `length` bytes of the room have the frames of `count` events from this index on. */
  framed(first: number, count: number, length: number): void {
    for (let index = first; index < first + count; index++) this.indexes.push(index)
    this.#used += length
  }

  /** False if there is no room. The first one always has it. */
  add(index: number, frame: Buffer, { truncated, asJson }: Message): boolean {
    if (frame.length > this.room.length) {
      if (this.count > 0) return false
      this.#memory = Buffer.allocUnsafeSlow(frame.length)
    }
    this.room.set(frame)
    this.framed(index, 1, frame.length)
    if (truncated) this.cut.push(index)
    if (asJson) this.asJson.push(index)
    return true
  }
}

const LINE_END = Buffer.from([LF])

/** In JSON a line end stands only between values, where a space means the same. */
function onOneLine(payload: Buffer): Buffer {
  const isLineEnd = (byte: number): boolean => byte === LF || byte === CR
  return payload.some(isLineEnd) ? Buffer.from(payload.map((byte) => (isLineEnd(byte) ? SPACE : byte))) : payload
}

/** The messages in a piece with octet counts. */
export function messagesOf(piece: Buffer): Buffer[] {
  const messages: Buffer[] = []
  for (let at = 0; at < piece.length; ) {
    const space = piece.indexOf(SPACE, at)
    const end = space + 1 + Number(piece.toString('latin1', at, space))
    messages.push(piece.subarray(space + 1, end))
    at = end
  }
  return messages
}
