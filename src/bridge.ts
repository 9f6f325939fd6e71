import type { Config, SourceConfig } from './config/model.ts'
import { ByteBudget } from './consumer/byte-budget.ts'
import type { Downstream } from './consumer/downstream.ts'
import type { WorkerOptions } from './consumer/worker.ts'
import { Worker } from './consumer/worker.ts'
import { BufferPool } from './core/buffer-pool.ts'
import { systemClock } from './core/clock.ts'
import type { Fault } from './core/errors.ts'
import type { LogstoreRef } from './core/shard.ts'
import { logstoreKey } from './core/shard.ts'
import type { Telemetry } from './core/telemetry.ts'
import {
  batchLimitOf,
  consumerOf,
  credentialSources,
  logstoresOf,
  openDeadLetter,
  openSink,
  programOf,
  slsClient,
} from './parts.ts'
import { BatchMemory } from './pipeline/batch-memory.ts'
import { Encoder } from './pipeline/encoder.ts'
import type { Program } from './pipeline/program.ts'
import { ReferenceEngine } from './pipeline/reference/engine.ts'
import { programAt } from './pipeline/reference/logstore-program.ts'
import { KernelBodies } from './pipeline/wasm/bodies.ts'
import { WasmEngine } from './pipeline/wasm/engine.ts'
import type { KernelOptions } from './pipeline/wasm/kernel.ts'
import { Kernel } from './pipeline/wasm/kernel.ts'
import { BusySinks } from './sinks/busy-sinks.ts'
import type { DeadLetter } from './sinks/dead-letter.ts'
import { RefusedEvents } from './sinks/refused-events.ts'
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
 *   worker        one per logstore: heartbeats, and shards as its group says     consumer/worker.ts
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
  readonly #workers: readonly Worker[]
  readonly #clients: readonly SlsClient[]
  readonly #sinks: ReadonlyMap<string, Sink>
  readonly #refused: RefusedEvents
  readonly #deadLetter: DeadLetter
  /** The program of each logstore. */
  #programs: ReadonlyMap<string, Program> = new Map()
  /** Resolves if a sink can deliver nothing more until the process starts again. */
  readonly sinkLost: Promise<Fault>

  constructor(config: Config, telemetry: Telemetry, credentials = credentialSources(telemetry)) {
    const { maxInFlightBytes, proxies } = config
    const budget = new ByteBudget(maxInFlightBytes, {
      sinks: config.sinks.map(({ name }) => name),
      changed: (bytes) => telemetry.inFlight(bytes),
    })
    // The pool keeps as much as may be in flight. Acknowledgements free many batches at once, and new ones need that memory.
    const memory = new BatchMemory(maxInFlightBytes)
    const options = { maxBatchBytes: Math.max(...config.sinks.map(batchLimitOf)), memory }
    const kernel = openKernel(options, budget, telemetry)
    const engine = kernel === undefined ? new ReferenceEngine(memory) : new WasmEngine(kernel)
    const bodies = new BufferPool(KEPT_BODY_BYTES)
    const deadLetter = openDeadLetter(config, consumerOf(config))
    const { promise: sinkLost, resolve: lost } = Promise.withResolvers<Fault>()
    const sinks = new Map(
      config.sinks.map((sink) => [sink.name, openSink(sink, { proxies, telemetry, deadLetter, lost })] as const),
    )
    const refused = new RefusedEvents({ deadLetter, clock: systemClock, telemetry })
    const busy = new BusySinks(telemetry)
    const shared: Omit<Downstream, 'encoder'> = {
      budget,
      bodies: kernel === undefined ? bodies : new KernelBodies(kernel, bodies),
      deliver: (batch, lease, started) =>
        busy.run(batch.sink, () =>
          batch.refused === undefined
            ? sinkOf(sinks, batch.sink).deliver(batch, lease, started)
            : refused.write(batch, batch.refused, lease, started),
        ),
    }
    const members = logstoresOf(config).map(({ source, ref }) => {
      const client = slsClient({ source, logstore: ref.logstore, proxies, telemetry, credentials: credentials(source) })
      const program = (): Program => this.#programs.get(logstoreKey(ref)) as Program
      const downstream = { ...shared, encoder: new Encoder({ engine, memory, program }) }
      const member = memberOf(source, ref, client)
      return { client, worker: new Worker({ ...member, downstream, clock: systemClock, telemetry }) }
    })
    this.use(config)
    this.#workers = members.map(({ worker }) => worker)
    this.#clients = members.map(({ client }) => client)
    this.sinkLost = sinkLost
    this.#sinks = sinks
    this.#refused = refused
    this.#deadLetter = deadLetter
  }

  /** Takes over routes and shapes of a configuration, for later pulls. Its sources and sinks are those of this bridge. */
  use(config: Config): void {
    const programs = logstoresOf(config).map(({ source, ref }) => {
      return [logstoreKey(ref), programAt(programOf(config, source, ref.logstore), ref)] as const
    })
    this.#programs = new Map(programs)
  }

  /** Runs until `stop` is done. Rejects only on a bug: it first gives up every shard, without a commit. */
  async run(): Promise<void> {
    const runs = this.#workers.map((worker) => worker.run())
    try {
      await Promise.all(runs)
    } finally {
      for (const worker of this.#workers) worker.giveUp()
      await Promise.allSettled(runs)
      await Promise.all([...this.#sinks.values()].map((sink) => sink.close()))
      this.#refused.close()
      await this.#deadLetter.close()
      await Promise.all(this.#clients.map((client) => client.close()))
    }
  }

  /** Drains and commits. True when everything pulled was delivered. `run` resolves after it. */
  async stop(graceMs: number, tellsDeadline = true): Promise<boolean> {
    const clean = await Promise.all(this.#workers.map((worker) => worker.stop(graceMs, tellsDeadline)))
    return clean.every(Boolean)
  }
}

function memberOf(
  source: SourceConfig,
  logstore: LogstoreRef,
  client: SlsClient,
): Pick<WorkerOptions, 'membership' | 'reading'> {
  return {
    membership: {
      client,
      logstore,
      group: {
        name: source.consumerGroup,
        timeoutSeconds: source.groupTimeoutMs / 1000,
        inOrder: source.inOrder,
      },
      consumer: source.consumer,
      heartbeatMs: source.heartbeatMs,
      commitIntervalMs: source.commitIntervalMs,
    },
    reading: {
      start: source.start,
      expired: source.expiredCursor,
      fetchCount: source.fetchCount,
      fetchIntervalMs: source.fetchIntervalMs,
      ...(source.query === undefined ? {} : { query: source.query }),
    },
  }
}

function sinkOf(sinks: ReadonlyMap<string, Sink>, name: string): Sink {
  const sink = sinks.get(name)
  if (sink === undefined) throw new Error(`no sink ${name}`)
  return sink
}

/** The kernel gets room for bodies and for blocks being inflated. Unused memory costs nothing. */
function openKernel(options: KernelOptions, budget: ByteBudget, telemetry: Telemetry): Kernel | undefined {
  const kernel = Kernel.open(options, Math.min(KERNEL_BODY_BYTES, budget.bodiesLimit + INFLATING_BYTES))
  telemetry.notice('debug', `pulls are encoded in ${kernel ? 'WebAssembly' : 'JavaScript'}`)
  return kernel
}
