import type { Batch } from '../core/batch.ts'
import type { Lease } from '../core/lease.ts'

/**
 * Where batches go. The promise a sink makes is the whole delivery contract:
 *
 * `deliver` resolves only when every event of the batch is settled: acknowledged by the SIEM, or durably in the dead
 * letter with its reason. It retries for ever on its own. It rejects only when `lease` ended (then nothing more is sent
 * and the batch counts as undelivered); it never drops an event.
 */
export interface Sink {
  deliver(batch: Batch, lease: Lease, started: () => void): Promise<void>
  /** Stops pollers and sockets. Only after all deliveries were settled or aborted. */
  close(): Promise<void>
}
