import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'
import { DEFAULT_SOURCE } from '../../../src/config/names.ts'
import type { Membership } from '../../../src/consumer/consumer-group.ts'
import { Secret } from '../../../src/core/secret.ts'
import type { LogstoreRef, ShardRef } from '../../../src/core/shard.ts'
import type { SlsApi } from '../../../src/emulator/sls/call.ts'
import { callOf, targetOf } from '../../../src/emulator/sls/call.ts'
import type { Logstore } from '../../../src/emulator/sls/logstore.ts'
import { storedBlock } from '../../../src/emulator/sls/lz4-join.ts'
import type { SlsEmulator, SlsEmulatorOptions } from '../../../src/emulator/sls/server.ts'
import { startSlsEmulator } from '../../../src/emulator/sls/server.ts'
import type { Pull, PullOptions, SlsClientOptions } from '../../../src/sls/client.ts'
import { SlsClient } from '../../../src/sls/client.ts'
import { encodeLogGroup } from '../../../src/sls/log-group.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { Recorder } from '../sinks/delivery-double.ts'
import type { SeenRequest } from '../sls/scripted-server.ts'

export interface Answer {
  status: number
  headers: string[]
  body: Buffer
}

export interface Asked extends SeenRequest {
  api: SlsApi
  /** In the path, the query or the body. */
  shard: number
  /** Time of arrival, by the clock's `monotonic`. */
  at: number
  json(): unknown
  /** Has the emulator handle the request, and leaves it to the caller to answer. */
  handle(): Promise<Answer>
  /** Has the emulator handle and answer the request. */
  pass(): Promise<void>
}

/** Answers or passes the request. If it does neither, the client waits until it gives up. */
export type Reply = (response: ServerResponse, asked: Asked) => void | Promise<void>

export interface Held {
  /** The request has arrived. */
  readonly arrived: Promise<void>
  /** Lets it go on. Resolves when it was handled, also when its client has left. */
  release(): Promise<void>
}

/** The service does what it was asked, and its answer is lost. */
export const lostAnswer: Reply = async (response, asked) => {
  await asked.handle()
  response.destroy()
}

export const GROUP = 'my-group'
export const CONSUMER = 'me'

/**
 * The SLS emulator on a manual clock, behind a server that a test can script to answer otherwise, late, or never. The
 * clock's `advance` waits for every call that the test does not hold.
 */
