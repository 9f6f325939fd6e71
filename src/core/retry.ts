/**
 * Delay before attempt `attempt + 1` (first failure: `attempt` = 1): exponential from `minMs`, at most `maxMs`,
 * with the upper half random so that replicas that failed together do not come back together.
 */
export function backoffMs(attempt: number, minMs: number, maxMs: number, random: () => number = Math.random): number {
  const full = Math.min(maxMs, minMs * 2 ** Math.min(attempt - 1, 30))
  return full / 2 + (full / 2) * random()
}
