import type { Batch, Span } from '../../core/batch.ts'
import { cutAt, sizeOf } from '../../core/batch.ts'
import type { Target } from './target.ts'

/** Events of one batch that still have to be confirmed, and what is known about them. */
export interface Part extends Span {
  /** They move as events are confirmed, or refused, one by one. */
  from: number
  to: number
  /** Its connection is shared with nothing else. */
  readonly alone: boolean
  /** It was confirmed before, and is sent once more to see whether the collector takes anything. */
  readonly witness: boolean
  /** Messages that were written and not confirmed. */
  inDoubt: number
  /** How often its outcome was unknown: at all, and in a row without anything being confirmed between. */
  ends: number
  unknown: number
  /** How often its events were refused, or a single one ended a connection that it had alone, with confirmations of others between. */
  refusals: number
  /** Confirmations of a target when this last failed there. */
  readonly seen: Map<Target, number>
}

export function wholeOf({ count }: Batch): Part {
  const untried = { alone: false, witness: false, inDoubt: 0, ends: 0, unknown: 0, refusals: 0, seen: new Map() }
  return { from: 0, to: count, ...untried }
}

export function isSingle({ from, to }: Span): boolean {
  return to - from === 1
}

/**
 * The part as pieces that are each to be sent alone: two halves, or the single event as it is. The first cut puts one event
 * from the middle before them. It mostly is a good one, and shows at once that the collector takes others.
 */
export function piecesOf(batch: Batch, part: Part): Part[] {
  if (isSingle(part)) return [{ ...part, alone: true }]
  const { from, to } = part
  const cut = cutAt(batch, part, sizeOf(batch, part) / 2)
  if (part.alone) return [pieceOf(part, from, cut), pieceOf(part, cut, to)]
  const pieces = [pieceOf(part, cut, cut + 1), pieceOf(part, from, cut)]
  return cut + 1 < to ? [...pieces, pieceOf(part, cut + 1, to)] : pieces
}

function pieceOf(part: Part, from: number, to: number): Part {
  const inDoubt = Math.min(to - from, Math.max(0, part.inDoubt - (from - part.from)))
  return { ...part, from, to, inDoubt, alone: true, seen: new Map(part.seen) }
}
