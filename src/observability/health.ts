import type { Clock } from '../core/clock.ts'
import type { Fault } from '../core/errors.ts'
import { onOneLine } from '../core/text.ts'
import type { Pause, Pauses } from './pauses.ts'
import { Stalls } from './stalls.ts'

/** The answer of `/readyz`. Ready means that logs flow, or would if there were any. */
export class Health {
  readonly stalls: Stalls
  readonly #clock: Clock
  readonly #groupTimeoutMs: number
  readonly #pauses: Pauses
  #lastHeartbeat: number | undefined
  #heartbeatFault: Fault | undefined
  #stopping = false

  /** `groupTimeoutMs`: after this long without a heartbeat the service gives the shards to other replicas. */
  constructor({ clock, groupTimeoutMs, pauses }: { clock: Clock; groupTimeoutMs: number; pauses: Pauses }) {
    this.#clock = clock
    this.stalls = new Stalls(clock)
    this.#pauses = pauses
    this.#groupTimeoutMs = groupTimeoutMs
  }

  heartbeatSucceeded(): void {
    this.#lastHeartbeat = this.#clock.monotonic()
    this.#heartbeatFault = undefined
  }

  heartbeatFailed(fault: Fault | undefined): void {
    this.#heartbeatFault = fault
  }

  /** A replica that drains does not become ready again. */
  stopping(): void {
    this.#stopping = true
  }

  /** `reasons` is empty when ready; each is one line. */
  ready(): { ready: boolean; reasons: string[] } {
    const reasons = [...[...this.#pauses].map(reasonOf), ...this.stalls.reasons()]
    if (this.#stopping) reasons.push('stopping')
    const why = this.#heartbeatFault === undefined ? '' : `: ${onOneLine(this.#heartbeatFault.message)}`
    if (this.#lastHeartbeat === undefined) reasons.push(`has not joined the consumer group yet${why}`)
    else {
      const silentMs = this.#clock.monotonic() - this.#lastHeartbeat
      if (silentMs > this.#groupTimeoutMs) {
        const seconds = Math.round(silentMs / 1000)
        const timeout = this.#groupTimeoutMs / 1000
        reasons.push(`no heartbeat has succeeded for ${seconds} s; the consumer group's timeout is ${timeout} s${why}`)
      }
    }
    return { ready: reasons.length === 0, reasons }
  }

  /** What a person should know although logs flow; each is one line. */
  notes(): string[] {
    return [...this.#pauses.endpoints.values()].map(({ endpoint, fault }) =>
      onOneLine(`endpoint ${endpoint} is paused: ${fault.message}${adviceOf(fault)}`),
    )
  }
}

function adviceOf({ advice }: Pause['fault']): string {
  return advice === undefined ? '' : ` (${advice})`
}

function reasonOf({ key, scope, fault }: Pause): string {
  return onOneLine(`paused: ${key.reason}, ${scope}: ${fault.message}${adviceOf(fault)}`)
}
