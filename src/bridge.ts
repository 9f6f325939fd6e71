import type { Config } from './config/load.ts'
import { ByteBudget } from './consumer/byte-budget.ts'
import { Worker } from './consumer/worker.ts'
import { BufferPool } from './core/buffer-pool.ts'
import { systemClock } from './core/clock.ts'
import type { Telemetry } from './core/telemetry.ts'
import { credentialSource, engineOptions, hecSink, logstoreOf, slsClient } from './parts.ts'
import { BatchMemory } from './pipeline/batch-memory.ts'
import { Encoder } from './pipeline/encoder.ts'
import type { EngineOptions } from './pipeline/engine.ts'
import { ReferenceEngine } from './pipeline/reference/engine.ts'
import { KernelBodies } from './pipeline/wasm/bodies.ts'
import { WasmEngine } from './pipeline/wasm/engine.ts'
import { Kernel } from './pipeline/wasm/kernel.ts'
import { DeadLetter } from './sinks/dead-letter.ts'
import type { Sink } from './sinks/sink.ts'
import type { SlsClient } from './sls/client.ts'

/** Memory that is kept for later bodies: two of the largest size that the service sends. */
const KEPT_BODY_BYTES = 24 << 20
/** Room in the kernel for blocks that are being inflated, in bytes. */
const INFLATING_BYTES = 24 << 20
/** The most memory that bodies get in the kernel, whose addresses end at 4 GiB. */
const KERNEL_BODY_BYTES = 1 << 30

/**
 * The data path of one replica, put together: READ THIS FIRST. A log travels down this list and its acknowledgement back up:
 *
 *   worker        heartbeats; holds shards as the consumer group says            consumer/worker.ts
 *   shard         pulls log groups within the byte budget, opens a ticket         consumer/shard-consumer.ts
 *   engine        selects by topic, turns protobuf bytes into HEC JSON batches    pipeline/engine.ts
 *     reference     says in TypeScript what an engine does                        pipeline/reference/engine.ts
 *     kernel        does the same in WebAssembly, and inflates LZ4                pipeline/wasm/engine.ts
 *   sink          posts, retries, cuts out refused events, awaits indexer acks    sinks/splunk-hec/sink.ts
 *   tracker       the highest cursor with nothing unsettled before it             consumer/checkpoint-tracker.ts
 *   committer     writes it back as the shard's checkpoint                        consumer/checkpoint-committer.ts
 *
 * `parts.ts` makes each end from the configuration; `replica.ts` puts log, metrics and health around this.
 */
export class Bridge {
  readonly #worker: Worker
  readonly #sink: Sink
  readonly #deadLetter: DeadLetter
  readonly #client: SlsClient

  constructor(config: Config, telemetry: Telemetry, credentials = credentialSource(config, telemetry)) {
    const { sls } = config
    const client = slsClient(config, telemetry, credentials)
    const budget = new ByteBudget(config.maxInFlightBytes, (bytes) => telemetry.inFlight(bytes))
    // The pool keeps as much as may be in flight. Acknowledgements free many batches at once, and new ones need that memory.
    const memory = new BatchMemory(config.maxInFlightBytes)
    const options = engineOptions(config, memory)
    const kernel = openKernel(options, budget, telemetry)
    const engine = kernel === undefined ? new ReferenceEngine(options) : new WasmEngine(kernel)
    const bodies = new BufferPool(KEPT_BODY_BYTES)
    const deadLetter = new DeadLetter({ dir: config.deadLetterDir, consumer: sls.consumer })
    const sink = hecSink(config, telemetry, deadLetter)
    this.#worker = new Worker({
      membership: {
        client,
        logstore: logstoreOf(config),
        group: { name: sls.consumerGroup, timeoutSeconds: sls.groupTimeoutMs / 1000, inOrder: sls.inOrder },
        consumer: sls.consumer,
        heartbeatMs: sls.heartbeatMs,
        commitIntervalMs: sls.commitIntervalMs,
      },
      reading: {
        start: sls.start,
        expired: sls.expiredCursor,
        fetchCount: sls.fetchCount,
        fetchIntervalMs: sls.fetchIntervalMs,
        ...(sls.query === undefined ? {} : { query: sls.query }),
      },
      downstream: {
        budget,
        bodies: kernel === undefined ? bodies : new KernelBodies(kernel, bodies),
        encoder: new Encoder(engine, memory),
        deliver: (batch, lease, started) => sink.deliver(batch, lease, started),
      },
      clock: systemClock,
      telemetry,
    })
    this.#sink = sink
    this.#deadLetter = deadLetter
    this.#client = client
  }

  /** Runs until `stop` is done. Rejects only on a bug: it first gives up every shard, without a commit. */
  async run(): Promise<void> {
    try {
      await this.#worker.run()
    } finally {
      await this.#sink.close()
      await this.#deadLetter.close()
      await this.#client.close()
    }
  }

  /** Drains and commits. True when everything pulled was delivered. `run` resolves after it. */
  stop(graceMs: number): Promise<boolean> {
    return this.#worker.stop(graceMs)
  }
}

/** The kernel gets room for bodies and for blocks being inflated. Unused memory costs nothing. */
function openKernel(options: EngineOptions, budget: ByteBudget, telemetry: Telemetry): Kernel | undefined {
  const kernel = Kernel.open(options, Math.min(KERNEL_BODY_BYTES, budget.pullLimit + INFLATING_BYTES))
  telemetry.notice('debug', `pulls are encoded in ${kernel ? 'WebAssembly' : 'JavaScript'}`)
  return kernel
}
