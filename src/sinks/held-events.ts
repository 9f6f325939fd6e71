import type { Fault } from '../core/errors.ts'
import type { PauseKey, Telemetry } from '../core/telemetry.ts'

/** Events that a sink cannot be given although it takes all others. They are reported like a pause, and pause nothing else. */
export class HeldEvents {
  readonly #key: PauseKey
  readonly #telemetry: Pick<Telemetry, 'paused' | 'resumed'>
  readonly #holders = new Set<object>()

  constructor(sink: string, telemetry: Pick<Telemetry, 'paused' | 'resumed'>) {
    this.#key = { reason: 'event_held', scope: { of: 'sink', sink } }
    this.#telemetry = telemetry
  }

  hold(holder: object, fault: Fault): void {
    this.#holders.add(holder)
    this.#telemetry.paused(this.#key, fault)
  }

  release(holder: object): void {
    if (this.#holders.delete(holder) && this.#holders.size === 0) this.#telemetry.resumed(this.#key)
  }
}
