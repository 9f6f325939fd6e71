import { systemClock } from '../core/clock.ts'

/** Sleeps; false, at once, when the command is being ended. */
export async function sleepUnlessEnded(ms: number, signal: AbortSignal): Promise<boolean> {
  await systemClock.sleep(ms, signal).catch(() => {})
  return !signal.aborted
}
