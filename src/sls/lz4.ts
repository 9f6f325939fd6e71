import { Fault } from '../core/errors.ts'
import { atOnce } from '../core/turns.ts'

/**
 * LZ4 blocks as Log Service sends them: no frame, no length prefix; the inflated size travels in
 * `x-log-bodyrawsize`. A block is a run of sequences: token, literal length, literals, match offset, match length.
 */

const MIN_MATCH = 4
/** The last match starts at least this many bytes before the end of the data: decoders copy in strides and rely on it. */
const LAST_MATCH_START = 12
/** The data ends in at least this many literals, for the same reason. */
const LAST_LITERALS = 5
const MAX_OFFSET = 0xffff
/** No input byte can stand for more output bytes than this, so a larger announced size is a lie. */
const MAX_EXPANSION = 255

/** About as much is inflated at a time: a whole pull of 10 MB took up to 14 ms where the memory was new to the process. */
export const PIECE_BYTES = 2 << 20

/** Fills `output` with what `source` inflates to, in pieces; returns false when it cannot, with anything in it. */
export type Inflate = (source: Uint8Array, output: Buffer) => Generator<void, boolean>

type Allocate = (size: number) => Buffer

/** `lz4Pieces` without a pause. */
export function lz4Decompress(source: Uint8Array, size: number, allocate?: Allocate, faster?: Inflate): Buffer {
  return atOnce(lz4Pieces(source, size, allocate, faster))
}

/**
 * Inflates a raw block to exactly `size` bytes, a piece of PIECE_BYTES at a time. Throws a `transient` Fault `corrupt_lz4` when
 * the block is malformed or holds more or less than `size`; nothing outside `source` and the result is ever touched.
 * `allocate` gives the memory for the result, called only once the announced size is possible. `faster` may do the work;
 * what it refuses is judged here.
 */
export function* lz4Pieces(
  source: Uint8Array,
  size: number,
  allocate: Allocate = Buffer.allocUnsafe,
  faster?: Inflate,
): Generator<void, Buffer> {
  if (!Number.isInteger(size) || size < 0) throw corrupt(`impossible size ${size}`)
  if (size > source.length * MAX_EXPANSION) throw corrupt(`${source.length} bytes cannot hold ${size}`)
  const output = allocate(size)
  if (faster && (yield* faster(source, output))) return output
  const from = new DataView(source.buffer, source.byteOffset, source.byteLength)
  const to = new DataView(output.buffer, output.byteOffset, output.byteLength)
  const end = source.length
  let at = 0
  let written = 0
  let pause = PIECE_BYTES
  while (at < end) {
    if (written >= pause) {
      yield
      pause = written + PIECE_BYTES
    }
    const token = source[at++] as number
    let literals = token >>> 4
    if (literals === 15) {
      const last = endOfLength(source, at)
      literals += MAX_EXPANSION * (last - at) + (source[last] as number)
      at = last + 1
    }
    if (literals > end - at || literals > size - written) throw corrupt('literals run past the end')
    copyLiterals(source, from, at, output, to, written, literals)
    at += literals
    written += literals
    if (at === end) {
      if (written !== size) throw corrupt(`${written} bytes where ${size} were announced`)
      return output
    }

    if (end - at < 2) throw corrupt('cut within a match offset')
    const offset = from.getUint16(at, true)
    at += 2
    if (offset === 0 || offset > written) throw corrupt('match before the start')
    let length = (token & 15) + MIN_MATCH
    if (length === 15 + MIN_MATCH) {
      const last = endOfLength(source, at)
      length += MAX_EXPANSION * (last - at) + (source[last] as number)
      at = last + 1
    }
    if (length > size - written) throw corrupt('match runs past the end')
    copyMatch(output, to, written, offset, length)
    written += length
  }
  throw corrupt('block does not end in literals')
}

/** Index of the byte that ends a length spelled in 255s. */
function endOfLength(source: Uint8Array, start: number): number {
  let at = start
  while (source[at] === 255) at++
  if (at >= source.length) throw corrupt('cut within a length')
  return at
}

