import type { Batch, EncodeCounts, PullPosition } from '../core/batch.ts'
import { WorkingBuffers } from './batch-builder.ts'
import { Scratch } from './reference/bytes.ts'
import { EnvelopeConstants, TAG_PREFIX } from './reference/group-head.ts'
import { KeyTable } from './reference/keys.ts'
import type { EncoderState } from './reference/pull-encoding.ts'
import { PullEncoding } from './reference/pull-encoding.ts'
import { assertWellFormed } from './reference/well-formed.ts'
import { TopicSelection } from './select.ts'
import type { Kernel } from './wasm/kernel.ts'
import { KernelPull } from './wasm/kernel-pull.ts'

export type { EncodeCounts, PullPosition } from '../core/batch.ts'

export interface EncoderOptions {
  project: string
  logstore: string
  /** Limit of a batch before compression. An event over it is alone in its batch. */
  maxBatchBytes: number
  /** Exact `__topic__` values to deliver; empty = all. */
  topics: readonly string[]
  /** Default: the source of the log group as it is, also when that is the empty string. */
  host?: string
  source: string
  sourcetype: string
  index?: string
  /** Memory of settled batches that is kept for later ones, at the most. Default: 16 MiB. */
  keptBytes?: number
}

const KEPT_BYTES = 16 * 1024 * 1024

/**
 * Turns pulled bodies (decompressed LogGroupLists) into batches of HEC envelopes, bytes to bytes: no object and no
 * string is made per log. One encoder serves all shards of a process and may be in the middle of several bodies.
 */
export class Encoder {
  readonly #state: EncoderState
  readonly #kernel: Kernel | undefined

  /** A kernel opened with the same options does what it can do; the bytes are the same with and without. */
  constructor(options: EncoderOptions, kernel?: Kernel) {
    this.#kernel = kernel
    this.#state = {
      project: options.project,
      logstore: options.logstore,
      topics: new TopicSelection(options.topics),
      envelope: new EnvelopeConstants(options),
      contentKeys: new KeyTable('', isGroupKey),
      tagKeys: new KeyTable(TAG_PREFIX, () => false),
      buffers: new WorkingBuffers(options.maxBatchBytes, options.keptBytes ?? KEPT_BYTES),
      scratch: new Scratch(),
    }
  }

  /**
   * Examines the body to its end, but not groups without logs or that nobody wants, and throws a `transient` Fault
   * `corrupt_log_group` where it is malformed. Batches are written as they are taken, about `maxBatchBytes` at a time.
   */
  encode(body: Buffer, at: PullPosition): Generator<Batch, EncodeCounts> {
    return batchesOf(this.#pullOf(body, at))
  }

  #pullOf(body: Buffer, at: PullPosition): PullEncoding | KernelPull {
    const pull = this.#kernel && KernelPull.of(this.#kernel, this.#state, body, at)
    if (pull) return pull
    assertWellFormed(body, this.#state.topics)
    return new PullEncoding(this.#state, body, at)
  }

  /** For a batch that is settled: its memory serves the next one. Its bytes must not be used any more. */
  recycle(batch: Batch): void {
    this.#state.buffers.recycle(batch)
  }
}

function* batchesOf(pull: PullEncoding | KernelPull): Generator<Batch, EncodeCounts> {
  for (let batch = pull.nextBatch(); batch !== undefined; batch = pull.nextBatch()) yield batch
  return pull.counts
}

/** Keys the group itself puts into every event, so that a log with one of them overrides. */
function isGroupKey(key: string): boolean {
  return key === '__topic__' || key === '__source__' || key.startsWith(TAG_PREFIX)
}
