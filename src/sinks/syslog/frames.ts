import type { Batch, Span } from '../../core/batch.ts'
import { bytesOf } from '../../core/batch.ts'
import type { MessageOptions } from './message.ts'
import { Messages } from './message.ts'

export type Framing = 'octet' | 'lf'

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

/** An event of which no message can be made. */
export interface Oversized {
  readonly index: number
  /** Bytes of the message that it would have been. */
  readonly length: number
}

const PIECE_BYTES = 64 * 1024
/** A count and its space, or a line end. */
const FRAMING_BYTES = 12
const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20

/** Frames the events of batches: `MSG-LEN SP MSG` or `MSG LF` (RFC 6587). */
export class Framer {
  readonly #most: number
  readonly #messages: Messages
  readonly #framing: Framing

  /** `most`: frames of a piece. */
  constructor(options: MessageOptions & { readonly framing: Framing }, most = Number.POSITIVE_INFINITY) {
    this.#most = most
    this.#messages = new Messages(options)
    this.#framing = options.framing
  }

  /** Pieces are made when they are asked for, so that a batch is not held twice. Tells of events that have no message. */
  *pieces(batch: Batch, { from, to }: Span, oversized: (event: Oversized) => void): Generator<Piece, void> {
    let bytes = Buffer.allocUnsafe(PIECE_BYTES)
    let used = 0
    let indexes: number[] = []
    let cut: number[] = []
    let asJson: number[] = []
    for (let index = from; index < to; index++) {
      const message = this.#messages.of(bytesOf(batch, { from: index, to: index + 1 }), batch.origin)
      if ('tooLong' in message) {
        oversized({ index, length: message.tooLong })
        continue
      }
      const needed = Buffer.byteLength(message.head) + message.payload.length + FRAMING_BYTES
      if (used + needed > bytes.length || indexes.length >= this.#most) {
        if (indexes.length > 0) yield { bytes: bytes.subarray(0, used), indexes, cut, asJson }
        // Pieces that were given away still leave from that memory.
        bytes = Buffer.allocUnsafe(Math.max(PIECE_BYTES, needed))
        used = 0
        indexes = []
        cut = []
        asJson = []
      }
      used = this.#write(bytes, used, message.head, message.payload)
      indexes.push(index)
      if (message.truncated) cut.push(index)
      if (message.asJson) asJson.push(index)
    }
    if (indexes.length > 0) yield { bytes: bytes.subarray(0, used), indexes, cut, asJson }
  }

  #write(into: Buffer, at: number, head: string, payload: Buffer): number {
    let used = at
    if (this.#framing === 'octet') used += into.write(`${Buffer.byteLength(head) + payload.length} `, used, 'latin1')
    used += into.write(head, used)
    payload.copy(into, used)
    if (this.#framing === 'octet') return used + payload.length
    used = withoutLineEnds(into, used, used + payload.length)
    into[used] = LF
    return used + 1
  }
}

/** In JSON a line end stands only between values, where a space means the same. */
function withoutLineEnds(bytes: Buffer, from: number, to: number): number {
  for (let at = from; at < to; at++) if (bytes[at] === LF || bytes[at] === CR) bytes[at] = SPACE
  return to
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
