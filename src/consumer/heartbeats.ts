import type { Clock } from '../core/clock.ts'
import { Fault } from '../core/errors.ts'
import { backoffMs } from '../core/retry.ts'
import type { LogstoreRef } from '../core/shard.ts'
import type { PauseKey, Telemetry } from '../core/telemetry.ts'
import type { SlsClient } from '../sls/client.ts'
import { SlsError } from '../sls/errors.ts'

export interface HeartbeatsOptions {
  client: SlsClient
  logstore: LogstoreRef
  group: string
  consumer: string
  intervalMs: number
  /** The group's timeout: how long the server keeps our shards without a heartbeat. */
  timeoutMs: number
  clock: Clock
  telemetry: Telemetry
  /** Every shard this process still works on, draining ones included (the server hands a shard over when it is missing here). */
  reported: () => number[]
  /** The server's answer: what this process may hold from now on. */
  answered: (held: number[]) => void
  /** Nothing may be delivered or committed any more: the server gave the shards away, or may have. */
  lost: (reason: string) => void
  /** The consumer group is gone. Called after `lost`; must create it again. */
  groupMissing: () => Promise<void>
}

const RETRY_MIN_MS = 500
/** A configuration fault is probed at this pace. */
const SLOW_RETRY_MS = 15_000

/**
 * Keeps this consumer alive in the group, on its own timer, whatever the rest of the process is doing. The lease deadline
 * counts from the moment the last *successful* heartbeat was sent (the server counts from when it arrived, which is
 * later), so we always give up before the server gives away.
 */
export class Heartbeats {
  readonly #options: HeartbeatsOptions
  readonly #pause: PauseKey
  #renewedUntil = Number.NEGATIVE_INFINITY
  #wake: () => void = () => {}
  #poked = false

  constructor(options: HeartbeatsOptions) {
    this.#options = options
    this.#pause = { reason: 'sls_configuration', scope: { of: 'group', logstore: options.logstore } }
  }

  /** Monotonic milliseconds until which every shard of the last answer is ours for sure. */
  readonly renewedUntil = (): number => this.#renewedUntil

  /** Ask for a heartbeat now, so that a drained shard reaches its next owner without waiting for the interval. */
  poke(): void {
    this.#poked = true
    this.#wake()
  }

  /** Resolves when `stop` is aborted. */
  async run(stop: AbortSignal): Promise<void> {
    await Promise.all([this.#beat(stop), this.#watch(stop)])
  }

  async #beat(stop: AbortSignal): Promise<void> {
    const { intervalMs } = this.#options
    let failures = 0
    while (!stop.aborted) {
      const fault = await this.#once(stop)
      if (stop.aborted) return
      failures = fault ? failures + 1 : 0
      // However long the service asks us to wait, the lease does not.
      const retryMs = Math.min(
        intervalMs,
        Math.max(backoffMs(failures, RETRY_MIN_MS, intervalMs), fault?.retryAfterMs ?? 0),
      )
      if (!fault) await this.#rest(intervalMs, stop)
      else if (fault.kind === 'configuration') await this.#rest(Math.min(SLOW_RETRY_MS, intervalMs), stop)
      else if (fault.kind !== 'lease' || failures > 1) await this.#rest(retryMs, stop)
    }
  }

  async #once(stop: AbortSignal): Promise<Fault | undefined> {
    const { client, group, consumer, intervalMs, timeoutMs, clock, telemetry, logstore } = this.#options
    this.#poked = false
    // After a freeze this may run before the watch does: shards that were given away meanwhile must not be claimed.
    this.#expire()
    const sentAt = clock.monotonic()
    const reported = this.#options.reported()
    try {
      const held = await client.heartbeat(group, consumer, reported, { signal: stop, timeoutMs: intervalMs })
      this.#expire()
      this.#renewedUntil = sentAt + timeoutMs
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
    const { telemetry, logstore } = this.#options
    const reaction = fault instanceof SlsError ? fault.reaction : undefined
    telemetry.heartbeat(logstore, reaction === 'register_again' ? 'rejected' : 'failed', fault)
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
    const { clock, timeoutMs } = this.#options
    if (this.#renewedUntil === Number.NEGATIVE_INFINITY || clock.monotonic() < this.#renewedUntil) return
    this.#loseAll(`no heartbeat succeeded for ${timeoutMs / 1000} s`)
  }

  #loseAll(reason: string): void {
    this.#renewedUntil = Number.NEGATIVE_INFINITY
    this.#options.lost(reason)
  }

  /** Gives everything up the moment the deadline passes, even while a heartbeat is still hanging. */
  async #watch(stop: AbortSignal): Promise<void> {
    const { clock, timeoutMs } = this.#options
    while (!stop.aborted) {
      this.#expire()
      const left = this.#renewedUntil - clock.monotonic()
      const next = left > 0 ? Math.min(left, timeoutMs / 10) : timeoutMs / 10
      await clock.sleep(next, stop).catch(() => {})
    }
  }

  async #rest(ms: number, stop: AbortSignal): Promise<void> {
    if (this.#poked) return
    const woken = new AbortController()
    this.#wake = () => woken.abort()
    await this.#options.clock.sleep(ms, AbortSignal.any([stop, woken.signal])).catch(() => {})
    this.#wake = () => {}
  }
}
