import type { Clock } from '../core/clock.ts'
import type { Fault } from '../core/errors.ts'
import type { PauseKey, PauseReason, ShardState, Telemetry } from '../core/telemetry.ts'
import { labelOf, onOneLine } from '../core/text.ts'
import { faultFields } from './faults.ts'
import type { Health } from './health.ts'
import { LineLimit } from './line-limit.ts'
import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'
import { SINK } from './metrics.ts'
import type { Status } from './status.ts'

export interface TelemetryOptions {
  log: Logger
  metrics: Metrics
  health: Health
  status: Status
  clock: Clock
  project: string
  logstore: string
}

interface Pause {
  key: PauseKey
  code: string
  since: number
  lineAt: number
}

const REPEATED_WARNING_MS = 30_000
const REPEATED_PAUSE_MS = 300_000
const LABEL_VALUES = 200

/**
 * Makes the log line and the metric of each happening. Lifecycle is `info`; what is retried is `warn` and rate-limited per
 * happening, kind and code; a pause is `error`, once when it begins or changes, seldom while it lasts, and once at its end.
 */
export class BridgeTelemetry implements Telemetry {
  readonly #log: Logger
  readonly #metrics: Metrics
  readonly #health: Health
  readonly #status: Status
  readonly #clock: Clock
  readonly #place: { project: string; logstore: string }
  readonly #warnings: LineLimit
  readonly #held = new Set<number>()
  readonly #pauses = new Map<string, Pause>()
  readonly #labelValues = new Map<string, Set<string>>()
  #heartbeats: 'none yet' | 'ok' | 'failing' = 'none yet'

  constructor({ log, metrics, health, status, clock, project, logstore }: TelemetryOptions) {
    this.#log = log
    this.#metrics = metrics
    this.#health = health
    this.#status = status
    this.#clock = clock
    this.#place = { project, logstore }
    this.#warnings = new LineLimit(clock, REPEATED_WARNING_MS)
  }

