import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Looks every 50 ms until a state is reached; false when that takes too long. Only for states outside of the test that tell
 * no reader when they change, such as the processes and files of other programs.
 */
export async function polled(met: () => boolean | Promise<boolean>, withinMs = 20_000): Promise<boolean> {
  for (const deadline = performance.now() + withinMs; !(await met()); await sleep(50)) {
    if (performance.now() > deadline) return false
  }
  return true
}
