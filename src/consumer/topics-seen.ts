import type { PullPosition } from '../core/batch.ts'
import type { Clock } from '../core/clock.ts'
import type { LogstoreRef } from '../core/shard.ts'
import type { Telemetry } from '../core/telemetry.ts'
import type { PullEncoder } from './downstream.ts'

/** A body of this size is looked at in well below a millisecond. */
const SMALL_BODY_BYTES = 64 << 10
/** Of larger ones, one in this time for a logstore. */
const LARGE_BODY_EACH_MS = 1_000

export interface TopicsSeenOptions {
  readonly logstore: LogstoreRef
  readonly encoder: Pick<PullEncoder, 'topics'>
  readonly clock: Clock
  readonly telemetry: Telemetry
}

/** Tells the topics of what a logstore brings, for the status page: of every small pull, and of a large one each second. */
export class TopicsSeen {
  readonly #options: TopicsSeenOptions
  #lookedAt = Number.NEGATIVE_INFINITY

  constructor(options: TopicsSeenOptions) {
    this.#options = options
  }

  pulled(body: Buffer, at: PullPosition): void {
    const { logstore, encoder, clock, telemetry } = this.#options
    if (body.length === 0) return
    if (body.length > SMALL_BODY_BYTES) {
      if (clock.monotonic() - this.#lookedAt < LARGE_BODY_EACH_MS) return
      this.#lookedAt = clock.monotonic()
    }
    telemetry.topicsSeen(logstore, encoder.topics(body, at))
  }
}
