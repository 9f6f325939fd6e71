import fc from 'fast-check'
import { compressSync, uncompressSync } from 'lz4-napi'
import { describe, expect, test } from 'vitest'
import { Fault } from '../../../src/core/errors.ts'
import { seededRandom } from '../../../src/emulator/sample-logs.ts'
import { lz4Compress, lz4Decompress, lz4Pieces, PIECE_BYTES } from '../../../src/sls/lz4.ts'

const BOX = { numRuns: 2000, interruptAfterTimeLimit: 1000, markInterruptAsFailure: false }
const corrupt = expect.objectContaining({ name: 'Fault', kind: 'transient', code: 'corrupt_lz4' })

/** A block by another encoder, without the size lz4-napi puts in front. */
function foreignBlock(raw: Buffer): Buffer {
  return compressSync(raw).subarray(4)
}

function foreignInflate(block: Buffer, size: number): Buffer {
  const prefix = Buffer.alloc(4)
  prefix.writeUInt32LE(size)
  return uncompressSync(Buffer.concat([prefix, block]))
}

/** Data with runs, repeats at every distance and noise, so that all kinds of sequences occur. */
const data = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 12 }), fc.nat(600)).map(([unit, times]) => {
        return Buffer.concat(Array.from({ length: Math.ceil(times / unit.length) }, () => unit))
      }),
    ),
    { maxLength: 12 },
  )
  .chain((parts) => fc.shuffledSubarray([...parts, ...parts]))
  .map((parts) => Buffer.concat(parts))

/** Walks a block and checks what liblz4 demands of its end. */
function checkEndOfBlock(block: Buffer, size: number): void {
  let at = 0
  let written = 0
  const length = (nibble: number) => {
    let total = nibble
    if (nibble < 15) return total
    for (;;) {
      const byte = block[at++] as number
      total += byte
      if (byte < 255) return total
    }
  }
  for (;;) {
    const token = block[at++] as number
    const literals = length(token >> 4)
    at += literals
    written += literals
    if (at === block.length) {
      if (written !== literals) expect(literals).toBeGreaterThanOrEqual(5)
      expect(written).toBe(size)
      return
    }
    expect(written).toBeLessThanOrEqual(size - 12)
    at += 2
    written += length(token & 15) + 4
  }
}

describe('inflating', () => {
  test('blocks of another encoder', () => {
    fc.assert(
      fc.property(data, (raw) => {
        expect(lz4Decompress(foreignBlock(raw), raw.length).equals(raw)).toBe(true)
      }),
      BOX,
    )
  })

  test('a large block of another encoder', () => {
    const lines = Array.from({ length: 20_000 }, (_, n) => `{"n":${n},"verb":"${['get', 'list', 'watch'][n % 3]}"}\n`)
    const raw = Buffer.from(lines.join('') + 'a'.repeat(70_000))
    expect(lz4Decompress(foreignBlock(raw), raw.length).equals(raw)).toBe(true)
  })

  test('matches at every short distance and of every length, however near the end', () => {
    for (let distance = 1; distance <= 20; distance++) {
      for (let length = 4; length <= 300; length += length < 40 ? 1 : 13) {
        const tail = (distance + length) % 6
        const unit = Buffer.from(Array.from({ length: distance }, (_, index) => index + 1))
        const extra = length - 4
        const extension = extra < 15 ? [] : extra - 15 < 255 ? [extra - 15] : [255, extra - 15 - 255]
        const head =
          distance < 15 ? [(distance << 4) | Math.min(extra, 15)] : [0xf0 | Math.min(extra, 15), distance - 15]
        const end = Array.from({ length: tail }, () => 9)
        const block = Buffer.from([...head, ...unit, distance, 0, ...extension, tail << 4, ...end])
        const repeated = Array.from({ length: distance + length }, (_, index) => (index % distance) + 1)
        expect(lz4Decompress(block, distance + length + tail)).toEqual(Buffer.from([...repeated, ...end]))
      }
    }
  })

  test('an empty block, a block of literals only', () => {
    expect(lz4Decompress(Buffer.from([0]), 0)).toEqual(Buffer.alloc(0))
    expect(lz4Decompress(Buffer.from([0x30, 1, 2, 3]), 3)).toEqual(Buffer.from([1, 2, 3]))
    const long = Buffer.alloc(15 + 255 + 30, 7)
    expect(lz4Decompress(Buffer.concat([Buffer.from([0xf0, 255, 30]), long]), long.length)).toEqual(long)
  })

  test('a source that is a view into other bytes', () => {
    const around = Buffer.from([0xff, 0xff, 0x30, 1, 2, 3, 0xff])
    expect(lz4Decompress(around.subarray(2, 6), 3)).toEqual(Buffer.from([1, 2, 3]))
  })
})

