import type { Clock } from '../../core/clock.ts'
import type { Telemetry } from '../../core/telemetry.ts'
import type { DeadLetter } from '../dead-letter.ts'
import type { Endpoints } from '../endpoints.ts'
import type { Evidence } from '../evidence.ts'
import type { HeldEvents } from '../held-events.ts'
import type { PauseGate } from '../pause-gate.ts'
import type { SendSlots } from '../send-slots.ts'
import type { Endpoint } from './endpoint.ts'

/** Shared by all deliveries of a sink. */
export interface Shared {
  readonly endpoints: Endpoints<Endpoint>
  readonly slots: SendSlots
  readonly gate: PauseGate
  /** Closed while outcomes stay unknown. */
  readonly doubtGate: PauseGate
  readonly evidence: Evidence
  readonly held: HeldEvents
  /** All events were refused before: one that fails alone goes back to the dead letter. */
  readonly refusedBefore: boolean
  readonly ackTimeoutMs: number
  readonly deadLetter: DeadLetter
  readonly deadLetterGate: PauseGate
  /** The sink's configured name. */
  readonly sink: string
  readonly telemetry: Telemetry
  readonly clock: Clock
}
