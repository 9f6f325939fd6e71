import type { Clock } from '../../core/clock.ts'
import type { Fault } from '../../core/errors.ts'
import type { Telemetry } from '../../core/telemetry.ts'
import type { Tls } from '../../net/tls.ts'
import type { Framer, Piece, Pieces } from './frames.ts'
import type { Pace } from './pace.ts'
import type { Answer } from './relp-session.ts'

export type Confirm = 'drain' | 'written'

export interface TargetOptions {
  readonly sink: string
  readonly url: string
  readonly framer: Framer
  readonly tls: Tls
  readonly confirm: Confirm
  /** Connections that are written to at the same time. */
  readonly connections: number
  /** Shared by all targets of a sink. */
  readonly pace: Pace | undefined
  readonly clock: Clock
  readonly telemetry: Pick<Telemetry, 'connectionEnded' | 'confirmed' | 'notice'>
}

export interface SendOptions {
  /** Called before each piece. Throws if it may not leave any more. */
  readonly leaving: (piece: Piece) => void
  /** Called for each message that has an answer of its own, in the order in which they left. */
  readonly answered: (index: number, answer: Answer) => void
  /** On a connection for these pieces only. */
  readonly alone: boolean
  readonly signal: AbortSignal
}

/** One collector. */
export interface Target {
  readonly url: string
  readonly framer: Framer
  /** False: that something was sent says nothing about its arrival. */
  readonly confirms: boolean
  /** How often it confirmed anything. */
  readonly confirmations: number
  /** Sends the pieces and resolves when they are confirmed. Rejects with a Fault, or with the signal's reason. */
  send(pieces: Pieces, options: SendOptions): Promise<void>
  /** Whether it can be connected to. */
  probe(signal: AbortSignal): Promise<Fault | undefined>
  /** Only after all deliveries were settled or aborted. */
  close(): void
}
