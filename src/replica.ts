import { once } from 'node:events'
import { Bridge } from './bridge.ts'
import { confirmationsOf, WORTH } from './config/confirmation.ts'
import type { Config, SinkConfig, SourceConfig } from './config/model.ts'
import { needsRestart } from './config/restart.ts'
import { systemClock } from './core/clock.ts'
import { messageOf } from './core/errors.ts'
import type { LogstoreRef } from './core/shard.ts'
import { logstoreKey } from './core/shard.ts'
import type { Telemetry } from './core/telemetry.ts'
import { startAdminServer } from './observability/admin-server.ts'
import { watchEventLoop } from './observability/event-loop.ts'
import { Health } from './observability/health.ts'
import { openLogger } from './observability/logger.ts'
import type { KnownNames, Metrics } from './observability/metrics.ts'
import { createMetrics, startAtZero } from './observability/metrics.ts'
import { claimName } from './observability/name-claim.ts'
import type { Ends, NamedSink } from './observability/names.ts'
import { Names } from './observability/names.ts'
import { Pauses } from './observability/pauses.ts'
import type { ListedShard } from './observability/status.ts'
import { Status } from './observability/status.ts'
import { BridgeTelemetry } from './observability/telemetry.ts'
import type { CredentialSources } from './parts.ts'
import { consumerOf, credentialSources, logstoresOf, programOf, slsClient, writesToStandardOutput } from './parts.ts'
import type { SlsClient } from './sls/client.ts'
import { shardsOfGroup } from './sls/group-shards.ts'
import { VERSION } from './version.ts'

/** A configuration that was loaded while the replica runs, or why it cannot be used. */
export type LoadedAgain =
  | { readonly config: Config; readonly warnings: readonly string[] }
  | { readonly refused: string }

interface Reloading {
  /** Calls `listener` whenever somebody asks to load the configuration again. */
  readonly onHangup: (listener: () => void) => void
  readonly load: () => Promise<LoadedAgain>
}

interface ReplicaOptions {
  readonly warnings: readonly string[]
  /** Where the settings come from, in words. */
  readonly origin: string
  /** Called once, when this replica has joined the consumer group of every logstore. */
  readonly joined: () => void
  readonly end: AbortSignal
  readonly reloading: Reloading
}

const STANDARD_OUTPUT_FD = 1
const STANDARD_ERROR_FD = 2
/** Other sinks get this long when one of them can deliver nothing more. */
const LOST_SINK_GRACE_MS = 1_000

/**
 * Runs one replica, the bridge with its log, metrics, health and status page, until `end` aborts. Then the bridge drains, at
 * most for its grace. Returns true after a regular end, and false when a bug ended the replica, or the reader of its standard
 * output is gone; the log says which.
 * Rejects with a Fault when the log file or the admin port cannot be opened: `transient` if that may pass by itself.
 */
