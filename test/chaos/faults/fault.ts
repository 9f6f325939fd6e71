import type { Consequence } from '../judge.ts'
import type { Replica } from '../replica.ts'
import type { World } from '../world.ts'

/** One kind of fault: a change to a world, and the consequences that it may excuse. */
export interface Fault {
  readonly name: string
  readonly may: readonly Consequence[]
  /** Only on tokens with indexer acknowledgement. */
  readonly ack?: true
  /** Only with a second endpoint. */
  readonly endpoints?: 2
  /** Only with a collector that confirms in one of these ways; one such fault at a time. */
  readonly collector?: readonly ('drain' | 'relp')[]
  /** How long it lasts, milliseconds; a fault of an instant has none. */
  readonly lasts: readonly [from: number, to: number]
  /** What it usually takes beyond that, until it is met and over. */
  readonly alsoMs?: number
  inflict(world: World, draw: Draw): Promise<void>
}

/** The random choices for one fault. */
export interface Draw {
  readonly forMs: number
  /** A replica without another fault; given back when the fault is over. */
  replica(): Promise<Claim>
  below(limit: number): number
}

export interface Claim extends Disposable {
  readonly replica: Replica
}
