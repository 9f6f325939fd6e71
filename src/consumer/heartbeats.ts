import type { Clock } from '../core/clock.ts'
import { sleepUnlessAborted } from '../core/clock.ts'
import { Fault } from '../core/errors.ts'
import { LONGEST_PROBE_GAP_MS, retryDelayMs } from '../core/retry.ts'
import type { PauseKey, Telemetry } from '../core/telemetry.ts'
import { SlsError } from '../sls/errors.ts'
import type { Membership } from './consumer-group.ts'

export interface HeartbeatsOptions {
  membership: Omit<Membership, 'commitIntervalMs'>
  clock: Clock
  telemetry: Telemetry
  /** Every shard that this process still works on, draining ones included: the service hands over a shard that is missing. */
  reported: () => number[]
  /** The service's answer: the shards that this process may hold from now on. */
  answered: (held: number[]) => void
  /** Nothing may be delivered or committed any more: the service gave the shards away, or may have. */
  lost: (reason: string) => void
  /** The consumer group is gone. Called after `lost`; must create it again. */
  groupMissing: () => Promise<void>
}

const RETRY_MIN_MS = 500

/**
 * Keeps this consumer in the group, on a timer of its own. The lease deadline counts from the moment the last *successful*
 * heartbeat was sent. The service counts from when it arrived, which is later, so we give up before it gives away.
 */
export class Heartbeats {
  readonly #options: HeartbeatsOptions
  readonly #pause: PauseKey
  /** How long the service keeps our shards without a heartbeat. */
  readonly #timeoutMs: number
  #renewedUntil = Number.NEGATIVE_INFINITY
  #wake: () => void = () => {}
  #poked = false

  constructor(options: HeartbeatsOptions) {
    this.#options = options
    this.#pause = { reason: 'sls_configuration', scope: { of: 'group', logstore: options.membership.logstore } }
    this.#timeoutMs = options.membership.group.timeoutSeconds * 1000
  }

  /** Every shard of the last answer is certainly ours until then. Monotonic milliseconds. */
  readonly renewedUntil = (): number => this.#renewedUntil

  /** Sends a heartbeat now, so that a drained shard reaches its next owner without waiting for the interval. */
  poke(): void {
    this.#poked = true
    this.#wake()
  }

  /** Resolves when `stop` is aborted. */
  async run(stop: AbortSignal): Promise<void> {
    await Promise.all([this.#beat(stop), this.#watch(stop)])
  }

  async #beat(stop: AbortSignal): Promise<void> {
    const { heartbeatMs } = this.#options.membership
    let failures = 0
    while (!stop.aborted) {
      const fault = await this.#once(stop)
      if (stop.aborted) return
      failures = fault ? failures + 1 : 0
      const joinsAgain = fault?.kind === 'lease' && failures === 1
      if (!joinsAgain) await this.#rest(fault ? this.#delayAfter(fault, failures) : heartbeatMs, stop)
    }
  }

  /** Never longer than the interval, even if the service asks for longer: the lease runs out meanwhile. */
  #delayAfter(fault: Fault, failures: number): number {
    const { heartbeatMs } = this.#options.membership
    const retry = { minMs: RETRY_MIN_MS, maxMs: heartbeatMs }
    const delayMs = fault.kind === 'configuration' ? LONGEST_PROBE_GAP_MS : retryDelayMs(fault, failures, retry)
    return Math.min(heartbeatMs, delayMs)
  }

  async #once(stop: AbortSignal): Promise<Fault | undefined> {
    const { membership, clock, telemetry } = this.#options
    const { logstore, client, group, consumer, heartbeatMs } = membership
    this.#poked = false
    // After a freeze this may run before the watch does. Shards that were given away meanwhile must not be claimed.
    this.#expire()
    const sentAt = clock.monotonic()
    const reported = this.#options.reported()
    try {
      const held = await client.heartbeat(group.name, consumer, reported, { signal: stop, timeoutMs: heartbeatMs })
      this.#expire()
      this.#renewedUntil = sentAt + this.#timeoutMs
      telemetry.heartbeat(logstore, 'ok')
      telemetry.resumed(this.#pause)
      this.#options.answered(held)
      return undefined
    } catch (error) {
      if (stop.aborted) return undefined
      if (!(error instanceof Fault)) throw error
      await this.#failed(error)
      return error
    }
  }

  async #failed(fault: Fault): Promise<void> {
    const { membership, telemetry } = this.#options
    const reaction = fault instanceof SlsError ? fault.reaction : undefined
    telemetry.heartbeat(membership.logstore, reaction === 'register_again' ? 'rejected' : 'failed', fault)
    if (reaction === 'register_again') {
      this.#loseAll('the service no longer knows this consumer (its heartbeats stayed away for too long)')
    } else if (reaction === 'group_missing') {
      this.#loseAll('the consumer group was deleted')
      await this.#options.groupMissing()
    } else if (fault.kind === 'configuration') {
      telemetry.paused(this.#pause, fault)
    }
  }

  #expire(): void {
    const { clock } = this.#options
    if (this.#renewedUntil === Number.NEGATIVE_INFINITY || clock.monotonic() < this.#renewedUntil) return
    this.#loseAll(`no heartbeat succeeded for ${this.#timeoutMs / 1000} s`)
  }

  #loseAll(reason: string): void {
    this.#renewedUntil = Number.NEGATIVE_INFINITY
    this.#options.lost(reason)
  }

  /** Gives everything up the moment the deadline passes, even while a heartbeat hangs. */
  async #watch(stop: AbortSignal): Promise<void> {
    const { clock } = this.#options
    while (!stop.aborted) {
      this.#expire()
      const left = this.#renewedUntil - clock.monotonic()
      const next = left > 0 ? Math.min(left, this.#timeoutMs / 10) : this.#timeoutMs / 10
      await sleepUnlessAborted(clock, next, stop)
    }
  }

  async #rest(ms: number, stop: AbortSignal): Promise<void> {
    if (this.#poked) return
    const woken = new AbortController()
    this.#wake = () => woken.abort()
    await sleepUnlessAborted(this.#options.clock, ms, AbortSignal.any([stop, woken.signal]))
    this.#wake = () => {}
  }
}
