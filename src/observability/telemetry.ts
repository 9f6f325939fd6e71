import type { TopicLogs } from '../core/batch.ts'
import type { Clock } from '../core/clock.ts'
import type { Fault } from '../core/errors.ts'
import type { LogstoreRef, ShardRef } from '../core/shard.ts'
import { logstoreKey, shardKey } from '../core/shard.ts'
import type {
  ConnectionEnd,
  FrameResult,
  PauseKey,
  ReloadResult,
  ResendReason,
  ShardState,
  Telemetry,
} from '../core/telemetry.ts'
import { onOneLine } from '../core/text.ts'
import { BoundedLabels } from './bounded-labels.ts'
import { faultFields } from './faults.ts'
import type { Health } from './health.ts'
import { LimitedLog } from './limited-log.ts'
import { LineLimit } from './line-limit.ts'
import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'
import { PER_SHARD } from './metrics.ts'
import type { Names } from './names.ts'
import type { Pause, Pauses } from './pauses.ts'
import { labelsOf } from './pauses.ts'
import type { Status } from './status.ts'

export interface TelemetryOptions {
  log: Logger
  metrics: Metrics
  health: Health
  status: Status
  pauses: Pauses
  names: Names
  clock: Clock
}

/** For each step of each route or source. */
const FAILED_STEPS = { intervalMs: 60_000, lines: 1 }
const REPEATED_PAUSE_MS = 300_000

/**
 * Makes the log line and the metric of everything that happens. Lifecycle is `info`. Faults that are retried are `warn`,
 * rate-limited by text, kind and code. A pause is `error` when it begins or its fault changes, and every five minutes while
 * it lasts. The end of a pause is `info`. Servers decide how often most of this happens, so each kind of line is limited;
 * `debug` and `trace` are not.
 */
export class BridgeTelemetry implements Telemetry {
  readonly #log: Logger
  readonly #metrics: Metrics
  readonly #health: Health
  readonly #status: Status
  readonly #clock: Clock
  readonly #lines: LimitedLog
  readonly #failedSteps: LineLimit
  readonly #held = new Set<string>()
  /** Those of the shards held of which nothing is left to read. */
  readonly #ended = new Set<string>()
  readonly #pauses: Pauses
  /** When a line about a pause was last written, in monotonic milliseconds. */
  readonly #pauseLines = new WeakMap<Pause, number>()
  readonly #names: Names
  readonly #bounded = new BoundedLabels()
  /** By logstore. */
  readonly #heartbeats = new Map<string, 'ok' | 'failing'>()

  constructor({ log, metrics, health, status, pauses, names, clock }: TelemetryOptions) {
    this.#log = log
    this.#metrics = metrics
    this.#health = health
    this.#status = status
    this.#pauses = pauses
    this.#names = names
    this.#clock = clock
    this.#lines = new LimitedLog(log, clock)
    this.#failedSteps = new LineLimit(clock, FAILED_STEPS)
  }

  heartbeat(logstore: LogstoreRef, result: 'ok' | 'failed' | 'rejected', fault?: Fault): void {
    this.#metrics.heartbeats_total.inc({ ...this.#membership(logstore), result })
    // Heartbeats come all the time, whatever else happens.
    this.#lines.tellSuppressed()
    const key = logstoreKey(logstore)
    const before = this.#heartbeats.get(key)
    const place = this.#names.fields(logstore)
    if (result !== 'ok') {
      if (before === 'ok') this.#heartbeats.set(key, 'failing')
      this.#health.heartbeatFailed(logstore, fault)
      this.#warn(this.#names.of(`heartbeat ${result}`, logstore), fault, place, `heartbeat ${result}`)
      return
    }
    this.#health.heartbeatSucceeded(logstore)
    this.#heartbeats.set(key, 'ok')
    const line = (text: string): void => this.#lines.line('info', 'heartbeats', place, this.#names.of(text, logstore))
    if (before === undefined) line('joined the consumer group')
    if (before === 'failing') line('heartbeats succeed again')
  }

