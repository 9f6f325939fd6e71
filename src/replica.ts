import { once } from 'node:events'
import { Bridge } from './bridge.ts'
import type { Config, SinkConfig, SourceConfig } from './config/model.ts'
import { systemClock } from './core/clock.ts'
import { startAdminServer } from './observability/admin-server.ts'
import { watchEventLoop } from './observability/event-loop.ts'
import { Health } from './observability/health.ts'
import { openLogger } from './observability/logger.ts'
import { createMetrics } from './observability/metrics.ts'
import { Pauses } from './observability/pauses.ts'
import { Status } from './observability/status.ts'
import { BridgeTelemetry } from './observability/telemetry.ts'
import { consumerOf, credentialSources, logstoresOf, slsClient } from './parts.ts'
import { shardsOfGroup } from './sls/group-shards.ts'
import { VERSION } from './version.ts'

/**
 * Runs one replica, the bridge with its log, metrics, health and status page, until `end` aborts. Then the bridge drains, at
 * most for its grace. Returns true after a regular end, and false when a bug ended the replica; the log shows the bug.
 * Rejects with a Fault when the log file or the admin port cannot be opened: `transient` if that may pass by itself.
 */
export async function runReplica(config: Config, warnings: readonly string[], end: AbortSignal): Promise<boolean> {
  const { sources, sinks, proxies, shutdownGraceMs } = config
  // The status page shows one logstore.
  const [first] = logstoresOf(config)
  if (first === undefined) throw new Error('no logstore')
  const { project, logstore } = first.ref
  const group = first.source.consumerGroup
  const consumer = consumerOf(config)
  const clock = systemClock
  const metrics = createMetrics({ version: VERSION, sinks: sinks.map(({ name }) => name) })
  const lost = () => metrics.log_lines_lost_total.inc()
  const { log, flush } = await openLogger({ ...config.log, consumer, lost })
  for (const warning of warnings) log.warn(warning)
  const pauses = new Pauses(clock)
  const health = new Health({
    clock,
    groupTimeoutMs: Math.max(...sources.map(({ groupTimeoutMs }) => groupTimeoutMs)),
    pauses,
  })
  const status = new Status({
    clock,
    health,
    pauses,
    logstore: first.ref,
    about: { version: VERSION, consumer, group, project, logstore },
    // Called later: the client needs telemetry, and telemetry needs this status.
    askGroup: (signal) => shardsOfGroup(statusClient, group, signal),
  })
  const telemetry = new BridgeTelemetry({ log, metrics, health, status, pauses, clock })
  const credentials = credentialSources(telemetry)
  // The status page has its own client, so that it never delays the bridge.
  const statusClient = slsClient({ ...first, logstore, proxies, telemetry, credentials: credentials(first.source) })
  const serving = { ...config.admin, registry: metrics.registry, health, status, telemetry }
  const admin = await startAdminServer(serving).catch((error) => {
    flush()
    throw error
  })
  telemetry.notice('info', `sls-siem-bridge ${VERSION} starting`, {
    ...(sources.length === 1 ? aboutSource(first.source) : { sources: sources.map(aboutSource) }),
    ...(sinks.length === 1 ? aboutSink(sinks[0] as SinkConfig) : { sinks: sinks.map(aboutSink) }),
  })
  const unwatch = watchEventLoop((seconds) => metrics.event_loop_delay_seconds.observe(seconds))
  try {
    const bridge = new Bridge(config, telemetry, credentials)
    const ended = bridge.run()
    await Promise.race([ended, end.aborted ? undefined : once(end, 'abort')])
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
    await statusClient.close()
    flush()
  }
}

function aboutSource({ project, logstores, consumerGroup: group, credentials, topics }: SourceConfig): object {
  const logstore = logstores.length === 1 ? logstores[0] : logstores
  return { project, logstore, group, credentials: credentials.source, topics }
}

function aboutSink(sink: SinkConfig): object {
  return sink.type === 'splunk_hec' ? { hec: sink.urls } : { file: sink.path }
}
