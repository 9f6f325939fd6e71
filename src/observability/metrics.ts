import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { PAUSE_REASONS, RESEND_REASONS } from '../core/telemetry.ts'

export const PREFIX = 'sls_bridge_'

interface Definition<K extends 'counter' | 'gauge' | 'histogram', L extends string> {
  kind: K
  labels: readonly L[]
  help: string
  /**
   * Label values that exist from the start at 0, so that `rate()` sees the first occurrence and an alert can tell
   * "never happened" from "not reported". Only where the set is closed.
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

const perShard = ['project', 'logstore', 'shard'] as const

const HEARTBEAT_RESULTS = ['ok', 'failed', 'rejected'] as const
const COMMIT_RESULTS = ['ok', 'failed', 'foreign'] as const
/** HEC codes that are about one event, an HTTP status that is, and our own limit. */
const DEAD_LETTER_REASONS = ['6', '12', '13', '15', 'http_413', 'event_too_large'] as const

/** Every metric of ours, once; names without the prefix. docs/metrics.md comes from this table. */
export const METRICS = {
  shard_lag_seconds: gauge(
    'Age of the oldest log of the shard that is not yet acknowledged; 0 when caught up. Only for shards held now.',
    perShard,
  ),
  shard_leased: gauge(
    '1 while this replica holds the shard. 0 once it gave it up or lost it, so that a sum of 0 over all replicas means nobody reads the shard. (A shard that the service deleted after a split or merge keeps its 0 until the replica restarts.)',
    perShard,
  ),
  shard_checkpoint_age_seconds: gauge(
    'Time since the last successful commit of the shard’s checkpoint, or since it was taken. Only for shards held now.',
    perShard,
  ),
  logs_read_total: counter('Logs pulled from Log Service.'),
  raw_bytes_read_total: counter('Bytes pulled from Log Service, uncompressed.'),
  logs_filtered_total: counter('Logs read and left out on purpose.', ['reason'], [{ reason: 'topic' }]),
  events_delivered_total: counter('Events the SIEM acknowledged.', ['sink']),
  events_dead_lettered_total: counter(
    'Events the SIEM refused for good, now in the dead letter.',
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
  hec_ambiguous_total: counter('Requests whose events may or may not have been accepted; they are sent again.'),
  hec_resends_total: counter(
    'Times events were sent again that Splunk may already have.',
    ['reason'],
    RESEND_REASONS.map((reason) => ({ reason })),
  ),
  checkpoint_commits_total: counter(
    'Checkpoint commits. `foreign`: a commit of ours was found overwritten by another consumer, and is repaired.',
    ['result'],
    COMMIT_RESULTS.map((result) => ({ result })),
  ),
  heartbeats_total: counter(
    'Heartbeats to the consumer group. `rejected`: the service no longer knew this consumer, so its shards were gone.',
    ['result'],
    HEARTBEAT_RESULTS.map((result) => ({ result })),
  ),
  rebalances_total: counter('Times the set of shards this replica holds changed.'),
  sls_requests_total: counter('Requests to Log Service by call, HTTP status (`error`: no answer) and error code.', [
    'api',
    'status',
    'code',
  ]),
  paused: gauge(
    '1 while something stands still until somebody mends it; its logs wait in Log Service. `/readyz` says what to do.',
    ['reason'],
    PAUSE_REASONS.map((reason) => ({ reason })),
  ),
  expired_cursor_total: counter('Checkpoints that had expired: logs were deleted upstream before they were read.'),
  expired_cursor_lost_log_groups_total: counter(
    'Estimate of how many log groups those gaps hold, where one can be made.',
  ),
  event_loop_delay_seconds: histogram(
    'How late a timer rang that should ring every 20 ms: as late as heartbeats, acks and the admin server are.',
    [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1],
  ),
  build_info: gauge('Always 1; the label tells the version.', ['version']),
}

type Name = keyof typeof METRICS
type Instance<D> =
  D extends Definition<infer K, infer L> ? { counter: Counter<L>; gauge: Gauge<L>; histogram: Histogram<L> }[K] : never

/** The registered metrics under their names, and the registry to expose them. */
export type Metrics = { registry: Registry } & { [N in Name]: Instance<(typeof METRICS)[N]> }

const CLASSES = { counter: Counter, gauge: Gauge, histogram: Histogram }

/** Registers everything of `METRICS`, and prom-client's process, heap, GC and event loop metrics under their usual names. */
export function createMetrics({ version, sinks }: { version: string; sinks: readonly string[] }): Metrics {
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
  for (const sink of sinks) metrics.events_delivered_total.inc({ sink }, 0)
  return metrics
}
