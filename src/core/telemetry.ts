import type { Fault } from './errors.ts'

/** Names a pause until it is resumed: `scope` says what stands still (`sink`, `shard 3`, `group`). */
export interface PauseKey {
  /** Closed set, also the metric label: see `PAUSE_REASONS`. */
  readonly reason: PauseReason
  readonly scope: string
}

export const PAUSE_REASONS = [
  'sls_configuration',
  'hec_configuration',
  'dead_letter',
  'corrupt_data',
  'expired_cursor',
] as const
export type PauseReason = (typeof PAUSE_REASONS)[number]

export interface ShardState {
  /** Seconds; 0 when caught up; `undefined` while not yet known. */
  lagSeconds: number | undefined
  /** Seconds since the last successful commit (or since the shard was taken). */
  checkpointAgeSeconds: number
}

/**
 * One method per happening; each makes the log line and the metric together, so neither can be forgotten. Called per
 * request or per batch, never per event. Implemented in observability/telemetry.ts; tests record calls instead.
 */
export interface Telemetry {
  // consumer
  heartbeat(result: 'ok' | 'failed' | 'rejected', fault?: Fault): void
  rebalanced(change: { taken: number[]; givenUp: number[] }): void
  leaseLost(shard: number, reason: string): void
  shardTaken(shard: number, cursor: string, from: 'checkpoint' | 'start' | 'remembered'): void
  shardReleased(shard: number, how: 'drained' | 'lost'): void
  pulled(shard: number, logs: number, rawBytes: number): void
  pullFailed(shard: number, fault: Fault, attempt: number): void
  filtered(reason: 'topic', logs: number): void
  checkpointCommitted(shard: number, cursor: string): void
  checkpointFailed(shard: number, fault: Fault): void
  checkpointForeign(shard: number, info: { seen: string; expected: string; consumer: string; sameName: boolean }): void
  cursorExpired(
    shard: number,
    info: { expired: string; resumedAt: string; lostGroupsEstimate: number | undefined },
  ): void
  shardState(shard: number, state: ShardState): void
  inFlight(bytes: number): void
  // sls wire
  slsRequest(api: string, status: number | 'error', code: string, seconds: number): void
  // sink
  hecRequest(status: number | 'error', code: string, seconds: number): void
  hecAcked(seconds: number): void
  hecAckFailed(fault: Fault): void
  hecAmbiguous(fault: Fault): void
  hecResend(reason: 'ambiguous' | 'ack_timeout' | 'ack_lost' | 'partial_unacked' | 'bisect', events: number): void
  hecRetry(fault: Fault, attempt: number): void
  delivered(events: number): void
  deadLettered(reason: string, events: number): void
  // anything that stands still until somebody mends it
  paused(key: PauseKey, fault: Fault): void
  resumed(key: PauseKey): void
  /** Something an operator should read once, with no counter of its own. */
  notice(level: 'debug' | 'info' | 'warn', message: string, details?: Record<string, unknown>): void
}

const ignore = (): void => {}

/** For commands that look at one thing and say it themselves. */
export const NO_TELEMETRY: Telemetry = {
  heartbeat: ignore,
  rebalanced: ignore,
  leaseLost: ignore,
  shardTaken: ignore,
  shardReleased: ignore,
  pulled: ignore,
  pullFailed: ignore,
  filtered: ignore,
  checkpointCommitted: ignore,
  checkpointFailed: ignore,
  checkpointForeign: ignore,
  cursorExpired: ignore,
  shardState: ignore,
  inFlight: ignore,
  slsRequest: ignore,
  hecRequest: ignore,
  hecAcked: ignore,
  hecAckFailed: ignore,
  hecAmbiguous: ignore,
  hecResend: ignore,
  hecRetry: ignore,
  delivered: ignore,
  deadLettered: ignore,
  paused: ignore,
  resumed: ignore,
  notice: ignore,
}
