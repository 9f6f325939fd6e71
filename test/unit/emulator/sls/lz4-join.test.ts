import fc from 'fast-check'
import { uncompressSync } from 'lz4-napi'
import { describe, expect, test } from 'vitest'
import { checkLogGroup } from '../../../../src/emulator/sls/log-check.ts'
import { framedSize, joinBlocks, storedBlock, tailOf } from '../../../../src/emulator/sls/lz4-join.ts'
import { encodeLogGroup, encodeLogGroupList } from '../../../../src/sls/log-group.ts'
import { lz4Decompress } from '../../../../src/sls/lz4.ts'

/** Decoded by another implementation than ours, which wants the size in front. */
function independentlyInflated(block: Buffer, size: number): Buffer {
  const prefix = Buffer.alloc(4)
  prefix.writeUInt32LE(size)
  return uncompressSync(Buffer.concat([prefix, block]))
}

/** Bytes with and without repetitions, around the lengths at which LZ4 changes its spelling. */
const content = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.uint8Array({ minLength: 1, maxLength: 600, size: 'max' }),
  fc
    .tuple(fc.uint8Array({ minLength: 1, maxLength: 30 }), fc.integer({ min: 1, max: 2000 }))
    .map(([unit, times]) => Buffer.concat(Array.from({ length: times }, () => unit))),
)

describe('joining stored blocks', () => {
  test('gives the LogGroupList of the same groups, for any contents', () => {
    const groups = fc.array(content, { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(groups, (contents) => {
        const raw = contents.map((bytes) => Buffer.from(bytes))
        const list = encodeLogGroupList(raw)
        const joined = joinBlocks(raw.map((bytes) => storedBlock(bytes)))
        const size = raw.reduce((sum, bytes) => sum + framedSize(bytes.length), 0)
        expect(size).toBe(list.length)
        expect(lz4Decompress(joined, size).equals(list)).toBe(true)
        expect(independentlyInflated(joined, size).equals(list)).toBe(true)
        expect(tailOf(joined)).toBeDefined()
      }),
      { numRuns: 400, interruptAfterTimeLimit: 1500, markInterruptAsFailure: false },
    )
  })

  test('a block whose end strict decoders refuse is compressed again; a proper one is kept as it was sent', () => {
    const raw = Buffer.from('abcdabcdabcdabcdabcd')
    // Literals `abcd`, a match of 15, then a single literal: four too few at the end.
    const loose = Buffer.from([0x4b, ...Buffer.from('abcd'), 4, 0, 0x10, ...Buffer.from('d')])
    expect(lz4Decompress(loose, raw.length).toString()).toBe(raw.toString())
    expect(tailOf(loose)).toBeUndefined()
    expect(storedBlock(raw, loose).bytes.equals(loose)).toBe(false)
    const proper = Buffer.concat([Buffer.from([0xf0, 5]), raw])
    expect(storedBlock(raw, proper).bytes).toBe(proper)
  })
})

describe('checking a written log group', () => {
  const pair = (key: string, value: string): Buffer => Buffer.concat([framed(0x0a, key), framed(0x12, value)])
  const framed = (tag: number, bytes: Buffer | string): Buffer => {
    const content = Buffer.from(bytes)
    return Buffer.concat([Buffer.from([tag, content.length]), content])
  }
  const log = (...fields: Buffer[]): Buffer => framed(0x0a, Buffer.concat(fields))
  const TIME = Buffer.from([0x08, 0x05])
  const outcome = (bytes: Buffer): unknown => {
    try {
      return checkLogGroup(bytes).logs
    } catch (error) {
      return (error as { code: string }).code
    }
  }

  test('everything that the official proto allows passes: unknown fields, non-UTF-8 values, Time_ns, no logs at all', () => {
    const group = encodeLogGroup({
      topic: 't',
      source: 's',
      machineUuid: 'm',
      tags: [['k', 'v']],
      logs: [
        { time: 4_294_967_295, timeNs: 999_999_999, contents: [['key', Buffer.from([0xff, 0xfe, 0])]] },
        { time: 0, contents: [] },
      ],
    })
    expect(outcome(group)).toBe(2)
    expect(outcome(Buffer.concat([group, framed(0x7a, 'unknown field 15'), Buffer.from([0x20, 1])]))).toBe(2)
    expect(outcome(framed(0x1a, 'only a topic'))).toBe(0)
  })

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['a log without Time', log(framed(0x12, pair('k', 'v')))],
    ['a content without Value', log(TIME, framed(0x12, framed(0x0a, 'k')))],
    ['a content without Key', log(TIME, framed(0x12, framed(0x12, 'v')))],
    ['a tag without Value', framed(0x32, framed(0x0a, 'k'))],
    ['a length past the end', Buffer.from([0x0a, 9, 0x08, 5])],
    ['a varint that never ends', Buffer.alloc(20, 0xff)],
    ['text', Buffer.from('{"not": "protobuf"}')],
  ])('%s is PostBodyInvalid', (_, bytes) => {
    expect(outcome(bytes)).toBe('PostBodyInvalid')
  })

  test('keys have 1 to 128 bytes', () => {
    const withKey = (key: string) => outcome(encodeLogGroup({ logs: [{ time: 1, contents: [[key, 'v']] }] }))
    expect([withKey(''), withKey('k'.repeat(129)), withKey('k'.repeat(128))]).toEqual(['InvalidKey', 'InvalidKey', 1])
  })

  test('any bytes end in a verdict', () => {
    const bytes = fc.uint8Array({ maxLength: 200, size: 'max' })
    const verdict = (input: Uint8Array) => {
      expect(outcome(Buffer.from(input))).toSatisfy(
        (result) => typeof result === 'number' || result === 'PostBodyInvalid' || result === 'InvalidKey',
      )
    }
    fc.assert(fc.property(bytes, verdict), { interruptAfterTimeLimit: 500, markInterruptAsFailure: false })
  })
})
