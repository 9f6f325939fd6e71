import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { LogstoreRef } from '../core/shard.ts'
import type { PauseReason } from '../core/telemetry.ts'
import { CONNECTION_ENDS, FRAME_RESULTS, RELOAD_RESULTS, RESEND_REASONS } from '../core/telemetry.ts'
import type { NamedSink } from './names.ts'

export const PREFIX = 'sls_bridge_'

interface Definition<K extends 'counter' | 'gauge' | 'histogram', L extends string> {
  kind: K
  labels: readonly L[]
  help: string
  /**
   * Label values that exist from the start at 0. So `rate()` sees the first occurrence, and an alert can tell "never
   * happened" from "not reported". Only for closed sets.
   */
  known?: readonly Record<L, string>[]
  buckets?: number[]
}

const counter = <const L extends string = never>(
  help: string,
  labels: readonly L[] = [],
  known: readonly Record<L, string>[] = [],
): Definition<'counter', L> => ({ kind: 'counter', labels, help, known })

const gauge = <const L extends string = never>(
  help: string,
  labels: readonly L[] = [],
  known: readonly Record<L, string>[] = [],
): Definition<'gauge', L> => ({ kind: 'gauge', labels, help, known })

const histogram = (help: string, buckets: number[]): Definition<'histogram', never> => ({
  kind: 'histogram',
  labels: [],
  help,
  buckets,
})

const perLogstore = ['project', 'logstore'] as const
/** `group` is the consumer group. Alerts need it: one group that works must not hide that another does not. */
const perMembership = [...perLogstore, 'group'] as const
const perShard = [...perMembership, 'shard'] as const

const HEARTBEAT_RESULTS = ['ok', 'failed', 'rejected'] as const
const COMMIT_RESULTS = ['ok', 'failed', 'foreign'] as const
/** HEC codes and an HTTP status that are about one event, ends of a syslog connection, our own limit, and a step that refuses its log. */
const DEAD_LETTER_REASONS = [
  ...['6', '12', '13', '15', 'http_413', 'syslog_early', 'syslog_reset', 'event_too_large', 'parse_failure'],
] as const

const PAUSES_OF_SOURCES: readonly PauseReason[] = ['sls_configuration', 'corrupt_data', 'expired_cursor']
const PAUSES_OF_SINKS: Readonly<Record<string, readonly PauseReason[]>> = {
  splunk_hec: ['hec_configuration', 'dead_letter', 'outcome_unknown', 'event_held'],
  syslog: ['syslog_configuration', 'dead_letter', 'outcome_unknown'],
  file: ['file_not_written', 'dead_letter'],
}

