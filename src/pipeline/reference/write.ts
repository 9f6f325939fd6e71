import { Bytes, WORD_SLACK } from './bytes.ts'

const ZERO = 0x30

/** Copies all of `bytes`; the new position. */
export function put(target: Bytes, at: number, bytes: Buffer): number {
  target.buffer.set(bytes, at)
  return at + bytes.length
}

/** A constant with the slack `copyWords` needs. */
export class Piece {
  readonly bytes: Bytes
  readonly length: number

  constructor(text: string) {
    const bytes = Buffer.from(text)
    this.bytes = Bytes.allocate(bytes.length + WORD_SLACK)
    this.bytes.buffer.set(bytes)
    this.length = bytes.length
  }
}

export function putPiece(target: Bytes, at: number, piece: Piece): number {
  return copyWords(target, at, piece.bytes, 0, piece.length)
}

/** Copies `source[from, from + length)` in words; both sides need `WORD_SLACK`. For short runs cheaper than `set`. */
export function copyWords(target: Bytes, at: number, source: Bytes, from: number, length: number): number {
  const { view: read } = source
  const { view: write } = target
  for (let offset = 0; offset < length; offset += 4)
    write.setInt32(at + offset, read.getInt32(from + offset, true), true)
  return at + length
}

/** Writes `value` (whole, 0 … 2^34) in decimal; the new position. */
export function writeDecimal(target: Buffer, at: number, value: number): number {
  let digits = 1
  for (let limit = 10; value >= limit; limit *= 10) digits++
  return writeDigits(target, at, value, digits)
}

/** Writes the last `digits` decimal digits of `value` (whole, 0 … 2^34) with leading zeros; the new position. */
export function writeDigits(target: Buffer, at: number, value: number, digits: number): number {
  let rest = value
  for (let index = at + digits - 1; index >= at; index--) {
    const tenth = (rest / 10) | 0
    target[index] = ZERO + rest - tenth * 10
    rest = tenth
  }
  return at + digits
}
