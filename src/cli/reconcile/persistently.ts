import pRetry from 'p-retry'
import { systemClock } from '../../core/clock.ts'
import { mayPass } from '../may-pass.ts'

/** Asks again after a fault that may pass by itself. A command must end some time: the sixth fault is thrown. */
export async function persistently<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  return await pRetry(ask, {
    ...{ retries: 5, minTimeout: 500, maxTimeout: 10_000, randomize: true },
    signal,
    shouldRetry: ({ error }) => mayPass(error),
    onFailedAttempt: async ({ error, retriesLeft }) => {
      // What the other side asked for comes before our own backoff.
      if (mayPass(error) && retriesLeft > 0 && error.retryAfterMs) await systemClock.sleep(error.retryAfterMs, signal)
    },
  })
}
