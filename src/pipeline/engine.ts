import type { Batch, EncodeCounts, PullPosition, TopicLogs } from '../core/batch.ts'
import type { Program } from './program.ts'

/** Turns pulled bodies (decompressed LogGroupLists) into batches. It may be in the middle of several bodies at once. */
export interface Engine {
  /**
   * Begins a walk over one body, by the program of its logstore. Examines the body to its end first, except for log groups that are not wanted, and throws
   * a `transient` Fault `corrupt_log_group` where it is malformed.
   */
  open(body: Buffer, at: PullPosition, program: Program): Walk
  /** The logs of such a body by topic. */
  topics(body: Buffer, at: PullPosition, program: Program): ReadonlyMap<string, TopicLogs>
}

/** The way through one body, from batch to batch. It may be abandoned after any of them. */
export interface Walk {
  /** Works until a batch is full; `undefined` at the end of the body. */
  nextBatch(): Batch | undefined
  /** Final once `nextBatch` has returned `undefined`. */
  readonly counts: EncodeCounts
}
