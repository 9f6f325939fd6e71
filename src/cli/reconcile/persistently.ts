import type { Clock } from '../../core/clock.ts'
import { systemClock } from '../../core/clock.ts'
import { backoffMs } from '../../core/retry.ts'
import { mayPass } from '../may-pass.ts'

const ATTEMPTS = 6
const MIN_MS = 500
const MAX_MS = 10_000

/** Asks again after what may pass by itself. A command ends some time, so this gives up, with the last fault. */
export async function persistently<T>(
  ask: () => Promise<T>,
  signal: AbortSignal,
  clock: Clock = systemClock,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask()
    } catch (error) {
      signal.throwIfAborted()
      if (!mayPass(error) || attempt === ATTEMPTS) throw error
      await clock.sleep(Math.max(error.retryAfterMs ?? 0, backoffMs(attempt, MIN_MS, MAX_MS)), signal)
    }
  }
}
