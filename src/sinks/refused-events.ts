import type { Batch } from '../core/batch.ts'
import type { Clock } from '../core/clock.ts'
import type { Lease } from '../core/lease.ts'
import type { Telemetry } from '../core/telemetry.ts'
import type { DeadLetter } from './dead-letter.ts'
import { deadLetterOf } from './dead-letter-line.ts'
import { PauseGate } from './pause-gate.ts'

export interface RefusedEventsOptions {
  readonly deadLetter: DeadLetter
  readonly clock: Clock
  readonly telemetry: Pick<Telemetry, 'deadLettered' | 'paused' | 'resumed'>
}

/** Writes batches whose events are dead letters before any sink has seen them. A full disk pauses it, as it pauses sinks. */
export class RefusedEvents {
  readonly #options: RefusedEventsOptions
  readonly #gates = new Map<string, PauseGate>()

  constructor(options: RefusedEventsOptions) {
    this.#options = options
  }

  /** Resolves when all of them are on disk. Rejects only when `lease` ended. */
  async write(batch: Batch, code: string, lease: Lease, started: () => void): Promise<void> {
    const { deadLetter, telemetry } = this.#options
    const reason = { code, text: 'a step of its shape failed', status: null }
    const entries = Array.from({ length: batch.count }, (_, index) => deadLetterOf(batch, index, reason))
    await this.#gateOf(batch.sink).through(lease.signal, () => {
      lease.assertHeld()
      return deadLetter.write(entries)
    })
    started()
    telemetry.deadLettered(batch.sink, code, batch.count)
  }

  close(): void {
    for (const gate of this.#gates.values()) gate.close()
  }

  #gateOf(sink: string): PauseGate {
    const { clock, telemetry } = this.#options
    const known = this.#gates.get(sink)
    const gate =
      known ?? new PauseGate({ key: { reason: 'dead_letter', scope: { of: 'refused', sink } }, clock, telemetry })
    if (known === undefined) this.#gates.set(sink, gate)
    return gate
  }
}
