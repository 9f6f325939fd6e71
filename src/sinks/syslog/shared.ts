import type { Clock } from '../../core/clock.ts'
import type { Telemetry } from '../../core/telemetry.ts'
import type { Consistency } from '../consistency.ts'
import type { DeadLetter } from '../dead-letter.ts'
import type { Endpoints } from '../endpoints.ts'
import type { Evidence } from '../evidence.ts'
import type { PauseGate } from '../pause-gate.ts'
import type { Target } from './target.ts'

/** The parts that all deliveries of a syslog sink share. */
export interface Shared {
  readonly sink: string
  readonly maxBytes: number
  readonly targets: Endpoints<Target>
  readonly evidence: Evidence
  /** The same of one target. */
  readonly evidenceAt: (target: Target) => Evidence
  readonly consistency: Consistency
  readonly gate: PauseGate
  readonly doubtGate: PauseGate
  readonly deadLetterGate: PauseGate
  readonly deadLetter: DeadLetter
  readonly clock: Clock
  readonly telemetry: Telemetry
}
