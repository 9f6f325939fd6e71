import { systemClock } from '../core/clock.ts'

/** Sleeps. Returns false at once when the command is stopped. */
export async function sleepUnlessEnded(ms: number, signal: AbortSignal): Promise<boolean> {
  await systemClock.sleep(ms, signal).catch(() => {})
  return !signal.aborted
}
