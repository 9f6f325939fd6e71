import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { EncoderOptions } from '../../../src/pipeline/encoder.ts'
import { Encoder } from '../../../src/pipeline/encoder.ts'
import { expectedBatches, expectedEvents } from '../../support/event-oracle.ts'
import { bodies } from './bodies.ts'
import { encodeAll } from './encode-all.ts'

const at = { shard: 3, cursor: 'MTIz', firstGroup: 1447299606896632356n }
const base: EncoderOptions = {
  project: 'p',
  logstore: 'audit',
  maxBatchBytes: 1_000_000,
  topics: [],
  source: 'sls://p/audit',
  sourcetype: 'aliyun:sls',
}
const variants: EncoderOptions[] = [
  base,
  { ...base, maxBatchBytes: 1 },
  { ...base, maxBatchBytes: 700, index: 'main' },
  { ...base, maxBatchBytes: 20_000, host: 'a "host"' },
  { ...base, topics: ['audit', 'other'], index: 'i' },
]

describe('any log groups', () => {
  // One encoder for all runs, as in the process: keys seen in one body must not change the next.
  const encoders = variants.map((options) => ({ options, encoder: new Encoder(options) }))

  test('come out as the contract renders them, byte for byte, packed into full batches', () => {
    let runs = 0
    fc.assert(
      fc.property(bodies, (body) => {
        for (const { options, encoder } of encoders) {
          const expected = expectedEvents(options, body, at)
          const { batches, counts } = encodeAll(encoder, body, at)
          expect(counts).toEqual(expected.counts)
          const packed = expectedBatches(expected.events, options.maxBatchBytes)
          expect(batches.map((batch) => batch.bytes.toString('latin1'))).toEqual(
            packed.map((events) => Buffer.concat(events).toString('latin1')),
          )
          let offset = 0
          for (const [index, batch] of batches.entries()) {
            offset = 0
            const ends = (packed[index] as Buffer[]).map((event) => (offset += event.length))
            expect([...batch.ends]).toEqual(ends)
            expect(batch.count).toBe(ends.length)
          }
        }
        runs++
      }),
      { numRuns: 1_000_000, interruptAfterTimeLimit: 2000 },
    )
    expect(runs).toBeGreaterThan(50)
  })
})
