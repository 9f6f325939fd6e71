import pLimit from 'p-limit'
import { abortable } from '../../src/core/abortable.ts'
import { Fault } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import type { ConsumerGroup as GroupState } from '../../src/emulator/sls/consumer-group.ts'
import { Logstore } from '../../src/emulator/sls/logstore.ts'
import { SlsRefusal } from '../../src/emulator/sls/refusal.ts'
import type { StoredGroup } from '../../src/emulator/sls/shard.ts'
import { checkpoints, consumerGroups, heartbeatShards, shards } from '../../src/sls/answers.ts'
import type { ConsumerGroup, ListedGroup, Pull, PullOptions, Shard, ShardCheckpoint } from '../../src/sls/client.ts'
import { LIST_BYTES, PULLS_AT_ONCE, SlsClient } from '../../src/sls/client.ts'
import type { SlsApi } from '../../src/sls/errors.ts'
import { errorOfAnswer } from '../../src/sls/errors.ts'
import type { ProcessClock, SimulatedClock } from './clock.ts'
import type { Random } from './random.ts'
import { Traffic } from './traffic.ts'

export const GROUP = 'growth'
const PROJECT = 'growth'
const LOGSTORE = 'audit'
/** Size of one log group in a pull, inflated. */
export const GROUP_BYTES = 1024
const STORED: Omit<StoredGroup, 'receivedAt'> = { bytes: Buffer.alloc(0), rawSize: GROUP_BYTES, tail: 0, logs: 1 }
/** Latency in one direction, in milliseconds: a service in the same region, over TLS. */
const LEAST_LATENCY_MS = 2
const LATENCY_SPREAD_MS = 10

export interface Committed {
  consumer: string
  shard: number
  /** Position, not cursor. */
  position: number
}

/** Log Service: the emulator's logstore, shards and consumer group, without its sockets, on simulated time. */
export class SimulatedSls {
  readonly logstore: Logstore
  readonly traffic: Traffic
  readonly #time: SimulatedClock
  readonly #random: Random
  readonly #committed: (commit: Committed) => void
  #listing: { json: unknown; bytes: number } | undefined

  constructor(time: SimulatedClock, random: Random, count: number, committed: (commit: Committed) => void) {
    this.#time = time
    this.#random = random
    this.#committed = committed
    this.traffic = new Traffic(time.now)
    this.logstore = new Logstore({
      project: PROJECT,
      name: LOGSTORE,
      now: time.wall,
      shards: count,
      settings: { ttl: 3650 },
    })
  }

  /** Writes a log group to a shard. */
  write(shard: number): void {
    this.logstore.shard(shard).append({ ...STORED, receivedAt: this.#time.wall() })
  }

  get group(): GroupState {
    return this.logstore.group(GROUP)
  }

  /** Latency in one direction. */
  latency(): number {
    return LEAST_LATENCY_MS + LATENCY_SPREAD_MS * this.#random()
  }

  accepted(commit: { consumer: string; shard: number; checkpoint: string }): void {
    const { consumer, shard, checkpoint } = commit
    this.#committed({ consumer, shard, position: this.logstore.shard(shard).find(checkpoint) ?? Number.NaN })
  }

  /** The answer to ListShards. It is made once because nothing splits here. */
  get listing(): { json: unknown; bytes: number } {
    if (!this.#listing) {
      const json = this.logstore.shards().map((shard) => ({
        shardID: shard.id,
        status: shard.status,
        inclusiveBeginKey: shard.beginKey,
        exclusiveEndKey: shard.endKey,
        createTime: Math.floor(shard.createdAt / 1000),
      }))
      this.#listing = { json, bytes: JSON.stringify(json).length }
    }
    return this.#listing
  }
}

const CONTENTS = Buffer.alloc(64 << 20)

/** The `SlsClient` of a replica: the same calls, shapes and limits, with the network simulated as time. */
export class SimulatedClient extends SlsClient {
  readonly #sls: SimulatedSls
  readonly #clock: ProcessClock
  readonly #bodyRead: () => void
  readonly #pulling = pLimit(PULLS_AT_ONCE)
  #underWay = 0

  /** `bodyRead` is called for each body that was handed over to be encoded. */
  constructor(sls: SimulatedSls, clock: ProcessClock, bodyRead: () => void) {
    super({
      ...{ endpoint: 'http://127.0.0.1:1', project: PROJECT, logstore: LOGSTORE, userAgent: 'growth' },
      credentials: async () => ({ accessKeyId: '', accessKeySecret: new Secret('') }),
    })
    this.#sls = sls
    this.#clock = clock
    this.#bodyRead = bodyRead
  }

  override listConsumerGroups(signal?: AbortSignal): Promise<ListedGroup[]> {
    return this.#ask('ListConsumerGroup', signal, () => {
      const { logstore } = this.#sls
      const json = [...logstore.groups.values()].map(({ name, timeoutSeconds, order }) => ({
        ...{ name, timeout: timeoutSeconds, order },
      }))
      return { bytes: json.length * 60, value: consumerGroups(json) }
    })
  }

