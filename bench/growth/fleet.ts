import { ByteBudget } from '../../src/consumer/byte-budget.ts'
import type { Deliver, PullEncoder } from '../../src/consumer/downstream.ts'
import { Worker } from '../../src/consumer/worker.ts'
import type { Batch, EncodeCounts, PullPosition } from '../../src/core/batch.ts'
import { originOf } from '../../src/core/batch.ts'
import { BufferPool } from '../../src/core/buffer-pool.ts'
import type { Telemetry } from '../../src/core/telemetry.ts'
import { NO_TELEMETRY } from '../../src/core/telemetry.ts'
import { ProcessClock, SimulatedClock } from './clock.ts'
import { Judge } from './judge.ts'
import type { Random } from './random.ts'
import { randomOf } from './random.ts'
import { GROUP, GROUP_BYTES, SimulatedClient, SimulatedSls } from './sls.ts'

export interface FleetOptions {
  shards: number
  seed: number
  heartbeatSeconds: number
  fetchSeconds: number
  /** Each shard gets one log group in this many seconds. 0: none. */
  writeSeconds: number
}

interface Replica {
  readonly name: string
  readonly clock: ProcessClock
  readonly worker: Worker
  /** Held and not being released. */
  readonly kept: Set<number>
  /** Told to stop, and no longer counted. */
  leaving: boolean
}

export const STEP_MS = 100
const GRACE_MS = 25_000
const COMMIT_INTERVAL_MS = 3_000
const GROUP_TIMEOUT_HEARTBEATS = 3
const BUDGET_BYTES = 64 << 20
/** From POST to the SIEM's answer, in milliseconds. */
const LEAST_DELIVERY_MS = 20
const DELIVERY_SPREAD_MS = 180
const LOGSTORE = { source: 'default', project: 'simulated', logstore: 'simulated' }
const NO_ENDS = new Uint32Array(0)
const TO_THE_SINK = { sink: 'splunk_hec', routes: ['default'] }

/**
 * Replicas of the bridge on one simulated clock. Each is a real `Worker` with its real parts. Simulated are the network, the
 * service's storage, the encoder (one batch a pull, nothing is encoded) and the SIEM.
 */
export class Fleet {
  readonly options: FleetOptions
  readonly time: SimulatedClock
  readonly judge: Judge
  readonly sls: SimulatedSls
  readonly #random: Random
  readonly #replicas = new Map<string, Replica>()
  #started = 0
  /** Shards that replicas were told to give up. */
  #draining = 0
  /** Bodies read and not yet completely encoded. */
  #encoding = 0
  #written = 0
  #writing: boolean

