import type { SampleKind } from '../../src/emulator/sample-logs.ts'

/** A copy to the second sink for at most a tenth of the logs, and a drop for about a fifth. No log has both. */
const CONDITIONS: Record<SampleKind, { readonly copied: string; readonly dropped: string }> = {
  audit: {
    copied: 'error_code startswith Forbidden and event_name = CreateAccessKey',
    dropped: 'event_name = DescribeDBInstances',
  },
  kubernetes: {
    copied: 'event.verb = delete and event.objectRef.namespace = payments',
    dropped: 'event.verb = get',
  },
  access: { copied: 'status = 404 and request_method = POST', dropped: 'status = 304' },
}

/** The route that takes what the others leave, and the reason of the one that drops. */
export const REST = 'rest'
export const DROPPED = 'not_wanted'

/** A configuration file: one source, two sinks, three routes. */
export function routesFile(kind: SampleKind, source: Record<string, string>, urls: readonly string[]): string {
  const { copied, dropped } = CONDITIONS[kind]
  const sinks = urls.map(
    (url, at) => `  sink_${at}: {type: splunk_hec, url: "${url}", token: "\${TOKEN}", gzip: false}`,
  )
  return `version: 1
sources:
  audit: {endpoint: "${source['SLS_ENDPOINT']}", project: ${source['SLS_PROJECT']}, logstore: ${source['SLS_LOGSTORE']}, group: bench, heartbeat_seconds: 5}
sinks:
${sinks.join('\n')}
routes:
  - {name: copied, when: '${copied}', to: sink_1, continue: true}
  - {name: dropped, when: '${dropped}', drop: ${DROPPED}}
  - {name: ${REST}, to: sink_0}
`
}
