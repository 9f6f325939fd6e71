import type { Batch } from '../../../src/core/batch.ts'
import type { EncodeCounts, EncoderOptions, PullPosition } from '../../../src/pipeline/encoder.ts'
import { Encoder } from '../../../src/pipeline/encoder.ts'

export const position: PullPosition = { shard: 3, cursor: 'MTIz', firstGroup: 1447299606896632356n }

export function encoderWith(options: Partial<EncoderOptions> = {}): Encoder {
  return new Encoder({ ...defaults, ...options })
}

export const defaults: EncoderOptions = {
  project: 'p',
  logstore: 'audit',
  maxBatchBytes: 1_000_000,
  topics: [],
  source: 'sls://p/audit',
  sourcetype: 'aliyun:sls',
}

export function encodeAll(
  encoder: Encoder,
  body: Buffer,
  at: PullPosition = position,
): { batches: Batch[]; counts: EncodeCounts; text: string } {
  const batches: Batch[] = []
  const generator = encoder.encode(body, at)
  for (;;) {
    const step = generator.next()
    if (step.done) {
      return { batches, counts: step.value, text: batches.map((batch) => batch.bytes.toString()).join('') }
    }
    batches.push(step.value)
  }
}

export interface ParsedEnvelope {
  time: number
  host: string
  event: Record<string, string>
  fields: { sls_event_id: string }
}

/** For what does not depend on the order of keys. */
export function envelopes(text: string): ParsedEnvelope[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))
}

export const idOf = (envelope: ParsedEnvelope | undefined): string => envelope?.fields.sls_event_id ?? ''
