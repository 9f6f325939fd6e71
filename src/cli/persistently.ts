import pRetry from 'p-retry'
import { systemClock } from '../core/clock.ts'
import { Fault } from '../core/errors.ts'

/** Whether the same request may succeed later without a change. */
export function mayPass(error: unknown): error is Fault {
  if (!(error instanceof Fault)) return false
  // Without credentials a replica pauses, whatever the reason. A command asks again if their source is out of reach.
  return error.kind === 'transient' || error.kind === 'ambiguous' || error.code === 'credentials_unreachable'
}

/** Asks again after a fault that may pass by itself. A command must end some time: the sixth fault is thrown. */
export async function persistently<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  return await pRetry(ask, {
    ...{ retries: 5, minTimeout: 500, maxTimeout: 10_000, randomize: true },
    signal,
    shouldRetry: ({ error }) => mayPass(error),
    onFailedAttempt: async ({ error, retriesLeft }) => {
      // A delay that the server asks for comes before our own backoff.
      if (mayPass(error) && retriesLeft > 0 && error.retryAfterMs) await systemClock.sleep(error.retryAfterMs, signal)
    },
  })
}
