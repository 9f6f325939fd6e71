import pLimit from 'p-limit'
import { abortable } from '../core/abortable.ts'
import type { ConsumerGroup, ListedGroup, Shard, ShardCheckpoint } from './answers.ts'
import { checkpoints, consumerGroups, cursor, cursorTime, heartbeatShards, shards } from './answers.ts'
import { serverTime } from './errors.ts'
import type { Pull } from './pull.ts'
import { pullOf } from './pull.ts'
import type { Answer, Call, TransportOptions } from './transport.ts'
import { SlsTransport } from './transport.ts'

export type { ConsumerGroup, ListedGroup, Shard, ShardCheckpoint, ShardStatus } from './answers.ts'
export type { Pull } from './pull.ts'
export { MAX_RAW_BYTES } from './pull.ts'

const CONTROL_TIMEOUT_MS = 30_000
const PULL_TIMEOUT_MS = 60_000
/**
 * Pulls that wait for their headers. Hundreds of idle shards would otherwise ask all at once, each on a connection of its own
 * (about 120 KB each, measured with 256 shards).
 */
export const PULLS_AT_ONCE = 64
/** The largest JSON answer we parse. Its objects need many times its size. */
const JSON_BYTES = 1024 * 1024
/** Room for 10,000 shards or checkpoints (`MOST_SHARDS`), each with the longest consumer name we would choose. */
export const LIST_BYTES = 4 * 1024 * 1024

export interface SlsClientOptions extends TransportOptions {
  /** For a control call from beginning to end; 30 s unless told. */
  timeoutMs?: number
}

type CallOptions = Omit<Call, 'timeoutMs'> & { timeoutMs?: number | undefined }

export interface PullOptions {
  /** Log groups wanted, 1 to 1000. */
  count: number
  /** SPL the service applies before it answers. */
  query?: string
  /** Exclusive. */
  endCursor?: string
  signal?: AbortSignal
  /** To the headers, and later between two pieces of the body; 60 s unless told. */
  timeoutMs?: number
}

/**
 * Log Service as a consumer needs it: one logstore, one method per API (SLS protocol: endpoints). A call fails with an
 * `SlsError` for an error answer, with a Fault for anything else that is wrong on the way (`timeout`,
 * `corrupt_response`, network and TLS codes in lower case), or with the signal's reason. Nothing is retried here.
 */
export class SlsClient {
  readonly #transport: SlsTransport
  readonly #pulls = pLimit(PULLS_AT_ONCE)
  readonly #timeoutMs: number

  constructor(options: SlsClientOptions) {
    this.#transport = new SlsTransport(options)
    this.#timeoutMs = options.timeoutMs ?? CONTROL_TIMEOUT_MS
  }

  listConsumerGroups(signal?: AbortSignal): Promise<ListedGroup[]> {
    return this.#json({ api: 'ListConsumerGroup', method: 'GET', path: ['consumergroups'], signal }, consumerGroups)
  }

  /** Fails with the reaction `group_exists` when there is one of that name. */
  createConsumerGroup({ name, timeoutSeconds, inOrder }: ConsumerGroup, signal?: AbortSignal): Promise<void> {
    const body = { consumerGroup: name, timeout: timeoutSeconds, order: inOrder }
    return this.#ok({ api: 'CreateConsumerGroup', method: 'POST', path: ['consumergroups'], body, signal })
  }

  updateConsumerGroup({ name, timeoutSeconds, inOrder }: ConsumerGroup, signal?: AbortSignal): Promise<void> {
    const body = { order: inOrder, timeout: timeoutSeconds }
    return this.#ok({ api: 'UpdateConsumerGroup', method: 'PUT', path: ['consumergroups', name], body, signal })
  }

