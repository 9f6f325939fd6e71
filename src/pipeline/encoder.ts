import type { Batch, EncodeCounts, PullPosition } from '../core/batch.ts'
import type { BatchMemory } from './batch-memory.ts'
import type { Engine } from './engine.ts'

/** An engine as the consumer uses it. One serves all shards of a process. */
export class Encoder {
  readonly #engine: Engine
  readonly #memory: BatchMemory

  /** `memory`: where the engine's batches come from. */
  constructor(engine: Engine, memory: BatchMemory) {
    this.#engine = engine
    this.#memory = memory
  }

  /** The batches of a body, each written when it is taken. Throws the Fault of `Engine.open` at once. */
  encode(body: Buffer, at: PullPosition): Generator<Batch, EncodeCounts> {
    const walk = this.#engine.open(body, at)
    return (function* () {
      for (let batch = walk.nextBatch(); batch !== undefined; batch = walk.nextBatch()) yield batch
      return walk.counts
    })()
  }

  /** For a batch that is settled: its memory serves the next one. Its bytes must not be used any more. */
  recycle(batch: Batch): void {
    this.#memory.recycle(batch)
  }
}