// Both copies move 4 bytes at a time through a DataView and may write up to a stride too much where there is room:
// what follows is written later anyway. That is twice as fast as byte loops, and set() costs too much per short call.

function copyLiterals(
  source: Uint8Array,
  from: DataView,
  at: number,
  output: Buffer,
  to: DataView,
  written: number,
  length: number,
): void {
  if (length <= 16 && at + 16 <= source.length && written + 16 <= output.length) {
    to.setUint32(written, from.getUint32(at, true), true)
    to.setUint32(written + 4, from.getUint32(at + 4, true), true)
    to.setUint32(written + 8, from.getUint32(at + 8, true), true)
    to.setUint32(written + 12, from.getUint32(at + 12, true), true)
  } else if (length <= 16) {
    for (let index = 0; index < length; index++) output[written + index] = source[at + index] as number
  } else output.set(source.subarray(at, at + length), written)
}

function copyMatch(output: Buffer, to: DataView, written: number, offset: number, length: number): void {
  const stop = written + length
  if (offset >= 4 && stop + 3 <= output.length) {
    if (length >= 128 && offset >= length) {
      output.copyWithin(written, written - offset, stop - offset)
      return
    }
    for (let at = written; at < stop; at += 4) to.setUint32(at, to.getUint32(at - offset, true), true)
    return
  }
  for (let at = written; at < stop; at++) output[at] = output[at - offset] as number
}

const HASH_BITS = 13

/**
 * Small greedy encoder for the emulator: any block it makes obeys liblz4's end-of-block rules. It finds fewer matches
 * than liblz4 does.
 */
export function lz4Compress(source: Uint8Array): Buffer {
  const bytes = Buffer.from(source.buffer, source.byteOffset, source.byteLength)
  const output = Buffer.allocUnsafe(source.length + Math.ceil(source.length / 255) + 16)
  /** Position + 1 of the last place each hash was seen. */
  const seen = new Int32Array(1 << HASH_BITS)
  const lastStart = source.length - LAST_MATCH_START
  let written = 0
  let literalsFrom = 0
  let at = 0
  let misses = 0
  while (at <= lastStart) {
    const word = bytes.readUInt32LE(at)
    const hash = Math.imul(word, 2654435761) >>> (32 - HASH_BITS)
    const candidate = (seen[hash] as number) - 1
    seen[hash] = at + 1
    if (candidate < 0 || at - candidate > MAX_OFFSET || bytes.readUInt32LE(candidate) !== word) {
      // Data without matches is passed over in growing steps, or it would cost the most.
      at += 1 + (misses++ >>> 6)
      continue
    }
    const length = matchLength(bytes, candidate, at)
    written = writeSequence(output, written, bytes.subarray(literalsFrom, at), at - candidate, length)
    at += length
    literalsFrom = at
    misses = 0
  }
  written = writeSequence(output, written, bytes.subarray(literalsFrom), 0, 0)
  return output.subarray(0, written)
}

function matchLength(bytes: Buffer, candidate: number, at: number): number {
  const limit = bytes.length - LAST_LITERALS - at
  let length = MIN_MATCH
  while (length < limit && bytes[candidate + length] === bytes[at + length]) length++
  return length
}

/** `length` 0 writes the last sequence: literals only. */
function writeSequence(output: Buffer, start: number, literals: Buffer, offset: number, length: number): number {
  const extra = length === 0 ? 0 : length - MIN_MATCH
  output[start] = (Math.min(literals.length, 15) << 4) | Math.min(extra, 15)
  let at = writeLength(output, start + 1, literals.length)
  output.set(literals, at)
  at += literals.length
  if (length === 0) return at
  output.writeUInt16LE(offset, at)
  return writeLength(output, at + 2, extra)
}

/** The part of a length that did not fit into its half of the token. */
function writeLength(output: Buffer, start: number, length: number): number {
  if (length < 15) return start
  let at = start
  let rest = length - 15
  for (; rest >= 255; rest -= 255) output[at++] = 255
  output[at++] = rest
  return at
}

function corrupt(what: string): Fault {
  return new Fault('transient', `the body is not a valid LZ4 block: ${what}`, { code: 'corrupt_lz4' })
}
