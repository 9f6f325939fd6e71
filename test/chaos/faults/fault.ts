import type { Consequence } from '../judge.ts'
import type { Replica } from '../replica.ts'
import type { World } from '../world.ts'

/** One kind of fault: what can be done to a world, and what it may excuse. */
export interface Fault {
  readonly name: string
  readonly may: readonly Consequence[]
  /** Only on tokens with indexer acknowledgement. */
  readonly ack?: true
  /** How long it lasts, milliseconds; a fault of an instant has none. */
  readonly lasts: readonly [from: number, to: number]
  inflict(world: World, draw: Draw): Promise<void>
}

/** What chance decided about one fault. */
export interface Draw {
  readonly forMs: number
  /** A replica that nobody else is doing anything to; given back when the fault is over. */
  replica(): Promise<Claim>
  below(limit: number): number
}

export interface Claim extends Disposable {
  readonly replica: Replica
}
