/**
 * Makes the LZ4 block of a LogGroupList out of the stored LZ4 blocks of its groups, without inflating them. A block is
 * a run of sequences: literals, then a match that reaches back at most to the block's own start. So blocks can follow
 * one another unchanged. Only the literals at each seam, with the protobuf tag and length between the groups, are
 * written into one new sequence. A pull of 10 MB costs a copy of its compressed bytes.
 */
import { lz4Compress } from '../../sls/lz4.ts'

export interface StoredBlock {
  /** A valid LZ4 block. */
  bytes: Buffer
  /** Inflated size. */
  rawSize: number
  /** Offset of the last sequence, the one without a match. */
  tail: number
}

interface Sequence {
  token: number
  /** Literals are at `start` … `end`; a match offset follows unless `end` is the end of the block. */
  start: number
  end: number
}

/** A block that ends like this is safe for every decoder (LZ4 block format: end-of-block restrictions). */
const LAST_LITERALS = 5
const LAST_MATCH_START = 12

/** Offset of a valid block's last sequence, or undefined if a decoder may refuse how the block ends. */
export function tailOf(block: Buffer): number | undefined {
  let at = 0
  for (;;) {
    const { token, end } = sequenceAt(block, at)
    if (end === block.length) return at
    const match = lengthAt(block, end + 2, token & 15)
    const tail = sequenceAt(block, match.at)
    if (tail.end === block.length) {
      const literals = tail.end - tail.start
      const strict = literals >= LAST_LITERALS && literals + match.length + 4 >= LAST_MATCH_START
      return strict ? match.at : undefined
    }
    at = match.at
  }
}

/**
 * Compresses a LogGroup for the store. If the writer already did (`sent`, a valid block), its bytes are kept, unless
 * some decoder would refuse them at the end of a pull.
 */
export function storedBlock(raw: Buffer, sent?: Buffer): StoredBlock {
  const tail = sent && tailOf(sent)
  if (sent && tail !== undefined) return { bytes: sent, rawSize: raw.length, tail }
  // Copied, because the encoder's buffer has room for the worst case and would stay in memory.
  const bytes = Buffer.from(lz4Compress(raw))
  const own = tailOf(bytes)
  if (own === undefined) throw new Error('the LZ4 encoder broke the end-of-block rules')
  return { bytes, rawSize: raw.length, tail: own }
}

/** Bytes of LogGroupList that a group of `rawSize` bytes takes. */
export function framedSize(rawSize: number): number {
  let size = 2 + rawSize
  for (let rest = rawSize >>> 7; rest > 0; rest >>>= 7) size += 1
  return size
}

/** The LZ4 block of the LogGroupList of these groups. */
export function joinBlocks(blocks: readonly StoredBlock[]): Buffer {
  const parts: Buffer[] = []
  let literals: Buffer[] = []
  const closeSequence = (matchNibble: number) => {
    const length = literals.reduce((sum, part) => sum + part.length, 0)
    parts.push(sequenceHead(length, matchNibble), ...literals)
    literals = []
  }
  for (const { bytes, rawSize, tail } of blocks) {
    literals.push(frameOf(rawSize))
    if (tail > 0) {
      const first = sequenceAt(bytes, 0)
      literals.push(bytes.subarray(first.start, first.end))
      closeSequence(first.token & 15)
      parts.push(bytes.subarray(first.end, tail))
    }
    const last = sequenceAt(bytes, tail)
    literals.push(bytes.subarray(last.start, last.end))
  }
  closeSequence(0)
  return Buffer.concat(parts)
}

/** Tag and length in front of a group in a LogGroupList (field 1, bytes). */
function frameOf(rawSize: number): Buffer {
  const frame = [0x0a]
  let rest = rawSize
  for (; rest >= 0x80; rest >>>= 7) frame.push((rest & 0x7f) | 0x80)
  frame.push(rest)
  return Buffer.from(frame)
}

function sequenceAt(block: Buffer, at: number): Sequence {
  const token = block[at] as number
  const literals = lengthAt(block, at + 1, token >>> 4)
  return { token, start: literals.at, end: literals.at + literals.length }
}

function lengthAt(block: Buffer, start: number, nibble: number): { length: number; at: number } {
  let length = nibble
  let at = start
  if (nibble === 15) {
    let byte: number
    do {
      byte = block[at++] as number
      length += byte
    } while (byte === 255)
  }
  return { length, at }
}

function sequenceHead(literals: number, matchNibble: number): Buffer {
  const head = [(Math.min(literals, 15) << 4) | matchNibble]
  if (literals >= 15) {
    let rest = literals - 15
    for (; rest >= 255; rest -= 255) head.push(255)
    head.push(rest)
  }
  return Buffer.from(head)
}
