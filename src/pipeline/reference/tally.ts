import type { EncodeCounts } from '../../core/batch.ts'

/** Counts the logs of one pull. */
export class Tally implements EncodeCounts {
  logs = 0
  readonly filtered = new Map<string, number>()
  readonly routed = new Map<string, number>()
  readonly failures = new Map<string, number>()
  declare reservedKeys?: number
}

export function count(counts: Map<string, number>, key: string, more = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + more)
}

/** One log more with reserved keys. */
export function countReserved(counts: Pick<Tally, 'reservedKeys'>): void {
  counts.reservedKeys = (counts.reservedKeys ?? 0) + 1
}
