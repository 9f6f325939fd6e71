// Not the global ones: tests fake those, and this clock is the real one.
import { clearTimeout, setTimeout } from 'node:timers'

/**
 * Time for the consumer and the sinks. Tests and the simulation of large groups have clocks of their own.
 * Lease deadlines use `monotonic`: a wall clock that jumps must neither extend nor end a lease.
 */
export interface Clock {
  /** Milliseconds. It never goes back, and it goes on while the process is stopped (SIGSTOP). */
  monotonic(): number
  /** Milliseconds since the Unix epoch. */
  wall(): number
  /** Resolves after `ms`. Rejects with the signal's reason when that is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** Returns true after the sleep, and false as soon as `signal` aborts. */
export function sleepUnlessAborted(clock: Clock, ms: number, signal: AbortSignal): Promise<boolean> {
  return clock.sleep(ms, signal).then(
    () => true,
    () => false, // Only an abort ends a sleep early.
  )
}

/** A longer timer would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

export const systemClock: Clock = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  // Not `timers/promises`: it makes an error with a stack whenever a sleep is cut short, which happens with every request.
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason)
        return
      }
      const aborted = (): void => {
        clearTimeout(timer)
        reject(signal?.reason)
      }
      const timer = setTimeout(
        () => {
          signal?.removeEventListener('abort', aborted)
          resolve()
        },
        Math.min(LONGEST_TIMER_MS, Math.max(0, ms)),
      )
      signal?.addEventListener('abort', aborted, { once: true })
    }),
}

/** Waits for `task`, and calls `tell` again and again while it lasts. */
export async function whileWaiting<T>(clock: Clock, task: Promise<T>, gapMs: number, tell: () => void): Promise<T> {
  const over = new AbortController()
  const telling = async (): Promise<void> => {
    while (await sleepUnlessAborted(clock, gapMs, over.signal)) tell()
  }
  void telling()
  try {
    return await task
  } finally {
    over.abort()
  }
}
