import { setTimeout as delay } from 'node:timers/promises'
import { Fault } from '../../core/errors.ts'
import { backoffMs } from '../../core/retry.ts'

const ATTEMPTS = 6
const MIN_MS = 500
const MAX_MS = 10_000

/** Asks again after what may pass by itself. A command ends some time, so this gives up, with the last fault. */
export async function persistently<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask()
    } catch (error) {
      signal.throwIfAborted()
      const passing = error instanceof Fault && (error.kind === 'transient' || error.kind === 'ambiguous')
      if (!passing || attempt === ATTEMPTS) throw error
      await delay(Math.max(error.retryAfterMs ?? 0, backoffMs(attempt, MIN_MS, MAX_MS)), undefined, { signal })
    }
  }
}
