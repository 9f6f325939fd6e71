import type { CredentialsConfig } from './config/credentials.ts'
import type { Config, SinkConfig, SourceConfig, SplunkHecConfig, SyslogConfig } from './config/model.ts'
import type { Clock } from './core/clock.ts'
import { systemClock } from './core/clock.ts'
import type { Fault } from './core/errors.ts'
import type { LogstoreRef } from './core/shard.ts'
import type { Telemetry } from './core/telemetry.ts'
import { BatchMemory } from './pipeline/batch-memory.ts'
import { Encoder } from './pipeline/encoder.ts'
import type { Copy, LayoutText, Program } from './pipeline/program.ts'
import { ReferenceEngine } from './pipeline/reference/engine.ts'
import { TopicSelection } from './pipeline/select.ts'
import type { Route, Routing } from './routing/route.ts'
import type { Template } from './routing/template.ts'
import { constantOf, parseTemplate } from './routing/template.ts'
import { DeadLetter } from './sinks/dead-letter.ts'
import { FileSink, STANDARD_OUTPUT } from './sinks/file/sink.ts'
import type { Sink } from './sinks/sink.ts'
import type { HecConnection } from './sinks/splunk-hec/client.ts'
import { SplunkHecSink } from './sinks/splunk-hec/sink.ts'
import { SyslogSink } from './sinks/syslog/sink.ts'
import { SlsClient } from './sls/client.ts'
import { FILES, readCredentialFiles } from './sls/credential-files.ts'
import type { CredentialSource, Issued } from './sls/credentials.ts'
import { fixedCredentials, RenewedCredentials } from './sls/credentials.ts'
import { fetchVendorCredentials, nameOf } from './sls/vendor-credentials.ts'
import { USER_AGENT } from './version.ts'

/** Gives the sources their credentials. Sources that share a configuration of credentials ask for them together. */
export type CredentialSources = (source: SourceConfig) => CredentialSource

/** All clients of a process share one of these. Otherwise each would ask for credentials of its own. */
export function credentialSources(telemetry: Telemetry): CredentialSources {
  const known = new Map<CredentialsConfig, CredentialSource>()
  return ({ credentials }) => {
    const found = known.get(credentials) ?? credentialSource(credentials, telemetry)
    known.set(credentials, found)
    return found
  }
}

function credentialSource(credentials: CredentialsConfig, telemetry: Telemetry): CredentialSource {
  const renewed = (from: string, fetch: () => Promise<Issued>) =>
    new RenewedCredentials({ fetch, from, clock: systemClock, telemetry })
  if (credentials.source !== 'access_key') {
    return renewed(nameOf(credentials), () => fetchVendorCredentials(credentials))
  }
  const { source, files, ...given } = credentials
  if (Object.keys(files).length === 0) return fixedCredentials(given)
  return renewed(FILES, () => readCredentialFiles(files, given))
}

/** Every logstore of every source: each has a consumer group, a client and a program of its own. */
export function logstoresOf({ sources }: Pick<Config, 'sources'>): Array<{ source: SourceConfig; ref: LogstoreRef }> {
  return sources.flatMap((source) =>
    source.logstores.map((logstore) => ({ source, ref: { source: source.name, project: source.project, logstore } })),
  )
}

export interface SlsClientParts {
  readonly source: SourceConfig
  readonly logstore: string
  readonly proxies: Config['proxies']
  readonly telemetry: Telemetry
  /** Default: its own. */
  readonly credentials?: CredentialSource
}

export function slsClient(parts: SlsClientParts): SlsClient {
  const { source, logstore, proxies, telemetry } = parts
  const { endpoint, project, region } = source
  const credentials = parts.credentials ?? credentialSource(source.credentials, telemetry)
  return new SlsClient({
    endpoint,
    project,
    logstore,
    credentials: () => credentials.get(),
    credentialsRefused: (these) => credentials.refused(these),
    credentialsChoice: source.credentials.source,
    expiredCursor: source.expiredCursor,
    ...(region === undefined ? {} : { region }),
    userAgent: USER_AGENT,
    proxies,
    onRequest: (api, status, code, seconds) => telemetry.slsRequest(api, status, code, seconds),
  })
}

export function hecConnection(
  { name, token, timeoutMs, tls }: SplunkHecConfig,
  proxies: Config['proxies'],
  telemetry: Telemetry,
): HecConnection {
  return { sink: name, token, timeoutMs, tls, proxies, userAgent: USER_AGENT, clock: systemClock, telemetry }
}

export interface SinkParts {
  readonly proxies: Config['proxies']
  readonly telemetry: Telemetry
  readonly deadLetter: DeadLetter
  /** All events were refused before, as those of a replay. */
  readonly refusedBefore?: boolean
  /** Default: the system's. */
  readonly clock?: Clock
  /** A sink can deliver nothing more until the process starts again. */
  readonly lost?: (fault: Fault) => void
}

/** `writer` becomes part of the names of its files. */
export function openDeadLetter({ deadLetterDir: dir, eventIdScope }: Config, writer: string): DeadLetter {
  return new DeadLetter({ dir, consumer: writer, namesSink: eventIdScope === 'project' })
}

export function openSink(sink: SinkConfig, parts: SinkParts): Sink {
  if (sink.type === 'splunk_hec') return hecSink(sink, parts)
  const { telemetry, deadLetter, refusedBefore = false, clock = systemClock, lost = () => {} } = parts
  if (sink.type === 'syslog') {
    return new SyslogSink({ ...sink, sink: sink.name, clock, telemetry, deadLetter, refusedBefore })
  }
  return new FileSink({ ...sink, sink: sink.name, clock, telemetry, readerEnded: lost })
}

