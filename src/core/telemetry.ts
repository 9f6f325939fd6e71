import type { TopicLogs } from './batch.ts'
import type { Fault } from './errors.ts'
import type { LogstoreRef, ShardRef } from './shard.ts'

/** Names a pause until it is resumed. */
export interface PauseKey {
  readonly reason: PauseReason
  readonly scope: PauseScope
}

/** A pause holds back a sink, events for it that a step refused, membership in a consumer group, or one shard at the step named. */
export type PauseScope =
  | { readonly of: 'sink' | 'refused'; readonly sink: string }
  | { readonly of: 'group'; readonly logstore: LogstoreRef }
  | { readonly of: 'start' | 'pull' | 'checkpoint'; readonly shard: ShardRef }

/** Closed set, also a metric's label. */
export const PAUSE_REASONS = [
  'sls_configuration',
  'hec_configuration',
  'syslog_configuration',
  'dead_letter',
  'corrupt_data',
  'expired_cursor',
  'outcome_unknown',
  'event_held',
  'file_not_written',
] as const
export type PauseReason = (typeof PAUSE_REASONS)[number]

/** Why a sink is sent events that it may already have. Closed set, also a metric's label. */
export const RESEND_REASONS = ['ambiguous', 'ack_timeout', 'ack_lost', 'partial_unacked', 'bisect'] as const
export type ResendReason = (typeof RESEND_REASONS)[number]

/**
 * How a connection to a syslog collector ended: its FIN came after ours, its FIN came first, it was reset, it was silent, or it
 * never came about. Closed set, also a metric's label.
 */
export const CONNECTION_ENDS = ['confirmed', 'early', 'reset', 'timeout', 'refused'] as const
export type ConnectionEnd = (typeof CONNECTION_ENDS)[number]

/** Results of messages to a syslog collector. Closed set, also a metric's label. */
export const FRAME_RESULTS = ['confirmed', 'resent', 'truncated', 'as_json'] as const
export type FrameResult = (typeof FRAME_RESULTS)[number]

/** What a SIGHUP did. Closed set, also a metric's label. */
export const RELOAD_RESULTS = ['done', 'invalid', 'needs_restart'] as const
export type ReloadResult = (typeof RELOAD_RESULTS)[number]

export interface ShardState {
  /** Seconds; 0 when caught up. Never 0 for want of an answer. */
  lagSeconds: number
  /** Seconds since the last successful commit (or since the shard was taken). */
  checkpointAgeSeconds: number
}

/**
 * One method for each thing that happens. It makes the log line and the metric together, so that neither is forgotten.
 * Called per request or per batch, never per event. Implemented in observability/telemetry.ts; tests record the calls.
 */
