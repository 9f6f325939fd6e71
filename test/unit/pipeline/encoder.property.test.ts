import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Encoding } from '../../support/event-oracle.ts'
import { expectedBatches, expectedEvents } from '../../support/event-oracle.ts'
import { bodies } from './bodies.ts'
import { defaults, encodeAll, encoderWith, position } from './encode-all.ts'

/** With positions of groups, and without: ids are hashes then. */
const positions = [position, { ...position, firstGroup: undefined }]
const variants: Encoding[] = [
  defaults,
  { ...defaults, maxBatchBytes: 1 },
  { ...defaults, maxBatchBytes: 700, index: 'main', sourcetype: 'auto' },
  { ...defaults, maxBatchBytes: 20_000, host: 'a "host"', reservedKeys: 'rename' },
  { ...defaults, topics: ['audit', '', 'sas-*', 'é*'], index: 'i' },
]

describe('any log groups', () => {
  test('come out as the contract renders them, byte for byte, packed into full batches', () => {
    // Each encoder serves all runs, as in the process: keys of one body must not change the next.
    const encoders = variants.flatMap((options) => {
      const encoder = encoderWith(options)
      return positions.map((at) => ({ options, encoder, at }))
    })
    let runs = 0
    const property = fc.property(bodies, (body) => {
      for (const { options, encoder, at } of encoders) {
        const expected = expectedEvents(options, body, at)
        const packed = expectedBatches(expected.events, options.maxBatchBytes)
        const { batches, counts } = encodeAll(encoder, body, at)
        expect(counts).toEqual(expected.counts)
        expect(batches.map((batch) => batch.bytes.toString('latin1'))).toEqual(
          packed.map((events) => Buffer.concat(events).toString('latin1')),
        )
        expect(batches.map((batch) => [...batch.ends])).toEqual(packed.map(endsOf))
        expect(batches.map((batch) => batch.count)).toEqual(packed.map((events) => events.length))
      }
      runs++
    })
    // Repeats only on an overloaded machine.
    for (let box = 0; box < 4 && runs <= 20; box++) {
      fc.assert(property, { numRuns: 1_000_000, interruptAfterTimeLimit: 2000 })
    }
    expect(runs).toBeGreaterThan(20)
  })
})

function endsOf(events: Buffer[]): number[] {
  let end = 0
  return events.map((event) => {
    end += event.length
    return end
  })
}
