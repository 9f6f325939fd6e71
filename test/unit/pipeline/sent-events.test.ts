import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Batch, PullPosition } from '../../../src/core/batch.ts'
import { twoSinks } from '../consumer/two-sinks.ts'
import { position } from './encode-all.ts'
import type { Field } from './wire.ts'
import { content, group, list, log, topic } from './wire.ts'

const [A, B] = ['a', 'b']

interface Seen {
  readonly sink: string
  readonly n: number
}

function eventsOf({ sink, bytes, ends }: Batch): Seen[] {
  return [...ends].map((end, index) => {
    const { event } = JSON.parse(bytes.toString('utf8', ends[index - 1] ?? 0, end))
    return { sink, n: Number(event.n) }
  })
}

/** The position of log group `at`. */
const positionOf = (at: number): PullPosition => ({ ...position, firstGroup: BigInt(at) })

test('a pull that was given back after any batch leaves out what was sent, also if it comes again in two parts', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 1_500 }),
      fc.nat({ max: 12 }),
      fc.nat({ max: 5 }),
      (sizes, maxBatchBytes, taken, cut) => {
        let written = 0
        const groups: Field[] = sizes.map((logs) =>
          group(topic('audit'), ...Array.from({ length: logs }, () => log(content('n', String(written++))))),
        )
        const encoder = twoSinks('n glob "*[02468]"', [A, B], maxBatchBytes)
        const sent = encoder.begin()
        const seen: Seen[] = []
        let left = taken
        for (const batch of encoder.encode(list(...groups), positionOf(0), sent)) {
          if (left-- === 0) break
          seen.push(...eventsOf(batch))
          sent.add(batch)
        }
        const parts = left >= 0 ? [] : [groups.slice(0, cut), groups.slice(cut)]
        for (const [index, part] of parts.entries()) {
          for (const batch of encoder.encode(list(...part), positionOf(index === 0 ? 0 : cut), sent)) {
            seen.push(...eventsOf(batch))
            sent.add(batch)
          }
        }
        expect(sent.isEmpty).toBe(true)
        const numbers = Array.from({ length: written }, (_, n) => n)
        const of = (sink: string): number[] => seen.filter((event) => event.sink === sink).map(({ n }) => n)
        expect([of(A), of(B)]).toEqual([numbers.filter((n) => n % 2 === 0), numbers.filter((n) => n % 2 === 1)])
      },
    ),
    { numRuns: 300 },
  )
})