  override createConsumerGroup(group: ConsumerGroup, signal?: AbortSignal): Promise<void> {
    const { name, timeoutSeconds, inOrder } = group
    return this.#ask('CreateConsumerGroup', signal, () => {
      this.#sls.logstore.createGroup({ name, timeoutSeconds, order: inOrder })
      return NOTHING
    })
  }

  override updateConsumerGroup(group: ConsumerGroup, signal?: AbortSignal): Promise<void> {
    const { name, timeoutSeconds, inOrder } = group
    return this.#ask('UpdateConsumerGroup', signal, () => {
      this.#sls.logstore.updateGroup(name, { timeoutSeconds, order: inOrder })
      return NOTHING
    })
  }

  override heartbeat(
    group: string,
    consumer: string,
    held: number[],
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<number[]> {
    return this.#ask('ConsumerGroupHeartBeat', signal, () => {
      const json = this.#sls.logstore.group(group).heartbeat(consumer, held)
      return { bytes: 2 + json.reduce((sum, shard) => sum + 1 + digits(shard), 0), value: heartbeatShards(json) }
    })
  }

  override getCheckpoints(group: string, shard?: number, signal?: AbortSignal): Promise<ShardCheckpoint[]> {
    return this.#ask('GetCheckPoint', signal, () => {
      const json = this.#sls.logstore.group(group).checkpoints(shard)
      const bytes = json.reduce((sum, entry) => sum + 72 + entry.checkpoint.length + entry.consumer.length, 0)
      return { bytes, value: checkpoints(json) }
    })
  }

  override updateCheckpoint(
    group: string,
    consumer: string,
    shard: number,
    checkpoint: string,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<void> {
    return this.#ask('ConsumerGroupUpdateCheckPoint', signal, () => {
      this.#sls.logstore.group(group).commit({ shard, checkpoint, consumer, force: false })
      this.#sls.accepted({ consumer, shard, checkpoint })
      return NOTHING
    })
  }

  override listShards(signal?: AbortSignal): Promise<Shard[]> {
    return this.#ask('ListShards', signal, () => {
      const { json, bytes } = this.#sls.listing
      return { bytes, value: shards(json) }
    })
  }

  override getCursor(shard: number, from: 'begin' | 'end' | number, signal?: AbortSignal): Promise<string> {
    return this.#ask('GetCursor', signal, () => {
      const found = this.#sls.logstore.shard(shard)
      const position = from === 'begin' ? found.begin : from === 'end' ? found.end : found.positionAt(from * 1000)
      return { bytes: 48, value: found.cursorAt(position) }
    })
  }

  override getCursorTime(shard: number, at: string, signal?: AbortSignal): Promise<number> {
    return this.#ask('GetCursorTime', signal, () => {
      const found = this.#sls.logstore.shard(shard)
      const receivedAt = found.receivedAt(found.positionOf(at))
      if (receivedAt === undefined) throw new SlsRefusal('InvalidCursor', 'no log group there')
      return { bytes: 27, value: Math.floor(receivedAt / 1000) }
    })
  }

  override pull(shard: number, from: string, { count, signal }: PullOptions): Promise<Pull> {
    const pulled = this.#pulling(() => this.#pull(shard, from, count, signal))
    return signal ? abortable(pulled, signal) : pulled
  }

  async #pull(shard: number, from: string, count: number, signal: AbortSignal | undefined): Promise<Pull> {
    signal?.throwIfAborted()
    return await this.#ask('PullLogs', signal, () => {
      const found = this.#sls.logstore.shard(shard)
      const position = found.positionOf(from)
      const groupCount = found.read(position, { count, maxBytes: 10 << 20 }).groups.length
      const next = position + groupCount
      const rawSize = groupCount * GROUP_BYTES
      const pull: Pull = {
        ...{ nextCursor: found.cursorAt(next), groupCount, rawSize, endOfCursor: next === found.end },
        readLastCursor: groupCount === 0 ? undefined : found.number(next - 1),
        serverTimeMs: this.#clock.wall(),
        read: async () => {
          this.#bodyRead()
          return CONTENTS.subarray(0, rawSize)
        },
        discard: () => {},
      }
      return { bytes: 0, value: pull }
    })
  }

  /** Does nothing: there are no connections. */
  override async close(): Promise<void> {}

  /** One way, the service's work, and back. A call under way ends where it is when the process is killed. */
  async #ask<T>(api: SlsApi, signal: AbortSignal | undefined, handle: () => Handled<T>): Promise<T> {
    this.#sls.traffic.underWay(++this.#underWay)
    try {
      return await this.#answered(api, signal, handle)
    } finally {
      this.#underWay--
    }
  }

  async #answered<T>(api: SlsApi, signal: AbortSignal | undefined, handle: () => Handled<T>): Promise<T> {
    await this.#clock.sleep(this.#sls.latency(), signal)
    let handled: Handled<T> | undefined
    let failure: unknown
    try {
      handled = handle()
    } catch (error) {
      failure = error
    }
    this.#sls.traffic.count(api, handled?.bytes ?? 0)
    await this.#clock.sleep(this.#sls.latency(), signal)
    if (!handled) throw failure instanceof SlsRefusal ? faultOf(api, failure) : failure
    if (handled.bytes > LIST_BYTES) throw unusable(api, `the body is longer than ${LIST_BYTES} bytes`)
    if (handled.value === undefined && handled !== (NOTHING as Handled<unknown>)) {
      throw unusable(api, 'the JSON has an unexpected shape')
    }
    return handled.value as T
  }
}

interface Handled<T> {
  bytes: number
  value: T | undefined
}

const NOTHING: Handled<void> = { bytes: 0, value: undefined }

function faultOf(api: SlsApi, { code, message, status }: SlsRefusal): Fault {
  const text = JSON.stringify({ errorCode: code, errorMessage: message })
  const context = { api, project: PROJECT, logstore: LOGSTORE, host: 'simulated' }
  return errorOfAnswer(context, { status, header: () => undefined, text, receivedAt: 0 })
}

function unusable(api: SlsApi, what: string): Fault {
  return new Fault('transient', `${api}: unusable answer: ${what}`, { code: 'corrupt_response' })
}

function digits(shard: number): number {
  return shard < 10 ? 1 : Math.floor(Math.log10(shard)) + 1
}