/** Our metrics, without the prefix. docs/metrics.md is made from this table. */
export const METRICS = {
  shard_lag_seconds: gauge(
    'Age of the oldest log of the shard that is not yet acknowledged; 0 when caught up. While Log Service does not answer it grows from the last moment at which it was known. Only for shards held now, from the moment of their lease.',
    perShard,
  ),
  shard_leased: gauge(
    '1 while this replica holds the shard, 0 once it has given it up or lost it. A sum of 0 over all replicas means that no replica reads the shard. A shard that was read to its end after a split or merge, or that is deleted, has no series.',
    perShard,
  ),
  shard_checkpoint_age_seconds: gauge(
    'Time since the last successful commit of the shard’s checkpoint, or since the shard was taken. Only for shards held now.',
    perShard,
  ),
  logs_read_total: counter('Logs pulled from Log Service.', perLogstore),
  raw_bytes_read_total: counter('Bytes pulled from Log Service, uncompressed.', perLogstore),
  logs_filtered_total: counter(
    'Logs that were read and of which nothing leaves: `topic` (not among those wanted), the reason of the route that drops them, or `unmatched`.',
    [...perLogstore, 'reason'],
  ),
  events_routed_total: counter('Events that the routes send to sinks, each copy counted.', [...perLogstore, 'route']),
  parse_failures_total: counter(
    'Steps that failed on a log. It is delivered as it was, with `sls_parse_error`. A step of a source has its name as `route`.',
    [...perLogstore, 'route', 'step'],
  ),
  logs_with_reserved_keys_total: counter(
    'Logs with contents called `__topic__`, `__source__` or `__tag__:…`, which may pass for another’s. `EVENT_RESERVED_KEYS` says what becomes of these contents. Log groups that are filtered as a whole are not looked into.',
    perLogstore,
  ),
  events_delivered_total: counter('Events the SIEM acknowledged.', ['sink']),
  events_dead_lettered_total: counter(
    'Events that the SIEM refused for good, or a step (`parse_failure`). They are in the dead letter.',
    ['reason'],
    DEAD_LETTER_REASONS.map((reason) => ({ reason })),
  ),
  in_flight_bytes: gauge('Bytes pulled and not yet acknowledged, all shards together.'),
  hec_requests_total: counter('Requests to Splunk HEC by HTTP status (`error`: no answer) and HEC code.', [
    'status',
    'code',
  ]),
  hec_request_seconds: histogram(
    'Duration of requests to Splunk HEC.',
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120],
  ),
  hec_ack_seconds: histogram(
    'Time from a request’s answer to its indexer acknowledgement.',
    [0.1, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600],
  ),
  hec_ambiguous_total: counter('Requests whose events may or may not have been accepted. The events are sent again.'),
  hec_resends_total: counter(
    'Requests that sent events again that Splunk may already have.',
    ['reason'],
    RESEND_REASONS.map((reason) => ({ reason })),
  ),
  syslog_frames_total: counter(
    'Messages to a syslog collector: `confirmed`, `resent` (it may have them already), `truncated` (delivered, and shortened to `SYSLOG_MAX_BYTES`), `as_json` (delivered as JSON, because the log has no field for `SYSLOG_FORMAT=raw`). Over UDP none is `confirmed`.',
    ['sink', 'result'],
  ),
  syslog_connections_total: counter(
    'Connections to a syslog collector by their end. Only `confirmed` proves that what was written arrived; `refused` were never open.',
    ['sink', 'end'],
  ),
  syslog_confirm_seconds: histogram(
    'Time from the last byte of a batch to its confirmation by the syslog collector.',
    [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120],
  ),
  checkpoint_commits_total: counter(
    'Checkpoint commits. `foreign`: another consumer has overwritten a checkpoint of ours, which is repaired.',
    [...perMembership, 'result'],
  ),
  heartbeats_total: counter(
    'Heartbeats to the consumer group. `rejected`: the service no longer knew this consumer, which lost its shards.',
    [...perMembership, 'result'],
  ),
  rebalances_total: counter('Changes of the set of shards that this replica holds.', perLogstore),
  sls_requests_total: counter('Requests to Log Service by call, HTTP status (`error`: no answer) and error code.', [
    'api',
    'status',
    'code',
  ]),
  paused: gauge(
    '1 while something is paused until somebody fixes it. The logs wait in Log Service. `/readyz` says what to do. `sink` is empty where it is not a sink that waits.',
    ['reason', 'sink'],
    PAUSES_OF_SOURCES.map((reason) => ({ reason, sink: '' })),
  ),
  endpoint_paused: gauge(
    '1 while an endpoint of a sink is paused by its own fault: its token, certificate, path or index. The other endpoints get its events; with none left the sink is `paused`.',
    ['sink', 'endpoint'],
  ),
  expired_cursor_total: counter(
    'Checkpoints that had expired: Log Service deleted logs before they were read.',
    perLogstore,
  ),
  expired_cursor_lost_log_groups_total: counter(
    'Estimate of the log groups that were deleted before they were read, where one can be made.',
    perLogstore,
  ),
  event_loop_delay_seconds: histogram(
    'Delay of the event loop, in seconds. Heartbeats, acknowledgements and the admin server wait as long.',
    [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1],
  ),
  log_lines_lost_total: counter(
    'Lines of the log that were lost, because no one read the output or its disk was full. Delivery went on.',
  ),
  config_reloads_total: counter(
    'Every SIGHUP once: the configuration file is in use (`done`), is refused (`invalid`), or has changes that need a restart.',
    ['result'],
    RELOAD_RESULTS.map((result) => ({ result })),
  ),
  build_info: gauge('Always 1. The label is the version.', ['version']),
}

