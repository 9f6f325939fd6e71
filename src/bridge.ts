import { readFileSync } from 'node:fs'
import type { Config } from './config/load.ts'
import { ByteBudget } from './consumer/byte-budget.ts'
import { Worker } from './consumer/worker.ts'
import { BufferPool } from './core/buffer-pool.ts'
import { systemClock } from './core/clock.ts'
import type { Telemetry } from './core/telemetry.ts'
import { Encoder } from './pipeline/encoder.ts'
import { KernelBodies } from './pipeline/wasm/bodies.ts'
import { Kernel } from './pipeline/wasm/kernel.ts'
import { DeadLetter } from './sinks/dead-letter.ts'
import type { HecConnection } from './sinks/splunk-hec/client.ts'
import { SplunkHecSink } from './sinks/splunk-hec/sink.ts'
import { SlsClient } from './sls/client.ts'
import { FILES, readCredentialFiles } from './sls/credential-files.ts'
import type { CredentialSource, Issued } from './sls/credentials.ts'
import { fixedCredentials, RenewedCredentials } from './sls/credentials.ts'
import { fetchVendorCredentials, nameOf } from './sls/vendor-credentials.ts'

/** The group’s timeout in heartbeat intervals (contract). */
export const GROUP_TIMEOUT_HEARTBEATS = 3
/**
 * How often a moved low-water mark is written back at the most: a crash repeats this much and what was in flight. One write
 * per shard and interval is little to SLS, and a short heartbeat asks for short take-overs.
 */
const COMMIT_INTERVAL_MS = 3_000
/** Two bodies of the size the service sends at the most. */
const KEPT_BODY_BYTES = 24 << 20
/** Memory that bodies have in the kernel at the most; its addresses end at 4 GiB. */
const KERNEL_BODY_BYTES = 1 << 30

/**
 * One replica, put together: READ THIS FIRST. A log travels down this list and its acknowledgement back up:
 *
 *   worker        heartbeats; holds shards as the consumer group says            consumer/worker.ts
 *   shard         pulls log groups within the byte budget, opens a ticket         consumer/shard-consumer.ts
 *   kernel        the encoder's and LZ4's inner loops in WebAssembly              pipeline/wasm/kernel.ts
 *   encoder       selects by topic, turns protobuf bytes into HEC JSON batches    pipeline/encoder.ts
 *   sink          posts, retries, cuts out refused events, awaits indexer acks    sinks/splunk-hec/sink.ts
 *   tracker       the highest cursor with nothing unsettled before it             consumer/checkpoint-tracker.ts
 *   committer     writes it back as the shard's checkpoint                        consumer/checkpoint-committer.ts
 */
export class Bridge {
  readonly #worker: Worker
  readonly #sink: SplunkHecSink
  readonly #deadLetter: DeadLetter
  readonly #client: SlsClient

  constructor(config: Config, telemetry: Telemetry, userAgent: string, credentials?: CredentialSource) {
    const clock = systemClock
    this.#client = slsClient(config, telemetry, userAgent, credentials)
    this.#deadLetter = new DeadLetter({ dir: config.deadLetterDir, consumer: config.sls.consumer })
    this.#sink = hecSink(config, telemetry, userAgent, this.#deadLetter)
    const { sls } = config
    const budget = new ByteBudget(config.maxInFlightBytes, (bytes) => telemetry.inFlight(bytes))
    const bodies = new BufferPool(KEPT_BODY_BYTES)
    const kernel = openKernel(config, budget, telemetry)
    this.#worker = new Worker({
      client: this.#client,
      group: {
        name: sls.consumerGroup,
        timeoutSeconds: Math.ceil(sls.heartbeatSeconds * GROUP_TIMEOUT_HEARTBEATS),
        inOrder: sls.inOrder,
      },
      consumer: sls.consumer,
      heartbeatMs: sls.heartbeatSeconds * 1000,
      start: sls.start,
      expired: sls.expiredCursor,
      fetchCount: sls.fetchCount,
      fetchIntervalMs: sls.fetchIntervalSeconds * 1000,
      commitIntervalMs: Math.min(COMMIT_INTERVAL_MS, sls.heartbeatSeconds * 1000),
      ...(sls.query === undefined ? {} : { query: sls.query }),
      // As much as can be in flight: acknowledgements come many at a time, and as many batches are wanted again at once.
      encoder: new Encoder({ ...encoderOptions(config), keptBytes: config.maxInFlightBytes }, kernel),
      deliver: (batch, lease, started) => this.#sink.deliver(batch, lease, started),
      budget,
      bodies: kernel === undefined ? bodies : new KernelBodies(kernel, bodies),
      clock,
      telemetry,
    })
  }

  /** Runs until `stop` is done. Rejects only on a bug, after every shard was let go uncommitted. */
  async run(): Promise<void> {
    try {
      await this.#worker.run()
    } finally {
      await this.#sink.close()
      await this.#deadLetter.close()
      await this.#client.close()
    }
  }

  /** Drains, commits, leaves; true when nothing pulled was left undelivered. `run` resolves after it. */
  stop(graceMs: number): Promise<boolean> {
    return this.#worker.stop(graceMs)
  }
}

