import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Batch } from '../../../../src/core/batch.ts'
import type { Piece } from '../../../../src/sinks/syslog/frames.ts'
import { Framer } from '../../../../src/sinks/syslog/frames.ts'
import { FrameKernel } from '../../../../src/sinks/syslog/kernel.ts'
import type { FramerOptions } from '../../../../src/sinks/syslog/message.ts'
import { envelopes, MESSAGES } from './syslog-bench.ts'

// The kernel's frames are compared with those of the messages in TypeScript.

const RUNS = 400

const text = fc.oneof(
  fc.constantFrom(
    '',
    'audit',
    '10.0.0.1',
    'a]b',
    'a\u007fb]',
    '"',
    '\\',
    '日本',
    '😀 x',
    ',"event":',
    ',"fields":{',
    '\n',
    '\ud800',
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ minLength: 200, maxLength: 400 }),
)
const event = fc.oneof(
  { weight: 6, arbitrary: fc.record({ __topic__: text, __source__: text, a: text, b: fc.jsonValue({ maxDepth: 2 }) }) },
  fc.constantFrom<unknown>(
    {},
    'raw',
    '',
    17,
    [],
    { a: 1, __topic__: 't' },
    { __topic__: 7 },
    { __topic__: 't', __source__: 1 },
  ),
)
const time = fc.oneof(
  fc
    .tuple(fc.integer({ min: 0, max: 0xffffffff }), fc.integer({ min: 0, max: 999_999_999 }))
    .map(([seconds, nanos]) => `${seconds}.${String(nanos).padStart(9, '0')}`),
  fc.constantFrom('951782399.999999999', '951782400.000000000', '4107542399.999999999', '1709164800.000000001'),
)
const batches = fc
  .array(fc.record({ id: fc.constantFrom('audit:3:170:0', 'p/audit:3:170:12345', ''), event, host: text, time }), {
    minLength: 1,
    maxLength: 30,
  })
  .map(envelopes)
const options: fc.Arbitrary<FramerOptions> = fc
  .record({
    header: fc.constantFrom('rfc5424' as const, 'rfc5424' as const, 'none' as const),
    framing: fc.constantFrom('octet' as const, 'lf' as const, 'relp' as const),
    facility: fc.integer({ min: 0, max: 23 }),
    severity: fc.integer({ min: 0, max: 7 }),
    appName: fc.constantFrom('sls', 'a b', ''),
    maxBytes: fc.constantFrom(480, 8_000),
    oversize: fc.constantFrom('truncate' as const, 'dead-letter' as const),
  })
  .map((some) => ({ ...MESSAGES, ...some }))

function framed(batch: Batch, some: FramerOptions, kernel: FrameKernel | null, most?: number) {
  const oversized: object[] = []
  const framer = new Framer(some, most, kernel)
  let number = 999_999_990
  const next = (): number => number
  const pieces: Piece[] = []
  for (const piece of framer.pieces(batch, { from: 0, to: batch.count }, (one) => oversized.push(one), next)) {
    pieces.push(piece)
    number = ((number + piece.indexes.length - 1) % 999_999_999) + 1
  }
  return {
    bytes: Buffer.concat(pieces.map(({ bytes }) => bytes)).toString('latin1'),
    indexes: pieces.flatMap(({ indexes }) => indexes),
    cut: pieces.flatMap(({ cut }) => cut),
    oversized,
    most: Math.max(0, ...pieces.map(({ indexes }) => indexes.length)),
  }
}

test('the kernel frames envelopes as the messages in TypeScript say', () => {
  fc.assert(
    fc.property(batches, options, (batch, some) => {
      const { most: _, ...expected } = framed(batch, some, null)
      expect(framed(batch, some, FrameKernel.for(some))).toMatchObject(expected)
    }),
    { numRuns: RUNS },
  )
})

test('the kernel frames events of several pieces, and no more in a piece than may leave together', () => {
  const filler = 'x'.repeat(3_000)
  const batch = envelopes(
    Array.from({ length: 200 }, (_, n) => ({
      id: `audit:3:170:${n}`,
      event: { __topic__: n % 50 === 7 ? 'a"b' : 'audit', __source__: '', filler: filler.slice(n) },
    })),
  )
  const some = { ...MESSAGES, framing: 'octet' as const }
  const { most: _, ...expected } = framed(batch, some, null)
  expect(framed(batch, some, FrameKernel.for(some))).toMatchObject(expected)
  expect(framed(batch, some, FrameKernel.for(some), 4)).toMatchObject({ ...expected, most: 4 })
})

test('the kernel leaves only what it must', () => {
  const some = { ...MESSAGES, framing: 'octet' as const }
  const batch = envelopes(Array.from({ length: 50 }, (_, n) => ({ id: `audit:3:170:${n}` })))
  const { count } =
    FrameKernel.for(some)?.frame(batch, { from: 0, to: 50 }, some, { room: Buffer.alloc(65_536), next: 1 }) ?? {}
  expect(count).toBe(50)
})
