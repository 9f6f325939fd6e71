import { setTimeout as delay } from 'node:timers/promises'

/**
 * Time as the consumer and the sinks see it, so that tests and the scaling simulation can turn it by hand.
 * Lease deadlines use `monotonic`: a wall clock that jumps must neither extend nor end a lease.
 */
export interface Clock {
  /** Milliseconds, never goes back, goes on while the process is stopped (SIGSTOP). */
  monotonic(): number
  /** Milliseconds since the Unix epoch. */
  wall(): number
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** A longer timer would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

export const systemClock: Clock = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  async sleep(ms, signal) {
    signal?.throwIfAborted()
    try {
      await delay(Math.min(LONGEST_TIMER_MS, Math.max(0, ms)), undefined, signal ? { signal } : undefined)
    } catch (error) {
      signal?.throwIfAborted()
      throw error
    }
  },
}