export class SlsDouble {
  readonly requests: Asked[] = []
  readonly recorder = new Recorder()
  readonly clock = new ManualClock(() => this.#callsUnderWay > this.#parked.size)
  readonly emulator: SlsEmulator
  readonly client: SlsClient
  /** Sees each request before it is answered. */
  onRequest: (asked: Asked) => void = () => {}
  /** Sees the end of each call before its caller does. `code` is the service's or ours. */
  onAnswer: (api: string, code: string) => void = () => {}
  /** The log groups written, by shard. The index is the position. */
  readonly written = new Map<number, Array<{ topic: string; logs: number }>>()
  readonly #agent = new Agent({ keepAlive: true })
  readonly #next: Array<{ api: SlsApi; reply: Reply }> = []
  readonly #rules = new Map<SlsApi, Reply>()
  /** Requests that wait for the test. */
  readonly #parked = new Set<Asked>()
  #callsUnderWay = 0
  #close = async (): Promise<void> => {}

  private constructor(emulator: SlsEmulator, port: number) {
    this.emulator = emulator
    this.client = new WatchedClient({
      endpoint: `http://127.0.0.1:${port}`,
      project: emulator.logstore().project,
      logstore: emulator.logstore().name,
      // Called at the beginning of each call, as `onRequest` is called at its end.
      credentials: async () => {
        this.#callsUnderWay++
        return { accessKeyId: emulator.accessKeyId, accessKeySecret: new Secret(emulator.accessKeySecret) }
      },
      userAgent: 'sls-siem-bridge/test',
      onRequest: (api, _status, code) => {
        this.#callsUnderWay--
        // The server sees the closed connection only later.
        const left = [...this.#parked].find((parked) => parked.api === api)
        if (left && ['aborted', 'timeout'].includes(code)) this.#parked.delete(left)
        this.onAnswer(api, code)
      },
      underWay: (change) => {
        this.#callsUnderWay += change
      },
    })
  }

  static async start(options: SlsEmulatorOptions = {}) {
    let double: SlsDouble | undefined
    const server = createServer((incoming, response) => void double?.serve(incoming, response))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    // The clock is the double's, and the emulator makes its shards before there is one.
    const now = (): number => (double?.clock ?? new ManualClock()).wall()
    const emulator = await startSlsEmulator({ strictSignatures: false, shards: 1, ...options, now })
    const made = new SlsDouble(emulator, (server.address() as AddressInfo).port)
    double = made
    made.#close = async () => {
      await made.client.close()
      made.#agent.destroy()
      server.closeAllConnections()
      server.close()
      await emulator.close()
    }
    onTestFinished(() => made.close())
    return made
  }

  /** Also done when the test is over. */
  async close(): Promise<void> {
    const close = this.#close
    this.#close = async () => {}
    await close()
  }

  get logstore(): Logstore {
    return this.emulator.logstore()
  }

  get telemetry() {
    return this.recorder.telemetry
  }

  /** Scripts the answers to the next calls of an API, one each. */
  script(api: SlsApi, ...replies: Reply[]): void {
    this.#next.push(...replies.map((reply) => ({ api, reply })))
  }

  /** Sets the answer to every call of an API without a scripted one. Without `reply` the emulator answers again. */
  rule(api: SlsApi, reply?: Reply): void {
    if (reply) this.#rules.set(api, reply)
    else this.#rules.delete(api)
  }

  /** Holds the next call of an API: before the service handles it, or before its answer. */
  hold(api: SlsApi, before: 'handling' | 'answering' = 'handling'): Held {
    const arrived = Promise.withResolvers<void>()
    const released = Promise.withResolvers<void>()
    const done = Promise.withResolvers<void>()
    this.script(api, async (response, asked) => {
      if (before === 'answering') {
        const answer = await asked.handle()
        this.#parked.add(asked)
        arrived.resolve()
        await released.promise
        this.#parked.delete(asked)
        send(response, answer)
      } else {
        arrived.resolve()
        await released.promise
        await asked.pass()
      }
      done.resolve()
    })
    return {
      arrived: arrived.promise,
      release: () => {
        released.resolve()
        return done.promise
      },
    }
  }

  /** Its one logstore. */
  get ref(): LogstoreRef {
    const { project, name: logstore } = this.logstore
    return { source: DEFAULT_SOURCE, project, logstore }
  }

  shard(shard = 0): ShardRef {
    return { ...this.ref, shard }
  }

  /** Our place in the group. */
  membership(chosen: Partial<Membership> = {}): Membership {
    const group = { name: GROUP, timeoutSeconds: 60, inOrder: false }
    const times = { heartbeatMs: 20_000, commitIntervalMs: 3_000 }
    return { logstore: this.ref, client: this.client, group, consumer: CONSUMER, ...times, ...chosen }
  }

  of(api: SlsApi): Asked[] {
    return this.requests.filter((asked) => asked.api === api)
  }

  createGroup(timeoutSeconds = 60): void {
    this.logstore.createGroup({ name: GROUP, timeoutSeconds, order: false })
  }

  /** Creates the group with our consumer as its only member, which holds every shard for ever. */
  join(): void {
    this.createGroup(1e9)
    this.logstore.group(GROUP).heartbeat(CONSUMER, [])
  }

  write(groups: number, { shard = 0, topic = 'audit', logs = 1, numbered = false } = {}): void {
    const written = this.written.get(shard) ?? []
    this.written.set(shard, written)
    for (let group = 0; group < groups; group++) {
      const contents: Array<[string, string]> = [['n', String(group)]]
      const time = Math.floor(this.clock.wall() / 1000)
      const numbers = Array.from({ length: logs }, (_, log): [string, string][] =>
        numbered ? [['log', `${log}`]] : [],
      )
      const raw = encodeLogGroup({
        ...{ topic, source: '' },
        logs: numbers.map((number) => ({ time, contents: [...contents, ...number] })),
      })
      this.logstore.shard(shard).append({ ...storedBlock(raw), logs, receivedAt: this.clock.wall() })
      written.push({ topic, logs })
    }
  }

  cursor(position: number, shard = 0): string {
    return this.logstore.shard(shard).cursorAt(position)
  }

  /** The position of a shard's checkpoint in the group; `undefined` without one. */
  checkpoint(shard = 0): number | undefined {
    const [entry] = this.logstore.group(GROUP).checkpoints(shard)
    return entry?.checkpoint ? this.logstore.shard(shard).find(entry.checkpoint) : undefined
  }

  /** Positions committed, in order. */
  commits(shard = 0): Array<number | undefined> {
    return this.emulator.commits
      .filter((commit) => commit.shard === shard)
      .map(({ checkpoint }) => this.logstore.shard(shard).find(checkpoint))
  }

  async serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = await this.#read(incoming, response)
    this.requests.push(asked)
    this.onRequest(asked)
    const scripted = this.#next.findIndex(({ api }) => api === asked.api)
    const [next] = scripted === -1 ? [] : this.#next.splice(scripted, 1)
    const reply = next?.reply ?? this.#rules.get(asked.api) ?? ((_, { pass }) => pass())
    this.#parked.add(asked)
    const replied = reply(response, asked)
    if (response.writableEnded || response.destroyed) this.#parked.delete(asked)
    await replied
  }

