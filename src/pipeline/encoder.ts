import type { Batch, EncodeCounts, PullPosition } from '../core/batch.ts'
import type { BatchMemory } from './batch-memory.ts'
import type { Engine } from './engine.ts'
import type { Program } from './program.ts'

export interface EncoderOptions {
  /** One engine serves all logstores. */
  readonly engine: Engine
  /** Where the engine's batches come from. */
  readonly memory: BatchMemory
  /** Asked at each pull. */
  readonly program: () => Program
}

/** An engine as the shards of one logstore use it. */
export class Encoder {
  readonly #options: EncoderOptions

  constructor(options: EncoderOptions) {
    this.#options = options
  }

  /** Names of the sinks that the program has copies for. */
  get sinks(): ReadonlySet<string> {
    return new Set(
      this.#options.program().routes.flatMap(({ copies }) => copies.map(({ destination }) => destination.sink)),
    )
  }

  /** The batches of a body, each written when it is taken. Throws the Fault of `Engine.open` at once. */
  encode(body: Buffer, at: PullPosition): Generator<Batch, EncodeCounts> {
    const { engine, program } = this.#options
    const walk = engine.open(body, at, program())
    return (function* () {
      for (let batch = walk.nextBatch(); batch !== undefined; batch = walk.nextBatch()) yield batch
      return walk.counts
    })()
  }

  /** For a batch that is settled: its memory serves the next one. Its bytes must not be used any more. */
  recycle(batch: Batch): void {
    this.#options.memory.recycle(batch)
  }
}