  heartbeat(result: 'ok' | 'failed' | 'rejected', fault?: Fault): void {
    this.#metrics.heartbeats_total.inc({ result })
    if (result !== 'ok') {
      if (this.#heartbeats === 'ok') this.#heartbeats = 'failing'
      this.#warn(`heartbeat ${result}`, fault)
      return
    }
    this.#health.heartbeatSucceeded()
    if (this.#heartbeats === 'none yet') this.#log.info('joined the consumer group')
    if (this.#heartbeats === 'failing') this.#log.info('heartbeats succeed again')
    this.#heartbeats = 'ok'
  }

  rebalanced(change: { taken: number[]; givenUp: number[] }): void {
    this.#metrics.rebalances_total.inc()
    this.#log.info(change, 'shards were reassigned')
  }

  leaseLost(shard: number, reason: string): void {
    const lost = `lost shard ${shard}: stopped at once, nothing more is committed`
    this.#status.fault(`a shard was lost: ${reason}`)
    this.#log.warn({ shard, reason: onOneLine(reason) }, lost)
  }

  shardTaken(shard: number, cursor: string, from: 'checkpoint' | 'start' | 'remembered'): void {
    this.#held.add(shard)
    this.#status.shardTaken(shard)
    this.#metrics.shard_leased.set(this.#labels(shard), 1)
    this.#log.info({ shard, cursor, from }, `took shard ${shard}`)
  }

  shardReleased(shard: number, how: 'drained' | 'lost'): void {
    this.#held.delete(shard)
    this.#status.shardReleased(shard)
    const labels = this.#labels(shard)
    this.#metrics.shard_lag_seconds.remove(labels)
    this.#metrics.shard_checkpoint_age_seconds.remove(labels)
    this.#metrics.shard_leased.set(labels, 0)
    this.#log.info({ shard, how }, `released shard ${shard}`)
    // What stood still about this shard is its next owner's to report; here it would keep the replica unready for ever.
    for (const { key } of this.#pauses.values()) if (key.scope.endsWith(`shard ${shard}`)) this.resumed(key)
  }

  pulled(shard: number, logs: number, rawBytes: number): void {
    this.#metrics.logs_read_total.inc(logs)
    this.#metrics.raw_bytes_read_total.inc(rawBytes)
    this.#log.debug({ shard, logs, rawBytes }, 'pulled')
  }

  pullFailed(shard: number, fault: Fault, attempt: number): void {
    this.#warn('pull failed', fault, { shard, attempt })
  }

  filtered(reason: 'topic', logs: number): void {
    this.#metrics.logs_filtered_total.inc({ reason }, logs)
  }

  checkpointCommitted(shard: number, cursor: string): void {
    this.#metrics.checkpoint_commits_total.inc({ result: 'ok' })
    this.#log.debug({ shard, cursor }, 'committed the checkpoint')
  }

  checkpointFailed(shard: number, fault: Fault): void {
    this.#metrics.checkpoint_commits_total.inc({ result: 'failed' })
    this.#warn('checkpoint commit failed', fault, { shard })
  }

  checkpointForeign(
    shard: number,
    info: { seen: string; expected: string; consumer: string; sameName: boolean },
  ): void {
    this.#metrics.checkpoint_commits_total.inc({ result: 'foreign' })
    const cause = info.sameName
      ? 'another process uses the same SLS_CONSUMER name; give each replica its own'
      : 'another consumer writes where it holds no lease'
    this.#status.fault(`checkpoint of shard ${shard} overwritten: ${cause}`)
    this.#log.warn({ shard, ...info, consumer: onOneLine(info.consumer) }, `checkpoint overwritten: ${cause}`)
  }

  cursorExpired(
    shard: number,
    info: { expired: string; resumedAt: string; lostGroupsEstimate: number | undefined },
  ): void {
    this.#metrics.expired_cursor_total.inc()
    this.#metrics.expired_cursor_lost_log_groups_total.inc(Math.max(0, info.lostGroupsEstimate ?? 0))
    const gap = info.lostGroupsEstimate === undefined ? 'unknown' : `about ${info.lostGroupsEstimate}`
    const expired = `the checkpoint of shard ${shard} expired: logs were deleted before they were read (log groups lost: ${gap})`
    this.#status.fault(expired)
    this.#log.error({ shard, ...info }, expired)
  }

  shardState(shard: number, state: ShardState): void {
    // A report that comes in after the shard was released would leave a lag that nobody ever updates.
    if (!this.#held.has(shard)) return
    this.#status.shardState(shard, state)
    const { lagSeconds, checkpointAgeSeconds } = state
    const labels = this.#labels(shard)
    if (lagSeconds === undefined) this.#metrics.shard_lag_seconds.remove(labels)
    else this.#metrics.shard_lag_seconds.set(labels, lagSeconds)
    this.#metrics.shard_checkpoint_age_seconds.set(labels, checkpointAgeSeconds)
  }

  inFlight(bytes: number): void {
    this.#metrics.in_flight_bytes.set(bytes)
    this.#status.inFlight(bytes)
  }

  slsRequest(api: string, status: number | 'error', code: string, seconds: number): void {
    this.#metrics.sls_requests_total.inc({ api, ...this.#answer(api, status, code) })
    this.#log.trace({ api, status, code, seconds }, 'request to Log Service')
  }

  hecRequest(status: number | 'error', code: string, seconds: number): void {
    this.#metrics.hec_requests_total.inc(this.#answer('hec', status, code))
    this.#metrics.hec_request_seconds.observe(seconds)
    this.#log.trace({ status, code, seconds }, 'request to Splunk HEC')
  }

  hecAcked(seconds: number): void {
    this.#metrics.hec_ack_seconds.observe(seconds)
  }

  hecAckFailed(fault: Fault): void {
    this.#warn('asking for acks failed', fault)
  }

  hecAmbiguous(fault: Fault): void {
    this.#metrics.hec_ambiguous_total.inc()
    this.#warn('Splunk may or may not have accepted a request', fault)
  }

  hecResend(reason: Parameters<Telemetry['hecResend']>[0], events: number): void {
    this.#metrics.hec_resends_total.inc({ reason })
    this.#warn(`sending again what Splunk may have (${reason})`, undefined, { events })
  }

  hecRetry(fault: Fault, attempt: number): void {
    this.#warn('delivery failed', fault, { attempt })
  }

  delivered(events: number): void {
    this.#metrics.events_delivered_total.inc({ sink: SINK }, events)
    this.#status.delivered(events)
  }

  deadLettered(reason: string, events: number): void {
    const label = this.#bounded('dead letter reason', reason)
    this.#metrics.events_dead_lettered_total.inc({ reason: label }, events)
    this.#status.deadLettered(events)
    this.#warn(`Splunk refused events for good, they are in the dead letter (${label})`, undefined, { events })
  }

  paused(key: PauseKey, fault: Fault): void {
    const { reason, scope } = key
    const id = `${reason} ${scope}`
    this.#health.paused(key, fault)
    this.#status.paused(key, fault)
    this.#status.fault(`paused (${reason}, ${scope})`, fault)
    this.#metrics.paused.set({ reason }, 1)
    const now = this.#clock.monotonic()
    const before = this.#pauses.get(id)
    const since = before?.since ?? now
    const due = before === undefined || before.code !== fault.code || now - before.lineAt >= REPEATED_PAUSE_MS
    this.#pauses.set(id, { key, code: fault.code, since, lineAt: due ? now : before.lineAt })
    if (!due) return
    const still = before === undefined ? 'paused' : `still paused after ${Math.round((now - since) / 1000)} s`
    const advice = fault.advice === undefined ? '' : `. What to do: ${fault.advice}`
    this.#log.error(
      { reason, scope, fault: faultFields(fault) },
      onOneLine(`${still} (${reason}, ${scope}): ${fault.message}${advice}`),
    )
  }

  resumed(key: PauseKey): void {
    const { reason, scope } = key
    const pause = this.#pauses.get(`${reason} ${scope}`)
    if (pause === undefined) return
    this.#pauses.delete(`${reason} ${scope}`)
    this.#health.resumed(key)
    this.#status.resumed(key)
    if (!this.#isPaused(reason)) this.#metrics.paused.set({ reason }, 0)
    const seconds = Math.round((this.#clock.monotonic() - pause.since) / 1000)
    this.#log.info({ reason, scope }, `resumed (${reason}, ${scope}) after ${seconds} s`)
  }

  notice(level: 'debug' | 'info' | 'warn', message: string, details: Record<string, unknown> = {}): void {
    if (level === 'warn') this.#status.fault(message)
    this.#log[level](details, onOneLine(message))
  }

  #isPaused(reason: PauseReason): boolean {
    return [...this.#pauses.values()].some(({ key }) => key.reason === reason)
  }

  #warn(what: string, fault: Fault | undefined, details: Record<string, unknown> = {}): void {
    this.#status.fault(what, fault)
    const admitted = this.#warnings.admit(`${what} ${fault?.kind} ${fault?.code}`)
    if (admitted === undefined) return
    const fields = {
      ...details,
      ...(fault !== undefined && { fault: faultFields(fault) }),
      ...(admitted.suppressed > 0 && { suppressed: admitted.suppressed }),
    }
    this.#log.warn(fields, fault === undefined ? what : onOneLine(`${what}: ${fault.message}`))
  }

  #labels(shard: number): { project: string; logstore: string; shard: number } {
    return { ...this.#place, shard }
  }

  /** Statuses as well as codes are of a server's making, and each pair of them makes a series that stays. */
  #answer(of: string, status: number | 'error', code: string): { status: number | string; code: string } {
    const plain = labelOf(code)
    return this.#admits(of, `${status} ${plain}`) ? { status, code: plain } : { status: 'other', code: 'other' }
  }

  #bounded(label: string, value: string): string {
    const plain = labelOf(value)
    return this.#admits(label, plain) ? plain : 'other'
  }

  /** Whether another value of this label is one too many. */
  #admits(label: string, value: string): boolean {
    const values = this.#labelValues.get(label) ?? new Set()
    this.#labelValues.set(label, values)
    if (!values.has(value) && values.size >= LABEL_VALUES) return false
    values.add(value)
    return true
  }
}