  async #read(incoming: IncomingMessage, response: ServerResponse): Promise<Asked> {
    const { method = '', url: target = '', headers } = incoming
    const body = await buffer(incoming)
    const call = callOf(targetOf(target, headers.host), { method, headers }, body)
    const query = Object.fromEntries(call.query)
    const json = (): unknown => JSON.parse(body.toString())
    const inBody = call.api === 'ConsumerGroupUpdateCheckPoint' ? (json() as { shard: number }).shard : query['shard']
    const seen = { method, target, path: call.path, query, headers, body, connection: incoming.socket.remotePort ?? 0 }
    const asked: Asked = {
      ...seen,
      ...{
        api: call.api,
        shard: Number.isNaN(call.shard) ? Number(inBody) : call.shard,
        at: this.clock.monotonic(),
        json,
      },
      handle: () => {
        this.#parked.delete(asked)
        return this.#ask(seen)
      },
      pass: async () => send(response, await asked.handle()),
    }
    return asked
  }

  async #ask({ method, target, headers, body }: SeenRequest): Promise<Answer> {
    const { port } = this.emulator
    const onward = request({ agent: this.#agent, host: '127.0.0.1', port, method, path: target, headers })
    onward.end(body)
    const [answer] = (await once(onward, 'response')) as [IncomingMessage]
    return { status: answer.statusCode as number, headers: answer.rawHeaders, body: await buffer(answer) }
  }
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, headers).end(body)
}

/** Reports bodies that are being read, which is part of a pull although its call is over. */
class WatchedClient extends SlsClient {
  readonly #underWay: (change: 1 | -1) => void

  constructor({ underWay, ...options }: SlsClientOptions & { underWay: (change: 1 | -1) => void }) {
    super(options)
    this.#underWay = underWay
  }

  override async pull(shard: number, from: string, options: PullOptions): Promise<Pull> {
    const pull = await super.pull(shard, from, options)
    const read = async (allocate?: (size: number) => Buffer): Promise<Buffer> => {
      this.#underWay(1)
      try {
        return await pull.read(allocate)
      } finally {
        this.#underWay(-1)
      }
    }
    return { ...pull, read }
  }
}