export interface Telemetry {
  // consumer
  heartbeat(logstore: LogstoreRef, result: 'ok' | 'failed' | 'rejected', fault?: Fault): void
  rebalanced(logstore: LogstoreRef, change: { taken: number[]; givenUp: number[] }): void
  leaseLost(shard: ShardRef, reason: string): void
  shardTaken(shard: ShardRef, cursor: string, from: 'checkpoint' | 'start' | 'remembered'): void
  /** The service gave it to us. `shardTaken` follows when its start is known. */
  shardLeased(shard: ShardRef): void
  shardReleased(shard: ShardRef, how: 'drained' | 'lost'): void
  /** Nothing is left to read: it is read-only and was read to its end, or the service has deleted it. It may still be held. */
  shardEnded(shard: ShardRef): void
  pulled(shard: ShardRef, logs: number, rawBytes: number): void
  /** The service answered a pull. What it brought is not encoded yet. */
  pullAnswered(shard: ShardRef): void
  /** A pull, or a question about where to start, failed and is tried again; it took `seconds`. */
  pullFailed(shard: ShardRef, fault: Fault, attempt: number, seconds: number): void
  /** For so long a pull has waited: for its answer, or for another attempt. Told again and again. */
  pullWaits(shard: ShardRef, fault: Fault, seconds: number): void
  /** Nothing leaves of these logs: `topic`, or the reason of the route that drops them. */
  filtered(shard: ShardRef, reason: string, logs: number): void
  /** Logs of some pulls by topic: not all pulls are looked at. */
  topicsSeen(logstore: LogstoreRef, topics: ReadonlyMap<string, TopicLogs>): void
  /** Events of one pull that take this route to their sinks. */
  routed(shard: ShardRef, route: string, events: number): void
  /** A step of a route, or of the source of that name, failed on so many logs. */
  parseFailed(shard: ShardRef, route: string, step: string, logs: number): void
  /** So many logs had contents that are called like a topic, a source or a tag. */
  reservedKeys(shard: ShardRef, logs: number): void
  checkpointCommitted(shard: ShardRef, cursor: string): void
  checkpointFailed(shard: ShardRef, fault: Fault): void
  checkpointForeign(
    shard: ShardRef,
    info: { seen: string; expected: string; consumer: string; sameName: boolean },
  ): void
  cursorExpired(
    shard: ShardRef,
    info: { expired: string; resumedAt: string; lostGroupsEstimate: number | undefined },
  ): void
  shardState(shard: ShardRef, state: ShardState): void
  /** A shard entered another phase of its life; consumer/shard-life.ts names them. */
  shardPhase(shard: ShardRef, from: string, to: string): void
  inFlight(bytes: number): void
  // requests to Log Service
  slsRequest(api: string, status: number | 'error', code: string, seconds: number): void
  // a sink, by its configured name
  /** `status` and `code` are the answer's; `error` and the fault's code when none came. */
  sinkRequest(sink: string, status: number | 'error', code: string, seconds: number): void
  /** `seconds` from acceptance to the acknowledgement that was asked for. */
  acknowledged(sink: string, seconds: number): void
  /** Asking for acknowledgements failed. */
  acknowledgementFailed(sink: string, fault: Fault): void
  /** The sink may or may not have accepted a request. */
  outcomeUnknown(sink: string, fault: Fault): void
  resent(sink: string, reason: ResendReason, events: number): void
  /** A connection to a syslog collector is over. */
  connectionEnded(sink: string, end: ConnectionEnd): void
  /** `seconds` from the last byte of a batch to its confirmation by a syslog collector. */
  confirmed(sink: string, seconds: number): void
  framesCounted(sink: string, result: FrameResult, frames: number): void
  /** A delivery failed and is tried again; `attempt` counts its failures in a row, `seconds` is how long it has been tried. */
  deliveryFailed(sink: string, fault: Fault, attempt: number, seconds: number): void
  /** For so long a delivery has waited: for an answer, or for another attempt. Told again and again. */
  deliveryWaits(sink: string, fault: Fault, seconds: number): void
  delivered(sink: string, events: number): void
  /** Nothing waits for the sink any more. */
  sinkIdle(sink: string): void
  deadLettered(sink: string, reason: string, events: number): void
  /** An endpoint of a sink is paused by itself (`fault`), or takes requests: told at the start and at each change. */
  endpoint(sink: string, endpoint: string, fault: Fault | undefined): void
  // whatever waits until somebody changes something
  paused(key: PauseKey, fault: Fault): void
  resumed(key: PauseKey): void
  /** A SIGHUP was handled; the log lines about it are notices. */
  reloaded(result: ReloadResult): void
  /** Something an operator should read once, with no counter of its own. */
  notice(level: 'debug' | 'info' | 'warn', message: string, details?: Record<string, unknown>): void
}

const ignore = (): void => {}

/** For commands that print their own result. */
export const NO_TELEMETRY: Telemetry = {
  heartbeat: ignore,
  rebalanced: ignore,
  leaseLost: ignore,
  shardTaken: ignore,
  shardLeased: ignore,
  shardReleased: ignore,
  shardEnded: ignore,
  pulled: ignore,
  pullAnswered: ignore,
  pullFailed: ignore,
  pullWaits: ignore,
  filtered: ignore,
  routed: ignore,
  topicsSeen: ignore,
  parseFailed: ignore,
  reservedKeys: ignore,
  checkpointCommitted: ignore,
  checkpointFailed: ignore,
  checkpointForeign: ignore,
  cursorExpired: ignore,
  shardState: ignore,
  shardPhase: ignore,
  inFlight: ignore,
  slsRequest: ignore,
  sinkRequest: ignore,
  acknowledged: ignore,
  acknowledgementFailed: ignore,
  outcomeUnknown: ignore,
  resent: ignore,
  connectionEnded: ignore,
  confirmed: ignore,
  framesCounted: ignore,
  deliveryFailed: ignore,
  deliveryWaits: ignore,
  delivered: ignore,
  sinkIdle: ignore,
  deadLettered: ignore,
  endpoint: ignore,
  paused: ignore,
  resumed: ignore,
  reloaded: ignore,
  notice: ignore,
}