  rebalanced(logstore: LogstoreRef, change: { taken: number[]; givenUp: number[] }): void {
    this.#metrics.rebalances_total.inc(logstoreLabels(logstore))
    const { taken, givenUp } = change
    const details = { ...this.#names.fields(logstore), taken: shown(taken), givenUp: shown(givenUp) }
    this.#lines.line('info', 'reassigned', details, this.#names.of('reassigned shards', logstore))
  }

  leaseLost(shard: ShardRef, reason: string): void {
    const lost = `lost ${this.#names.shard(shard)}: stopped at once, nothing more is committed`
    this.#status.fault(`a shard was lost: ${reason}`)
    this.#lines.line('warn', 'lost', { ...this.#place(shard), reason: onOneLine(reason) }, lost)
  }

  shardLeased(shard: ShardRef): void {
    this.#held.add(shardKey(shard))
    this.#ended.delete(shardKey(shard))
    this.#status.shardLeased(shard)
    this.#metrics.shard_leased.set(this.#labels(shard), 1)
  }

  shardTaken(shard: ShardRef, cursor: string, from: 'checkpoint' | 'start' | 'remembered'): void {
    this.#lines.line('info', 'took', { ...this.#place(shard), cursor, from }, `took ${this.#names.shard(shard)}`)
  }

  shardReleased(shard: ShardRef, how: 'drained' | 'lost'): void {
    this.#held.delete(shardKey(shard))
    this.#status.shardReleased(shard)
    this.#health.stalls.ended('pull', shardKey(shard))
    const labels = this.#labels(shard)
    this.#metrics.shard_lag_seconds.remove(labels)
    this.#metrics.shard_checkpoint_age_seconds.remove(labels)
    // While nothing of it is left to read, nobody needs to hold it.
    if (!this.#ended.delete(shardKey(shard))) this.#metrics.shard_leased.set(labels, 0)
    this.#lines.line('info', 'released', { ...this.#place(shard), how }, `released ${this.#names.shard(shard)}`)
    // The next owner reports the pauses of this shard. Here they would keep the replica unready for ever.
    for (const { key } of this.#pauses.ofShard(shard)) this.resumed(key)
  }

  shardEnded(shard: ShardRef): void {
    if (this.#held.has(shardKey(shard))) this.#ended.add(shardKey(shard))
    for (const name of PER_SHARD) this.#metrics[name].remove(this.#labels(shard))
  }

  pullAnswered(shard: ShardRef): void {
    this.#health.stalls.ended('pull', shardKey(shard))
  }

  pulled(shard: ShardRef, logs: number, rawBytes: number): void {
    this.#metrics.logs_read_total.inc(logstoreLabels(shard), logs)
    this.#metrics.raw_bytes_read_total.inc(logstoreLabels(shard), rawBytes)
    this.#log.debug({ ...this.#place(shard), logs, rawBytes }, 'pulled')
  }

  pullFailed(shard: ShardRef, fault: Fault, attempt: number, seconds: number): void {
    this.#health.stalls.failed('pull', shardKey(shard), this.#notPulled(shard), fault, seconds)
    this.#warn('pull failed', fault, { ...this.#place(shard), attempt })
  }

  pullWaits(shard: ShardRef, fault: Fault, seconds: number): void {
    this.#health.stalls.waits('pull', shardKey(shard), this.#notPulled(shard), fault, seconds)
  }

  #notPulled(shard: ShardRef): string {
    return `nothing was pulled from ${this.#names.shard(shard)}`
  }

  filtered(shard: ShardRef, reason: string, logs: number): void {
    this.#metrics.logs_filtered_total.inc({ ...logstoreLabels(shard), reason }, logs)
  }

  reservedKeys(shard: ShardRef, logs: number): void {
    this.#metrics.logs_with_reserved_keys_total.inc(logstoreLabels(shard), logs)
  }

  parseFailed(shard: ShardRef, route: string, step: string, logs: number): void {
    this.#metrics.parse_failures_total.inc({ ...logstoreLabels(shard), route, step }, logs)
    const what = `step ${step} of ${route} failed on logs of ${shard.project}/${shard.logstore}`
    this.#status.fault(what)
    const message = `${what}; find them with sls_parse_error::"${route}/${step}"`
    this.#lines.repeated(
      what,
      { level: 'warn', kind: 'failed steps', fields: { route, step, logs }, message },
      this.#failedSteps,
    )
  }

  routed({ project, logstore }: ShardRef, route: string, events: number): void {
    this.#metrics.events_routed_total.inc({ project, logstore, route }, events)
  }

  topicsSeen(logstore: LogstoreRef, topics: ReadonlyMap<string, TopicLogs>): void {
    this.#status.topicsSeen(logstore, topics)
  }

  checkpointCommitted(shard: ShardRef, cursor: string): void {
    this.#metrics.checkpoint_commits_total.inc({ ...this.#membership(shard), result: 'ok' })
    this.#log.debug({ ...this.#place(shard), cursor }, 'committed the checkpoint')
  }

  checkpointFailed(shard: ShardRef, fault: Fault): void {
    this.#metrics.checkpoint_commits_total.inc({ ...this.#membership(shard), result: 'failed' })
    this.#warn('checkpoint commit failed', fault, this.#place(shard))
  }

  checkpointForeign(
    shard: ShardRef,
    info: { seen: string; expected: string; consumer: string; sameName: boolean },
  ): void {
    this.#metrics.checkpoint_commits_total.inc({ ...this.#membership(shard), result: 'foreign' })
    const cause = info.sameName
      ? 'another process uses the same SLS_CONSUMER name; give each replica its own'
      : 'another consumer writes where it holds no lease'
    this.#status.fault(`checkpoint of ${this.#names.shard(shard)} overwritten: ${cause}`)
    this.#lines.line(
      'warn',
      'checkpoint overwritten',
      { ...this.#place(shard), ...info, consumer: onOneLine(info.consumer) },
      `checkpoint overwritten: ${cause}`,
    )
  }

  cursorExpired(
    shard: ShardRef,
    info: { expired: string; resumedAt: string; lostGroupsEstimate: number | undefined },
  ): void {
    this.#metrics.expired_cursor_total.inc(logstoreLabels(shard))
    this.#metrics.expired_cursor_lost_log_groups_total.inc(
      logstoreLabels(shard),
      Math.max(0, info.lostGroupsEstimate ?? 0),
    )
    const gap = info.lostGroupsEstimate === undefined ? 'unknown' : `about ${info.lostGroupsEstimate}`
    const expired = `the checkpoint of ${this.#names.shard(shard)} expired: logs were deleted before they were read (log groups lost: ${gap})`
    this.#status.fault(expired)
    this.#lines.line('error', 'expired', { ...this.#place(shard), ...info }, expired)
  }

  shardState(shard: ShardRef, state: ShardState): void {
    // A report after the release would leave a lag in the metrics that is never updated.
    if (!this.#held.has(shardKey(shard))) return
    this.#status.shardState(shard, state)
    if (this.#ended.has(shardKey(shard))) return
    const { lagSeconds, checkpointAgeSeconds } = state
    const labels = this.#labels(shard)
    this.#metrics.shard_lag_seconds.set(labels, lagSeconds)
    this.#metrics.shard_checkpoint_age_seconds.set(labels, checkpointAgeSeconds)
  }

  shardPhase(shard: ShardRef, from: string, to: string): void {
    this.#log.debug({ ...this.#place(shard), from, to }, 'phase of a shard')
  }

  inFlight(bytes: number): void {
    this.#metrics.in_flight_bytes.set(bytes)
    this.#status.inFlight(bytes)
  }

  slsRequest(api: string, status: number | 'error', code: string, seconds: number): void {
    this.#metrics.sls_requests_total.inc({ api, ...this.#bounded.answer(api, status, code) })
    this.#log.trace({ api, status, code, seconds }, 'request to Log Service')
  }

  sinkRequest(_sink: string, status: number | 'error', code: string, seconds: number): void {
    this.#metrics.hec_requests_total.inc(this.#bounded.answer('hec', status, code))
    this.#metrics.hec_request_seconds.observe(seconds)
    this.#log.trace({ status, code, seconds }, 'request to Splunk HEC')
  }

  acknowledged(_sink: string, seconds: number): void {
    this.#metrics.hec_ack_seconds.observe(seconds)
  }

  acknowledgementFailed(sink: string, fault: Fault): void {
    this.#warn(this.#names.ofSink('asking for acks failed', sink), fault)
  }

  outcomeUnknown(sink: string, fault: Fault): void {
    this.#metrics.hec_ambiguous_total.inc()
    this.#warn(this.#names.ofSink('Splunk may or may not have accepted a request', sink), fault)
  }

  resent(sink: string, reason: ResendReason, events: number): void {
    this.#metrics.hec_resends_total.inc({ reason })
    this.#warn(this.#names.ofSink(`sending again what Splunk may have (${reason})`, sink), undefined, { events })
  }

  connectionEnded(sink: string, end: ConnectionEnd): void {
    this.#metrics.syslog_connections_total.inc({ sink, end })
    this.#log.trace({ sink, end }, 'end of a connection to a syslog collector')
  }

  confirmed(_sink: string, seconds: number): void {
    this.#metrics.syslog_confirm_seconds.observe(seconds)
  }

  framesCounted(sink: string, result: FrameResult, frames: number): void {
    this.#metrics.syslog_frames_total.inc({ sink, result }, frames)
  }

  deliveryFailed(sink: string, fault: Fault, attempt: number, seconds: number): void {
    this.#health.stalls.failed('sink', sink, notDelivered(sink), fault, seconds)
    this.#warn(this.#names.ofSink('delivery failed', sink), fault, { attempt })
  }

  deliveryWaits(sink: string, fault: Fault, seconds: number): void {
    this.#health.stalls.waits('sink', sink, notDelivered(sink), fault, seconds)
  }

  delivered(sink: string, events: number): void {
    this.#health.stalls.ended('sink', sink)
    this.#metrics.events_delivered_total.inc({ sink }, events)
    this.#status.delivered(sink, events)
  }

  sinkIdle(sink: string): void {
    this.#health.stalls.ended('sink', sink)
  }

  deadLettered(sink: string, reason: string, events: number): void {
    const label = this.#bounded.value('dead letter reason', reason)
    this.#metrics.events_dead_lettered_total.inc({ reason: label }, events)
    this.#status.deadLettered(sink, events)
    const by = reason === 'parse_failure' ? 'a step of a shape' : 'the SIEM'
    const what = `${by} refused events for good, they are in the dead letter (${label})`
    this.#warn(this.#names.ofSink(what, sink), undefined, { events }, 'dead letters')
  }

  endpoint(sink: string, endpoint: string, fault: Fault | undefined): void {
    const key = `${sink} ${endpoint}`
    const before = this.#pauses.endpoints.get(key)
    this.#metrics.endpoint_paused.set({ sink, endpoint }, fault === undefined ? 0 : 1)
    if (fault === undefined) {
      this.#pauses.endpoints.delete(key)
      if (before === undefined) return
      const seconds = Math.round((this.#clock.monotonic() - before.since) / 1000)
      this.#lines.line(
        'info',
        'endpoints',
        { sink, endpoint },
        `endpoint ${endpoint} takes events again after ${seconds} s`,
      )
      return
    }
    const since = before?.since ?? this.#clock.monotonic()
    this.#pauses.endpoints.set(key, { sink, endpoint, since, fault })
    this.#warn(`endpoint ${endpoint} is paused`, fault, { sink, endpoint }, 'endpoints')
  }

  paused(key: PauseKey, fault: Fault): void {
    const { pause, before } = this.#pauses.set(key, fault)
    const { scope, since } = pause
    const { reason } = key
    this.#status.fault(`paused (${reason}, ${scope})`, fault)
    this.#metrics.paused.set(labelsOf(key), 1)
    const now = this.#clock.monotonic()
    const lineAt = this.#pauseLines.get(pause) ?? Number.NEGATIVE_INFINITY
    if (before?.code === fault.code && now - lineAt < REPEATED_PAUSE_MS) return
    this.#pauseLines.set(pause, now)
    const still = before === undefined ? 'paused' : `still paused after ${Math.round((now - since) / 1000)} s`
    const advice = fault.advice === undefined ? '' : `. What to do: ${fault.advice}`
    this.#lines.line(
      'error',
      'paused',
      { reason, scope, fault: faultFields(fault) },
      onOneLine(`${still} (${reason}, ${scope}): ${fault.message}${advice}`),
    )
  }

  resumed(key: PauseKey): void {
    const pause = this.#pauses.end(key)
    if (pause === undefined) return
    const { scope, since } = pause
    const { reason } = key
    if (!this.#pauses.has(labelsOf(key))) this.#metrics.paused.set(labelsOf(key), 0)
    const seconds = Math.round((this.#clock.monotonic() - since) / 1000)
    this.#lines.line('info', 'resumed', { reason, scope }, `resumed (${reason}, ${scope}) after ${seconds} s`)
  }

  reloaded(result: ReloadResult): void {
    this.#metrics.config_reloads_total.inc({ result })
  }

  notice(level: 'debug' | 'info' | 'warn', message: string, details: Record<string, unknown> = {}): void {
    if (level === 'warn') this.#status.fault(message)
    if (level === 'debug') this.#log.debug(details, onOneLine(message))
    else this.#lines.line(level, 'notices', details, onOneLine(message))
  }

  #warn(what: string, fault: Fault | undefined, details: Record<string, unknown> = {}, kind = what): void {
    this.#status.fault(what, fault)
    const fields = { ...details, ...(fault !== undefined && { fault: faultFields(fault) }) }
    const message = fault === undefined ? what : onOneLine(`${what}: ${fault.message}`)
    this.#lines.repeated(`${what} ${fault?.kind} ${fault?.code}`, { level: 'warn', kind, fields, message })
  }

  #membership(logstore: LogstoreRef): { project: string; logstore: string; group: string } {
    return { ...logstoreLabels(logstore), group: this.#names.group(logstore) }
  }

  #labels(shard: ShardRef): { project: string; logstore: string; group: string; shard: number } {
    return { ...this.#membership(shard), shard: shard.shard }
  }

  /** Fields of a log line. */
  #place(shard: ShardRef): Record<string, unknown> {
    return { ...this.#names.fields(shard), shard: shard.shard }
  }
}

function logstoreLabels({ project, logstore }: LogstoreRef): { project: string; logstore: string } {
  return { project, logstore }
}

/** A line stays readable with the longest list of shards. */
function shown(shards: readonly number[]): readonly (number | string)[] {
  const most = 100
  return shards.length <= most ? shards : [...shards.slice(0, most), `and ${shards.length - most} more`]
}

function notDelivered(sink: string): string {
  return `nothing was delivered to ${sink}`
}
