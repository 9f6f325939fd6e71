import type { Batch } from '../core/batch.ts'
import type { Lease } from '../core/lease.ts'

/** A destination of batches. */
export interface Sink {
  /** As configured; metrics, pauses and dead letters name it. */
  readonly name: string
  /**
   * The whole delivery contract. Resolves only when every event of the batch is settled: acknowledged by the SIEM, or
   * durably in the dead letter with its reason. Retries for ever on its own, and never drops an event. Rejects only when
   * `lease` ended: nothing more is sent then, and the batch counts as undelivered.
   *
   * `started` is called once, when the first byte is about to leave or all events are settled without a request.
   */
  deliver(batch: Batch, lease: Lease, started: () => void): Promise<void>
  /** Stops pollers and sockets. Only after all deliveries were settled or aborted. */
  close(): Promise<void>
}
