import type { Config } from '../../config/model.ts'
import { NO_TELEMETRY } from '../../core/telemetry.ts'
import { credentialSources, logstoresOf, slsClient } from '../../parts.ts'
import { fileChecks } from './file.ts'
import type { Check } from './finding.ts'
import { hecChecks } from './hec.ts'
import { hostChecks } from './host.ts'
import { sampleChecks } from './sampled.ts'
import type { LogstoreEnd } from './sls.ts'
import { slsChecks } from './sls.ts'
import { syslogChecks } from './syslog.ts'
import type { HecEnd } from './test-event.ts'

/** The checks of every logstore, of every sink, and of this machine. `close` ends their connections. */
export function checksOf(config: Config, testEvent: boolean): { checks: Check[]; close: () => Promise<void> } {
  const { proxies } = config
  const credentials = credentialSources(NO_TELEMETRY)
  const logstores = logstoresOf(config).map(({ source, ref }) => {
    const sls = { ...source, logstore: ref.logstore }
    const own = credentials(source)
    const client = slsClient({ source, logstore: ref.logstore, proxies, telemetry: NO_TELEMETRY, credentials: own })
    const end: LogstoreEnd = { sls, proxies, inFile: config.eventIdScope === 'project' }
    return {
      name: `${source.name}/${ref.logstore}`,
      sls,
      client,
      checks: [
        ...slsChecks({ config: end, client, credentials: own }),
        ...sampleChecks({ config, source, logstore: ref.logstore, client }),
      ],
    }
  })
  const [first] = logstores as [(typeof logstores)[number]]
  const sinks = config.sinks.map((sink): End => {
    if (sink.type === 'syslog') return { name: sink.name, checks: syslogChecks(sink, testEvent) }
    if (sink.type === 'file') return { name: sink.name, checks: fileChecks(sink) }
    const end: HecEnd = { hec: { ...sink, source: sink.source ?? sourceOf(first.sls) }, sls: first.sls, proxies }
    return { name: sink.name, checks: hecChecks(end, testEvent) }
  })
  const checks = [...ofSeveral(logstores), ...ofSeveral(sinks), ...hostChecks(config)]
  return { checks, close: async () => void (await Promise.all(logstores.map(({ client }) => client.close()))) }
}

function sourceOf({ project, logstore }: LogstoreEnd['sls']): string {
  return `sls://${project}/${logstore}`
}

interface End {
  readonly name: string
  readonly checks: readonly Check[]
}

/** A failure at one of several ends skips nothing at the others. */
function ofSeveral(ends: readonly End[]): Check[] {
  if (ends.length === 1) return ends.flatMap(({ checks }) => checks)
  return ends.flatMap(({ name, checks }) =>
    checks.map(({ opens, behind, ...check }) => ({
      ...check,
      end: name,
      ...(opens !== undefined && { opens: `${name} ${opens}` }),
      ...(behind !== undefined && { behind: `${name} ${behind}` }),
    })),
  )
}
