import type { Batch } from '../../core/batch.ts'
import type { ResendReason } from '../../core/telemetry.ts'

/** A run of events of one batch that still has to be settled. `from` moves up while a server takes it piece by piece. */
export interface EventRange {
  from: number
  readonly to: number
  /** How many single events were cut out before it; see `MOST_ROUNDS` in delivery. */
  readonly rounds: number
  /** Why its next request repeats what was sent before; counted when that request leaves. */
  resend: ResendReason | undefined
  /** It may have arrived before: its next request must be one that can be asked about. */
  doubtful: boolean
}

export function range(from: number, to: number, rounds = 0, resend?: ResendReason): EventRange {
  return { from, to, rounds, resend, doubtful: false }
}

export function offsetOf(batch: Batch, index: number): number {
  return index === 0 ? 0 : (batch.ends[index - 1] as number)
}

/** Bytes of events `from` to `to`. */
export function sizeOf(batch: Batch, { from, to }: { from: number; to: number }): number {
  return offsetOf(batch, to) - offsetOf(batch, from)
}

/**
 * Where to cut a run of two or more events so that the first part has at most `bytes`: an index between `from` and `to`,
 * at least one event on each side.
 */
export function cutAt(batch: Batch, { from, to }: { from: number; to: number }, bytes: number): number {
  const limit = offsetOf(batch, from) + bytes
  let low = from + 1
  let high = to - 1
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if (offsetOf(batch, middle) <= limit) low = middle
    else high = middle - 1
  }
  return low
}
