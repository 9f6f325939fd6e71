import type { Batch } from '../core/batch.ts'
import { Changes } from '../core/changes.ts'
import type { Lease } from '../core/lease.ts'
import type { PullReservation } from './byte-budget.ts'
import type { DeliveryTicket } from './checkpoint-tracker.ts'
import { CheckpointTracker } from './checkpoint-tracker.ts'
import type { Downstream, SentEvents } from './downstream.ts'
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
  /** A sink without room, for which a pull was given back. Pulls count for it until one need not wait for room. */
  #full: string | undefined
  /** Of a pull that was given back after some of its batches had left. The same pull again goes on with it. */
  #halfSent: DeliveryTicket | undefined
  #sent: SentEvents | undefined

  constructor(start: string, options: ShardDeliveriesOptions) {
    this.#options = options
    this.#tracker = new CheckpointTracker(start, () => this.#progress.notify())
    this.#lastSinks = options.downstream.encoder.sinks
  }

  /** The sinks that the shard has something for, as far as can be known before the next pull. */
  get sinks(): ReadonlySet<string> {
    if (this.#full !== undefined) return new Set([this.#full])
    return new Set([...this.#lastSinks, ...this.#underWay.keys()])
  }

  /** A part of the last pull is on its way, so that it must be finished before the shard can be given up. */
  get halfSent(): boolean {
    return this.#halfSent !== undefined
  }

  /** Events of the next pull, or of one after it, that left before it was given back. */
  get sent(): SentEvents | undefined {
    return this.#sent
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
    const ticket = this.#halfSent ?? this.#tracker.open()
    this.#halfSent = undefined
    this.#sent = undefined
    ticket.seal(cursor)
  }

  /**
   * Opens the ticket before the first byte leaves, and seals it when all batches of the pull are on their way. It does not
   * wait for their deliveries. A drain does not stop it: half a pull could never be committed.
   *
   * False: the sink of a batch has no room, and the body would take that of other sinks meanwhile. Nothing more of the pull
   * leaves. Fetch it again from the same cursor, which waits for that sink.
   */
  async send({ nextCursor, batches, reservation, sent, repeatable }: Fetched): Promise<boolean> {
    const { downstream, failed } = this.#options
    let opened = this.#halfSent
    const sinks = new Set<string>()
    for await (const batch of batches) {
      const { sink } = batch
      sinks.add(sink)
      // Events that left can be told from the rest only by their places.
      const mayStop = repeatable || opened === undefined
      const release = await this.#roomFor(batch, reservation, mayStop)
      if (release === undefined) {
        downstream.encoder.recycle(batch)
        this.#full = sink
        this.#halfSent = opened
        this.#sent = sent.isEmpty ? undefined : sent
        return false
      }
      opened ??= this.#tracker.open()
      const ticket = opened
      ticket.add()
      sent.add(batch)
      this.#deliver(batch)
        .then(() => ticket.settle())
        .catch(failed)
        .finally(release)
    }
    const ticket = opened ?? this.#tracker.open()
    ticket.seal(nextCursor)
    this.#halfSent = undefined
    this.#sent = sent.isEmpty ? undefined : sent
    if (!reservation.waited) this.#full = undefined
    if (sinks.size > 0) this.#lastSinks = sinks
    return true
  }

  /** `undefined`: there is none, and the pull must not wait for it. One that may not stop waits all the same. */
  async #roomFor({ bytes, sink }: Batch, pull: PullReservation, mayStop: boolean): Promise<(() => void) | undefined> {
    const { lease, downstream } = this.#options
    const now = downstream.budget.tryAdmit(bytes.length, sink)
    if (now !== undefined) return now
    if (!pull.mayWaitFor(sink) && mayStop) return undefined
    return await downstream.budget.admitBatch(bytes.length, lease.signal, sink)
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