  /** Reports the shards this consumer still works on; returns those it should hold. */
  heartbeat(
    group: string,
    consumer: string,
    held: number[],
    options: { signal?: AbortSignal; timeoutMs?: number } = {},
  ): Promise<number[]> {
    return this.#json(
      {
        api: 'ConsumerGroupHeartBeat',
        method: 'POST',
        path: ['consumergroups', group],
        query: [
          ['type', 'heartbeat'],
          ['consumer', consumer],
        ],
        body: held,
        ...options,
      },
      heartbeatShards,
    )
  }

  /** Of one shard or of all; `[]` for a shard that does not exist. */
  getCheckpoints(group: string, shard?: number, signal?: AbortSignal): Promise<ShardCheckpoint[]> {
    const query = shard === undefined ? [] : [['shard', String(shard)] as const]
    const path = ['consumergroups', group]
    return this.#json({ api: 'GetCheckPoint', method: 'GET', path, query, signal }, checkpoints, LIST_BYTES)
  }

  /** Only the holder of the shard may (`forceSuccess=false`): others fail with the reaction `lost_shard`. */
  updateCheckpoint(
    group: string,
    consumer: string,
    shard: number,
    checkpoint: string,
    options: { signal?: AbortSignal; timeoutMs?: number } = {},
  ): Promise<void> {
    return this.#commit({ group, consumer, force: false }, { shard, checkpoint }, options)
  }

  /** Sets the checkpoint of a shard that no consumer holds (`forceSuccess=true`). Never for progress: it overwrites anything. */
  initialiseCheckpoint(
    group: string,
    consumer: string,
    shard: number,
    checkpoint: string,
    signal?: AbortSignal,
  ): Promise<void> {
    return this.#commit({ group, consumer, force: true }, { shard, checkpoint }, { signal })
  }

  #commit(
    { group, consumer, force }: { group: string; consumer: string; force: boolean },
    body: { shard: number; checkpoint: string },
    options: { signal?: AbortSignal | undefined; timeoutMs?: number },
  ): Promise<void> {
    return this.#ok({
      api: 'ConsumerGroupUpdateCheckPoint',
      method: 'POST',
      path: ['consumergroups', group],
      query: [
        ['type', 'checkpoint'],
        ['consumer', consumer],
        ['forceSuccess', String(force)],
      ],
      body,
      ...options,
    })
  }

  listShards(signal?: AbortSignal): Promise<Shard[]> {
    return this.#json({ api: 'ListShards', method: 'GET', path: ['shards'], signal }, shards, LIST_BYTES)
  }

  /** Unix seconds by the service's clock; by ours if it tells no time. */
  getTime(signal?: AbortSignal): Promise<number> {
    const call = { api: 'ListShards', method: 'GET', path: ['shards'], signal } as const
    return this.#transport.call(this.#timed(call), async (answer) => {
      await answer.json(LIST_BYTES)
      return timeOf(answer)
    })
  }

  /** `end` is the position of the next write; a time (unix seconds, of receipt) is the position of the first group since. */
  getCursor(shard: number, from: 'begin' | 'end' | number, signal?: AbortSignal): Promise<string> {
    const query = [['type', 'cursor'] as const, ['from', String(from)] as const]
    return this.#json({ api: 'GetCursor', method: 'GET', path: shardPath(shard), query, signal }, cursor)
  }

  /** When the service received the group at the cursor, in unix seconds. */
  getCursorTime(shard: number, at: string, signal?: AbortSignal): Promise<number> {
    const query = [['type', 'cursor_time'] as const, ['cursor', at] as const]
    return this.#json({ api: 'GetCursorTime', method: 'GET', path: shardPath(shard), query, signal }, cursorTime)
  }

  /** How many seconds ago the service received the group at the cursor, by its own clock; by ours if it tells no time. */
  getGroupAge(shard: number, at: string, signal?: AbortSignal): Promise<number> {
    const query = [['type', 'cursor_time'] as const, ['cursor', at] as const]
    const call = { api: 'GetCursorTime', method: 'GET', path: shardPath(shard), query, signal } as const
    return this.#transport.call(this.#timed(call), async (answer) => {
      const receivedAt = cursorTime(await answer.json(JSON_BYTES))
      if (receivedAt === undefined) throw answer.corrupt('the JSON has an unexpected shape')
      return Math.max(0, Math.round(timeOf(answer) - receivedAt))
    })
  }

  /**
   * Resolves as soon as the headers are there, so that the caller can make room for `rawSize` bytes before the body
   * comes. `signal` also governs the body.
   */
  pull(shard: number, from: string, options: PullOptions): Promise<Pull> {
    const { count, query, endCursor, signal, timeoutMs = PULL_TIMEOUT_MS } = options
    const parameters: Array<[string, string]> = [
      ['type', 'log'],
      ['cursor', from],
      ['count', String(count)],
    ]
    if (endCursor !== undefined) parameters.push(['end_cursor', endCursor])
    if (query !== undefined) parameters.push(['query', query], ['pullMode', 'scan_on_stream'])
    const call: Call = {
      api: 'PullLogs',
      method: 'GET',
      path: shardPath(shard),
      query: parameters,
      headers: { accept: 'application/x-protobuf', 'accept-encoding': 'lz4' },
      timeoutMs,
      signal,
    }
    const pulled = this.#pulls(() => {
      signal?.throwIfAborted()
      return this.#transport.call(call, (answer) => pullOf(answer, { from, idleMs: timeoutMs }))
    })
    return signal ? abortable(pulled, signal) : pulled
  }

  /** Ends what is still under way; unread pulls fail. */
  close(): Promise<void> {
    return this.#transport.close()
  }

  #json<T>(call: CallOptions, shape: (answer: unknown) => T | undefined, limit = JSON_BYTES): Promise<T> {
    return this.#transport.call(this.#timed(call), async (answer) => {
      const value = shape(await answer.json(limit))
      if (value === undefined) throw answer.corrupt('the JSON has an unexpected shape')
      return value
    })
  }

  /** For calls that answer nothing. A page that some proxy serves with status 200 is not taken for success. */
  #ok(call: CallOptions): Promise<void> {
    return this.#transport.call(this.#timed(call), async (answer) => {
      await answer.json(JSON_BYTES)
    })
  }

  #timed(call: CallOptions): Call {
    return { ...call, timeoutMs: call.timeoutMs ?? this.#timeoutMs }
  }
}

function timeOf(answer: Answer): number {
  return (serverTime((name) => answer.header(name)) ?? Date.now()) / 1000
}

function shardPath(shard: number): string[] {
  return ['shards', String(shard)]
}
