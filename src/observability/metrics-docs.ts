import { writeFileSync } from 'node:fs'
import { createMetrics, METRICS, PREFIX } from './metrics.ts'

/** `docs/metrics.md`. */
export async function renderMetricsDocs(): Promise<string> {
  const ours = Object.entries(METRICS).map(([name, { kind, labels, help }]) => {
    const labelCell = labels.length === 0 ? '' : labels.map((label) => `\`${label}\``).join(', ')
    return `| \`${PREFIX}${name}\` | ${kind} | ${labelCell} | ${help} |`
  })
  const standard = (
    await createMetrics({ version: '', known: { sinks: [], logstores: [] } }).registry.getMetricsAsJSON()
  )
    .filter(({ name }) => !name.startsWith(PREFIX))
    .map(({ name, type, help }) => `| \`${name}\` | ${type} | ${help} |`)
  return `${INTRO}

| metric | type | labels | meaning |
|---|---|---|---|
${ours.join('\n')}

${NOTES}

| metric | type | meaning |
|---|---|---|
${standard.join('\n')}
`
}

const INTRO = `# Metrics

<!-- Made from src/observability/metrics.ts by \`node src/observability/metrics-docs.ts\`; a test compares the two. -->

\`GET /metrics\` on \`ADMIN_HOST\`:\`ADMIN_PORT\` answers in Prometheus' text format. Durations are in seconds, sizes in bytes.`

const NOTES = `## What to watch

| question | expression |
|---|---|
| Is something paused until somebody acts? | \`max by (reason, sink) (${PREFIX}paused) > 0\` |
| Is anything falling behind? | \`max by (group, project, logstore, shard) (${PREFIX}shard_lag_seconds) > 600\` |
| Is there a shard that no replica reads? | \`sum by (group, project, logstore, shard) (${PREFIX}shard_leased) == 0\` |
| Were logs deleted before they were read? | \`increase(${PREFIX}expired_cursor_total[1h]) > 0\` |
| Does the SIEM refuse events? | \`sum by (reason) (rate(${PREFIX}events_dead_lettered_total[5m])) > 0\` |
| How many duplicates to expect? | \`sum by (reason) (rate(${PREFIX}hec_resends_total[5m]))\` |

More of them, as alerts that say what to do: \`deploy/prometheus/rules.yml\` and [operations.md](operations.md). As panels: \`deploy/grafana\`.

\`group\` is the consumer group.

A server chooses some label values (\`status\` with \`code\`, and \`reason\` of dead letters). They are cut to 64 plain characters. From the 200th different value on they count as \`other\`, so that a broken server cannot make the number of series grow without bound.

## The process

prom-client's standard metrics, on Linux:`

if (import.meta.main) {
  writeFileSync(new URL('../../docs/metrics.md', import.meta.url), await renderMetricsDocs())
  // The GC observer of the standard metrics would keep this script running.
  process.exit()
}
