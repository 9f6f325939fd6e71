import type { Config } from './config/load.ts'
import { DEFAULT_SINK, DEFAULT_SOURCE } from './config/names.ts'
import { systemClock } from './core/clock.ts'
import type { LogstoreRef } from './core/shard.ts'
import type { Telemetry } from './core/telemetry.ts'
import { BatchMemory } from './pipeline/batch-memory.ts'
import { Encoder } from './pipeline/encoder.ts'
import type { EngineOptions } from './pipeline/engine.ts'
import { ReferenceEngine } from './pipeline/reference/engine.ts'
import { TopicSelection } from './pipeline/select.ts'
import type { DeadLetter } from './sinks/dead-letter.ts'
import type { HecConnection } from './sinks/splunk-hec/client.ts'
import type { SplunkHecOptions } from './sinks/splunk-hec/sink.ts'
import { SplunkHecSink } from './sinks/splunk-hec/sink.ts'
import { SlsClient } from './sls/client.ts'
import { FILES, readCredentialFiles } from './sls/credential-files.ts'
import type { CredentialSource, Issued } from './sls/credentials.ts'
import { fixedCredentials, RenewedCredentials } from './sls/credentials.ts'
import { fetchVendorCredentials, nameOf } from './sls/vendor-credentials.ts'
import { USER_AGENT } from './version.ts'

/** The logstore that the environment names. */
export function logstoreOf({ sls: { project, logstore } }: Config): LogstoreRef {
  return { source: DEFAULT_SOURCE, project, logstore }
}

/** All clients of a process share one source. Otherwise each would ask for credentials of its own. */
export function credentialSource({ sls: { credentials } }: Config, telemetry: Telemetry): CredentialSource {
  const renewed = (from: string, fetch: () => Promise<Issued>) =>
    new RenewedCredentials({ fetch, from, clock: systemClock, telemetry })
  if (credentials.source !== 'access_key') {
    return renewed(nameOf(credentials), () => fetchVendorCredentials(credentials))
  }
  const { source, files, ...given } = credentials
  if (Object.keys(files).length === 0) return fixedCredentials(given)
  return renewed(FILES, () => readCredentialFiles(files, given))
}

export function slsClient(
  config: Config,
  telemetry: Telemetry,
  credentials: CredentialSource = credentialSource(config, telemetry),
): SlsClient {
  const { endpoint, project, logstore, region, credentials: choice } = config.sls
  return new SlsClient({
    endpoint,
    project,
    logstore,
    credentials: () => credentials.get(),
    credentialsRefused: (these) => credentials.refused(these),
    credentialsChoice: choice.source,
    ...(region === undefined ? {} : { region }),
    userAgent: USER_AGENT,
    proxies: config.proxies,
    onRequest: (api, status, code, seconds) => telemetry.slsRequest(api, status, code, seconds),
  })
}

export function hecConnection({ hec, proxies }: Config, telemetry: Telemetry): HecConnection {
  const { token, timeoutMs, tls } = hec
  return { sink: DEFAULT_SINK, token, timeoutMs, tls, proxies, userAgent: USER_AGENT, clock: systemClock, telemetry }
}

export function hecSink(
  config: Config,
  telemetry: Telemetry,
  deadLetter: DeadLetter,
  more: Pick<SplunkHecOptions, 'mostUnproven'> = {},
): SplunkHecSink {
  return new SplunkHecSink({ ...config.hec, ...hecConnection(config, telemetry), ...more, deadLetter, telemetry })
}

/** For an engine whose batches come from `memory`. */
export function engineOptions({ filter, hec }: Config, memory: BatchMemory): EngineOptions {
  const layout = {
    source: hec.source,
    sourcetype: hec.sourcetype,
    ...(hec.host === undefined ? {} : { host: hec.host }),
    ...(hec.index === undefined ? {} : { index: hec.index }),
  }
  return { topics: new TopicSelection(filter.topics), layout, maxBatchBytes: hec.maxBytes, memory }
}

/** For commands that make the bridge's events without its speed. */
export function referenceEncoder(config: Config): Encoder {
  const memory = new BatchMemory()
  return new Encoder(new ReferenceEngine(engineOptions(config, memory)), memory)
}