/** Room for what the budget lets us hold, and for blocks while they are inflated; only what is used becomes resident. */
function openKernel(config: Config, budget: ByteBudget, telemetry: Telemetry): Kernel | undefined {
  const kernel = Kernel.open(encoderOptions(config), Math.min(KERNEL_BODY_BYTES, budget.pullLimit + KEPT_BODY_BYTES))
  telemetry.notice('debug', `pulls are encoded in ${kernel ? 'WebAssembly' : 'JavaScript'}`)
  return kernel
}

export function slsClient(
  config: Config,
  telemetry: Telemetry,
  userAgent: string,
  credentials: CredentialSource = credentialSource(config, telemetry),
): SlsClient {
  const { sls } = config
  return new SlsClient({
    endpoint: sls.endpoint,
    project: sls.project,
    logstore: sls.logstore,
    credentials: () => credentials.get(),
    credentialsRefused: (these) => credentials.refused(these),
    credentialsChoice: sls.credentials.source,
    ...(sls.region === undefined ? {} : { region: sls.region }),
    userAgent,
    onRequest: (api, status, code, seconds) => telemetry.slsRequest(api, status, code, seconds),
  })
}

/** One for all clients of a process, or each asks for credentials of its own. */
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

/** What the sink and the preflight of `check` both need to reach HEC. */
export function hecConnection({ hec }: Config, telemetry: Telemetry, userAgent: string): HecConnection {
  const { verify, caFile, certFile, keyFile, serverName } = hec.tls
  return {
    token: hec.token,
    timeoutMs: hec.timeoutSeconds * 1000,
    tls: {
      verify,
      ...(caFile === undefined ? {} : { ca: readFileSync(caFile) }),
      ...(certFile === undefined ? {} : { cert: readFileSync(certFile) }),
      ...(keyFile === undefined ? {} : { key: readFileSync(keyFile) }),
      ...(serverName === undefined ? {} : { serverName }),
    },
    userAgent,
    clock: systemClock,
    telemetry,
  }
}

export function hecSink(
  config: Config,
  telemetry: Telemetry,
  userAgent: string,
  deadLetter: DeadLetter,
): SplunkHecSink {
  const { hec } = config
  return new SplunkHecSink({
    ...hecConnection(config, telemetry, userAgent),
    urls: hec.urls,
    ack: hec.ack,
    ackPollMs: hec.ackPollSeconds * 1000,
    ackTimeoutMs: hec.ackTimeoutSeconds * 1000,
    gzip: hec.gzip,
    maxBytes: hec.maxBytes,
    concurrency: hec.concurrency,
    deadLetter,
    telemetry,
  })
}

export function encoderOptions({ sls, filter, hec }: Config) {
  return {
    project: sls.project,
    logstore: sls.logstore,
    maxBatchBytes: hec.maxBytes,
    topics: filter.topics,
    source: hec.source,
    sourcetype: hec.sourcetype,
    ...(hec.host === undefined ? {} : { host: hec.host }),
    ...(hec.index === undefined ? {} : { index: hec.index }),
  }
}
