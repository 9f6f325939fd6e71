import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { createMetrics } from '../../../src/observability/metrics.ts'
import { renderMetricsDocs } from '../../../src/observability/metrics-docs.ts'
import { knownNames, ONE } from './observed.ts'

/**
 * The metrics of the contract. `project` and `logstore` are labels wherever `shard` is, and of every counter of logs. `group` is
 * the consumer group, of whatever belongs to one.
 */
const CONTRACT: Record<string, [type: string, ...labels: string[]]> = {
  shard_lag_seconds: ['gauge', 'project', 'logstore', 'group', 'shard'],
  shard_leased: ['gauge', 'project', 'logstore', 'group', 'shard'],
  shard_checkpoint_age_seconds: ['gauge', 'project', 'logstore', 'group', 'shard'],
  logs_read_total: ['counter', 'project', 'logstore'],
  raw_bytes_read_total: ['counter', 'project', 'logstore'],
  logs_filtered_total: ['counter', 'project', 'logstore', 'reason'],
  events_routed_total: ['counter', 'project', 'logstore', 'route'],
  parse_failures_total: ['counter', 'project', 'logstore', 'route', 'step'],
  logs_with_reserved_keys_total: ['counter', 'project', 'logstore'],
  config_reloads_total: ['counter', 'result'],
  events_delivered_total: ['counter', 'sink'],
  events_dead_lettered_total: ['counter', 'reason'],
  in_flight_bytes: ['gauge'],
  hec_requests_total: ['counter', 'status', 'code'],
  hec_request_seconds: ['histogram'],
  hec_ack_seconds: ['histogram'],
  hec_ambiguous_total: ['counter'],
  hec_resends_total: ['counter', 'reason'],
  checkpoint_commits_total: ['counter', 'project', 'logstore', 'group', 'result'],
  heartbeats_total: ['counter', 'project', 'logstore', 'group', 'result'],
  rebalances_total: ['counter', 'project', 'logstore'],
  sls_requests_total: ['counter', 'api', 'status', 'code'],
  paused: ['gauge', 'reason', 'sink'],
  expired_cursor_total: ['counter', 'project', 'logstore'],
  build_info: ['gauge', 'version'],
}

const file = (name: string) => readFileSync(new URL(`../../../${name}`, import.meta.url), 'utf8')
const docs = file('docs/metrics.md')

describe('the registry', () => {
  test.each(Object.entries(CONTRACT))('has sls_bridge_%s as %j', (name, [type, ...labels]) => {
    const metric = createMetrics({ version: '0', known: knownNames(ONE) }).registry.getSingleMetric(
      `sls_bridge_${name}`,
    )
    expect(metric).toMatchObject({ type, labelNames: labels })
  })

  test('refuses an unknown label', () => {
    const metrics = createMetrics({ version: '0', known: knownNames(ONE) })
    expect(() => metrics.heartbeats_total.inc({ shard: '1' } as never)).toThrow()
  })

  test('also has the process, its heap and the delay of its event loop', async () => {
    const text = await createMetrics({ version: '0', known: knownNames(ONE) }).registry.metrics()
    expect(text).toMatch(/^process_resident_memory_bytes \d+/m)
    expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds \d/m)
  })

  test.each([
    ['heartbeats_total{project="p",logstore="l",group="g",result="ok"}'],
    ['heartbeats_total{project="p",logstore="l",group="g",result="rejected"}'],
    ['checkpoint_commits_total{project="p",logstore="l",group="g",result="failed"}'],
    ['logs_read_total{project="p",logstore="l"}'],
    ['raw_bytes_read_total{project="p",logstore="l"}'],
    ['logs_with_reserved_keys_total{project="p",logstore="l"}'],
    ['logs_filtered_total{project="p",logstore="l",reason="topic"}'],
    ['events_routed_total{project="p",logstore="l",route="default"}'],
    ['parse_failures_total{project="p",logstore="l",route="default",step="json"}'],
    ['events_dead_lettered_total{reason="parse_failure"}'],
    ['config_reloads_total{result="done"}'],
    ['config_reloads_total{result="invalid"}'],
    ['config_reloads_total{result="needs_restart"}'],
    ['hec_resends_total{reason="ack_timeout"}'],
    ['events_delivered_total{sink="splunk_hec"}'],
    ['events_dead_lettered_total{reason="6"}'],
    ['events_dead_lettered_total{reason="http_413"}'],
    ['events_dead_lettered_total{reason="event_too_large"}'],
    ['paused{reason="hec_configuration",sink="splunk_hec"}'],
    ['paused{reason="sls_configuration",sink=""}'],
    ['hec_ambiguous_total'],
    ['expired_cursor_total{project="p",logstore="l"}'],
    ['in_flight_bytes'],
    ['hec_ack_seconds_count'],
  ])('starts sls_bridge_%s at 0', async (series) => {
    const text = await createMetrics({ version: '0', known: knownNames(ONE) }).registry.metrics()
    expect(text.split('\n')).toContain(`sls_bridge_${series} 0`)
  })

  test('has the version', async () => {
    expect(await createMetrics({ version: '9.8.7', known: knownNames(ONE) }).registry.metrics()).toContain(
      'sls_bridge_build_info{version="9.8.7"} 1',
    )
  })
})

describe('docs/metrics.md', () => {
  test('is what the registry renders to (node src/observability/metrics-docs.ts)', async () => {
    expect(docs).toBe(await renderMetricsDocs())
  })

  test('lists exactly what the registry has, with its labels', async () => {
    const rows = [...docs.matchAll(/^\| `([a-z0-9_]+)` \| (?:counter|gauge|histogram) \|([^|]*)\|/gm)]
    const registry = createMetrics({ version: '0', known: knownNames(ONE) }).registry
    expect(rows.map(([, name]) => name).sort()).toEqual(
      registry
        .getMetricsAsArray()
        .map(({ name }) => name)
        .sort(),
    )
    for (const [, name = '', labels = ''] of rows.filter(([, name]) => name?.startsWith('sls_bridge_'))) {
      const listed = [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label)
      expect(registry.getSingleMetric(name), name).toMatchObject({ labelNames: listed })
    }
  })
})

describe.each([
  'README.md',
  'docs/operations.md',
  'docs/metrics.md',
  'deploy/prometheus/rules.yml',
  'deploy/prometheus/rules.test.yml',
  'deploy/grafana/dashboards/sls-siem-bridge.json',
])('%s', (name) => {
  const registry = createMetrics({ version: '0', known: knownNames(ONE) }).registry
  const text = file(name)

  test('names only metrics that exist', () => {
    const named = [...text.matchAll(/\bsls_bridge_\w+/g)].map(([metric]) => metric.replace(/_(bucket|sum|count)$/, ''))
    expect(named.length).toBeGreaterThan(0)
    expect(named.filter((metric) => registry.getSingleMetric(metric) === undefined)).toEqual([])
  })

  test('selects only by labels that they have', () => {
    const own = /^(job|instance|le)$/
    for (const [, metric = '', selected = ''] of text.matchAll(/\b(sls_bridge_\w+)\{([^}]*)\}/g)) {
      const { labelNames } = registry.getSingleMetric(metric.replace(/_(bucket|sum|count)$/, '')) as unknown as {
        labelNames: string[]
      }
      const labels = [...selected.matchAll(/(\w+)(?==|!)/g)].map(([, label]) => label as string)
      expect(
        labels.filter((label) => !own.test(label) && !labelNames.includes(label)),
        `${metric}{${selected}}`,
      ).toEqual([])
    }
  })
})
