import type { Batch } from '../core/batch.ts'
import { Changes } from '../core/changes.ts'
import type { Lease } from '../core/lease.ts'
import { CheckpointTracker } from './checkpoint-tracker.ts'
import type { Downstream } from './downstream.ts'
import type { Fetched } from './shard-fetcher.ts'

export interface ShardDeliveriesOptions {
  lease: Lease
  downstream: Pick<Downstream, 'budget' | 'encoder' | 'deliver'>
  /** Told why a delivery ended without success: the lease is over, or there is a bug. */
  failed: (error: unknown) => void
}

/** While more batches of a shard than this wait for their first request, another pull would only make the queue longer. */
const MAX_UNSTARTED_BATCHES = 2
/** Pulls that may follow one that does not settle: a crash repeats them all, and each takes memory. */
const MAX_OUTSTANDING_PULLS = 512

/** The deliveries of one shard: what was pulled and is not settled yet, and the cursor before which everything is. */
export class ShardDeliveries {
  readonly #options: ShardDeliveriesOptions
  readonly #tracker: CheckpointTracker
  readonly #progress = new Changes()
  /** Batches on their way, by sink. */
  readonly #underWay = new Map<string, number>()
  /** Those that the last pull with events had something for. */
  #lastSinks: ReadonlySet<string>
  #unstarted = 0

  constructor(start: string, options: ShardDeliveriesOptions) {
    this.#options = options
    this.#tracker = new CheckpointTracker(start, () => this.#progress.notify())
    this.#lastSinks = options.downstream.encoder.sinks
  }

  /** The sinks that the shard has something for, as far as can be known before the next pull. */
  get sinks(): ReadonlySet<string> {
    return new Set([...this.#lastSinks, ...this.#underWay.keys()])
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

  /** No logs are left to deliver before `cursor`: the mark goes there once everything pulled earlier is settled. */
  skipTo(cursor: string): void {
    this.#tracker.open(cursor).seal()
  }

  /**
   * Opens the ticket before the first byte leaves, and seals it when all batches of the pull are on their way. It does not
   * wait for their deliveries. A drain does not stop it: half a pull could never be committed.
   */
  async send({ nextCursor, batches, reservation }: Fetched): Promise<void> {
    const { lease, downstream, failed } = this.#options
    const ticket = this.#tracker.open(nextCursor)
    const sinks = new Set<string>()
    for await (const batch of batches) {
      sinks.add(batch.sink)
      const about = { sink: batch.sink, pull: reservation }
      const release = await downstream.budget.admitBatch(batch.bytes.length, lease.signal, about)
      ticket.add()
      this.#deliver(batch)
        .then(() => ticket.settle())
        .catch(failed)
        .finally(release)
    }
    ticket.seal()
    if (sinks.size > 0) this.#lastSinks = sinks
  }

  async #deliver(batch: Batch): Promise<void> {
    const { lease, downstream } = this.#options
    let waiting = true
    const started = (): void => {
      if (!waiting) return
      waiting = false
      this.#unstarted--
      this.#progress.notify()
    }
    this.#unstarted++
    this.#count(batch.sink, 1)
    try {
      await downstream.deliver(batch, lease, started)
      // Only after success: an aborted request may still be reading the bytes.
      downstream.encoder.recycle(batch)
    } finally {
      started()
      this.#count(batch.sink, -1)
    }
  }

  #count(sink: string, change: number): void {
    const count = (this.#underWay.get(sink) ?? 0) + change
    if (count === 0) this.#underWay.delete(sink)
    else this.#underWay.set(sink, count)
  }
}