export async function runReplica(
  config: Config,
  { warnings, origin, joined, end, reloading }: ReplicaOptions,
): Promise<boolean> {
  const { sources, sinks, shutdownGraceMs } = config
  const consumer = consumerOf(config)
  const clock = systemClock
  const ends = endsOf(config)
  const metrics = createMetrics({ version: VERSION, known: knownNames(config) })
  // Lines of a sink and lines of the log must not mix.
  const fd = writesToStandardOutput(sinks) ? STANDARD_ERROR_FD : STANDARD_OUTPUT_FD
  const lost = () => metrics.log_lines_lost_total.inc()
  const { log, flush, reopen } = await openLogger({ ...config.log, consumer, lost, fd })
  log.info(`settings: ${origin}`)
  for (const warning of warnings) log.warn(warning)
  const names = new Names(ends)
  const pauses = new Pauses({ clock, names })
  const health = new Health({ clock, names, pauses, logstores: ends.logstores })
  void health.joined.then(joined)
  const status = new Status({
    clock,
    health,
    pauses,
    about: { version: VERSION, consumer },
    ends,
    // Called later: the clients need telemetry, and telemetry needs this status.
    askGroup: (logstore, signal) => statusClients.ask(logstore, signal),
  })
  const telemetry = new BridgeTelemetry({ log, metrics, health, status, pauses, names, clock })
  const credentials = credentialSources(telemetry)
  const statusClients = new StatusClients(config, telemetry, credentials)
  const serving = { ...config.admin, registry: metrics.registry, health, status, telemetry }
  const admin = await startAdminServer(serving).catch((error) => {
    flush()
    throw error
  })
  telemetry.notice('info', `sls-siem-bridge ${VERSION} starting`, {
    ...(sources.length === 1 ? aboutSource(sources[0] as SourceConfig) : { sources: sources.map(aboutSource) }),
    ...(sinks.length === 1 ? aboutSink(sinks[0] as SinkConfig) : { sinks: sinks.map(aboutSink) }),
  })
  await tellOfSharedNames(sources, telemetry)
  tellOfDatabases(config, telemetry)
  const unwatch = watchEventLoop((seconds) => metrics.event_loop_delay_seconds.observe(seconds))
  try {
    const bridge = new Bridge(config, telemetry, credentials)
    const reload = reloader(config, { bridge, telemetry, metrics, reloading })
    reloading.onHangup(() => {
      reopen()
      void reload()
    })
    const ended = bridge.run()
    const lostSink = await Promise.race([
      ended.then(() => undefined),
      end.aborted ? undefined : once(end, 'abort').then(() => undefined),
      bridge.sinkLost,
    ])
    if (lostSink !== undefined) {
      log.fatal(
        `stopping: ${lostSink.message}${lostSink.advice === undefined ? '' : `. What to do: ${lostSink.advice}`}`,
      )
      health.stopping()
      await bridge.stop(LOST_SINK_GRACE_MS, false)
      await ended
      return false
    }
    if (end.aborted) {
      log.info(`stopping: draining for at most ${shutdownGraceMs / 1000} s`)
      health.stopping()
      const clean = await bridge.stop(shutdownGraceMs)
      // Wait for shards that were cut off: they still write log lines.
      await ended
      log.info(
        clean
          ? 'stopped: everything that was pulled is delivered and committed'
          : 'stopped: some logs were not delivered in time; another replica pulls them again',
      )
    }
    return true
  } catch (error) {
    log.fatal({ error }, 'an unexpected error ended this replica; others take its shards over from their checkpoints')
    return false
  } finally {
    unwatch()
    await admin.close()
    await statusClients.close()
    flush()
  }
}

/** Two replicas of one name read the same shards, and Log Service does not tell. Their checkpoints may tell, after a minute. */
async function tellOfSharedNames(sources: readonly SourceConfig[], telemetry: Telemetry): Promise<void> {
  for (const source of sources) {
    if (await claimName(source)) continue
    const { project, logstores, consumerGroup, consumer } = source
    const message = `another process on this machine is ${consumer} in the consumer group ${consumerGroup} of ${project}/${logstores.join(',')}, too: both deliver the same logs. Give each replica its own SLS_CONSUMER`
    telemetry.notice('warn', message)
  }
}

/** The log tells when a database of the step geoip was replaced. */
function tellOfDatabases({ sources, routing }: Config, telemetry: Telemetry): void {
  for (const step of [...sources, ...routing.routes].flatMap(({ shape }) => shape)) {
    if (step.name !== 'geoip') continue
    const { database } = step
    database.changed = (error) => {
      if (error === undefined)
        telemetry.notice('info', 'a geoip database has changed and is in use', { path: database.path })
      else {
        const message = 'a geoip database has changed but cannot be used; the one read before stays in use'
        telemetry.notice('warn', message, { path: database.path, error })
      }
    }
  }
}

function aboutSource({ project, logstores, consumerGroup: group, credentials, topics }: SourceConfig): object {
  const logstore = logstores.length === 1 ? logstores[0] : logstores
  return { project, logstore, group, credentials: credentials.source, topics }
}

function aboutSink(sink: SinkConfig): object {
  if (sink.type === 'syslog') return { syslog: sink.urls, confirm: confirmationsOf(sink).join(', ') }
  return sink.type === 'splunk_hec' ? { hec: sink.urls } : { file: sink.path }
}

function namedSink(sink: SinkConfig): NamedSink {
  const { name, type } = sink
  if (type !== 'syslog') return { name, type }
  return {
    name,
    type,
    confirmedBy: confirmationsOf(sink)
      .map((each) => WORTH[each])
      .join('; '),
  }
}