/** Whether the standard output belongs to a sink. */
export function writesToStandardOutput(sinks: readonly SinkConfig[]): boolean {
  return sinks.some((sink) => sink.type === 'file' && sink.path === STANDARD_OUTPUT)
}

function hecSink(
  hec: SplunkHecConfig,
  { proxies, telemetry, deadLetter, refusedBefore = false, clock = systemClock }: SinkParts,
): SplunkHecSink {
  const connection = hecConnection(hec, proxies, telemetry)
  return new SplunkHecSink({ ...hec, ...connection, refusedBefore, deadLetter, telemetry, clock })
}

/** A file and a syslog collector take pieces of any size. */
const STREAM_BATCH_BYTES = 1_000_000

/** The most bytes of a batch for this sink, before compression. */
export function batchLimitOf(sink: SinkConfig): number {
  if (sink.type === 'syslog') return STREAM_BATCH_BYTES
  return sink.type === 'splunk_hec' ? sink.maxBytes : Math.min(sink.maxBytes, STREAM_BATCH_BYTES)
}

/** The name of this replica in its log and in the names of its files. */
export function consumerOf({ sources }: Pick<Config, 'sources'>): string {
  return (sources[0] as SourceConfig).consumer
}

/** The way of the logs of one logstore. */
export function programOf(config: Config, source: SourceConfig, logstore: string): Program {
  const { project, topics, reservedKeys, shape } = source
  const { routes } = config.routing
  const own = routes.filter(({ from }) => from === undefined || from.includes(source.name))
  return {
    topics: new TopicSelection(topics),
    idScope: config.eventIdScope === 'logstore' ? logstore : `${project}/${logstore}`,
    reservedKeys,
    shape,
    routes: [...own, ...lastRoute(config.routing, own)].map(({ name, when, drop, to, set, ...route }) => ({
      name,
      ...(when === undefined ? {} : { when }),
      ...(drop === undefined ? {} : { drop }),
      continue: route.continue,
      shape: route.shape,
      copies: to.map((sink) => copyFor(sinkNamed(config, sink), set, { project, logstore })),
    })),
  }
}

/** The route of the logs that no other route takes. The name is also the reason for which they are dropped. */
const UNMATCHED = 'unmatched'

function lastRoute({ unmatched }: Routing, routes: readonly Route[]): Route[] {
  const takesAll = routes.some((route) => route.when === undefined && !route.continue)
  if (takesAll) return []
  if (unmatched === 'error') throw new Error('a log could find no route')
  const [drop, to] = unmatched === 'drop' ? [{ drop: UNMATCHED }, []] : [{}, [unmatched.sink]]
  return [{ name: UNMATCHED, ...drop, to, set: {}, shape: [], continue: false }]
}

function sinkNamed({ sinks }: Config, name: string): SinkConfig {
  const sink = sinks.find((each) => each.name === name)
  if (sink === undefined) throw new Error(`there is no sink ${name}`)
  return sink
}

/** A file has the envelopes that an unconfigured Splunk sink would get. */
const FILE_LAYOUT: Pick<SplunkHecConfig, 'source' | 'sourcetype' | 'host' | 'index'> = { sourcetype: 'aliyun:sls' }

/** What the route sets counts before what the sink has. */
function copyFor(sink: SinkConfig, set: Route['set'], place: { project: string; logstore: string }): Copy {
  const defaultSource = `sls://${place.project}/${place.logstore}`
  if (sink.type === 'syslog') {
    const host = syslogHost(sink, set.host, place)
    const layout = { source: defaultSource, sourcetype: FILE_LAYOUT.sourcetype, host }
    return { destination: { sink: sink.name, maxBatchBytes: batchLimitOf(sink) }, layout }
  }
  const own = sink.type === 'splunk_hec' ? sink : FILE_LAYOUT
  const host = layoutText(set.host, own.host)
  const index = layoutText(set.index, own.index)
  const layout = {
    source: layoutText(set.source, own.source ?? defaultSource),
    sourcetype: layoutText(set.sourcetype, own.sourcetype),
    ...(host === undefined ? {} : { host }),
    ...(index === undefined ? {} : { index }),
  }
  return { destination: { sink: sink.name, maxBatchBytes: batchLimitOf(sink) }, layout }
}

/** HOSTNAME, which travels as the host of the envelope. One that comes out empty is `-`, never a log's `__source__`. */
function syslogHost(
  { hostname }: SyslogConfig,
  set: Template | undefined,
  { project, logstore }: { project: string; logstore: string },
): LayoutText {
  const text = hostname
    .replaceAll('{project}', project)
    .replaceAll('{logstore}', logstore)
    .replaceAll('{topic}', '{__topic__}')
    .replaceAll('{source}', '{__source__}')
  const own = parseTemplate(text)
  if (!('parts' in own)) throw new Error(`no template: ${text}`)
  const otherwise = constantOf(own) || '-'
  return layoutText(set ?? own, otherwise)
}

function layoutText<T extends string | undefined>(
  template: Template | 'auto' | undefined,
  otherwise: T,
): LayoutText | T {
  if (template === undefined || template === 'auto') return template ?? otherwise
  const constant = constantOf(template)
  if (constant !== undefined) return constant === '' ? otherwise : constant
  return { template, ...(otherwise === undefined ? {} : { otherwise }) }
}

/** For commands that make the bridge's events without its speed. */
export function referenceEncoder(program: Program): Encoder {
  const memory = new BatchMemory()
  return new Encoder({ engine: new ReferenceEngine(memory), memory, program: () => program })
}
