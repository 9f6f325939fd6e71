import type { Clock } from '../core/clock.ts'
import type { Fault } from '../core/errors.ts'
import type { LogstoreRef } from '../core/shard.ts'
import { logstoreKey } from '../core/shard.ts'
import { onOneLine } from '../core/text.ts'
import type { Names, ReadLogstore } from './names.ts'
import type { Pause, Pauses } from './pauses.ts'
import { Stalls } from './stalls.ts'

export interface HealthOptions {
  readonly clock: Clock
  readonly pauses: Pauses
  readonly names: Names
  readonly logstores: readonly ReadLogstore[]
}

/** Membership in the consumer group of one logstore. */
interface Membership extends ReadLogstore {
  /** Monotonic milliseconds. */
  lastHeartbeat: number | undefined
  fault: Fault | undefined
}

/** The answer of `/readyz`. Ready means that logs flow, or would if there were any. */
export class Health {
  readonly stalls: Stalls
  readonly #clock: Clock
  readonly #pauses: Pauses
  readonly #names: Names
  readonly #memberships: ReadonlyMap<string, Membership>
  #stopping = false
  readonly #joined = Promise.withResolvers<void>()

  constructor({ clock, pauses, names, logstores }: HealthOptions) {
    this.#clock = clock
    this.stalls = new Stalls(clock)
    this.#pauses = pauses
    this.#names = names
    const none = { lastHeartbeat: undefined, fault: undefined }
    this.#memberships = new Map(logstores.map((read) => [logstoreKey(read.ref), { ...read, ...none }]))
  }

  heartbeatSucceeded(logstore: LogstoreRef): void {
    const membership = this.#memberships.get(logstoreKey(logstore))
    if (membership) Object.assign(membership, { lastHeartbeat: this.#clock.monotonic(), fault: undefined })
    if ([...this.#memberships.values()].every(({ lastHeartbeat }) => lastHeartbeat !== undefined))
      this.#joined.resolve()
  }

  heartbeatFailed(logstore: LogstoreRef, fault: Fault | undefined): void {
    const membership = this.#memberships.get(logstoreKey(logstore))
    if (membership) membership.fault = fault
  }

  /** Fulfilled after the first successful heartbeat of every logstore. */
  get joined(): Promise<void> {
    return this.#joined.promise
  }

  /** A replica that drains does not become ready again. */
  stopping(): void {
    this.#stopping = true
  }

  /** `reasons` is empty when ready; each is one line. */
  ready(): { ready: boolean; reasons: string[] } {
    const reasons = [...[...this.#pauses].map(reasonOf), ...this.stalls.reasons()]
    if (this.#stopping) reasons.push('stopping')
    reasons.push(...[...this.#memberships.values()].flatMap((membership) => this.#silence(membership) ?? []))
    return { ready: reasons.length === 0, reasons }
  }

  /** Why no shard of a logstore may be ours; `undefined` while heartbeats succeed. */
  #silence({ ref, groupTimeoutMs, lastHeartbeat, fault }: Membership): string | undefined {
    const why = fault === undefined ? '' : `: ${onOneLine(fault.message)}`
    const group = this.#names.of('the consumer group', ref)
    if (lastHeartbeat === undefined) return `has not joined ${group} yet${why}`
    const silentMs = this.#clock.monotonic() - lastHeartbeat
    if (silentMs <= groupTimeoutMs) return undefined
    const [seconds, timeout] = [Math.round(silentMs / 1000), groupTimeoutMs / 1000]
    return `no heartbeat has succeeded for ${seconds} s; the timeout of ${group} is ${timeout} s${why}`
  }

  /** What a person should know although logs flow; each is one line. */
  notes(): string[] {
    return [...this.#pauses.endpoints.values()].map(({ sink, endpoint, fault }) =>
      onOneLine(`${this.#names.ofSink(`endpoint ${endpoint} is paused`, sink)}: ${fault.message}${adviceOf(fault)}`),
    )
  }
}

function adviceOf({ advice }: Pause['fault']): string {
  return advice === undefined ? '' : ` (${advice})`
}

function reasonOf({ key, scope, fault }: Pause): string {
  return onOneLine(`paused: ${key.reason}, ${scope}: ${fault.message}${adviceOf(fault)}`)
}
