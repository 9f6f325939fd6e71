import type { Clock } from '../core/clock.ts'
import type { Fault } from '../core/errors.ts'
import type { PauseKey } from '../core/telemetry.ts'
import { onOneLine } from '../core/text.ts'

/** What `/readyz` answers from: ready means that logs flow, or would if there were any. */
export class Health {
  readonly #clock: Clock
  readonly #groupTimeoutMs: number
  readonly #pauses = new Map<string, string>()
  #lastHeartbeat: number | undefined
  #stopping = false

  /** `groupTimeoutMs`: after so long without a heartbeat the service gives this replica's shards to others. */
  constructor({ clock, groupTimeoutMs }: { clock: Clock; groupTimeoutMs: number }) {
    this.#clock = clock
    this.#groupTimeoutMs = groupTimeoutMs
  }

  heartbeatSucceeded(): void {
    this.#lastHeartbeat = this.#clock.monotonic()
  }

  paused({ reason, scope }: PauseKey, fault: Fault): void {
    const advice = fault.advice === undefined ? '' : ` (${fault.advice})`
    this.#pauses.set(`${reason} ${scope}`, onOneLine(`paused: ${reason}, ${scope}: ${fault.message}${advice}`))
  }

  resumed({ reason, scope }: PauseKey): void {
    this.#pauses.delete(`${reason} ${scope}`)
  }

  /** For good: a replica that drains does not become ready again. */
  stopping(): void {
    this.#stopping = true
  }

  /** `reasons` is empty when ready; each is one line. */
  ready(): { ready: boolean; reasons: string[] } {
    const reasons = [...this.#pauses.values()]
    if (this.#stopping) reasons.push('stopping')
    if (this.#lastHeartbeat === undefined) reasons.push('has not joined the consumer group yet')
    else {
      const silentMs = this.#clock.monotonic() - this.#lastHeartbeat
      if (silentMs > this.#groupTimeoutMs) {
        reasons.push(`no heartbeat succeeded for ${Math.round(silentMs / 1000)} s, longer than the group waits`)
      }
    }
    return { ready: reasons.length === 0, reasons }
  }
}
