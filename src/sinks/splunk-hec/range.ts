import type { Batch, Span } from '../../core/batch.ts'
import { cutAt, sizeOf } from '../../core/batch.ts'
import type { ResendReason } from '../../core/telemetry.ts'
import type { HeldEvent } from './held-event.ts'
import type { RefusedEvent } from './refused-event.ts'

/** Events of one batch that still have to be settled, and what is known about them. */
export interface EventRange extends Span {
  /** How many single events were cut out before it, each with a request of its own. */
  readonly cuts: number
  /** Why its next request repeats what was sent before. */
  readonly resend: ResendReason | undefined
  /** It may have arrived before: its next request must be one that can be asked about. */
  readonly doubtful: boolean
  /** How often in a row it was sent and the outcome stayed unknown. */
  readonly unknown: number
  /** The sink's count of acceptances before its first failure in a row; `undefined` while it has not failed. */
  readonly failedAt: number | undefined
  /** Part of a range that failed while others were accepted. */
  readonly suspect: boolean
  /** How often in a row a single event was refused. */
  readonly refusals: number
  /** For a single event that not every endpoint was asked for. */
  readonly refused: RefusedEvent | undefined
  /** For a single event that fails alone while others are accepted. */
  readonly held: HeldEvent | undefined
}

const UNTRIED = {
  ...{ doubtful: false, unknown: 0, failedAt: undefined, suspect: false },
  ...{ refusals: 0, refused: undefined, held: undefined },
} as const

export function eventRange(from: number, to: number, resend?: ResendReason, cuts = 0): EventRange {
  return { from, to, cuts, resend, ...UNTRIED }
}

export function isSingle({ from, to }: Span): boolean {
  return to - from === 1
}

/** Two or more events as two ranges, the first of at most `bytes` where one event allows it. */
export function splitAt(batch: Batch, range: EventRange, bytes: number): [EventRange, EventRange] {
  const cut = cutAt(batch, range, bytes)
  return [
    { ...range, to: cut },
    { ...range, from: cut },
  ]
}

/**
 * Cuts the range into halves of about equal size. Sending each alone finds a bad event, or a size that is taken.
 */
export function halvesOf(batch: Batch, range: EventRange): EventRange[] {
  if (isSingle(range)) return [range]
  const cut = cutAt(batch, range, sizeOf(batch, range) / 2)
  return [eventRange(range.from, cut, 'bisect', range.cuts), eventRange(cut, range.to, 'bisect', range.cuts)]
}

/** The range in at most `count` parts of about equal size. */
export function partsOf(batch: Batch, range: EventRange, count: number): EventRange[] {
  const parts: EventRange[] = []
  let rest = range
  for (let left = count; left > 1 && !isSingle(rest); left--) {
    const [part, others] = splitAt(batch, rest, sizeOf(batch, rest) / left)
    parts.push(part)
    rest = others
  }
  return [...parts, rest]
}

/** The ranges before and after one event of a range. */
export function around(range: EventRange, index: number): EventRange[] {
  const parts = [
    { ...range, to: index },
    { ...range, from: index + 1 },
  ]
  return parts.filter(({ from, to }) => to > from)
}

/** Spreads over any range; each number of a try gives another event. */
const GOLDEN_SECTION = 0.618

/** An event of the range, another one at each try. */
export function oneOf({ from, to }: Span, tries: number): number {
  return from + Math.floor((to - from) * ((0.5 + tries * GOLDEN_SECTION) % 1))
}
