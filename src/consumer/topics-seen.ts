import type { PullPosition } from '../core/batch.ts'
import type { Clock } from '../core/clock.ts'
import type { LogstoreRef } from '../core/shard.ts'
import type { Telemetry } from '../core/telemetry.ts'
import type { PullEncoder } from './downstream.ts'

/** Bytes of bodies of a logstore that are looked at in a second; the last of them may be larger. A millisecond or two. */
const BYTES_A_SECOND = 1 << 20
const SECOND_MS = 1_000

export interface TopicsSeenOptions {
  readonly logstore: LogstoreRef
  readonly encoder: Pick<PullEncoder, 'topics'>
  readonly clock: Clock
  readonly telemetry: Telemetry
}

/** Tells the topics of what a logstore brings, for the status page: of each pull while there are few, else of the first each second. */
export class TopicsSeen {
  readonly #options: TopicsSeenOptions
  #since = Number.NEGATIVE_INFINITY
  /** Bytes that were looked at since then. */
  #looked = 0

  constructor(options: TopicsSeenOptions) {
    this.#options = options
  }

  pulled(body: Buffer, at: PullPosition): void {
    const { logstore, encoder, clock, telemetry } = this.#options
    if (body.length === 0) return
    const now = clock.monotonic()
    if (now - this.#since >= SECOND_MS) {
      this.#since = now
      this.#looked = 0
    }
    if (this.#looked >= BYTES_A_SECOND) return
    this.#looked += body.length
    telemetry.topicsSeen(logstore, encoder.topics(body, at))
  }
}
