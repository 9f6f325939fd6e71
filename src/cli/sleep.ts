import { setTimeout as delay } from 'node:timers/promises'

/** Sleeps; false, at once, when the command is being ended. */
export async function sleepUnlessEnded(ms: number, signal: AbortSignal): Promise<boolean> {
  await delay(ms, undefined, { signal }).catch(() => {})
  return !signal.aborted
}
