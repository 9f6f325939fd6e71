import type { Clock } from '../../core/clock.ts'
import { systemClock } from '../../core/clock.ts'
import { retryDelayMs, untilSuccess } from '../../core/retry.ts'
import { mayPass } from '../may-pass.ts'

const ATTEMPTS = 6
const RETRY = { minMs: 500, maxMs: 10_000 }

/** Asks again after a fault that may pass by itself. A command must end some time: the last attempt's fault is thrown. */
export async function persistently<T>(
  ask: () => Promise<T>,
  signal: AbortSignal,
  clock: Clock = systemClock,
): Promise<T> {
  return await untilSuccess(ask, {
    clock,
    signal,
    failed: (fault, attempt) => {
      if (!mayPass(fault) || attempt === ATTEMPTS) throw fault
      return retryDelayMs(fault, attempt, RETRY)
    },
  })
}