type Name = keyof typeof METRICS
type Instance<D> =
  D extends Definition<infer K, infer L> ? { counter: Counter<L>; gauge: Gauge<L>; histogram: Histogram<L> }[K] : never

/** The registered metrics by name, and the registry that exposes them. */
export type Metrics = { registry: Registry } & { [N in Name]: Instance<(typeof METRICS)[N]> }

/** Their series go when nothing of a shard is left to read. */
export const PER_SHARD = ['shard_leased', 'shard_lag_seconds', 'shard_checkpoint_age_seconds'] as const

const PER_LOGSTORE = [
  'logs_read_total',
  'raw_bytes_read_total',
  'logs_with_reserved_keys_total',
  'rebalances_total',
  'expired_cursor_total',
  'expired_cursor_lost_log_groups_total',
] as const

const CLASSES = { counter: Counter, gauge: Gauge, histogram: Histogram }

/** Names that are known before anything happens. Their series exist from the start. */
export interface KnownNames {
  readonly sinks: readonly NamedSink[]
  /** Each with the routes that its logs can take, why they can be filtered out, and the steps that can fail on them. */
  readonly logstores: ReadonlyArray<{
    readonly ref: LogstoreRef
    /** The consumer group. */
    readonly group: string
    readonly routes: readonly string[]
    readonly filterReasons: readonly string[]
    readonly steps: ReadonlyArray<{ readonly route: string; readonly step: string }>
  }>
}

/** Registers `METRICS` and prom-client's standard metrics. */
export function createMetrics({ version, known }: { version: string; known: KnownNames }): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const definitions = Object.entries(METRICS) as [Name, Definition<'counter' | 'gauge' | 'histogram', string>][]
  const instances = definitions.map(([name, { kind, labels, help, known = [], buckets }]) => {
    const metric = new CLASSES[kind]({
      name: `${PREFIX}${name}`,
      help: help.replaceAll('`', ''),
      labelNames: labels,
      registers: [registry],
      ...(buckets && { buckets }),
    })
    if (metric instanceof Counter) for (const values of known) metric.inc(values, 0)
    if (metric instanceof Gauge) for (const values of known) metric.set(values, 0)
    return [name, metric]
  })
  const metrics = { registry, ...Object.fromEntries(instances) } as Metrics
  metrics.build_info.set({ version }, 1)
  for (const { name: sink, type } of known.sinks) {
    metrics.events_delivered_total.inc({ sink }, 0)
    if (type === 'syslog') {
      for (const result of FRAME_RESULTS) metrics.syslog_frames_total.inc({ sink, result }, 0)
      for (const end of CONNECTION_ENDS) metrics.syslog_connections_total.inc({ sink, end }, 0)
    }
    for (const reason of PAUSES_OF_SINKS[type] ?? []) metrics.paused.set({ reason, sink }, 0)
  }
  startAtZero(metrics, known.logstores)
  return metrics
}

/** A series that is there already keeps its value. */
export function startAtZero(metrics: Metrics, logstores: KnownNames['logstores']): void {
  for (const { ref, group, routes, filterReasons, steps } of logstores) {
    const labels = { project: ref.project, logstore: ref.logstore }
    for (const name of PER_LOGSTORE) metrics[name].inc(labels, 0)
    for (const result of HEARTBEAT_RESULTS) metrics.heartbeats_total.inc({ ...labels, group, result }, 0)
    for (const result of COMMIT_RESULTS) metrics.checkpoint_commits_total.inc({ ...labels, group, result }, 0)
    for (const reason of filterReasons) metrics.logs_filtered_total.inc({ ...labels, reason }, 0)
    for (const step of steps) metrics.parse_failures_total.inc({ ...labels, ...step }, 0)
    for (const route of routes) metrics.events_routed_total.inc({ ...labels, route }, 0)
  }
}
