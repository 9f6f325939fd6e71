import type { Batch, EncodeCounts, PullPosition } from '../core/batch.ts'
import type { BatchMemory } from './batch-memory.ts'
import type { HecLayout } from './hec-layout.ts'
import type { TopicSelection } from './select.ts'

/** Turns pulled bodies (decompressed LogGroupLists) into batches. It may be in the middle of several bodies at once. */
export interface Engine {
  /**
   * Begins a walk over one body. Examines the body to its end first, except for log groups that are not wanted, and throws
   * a `transient` Fault `corrupt_log_group` where it is malformed.
   */
  open(body: Buffer, at: PullPosition): Walk
}

/** The way through one body, from batch to batch. It may be abandoned after any of them. */
export interface Walk {
  /** Works until a batch is full; `undefined` at the end of the body. */
  nextBatch(): Batch | undefined
  /** Final once `nextBatch` has returned `undefined`. */
  readonly counts: Readonly<EncodeCounts>
}

/** Every engine takes the same options and makes the same bytes of them. */
export interface EngineOptions {
  /** Decides which log groups are wanted. */
  readonly topics: TopicSelection
  /** The configured parts of every envelope. */
  readonly layout: HecLayout
  /** Limit of a batch before compression, bytes. An event over it is alone in its batch. */
  readonly maxBatchBytes: number
  readonly memory: BatchMemory
}
