import type { Batch } from '../core/batch.ts'
import { Condition } from '../core/condition.ts'
import type { Lease } from '../core/lease.ts'
import type { ByteBudget } from './byte-budget.ts'
import { CheckpointTracker } from './checkpoint-tracker.ts'
import type { Fetched, PullEncoder } from './shard-fetcher.ts'

/** Delivers one batch for good; see sinks/sink.ts for the promise it makes. */
export type Deliver = (batch: Batch, lease: Lease, started: () => void) => Promise<void>

export interface ShardDeliveriesOptions {
  lease: Lease
  encoder: PullEncoder
  deliver: Deliver
  budget: ByteBudget
  /** A delivery ended without success: the lease is over, or something nobody foresaw happened. */
  failed: (error: unknown) => void
}

/** Batches of one shard that wait for their first request; more than this and pulling on would only pile up. */
const MAX_UNSTARTED_BATCHES = 2
/** Pulls past one that does not settle: a crash repeats them all, and they are remembered meanwhile. */
const MAX_OUTSTANDING_PULLS = 512

/** What was pulled of one shard and is not settled yet, and how far everything is. */
export class ShardDeliveries {
  readonly #options: ShardDeliveriesOptions
  readonly #tracker: CheckpointTracker
  readonly #progress = new Condition()
  #unstarted = 0

  constructor(start: string, options: ShardDeliveriesOptions) {
    this.#options = options
    this.#tracker = new CheckpointTracker(start, () => this.#progress.notify())
  }

  /** Everything before this cursor is settled. */
  get mark(): string {
    return this.#tracker.mark
  }

  /** Whether everything pulled is settled. */
  get settled(): boolean {
    return this.#tracker.outstanding === 0
  }

  /** Rejects only when the lease ends. */
  untilSettled(): Promise<void> {
    return this.#progress.until(() => this.settled, this.#options.lease.signal)
  }

  untilPullIsWanted(signal: AbortSignal): Promise<void> {
    const wanted = (): boolean =>
      this.#unstarted <= MAX_UNSTARTED_BATCHES && this.#tracker.outstanding < MAX_OUTSTANDING_PULLS
    return this.#progress.until(wanted, signal)
  }

  /** Nothing is to be delivered before `cursor`: the mark goes there as soon as everything pulled earlier is settled. */
  skipTo(cursor: string): void {
    this.#tracker.open(cursor).seal()
  }

  /**
   * Opens the ticket before the first byte leaves, and seals it when all batches of the pull are on their way; from there on
   * they look after themselves. Once begun it goes on through a drain: half a pull could never be committed.
   */
  async send({ nextCursor, batches }: Fetched): Promise<void> {
    const { budget, lease, failed } = this.#options
    const ticket = this.#tracker.open(nextCursor)
    for await (const batch of batches) {
      const settled = await budget.admitBatch(batch.bytes.length, lease.signal)
      ticket.add()
      this.#deliver(batch)
        .then(() => ticket.settle())
        .catch(failed)
        .finally(settled)
    }
    ticket.seal()
  }

  async #deliver(batch: Batch): Promise<void> {
    const { deliver, encoder, lease } = this.#options
    let waiting = true
    const started = (): void => {
      if (!waiting) return
      waiting = false
      this.#unstarted--
      this.#progress.notify()
    }
    this.#unstarted++
    try {
      await deliver(batch, lease, started)
      // Only after success: an aborted request may still be reading the bytes.
      encoder.recycle(batch)
    } finally {
      started()
    }
  }
}
