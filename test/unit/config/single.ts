import type { Config, SourceConfig, SplunkHecConfig } from '../../../src/config/model.ts'

/** A configuration of one logstore and one Splunk, as the environment makes it. */
export interface Single extends Omit<Config, 'sources' | 'sinks' | 'routing'> {
  readonly whole: Config
  readonly sls: SourceConfig & { readonly logstore: string }
  readonly hec: SplunkHecConfig & { readonly source: string }
}

/** The first logstore of the first source, and the first Splunk. */
export function singleOf(config: Config): Single {
  const [source] = config.sources
  const hec = config.sinks.find((sink) => sink.type === 'splunk_hec')
  const logstore = source?.logstores[0]
  if (source === undefined || logstore === undefined || hec === undefined) throw new Error('no logstore or no Splunk')
  return {
    ...config,
    whole: config,
    sls: { ...source, logstore },
    hec: { ...hec, source: hec.source ?? `sls://${source.project}/${logstore}` },
  }
}