function endsOf(config: Config): Ends {
  const logstores = logstoresOf(config).map(({ source, ref }) => {
    return { ref, group: source.consumerGroup, groupTimeoutMs: source.groupTimeoutMs }
  })
  return { logstores, sinks: config.sinks.map(namedSink) }
}

/** Their series exist from the start, or from the moment at which a configuration is loaded again. */
function knownNames(config: Config): KnownNames {
  const logstores = logstoresOf(config).map(({ source, ref }) => {
    const { routes } = programOf(config, source, ref.logstore)
    const steps = [
      ...source.shape.map((step) => ({ route: source.name, step })),
      ...routes.flatMap(({ name: route, shape }) => shape.map((step) => ({ route, step }))),
    ]
    const failing = steps.flatMap(({ route, step }) => ('onFailure' in step ? { route, step } : []))
    const dropsFailures = failing.some(({ step }) => step.onFailure === 'drop')
    return {
      ref,
      group: source.consumerGroup,
      routes: routes.filter(({ copies }) => copies.length > 0).map(({ name }) => name),
      filterReasons: [
        'topic',
        ...routes.flatMap(({ drop }) => drop ?? []),
        ...(dropsFailures ? ['parse_failure'] : []),
        ...(steps.some(({ step }) => step.name === 'k8s_audit_policy') ? ['k8s_audit_policy'] : []),
        ...(steps.some(({ step }) => step.name === 'docker' && step.format === 'raw') ? ['blank_line'] : []),
      ],
      steps: failing.map(({ route, step }) => ({ route, step: step.name })),
    }
  })
  return { sinks: endsOf(config).sinks, logstores }
}

/** The status page has clients of its own, so that it never delays the bridge. */
class StatusClients {
  readonly #members: ReadonlyMap<string, { readonly client: SlsClient; readonly group: string }>

  constructor(config: Config, telemetry: Telemetry, credentials: CredentialSources) {
    const members = logstoresOf(config).map(({ source, ref }) => {
      const parts = {
        source,
        logstore: ref.logstore,
        proxies: config.proxies,
        telemetry,
        credentials: credentials(source),
      }
      return [logstoreKey(ref), { client: slsClient(parts), group: source.consumerGroup }] as const
    })
    this.#members = new Map(members)
  }

  async ask(logstore: LogstoreRef, signal: AbortSignal): Promise<ListedShard[]> {
    const member = this.#members.get(logstoreKey(logstore))
    return member === undefined ? [] : await shardsOfGroup(member.client, member.group, signal)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#members.values()].map(({ client }) => client.close()))
  }
}

/**
 * Loads the configuration again, once at a time, and takes over what changed, or says why not. One that is refused changes
 * nothing.
 */
function reloader(
  running: Config,
  {
    bridge,
    telemetry,
    metrics,
    reloading,
  }: { bridge: Bridge; telemetry: Telemetry; metrics: Metrics; reloading: Reloading },
): () => Promise<void> {
  const reload = async (): Promise<void> => {
    const loaded = await reloading.load()
    if ('refused' in loaded) {
      telemetry.reloaded('invalid')
      telemetry.notice('warn', 'the configuration is refused, and the old one stays in use', {
        problems: loaded.refused,
      })
      return
    }
    const changes = needsRestart(running, loaded.config)
    if (changes.length > 0) {
      telemetry.reloaded('needs_restart')
      const message = `the configuration needs a restart, and the old one stays in use; what changed: ${changes.join(', ')}`
      telemetry.notice('warn', message)
      return
    }
    // Before the first log takes a new route: `increase()` does not see a series that begins above 0.
    startAtZero(metrics, knownNames(loaded.config).logstores)
    tellOfDatabases(loaded.config, telemetry)
    bridge.use(loaded.config)
    telemetry.reloaded('done')
    telemetry.notice('info', 'the configuration is in use from the next pull on')
    for (const warning of loaded.warnings) telemetry.notice('warn', warning)
  }
  let turn = Promise.resolve()
  return () => {
    turn = turn.then(reload).catch((error) => {
      telemetry.reloaded('invalid')
      telemetry.notice('warn', `the configuration cannot be loaded: ${messageOf(error)}`, { error })
    })
    return turn
  }
}
