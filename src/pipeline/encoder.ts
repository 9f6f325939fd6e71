import type { Batch, EncodeCounts, PullPosition, TopicLogs } from '../core/batch.ts'
import type { BatchMemory } from './batch-memory.ts'
import type { Engine } from './engine.ts'
import type { Program } from './program.ts'
import { SentEvents } from './sent-events.ts'

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

  /** For a pull of which nothing was sent before. */
  begin(): SentEvents {
    return new SentEvents(this.#options.program())
  }

  /**
   * The batches of a body, each written when it is taken, without what was `sent` of it before. Throws the Fault of
   * `Engine.open` at once.
   */
  encode(body: Buffer, at: PullPosition, sent = this.begin()): Generator<Batch, EncodeCounts> {
    const { engine, memory } = this.#options
    const walk = engine.open(body, at, sent.program)
    return (function* () {
      yield* sent.leftOut(() => walk.nextBatch(), memory)
      return walk.counts
    })()
  }

  /** The logs of a body that was encoded before, by topic. */
  topics(body: Buffer, at: PullPosition): ReadonlyMap<string, TopicLogs> {
    return this.#options.engine.topics(body, at, this.#options.program())
  }

  /** For a batch that is settled: its memory serves the next one. Its bytes must not be used any more. */
  recycle(batch: Batch): void {
    this.#options.memory.recycle(batch)
  }
}
