import type { Batch, EncodeCounts, PullPosition, TopicLogs } from '../core/batch.ts'
import type { Lease } from '../core/lease.ts'
import type { Inflate } from '../sls/lz4.ts'
import type { ByteBudget } from './byte-budget.ts'

/** Where pulled bytes go, on their way to the SIEM. bridge.ts puts it together; several workers may share it. */
export interface Downstream {
  readonly budget: ByteBudget
  readonly bodies: PulledBodies
  readonly encoder: PullEncoder
  readonly deliver: Deliver
}

/** Memory for pulled bodies. The pipeline has its own, so that it need not copy them. */
interface PulledBodies {
  /** A buffer of exactly `size` bytes. */
  take(size: number): Buffer
  /** Gives back what `take` returned. It must not be used afterwards. */
  give(body: Buffer): void
  /** A faster way to fill one from LZ4. */
  readonly inflate?: Inflate
}

/** Turns a decompressed LogGroupList into batches. */
export interface PullEncoder {
  /** Names of the sinks that its batches may be for. */
  readonly sinks: ReadonlySet<string>
  /** For a pull of which nothing was sent before. */
  begin(): SentEvents
  /**
   * Examines all of the body, and throws at once where it is malformed. Taking batches then does not throw. What was `sent` of
   * it before is left out.
   */
  encode(body: Buffer, at: PullPosition, sent?: SentEvents): Generator<Batch, EncodeCounts>
  /** The logs of a body that was encoded before, by topic. */
  topics(body: Buffer, at: PullPosition): ReadonlyMap<string, TopicLogs>
  /** The batch is settled; its memory may serve another. */
  recycle(batch: Batch): void
}

/** Events that are on their way although their pull was given back: the same pull again must not repeat them. */
export interface SentEvents {
  readonly isEmpty: boolean
  add(batch: Batch): void
}

/** Delivers one batch for good; see sinks/sink.ts for the promise it makes. */
export type Deliver = (batch: Batch, lease: Lease, started: () => void) => Promise<void>
