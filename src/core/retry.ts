import type { Clock } from './clock.ts'
import { Fault } from './errors.ts'

/** The longest wait between two probes of a configuration fault, in milliseconds. */
export const LONGEST_PROBE_GAP_MS = 15_000

/** Bounds of an exponential backoff, in milliseconds. */
export interface Backoff {
  readonly minMs: number
  readonly maxMs: number
}

/**
 * Delay before attempt `attempt + 1` (first failure: `attempt` = 1): exponential from `minMs`, at most `maxMs`. The upper
 * half is random, so that replicas that failed together do not retry together.
 */
export function backoffMs(attempt: number, { minMs, maxMs }: Backoff, random: () => number = Math.random): number {
  const full = Math.min(maxMs, minMs * 2 ** Math.min(attempt - 1, 30))
  return full / 2 + (full / 2) * random()
}

/** Delay after a fault that passes by itself: the backoff, or longer if the other side asked for longer. */
export function retryDelayMs({ retryAfterMs = 0 }: Fault, attempt: number, backoff: Backoff): number {
  return Math.max(retryAfterMs, backoffMs(attempt, backoff))
}

/** Delay after a fault that lasts until somebody changes something, with jitter. */
export function probeDelayMs(): number {
  return LONGEST_PROBE_GAP_MS * (0.7 + 0.3 * Math.random())
}

export interface RetryOptions {
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Reports the fault and returns the delay before the next attempt, in milliseconds. Throws to give up. */
  readonly delayAfter: (fault: Fault, attempt: number) => number | Promise<number>
}

/** Runs `attempt` until it succeeds. Rejects with the signal's reason, with what `delayAfter` throws, or with a bug. */
export async function untilSuccess<T>(
  attempt: () => Promise<T>,
  { clock, signal, delayAfter }: RetryOptions,
): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await attempt()
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof Fault)) throw error
      const delayMs = await delayAfter(error, failures)
      if (delayMs > 0) await clock.sleep(delayMs, signal)
    }
  }
}
