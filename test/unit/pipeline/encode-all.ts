import type { Batch } from '../../../src/core/batch.ts'
import type { EncodeCounts, Encoder, PullPosition } from '../../../src/pipeline/encoder.ts'

export function encodeAll(
  encoder: Encoder,
  body: Buffer,
  at: PullPosition,
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
