import { sleepUnlessAborted, systemClock } from '../core/clock.ts'

/** Sleeps. Returns false at once when the command is stopped. */
export function sleepUnlessEnded(ms: number, signal: AbortSignal): Promise<boolean> {
  return sleepUnlessAborted(systemClock, ms, signal)
}