  constructor(options: FleetOptions) {
    this.options = options
    this.#writing = options.writeSeconds > 0
    this.#random = randomOf(options.seed)
    this.time = new SimulatedClock(() => this.#encoding > 0)
    this.judge = new Judge(options.shards, this.time.now)
    this.sls = new SimulatedSls(this.time, this.#random, options.shards, (commit) => this.judge.committed(commit))
  }

  /** Live replicas that are not leaving, the oldest first. */
  get members(): string[] {
    return [...this.#replicas.values()].filter(({ leaving }) => !leaving).map(({ name }) => name)
  }

  /** Number of shards that a replica keeps. */
  load(name: string): number {
    return this.#replicas.get(name)?.kept.size ?? 0
  }

  start(): void {
    const name = `replica-${this.#started++}`
    const clock = new ProcessClock(this.time)
    const kept = new Set<number>()
    const { heartbeatSeconds, fetchSeconds } = this.options
    const worker = new Worker({
      membership: {
        logstore: LOGSTORE,
        client: new SimulatedClient(this.sls, clock, () => void this.#encoding++),
        group: { name: GROUP, timeoutSeconds: heartbeatSeconds * GROUP_TIMEOUT_HEARTBEATS, inOrder: false },
        consumer: name,
        heartbeatMs: heartbeatSeconds * 1000,
        commitIntervalMs: Math.min(COMMIT_INTERVAL_MS, heartbeatSeconds * 1000),
      },
      reading: {
        start: { kind: 'begin' },
        expired: 'begin',
        fetchCount: 1000,
        fetchIntervalMs: fetchSeconds * 1000,
      },
      downstream: {
        budget: new ByteBudget(BUDGET_BYTES),
        bodies: new BufferPool(0),
        encoder: this.#encoder(),
        deliver: this.#sink(clock),
      },
      clock,
      telemetry: this.#telemetry(name, kept),
    })
    this.#replicas.set(name, { name, clock, worker, kept, leaving: false })
    worker.run().catch((error) => this.judge.failed(name, `ended with ${error}`))
  }

  /** Sends SIGTERM. The process ends when it is drained. */
  stop(name: string): void {
    const replica = this.#replicas.get(name)
    if (!replica) return
    replica.leaving = true
    this.#draining += replica.kept.size
    replica.kept.clear()
    void replica.worker.stop(GRACE_MS).then((clean) => {
      if (!clean) this.judge.failed(name, 'was not drained within its grace')
      this.#replicas.delete(name)
    })
  }

  /** SIGKILL. */
  kill(name: string): void {
    const replica = this.#replicas.get(name)
    if (!replica) return
    replica.clock.kill()
    this.#replicas.delete(name)
    for (const [shard, holder] of this.judge.holders.entries()) {
      if (holder !== name) continue
      this.judge.letGo(name, shard)
      if (!replica.kept.has(shard)) this.#draining--
    }
  }

  /** Every shard is held by a replica that stays, and no replica has two more than another. */
  get balanced(): boolean {
    const members = [...this.#replicas.values()].filter(({ leaving }) => !leaving)
    if (this.#draining > 0 || members.length === 0) return false
    const { shards } = this.options
    const share = Math.floor(shards / members.length)
    let held = 0
    for (const { kept } of members) {
      if (kept.size < share || kept.size > share + 1) return false
      held += kept.size
    }
    return held === shards
  }

  async advance(ms: number): Promise<void> {
    const end = this.time.now() + ms
    while (this.time.now() < end) {
      if (this.#writing) this.#write()
      await this.time.advance(Math.min(STEP_MS, end - this.time.now()))
    }
  }

  stopWriting(): void {
    this.#writing = false
  }

  /** Call it when there was time for everything to arrive. */
  assertNothingLost(): void {
    for (const { id, end } of this.sls.logstore.shards()) this.judge.assertDelivered(id, end)
  }

  /** Writes to the shards in turn, at an even rate. */
  #write(): void {
    const { shards, writeSeconds } = this.options
    const due = Math.floor((this.time.now() / 1000) * (shards / writeSeconds))
    for (; this.#written < due; this.#written++) this.sls.write(this.#written % shards)
  }

  #telemetry(name: string, kept: Set<number>): Telemetry {
    const { judge } = this
    return {
      ...NO_TELEMETRY,
      rebalanced: (_, { taken, givenUp }) => {
        for (const shard of taken) {
          judge.took(name, shard)
          kept.add(shard)
        }
        for (const shard of givenUp) if (kept.delete(shard)) this.#draining++
      },
      shardReleased: ({ shard }) => {
        if (!kept.delete(shard)) this.#draining--
        judge.letGo(name, shard)
      },
      leaseLost: ({ shard }, reason) => judge.failed(name, `lost shard ${shard}: ${reason}`),
      heartbeat: (_, result, fault) => {
        if (result !== 'ok') judge.failed(name, `heartbeat ${result}: ${fault?.message}`)
      },
      pullFailed: ({ shard }, fault) => judge.failed(name, `pull of shard ${shard} failed: ${fault.message}`),
      checkpointFailed: ({ shard }, fault) => judge.failed(name, `commit of shard ${shard} failed: ${fault.message}`),
      checkpointForeign: ({ shard }, { seen }) => judge.failed(name, `foreign checkpoint of shard ${shard}: ${seen}`),
      paused: (key, fault) => judge.failed(name, `paused ${key.reason}: ${fault.message}`),
    }
  }

  /** Makes one batch a pull and never reads its bytes. The fetcher waits for turns of the event loop before and after it. */
  #encoder(): PullEncoder {
    const ended = (): void => void this.#encoding--
    function* encode(body: Buffer, at: PullPosition): Generator<Batch, EncodeCounts> {
      const count = body.length / GROUP_BYTES
      try {
        if (count > 0) yield { origin: originOf(at), ...TO_THE_SINK, bytes: body, ends: NO_ENDS, count }
      } finally {
        ended()
      }
      return { logs: count, filtered: new Map(), routed: new Map(), failures: new Map() }
    }
    return {
      sinks: new Set(['splunk_hec']),
      begin: () => ({ isEmpty: true, add: () => {} }),
      topics: () => new Map(),
      encode,
      recycle: () => {},
    }
  }

  #sink(clock: ProcessClock): Deliver {
    return async ({ origin, count }, lease, started) => {
      lease.assertHeld()
      started()
      const from = this.sls.logstore.shard(origin.shard).find(origin.cursor) as number
      const ms = LEAST_DELIVERY_MS + DELIVERY_SPREAD_MS * this.#random()
      await clock.sleep(ms / 2, lease.signal)
      this.judge.accepted(origin.shard, from, from + count)
      await clock.sleep(ms / 2, lease.signal)
      this.judge.acknowledged(origin.shard, from, from + count)
    }
  }
}