describe('refusing', () => {
  test.each<[name: string, block: number[], size: number]>([
    ['nothing at all', [], 0],
    ['a size too small', [0x30, 1, 2, 3], 2],
    ['a size too large', [0x30, 1, 2, 3], 4],
    ['a size no block of this length can have', [0x30, 1, 2, 3], Number.MAX_SAFE_INTEGER],
    ['a negative size', [0x30, 1, 2, 3], -1],
    ['a size that is not a number', [0x30, 1, 2, 3], Number.NaN],
    ['literals past the end of the block', [0x40, 1, 2, 3], 4],
    ['a literal length that is cut', [0xf0, 255, 255], 600],
    ['an offset that is cut', [0x11, 1, 1], 20],
    ['an offset of 0', [0x10, 1, 0, 0, 0x50, 1, 2, 3, 4, 5], 10],
    ['a match before the start', [0x10, 1, 2, 0, 0x50, 1, 2, 3, 4, 5], 10],
    ['a match past the end', [0x1f, 1, 1, 0, 200, 0x50, 1, 2, 3, 4, 5], 30],
    ['a match length that is cut', [0x1f, 1, 1, 0, 255], 300],
    ['a match at the end', [0x11, 1, 1, 0], 6],
  ])('%s', (_name, block, size) => {
    expect(() => lz4Decompress(Buffer.from(block), size)).toThrow(corrupt)
  })

  test('every block that is cut, and every wrong size', () => {
    const raw = Buffer.from('abcabcabcabcabcabc-xyz-abcabcabcabc-0123456789'.repeat(4))
    const block = foreignBlock(raw)
    for (let length = 0; length < block.length; length++) {
      const cut = block.subarray(0, length)
      expect(() => lz4Decompress(cut, raw.length)).toThrow(corrupt)
    }
    for (const size of [0, 1, raw.length - 1, raw.length + 1, raw.length * 2]) {
      expect(() => lz4Decompress(block, size)).toThrow(corrupt)
    }
  })

  test('damaged blocks end in the announced size or in a Fault', () => {
    fc.assert(
      fc.property(data, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat(), (raw, changes, cut) => {
        const block = Buffer.from(foreignBlock(raw))
        for (const [at, byte] of changes) block[at % block.length] = byte
        const damaged = block.subarray(0, 1 + (cut % block.length))
        try {
          expect(lz4Decompress(damaged, raw.length)).toHaveLength(raw.length)
        } catch (error) {
          expect(error).toBeInstanceOf(Fault)
          expect(error).toEqual(corrupt)
        }
      }),
      BOX,
    )
  })

  test('any bytes with any size', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(3000), (bytes, size) => {
        try {
          expect(lz4Decompress(bytes, size)).toHaveLength(size)
        } catch (error) {
          expect(error).toEqual(corrupt)
        }
      }),
      BOX,
    )
  })
})

describe('compressing', () => {
  test('another decoder and our own get the data back, and the end of the block is as liblz4 demands', () => {
    fc.assert(
      fc.property(data, (raw) => {
        const block = lz4Compress(raw)
        expect(lz4Decompress(block, raw.length).equals(raw)).toBe(true)
        if (raw.length > 0) expect(foreignInflate(block, raw.length).equals(raw)).toBe(true)
        checkEndOfBlock(block, raw.length)
      }),
      BOX,
    )
  })

  test('short data of every length that could end in a match', () => {
    for (let length = 0; length <= 64; length++) {
      const raw = Buffer.alloc(length, 'a')
      const block = lz4Compress(raw)
      checkEndOfBlock(block, length)
      expect(lz4Decompress(block, length)).toEqual(raw)
    }
  })

  test('repetitive data shrinks, data without repeats hardly grows', () => {
    expect(lz4Compress(Buffer.alloc(100_000, 'log line ')).length).toBeLessThan(1000)
    const noise = Buffer.from(Array.from({ length: 100_000 }, (_, n) => Math.imul(n, 2654435761) >>> 13))
    const block = lz4Compress(noise)
    expect(block.length).toBeLessThan(100_000 + 500)
    expect(lz4Decompress(block, noise.length)).toEqual(noise)
  })

  test.each([65_535, 65_536, 65_537])('a repeat %s bytes back is used if an offset can say so', (distance) => {
    const word = Buffer.from('a word that comes twice')
    const tail = Buffer.from('and then the end')
    const raw = Buffer.concat([word, Buffer.alloc(distance - word.length), word, tail])
    const block = lz4Compress(raw)
    expect(lz4Decompress(block, raw.length)).toEqual(raw)
    expect(foreignInflate(block, raw.length)).toEqual(raw)
    expect(block.lastIndexOf(word) > block.indexOf(word)).toBe(distance > 65_535)
  })
})

test('a long block is inflated in pieces', () => {
  const random = seededRandom(3)
  const words = Buffer.alloc(4 * PIECE_BYTES)
  for (let at = 0; at < words.length; at++) words[at] = 97 + Math.floor(random() * 4)
  const pieces = lz4Pieces(lz4Compress(words), words.length)
  let pauses = 0
  let step = pieces.next()
  for (; !step.done; step = pieces.next()) pauses++
  expect(pauses).toBe(3)
  expect(step.value.equals(words)).toBe(true)
})
