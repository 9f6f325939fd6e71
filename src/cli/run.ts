import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { Bridge, credentialSource, GROUP_TIMEOUT_HEARTBEATS, slsClient } from '../bridge.ts'
import type { Config } from '../config/load.ts'
import { systemClock } from '../core/clock.ts'
import { Fault, messageOf } from '../core/errors.ts'
import type { AdminServer } from '../observability/admin-server.ts'
import { startAdminServer } from '../observability/admin-server.ts'
import { watchEventLoop } from '../observability/event-loop.ts'
import { Health } from '../observability/health.ts'
import type { OpenLogger } from '../observability/logger.ts'
import { openLogger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'
import { createMetrics } from '../observability/metrics.ts'
import { Status } from '../observability/status.ts'
import { BridgeTelemetry } from '../observability/telemetry.ts'
import type { SlsClient } from '../sls/client.ts'
import { shardsOfGroup } from '../sls/group-shards.ts'
import { USER_AGENT, VERSION } from '../version.ts'
import type { CommandIo } from './command.ts'
import { EXIT } from './command.ts'
import { configurationOf } from './configuration.ts'

const HELP = `Run one replica: lease shards of the consumer group, deliver their logs, commit what was acknowledged.

usage: sls-siem-bridge run

Configured by the environment and .env alone: see docs/configuration.md, or .env.example for a start.
Scale by starting more of them. SIGTERM or SIGINT drains and commits within SHUTDOWN_GRACE_SECONDS and exits 0; a second
SIGINT leaves at once.
`

export async function runCommand(argv: string[], io: CommandIo): Promise<number> {
  let help: boolean
  try {
    help = parseArgs({ args: argv, options: { help: { type: 'boolean', default: false } } }).values.help
  } catch (error) {
    io.stderr.write(`sls-siem-bridge run: ${messageOf(error)} (see --help)\n`)
    return EXIT.usage
  }
  if (help) {
    io.stdout.write(HELP)
    return EXIT.done
  }
  const configuration = configurationOf(io)
  if (!configuration) return EXIT.usage
  const { config, warnings } = configuration
  let replica: Replica
  try {
    replica = await Replica.start(config)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    io.stderr.write(`sls-siem-bridge: ${error.message}${error.advice ? `\n  → ${error.advice}` : ''}\n`)
    return EXIT.usage
  }
  for (const warning of warnings) replica.logger.log.warn(warning)
  return replica.untilEnded(io.signal, config.shutdownGraceSeconds * 1000)
}

/** The bridge with what people look at it through: log, metrics, health, admin server. */
class Replica {
  readonly logger: OpenLogger
  readonly #bridge: Bridge
  readonly #admin: AdminServer
  readonly #health: Health
  /** The status page's own, idle while nobody looks. */
  readonly #client: SlsClient
  readonly #unwatch: () => void

  private constructor(parts: {
    logger: OpenLogger
    bridge: Bridge
    admin: AdminServer
    health: Health
    client: SlsClient
    unwatch: () => void
  }) {
    this.logger = parts.logger
    this.#bridge = parts.bridge
    this.#admin = parts.admin
    this.#health = parts.health
    this.#client = parts.client
    this.#unwatch = parts.unwatch
  }

  static async start(config: Config): Promise<Replica> {
    const { sls } = config
    const logger = await openLogger({ ...config.log, consumer: sls.consumer })
    const metrics: Metrics = createMetrics(VERSION)
    const groupTimeoutMs = sls.heartbeatSeconds * GROUP_TIMEOUT_HEARTBEATS * 1000
    const health = new Health({ clock: systemClock, groupTimeoutMs })
    const status = new Status({
      clock: systemClock,
      health,
      about: {
        version: VERSION,
        consumer: sls.consumer,
        group: sls.consumerGroup,
        project: sls.project,
        logstore: sls.logstore,
      },
      askGroup: (signal) => shardsOfGroup(client, sls.consumerGroup, signal),
    })
    const telemetry = new BridgeTelemetry({
      log: logger.log,
      metrics,
      health,
      status,
      clock: systemClock,
      project: sls.project,
      logstore: sls.logstore,
    })
    const credentials = credentialSource(config, telemetry)
    const client = slsClient(config, telemetry, USER_AGENT, credentials)
    const admin = await startAdminServer({ ...config.admin, registry: metrics.registry, health, status, telemetry })
    telemetry.notice('info', `sls-siem-bridge ${VERSION} starting`, {
      project: sls.project,
      logstore: sls.logstore,
      group: sls.consumerGroup,
      credentials: sls.credentials.source,
      topics: config.filter.topics,
      hec: config.hec.urls,
    })
    const bridge = new Bridge(config, telemetry, USER_AGENT, credentials)
    const unwatch = watchEventLoop((seconds) => metrics.event_loop_delay_seconds.observe(seconds))
    return new Replica({ logger, bridge, admin, health, client, unwatch })
  }

  async untilEnded(end: AbortSignal, graceMs: number): Promise<number> {
    const { log, flush } = this.logger
    const running = this.#bridge.run()
    try {
      await Promise.race([running, end.aborted ? undefined : once(end, 'abort')])
      if (end.aborted) {
        log.info(`stopping: draining for at most ${graceMs / 1000} s`)
        this.#health.stopping()
        const clean = await this.#bridge.stop(graceMs)
        // Whoever gives up only now still has something to say.
        await running
        log.info(
          clean ? 'stopped: whatever was held is delivered and committed' : 'stopped: some of it will be pulled again',
        )
      }
      await running
      return EXIT.done
    } catch (error) {
      log.fatal({ error }, 'an unexpected error ended this replica; others take its shards over from their checkpoints')
      return EXIT.failed
    } finally {
      this.#unwatch()
      await this.#admin.close()
      await this.#client.close()
      flush()
    }
  }
}
