import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { onTestFinished } from 'vitest'
import { Happenings } from '../../support/happenings.ts'
import { ManualClock } from '../../support/manual-clock.ts'

/** One POST with a body to `/services/collector/event`. */
export interface Post {
  readonly headers: IncomingMessage['headers']
  readonly channel: string
  /** `event.id` of every envelope, in order. */
  readonly ids: string[]
  readonly bytes: number
  readonly endsInLineEnd: boolean
  readonly atMs: number
}

export interface AckQuery {
  readonly channel: string
  readonly ids: number[]
  readonly cookie: string | undefined
  readonly atMs: number
}

/** What the next POST meets. Returns `true` when it answered (or cut); otherwise the server behaves as usual. */
export type Reaction = (post: Post, response: ServerResponse, hec: HecDouble) => unknown

export const json = (
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): true => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
  return true
}

export const html = (response: ServerResponse, status: number, headers: Record<string, string> = {}): true => {
  response.writeHead(status, { 'content-type': 'text/html', ...headers }).end('<html><body>Sign in</body></html>')
  return true
}

/** Index the first `count` events of the post and answer with a refusal, as splunkd does. */
export const refuse =
  (status: number, code: number, count: number, number: unknown): Reaction =>
  (post, response, hec) => {
    hec.index(post.ids.slice(0, count))
    return json(response, status, { text: `refused ${code}`, code, 'invalid-event-number': number })
  }

export const answer =
  (status: number, body: unknown, headers?: Record<string, string>): Reaction =>
  (_, response) =>
    json(response, status, body, headers)

/** Takes the events and then cuts the connection. */
export const takeAndCut: Reaction = (post, response, hec) => {
  hec.accept(post)
  response.socket?.destroy()
  return true
}

export const cut: Reaction = (_, response) => {
  response.socket?.destroy()
  return true
}

/** Real time that a connection of the sink rests between an answer and the next request. */
const CONNECTION_REST_MS = 5
const ENDS_OF_A_REQUEST = ['undici:request:trailers', 'undici:request:error']

/** A small HEC with the state of one splunkd: what is indexed, and acknowledgements per channel, told once. */
export class HecDouble {
  readonly posts: Post[] = []
  readonly probes: { path: string; atMs: number }[] = []
  readonly queries: AckQuery[] = []
  readonly indexed: string[] = []
  /** Consumed one per POST. */
  readonly script: Reaction[] = []
  readonly ackScript: ((query: AckQuery, response: ServerResponse, hec: HecDouble) => unknown)[] = []
  /** Judges every POST that the script leaves alone. */
  rule: Reaction | undefined
  /** Answers everything, probes included, while set. */
  outage: ((request: IncomingMessage, response: ServerResponse) => unknown) | undefined
  /** Answers `/ack` while set. */
  ackOutage: ((response: ServerResponse) => unknown) | undefined
  ack: boolean
  /** Acknowledge at once what was accepted. */
  acknowledging = true
  /** What a channel's ids count from: 0 in splunkd, 1 in the OpenTelemetry Collector. */
  firstAckId = 0
  url = ''
  /** Its `advance` waits for every request that this server does not keep waiting. */
  readonly clock = new ManualClock(() => this.#sent > this.#kept || this.#resting())
  /** Requests of this process that have no end yet, and those among them that this server has read and not answered. */
  #sent = 0
  #kept = 0
  /** When the connection of the last answer has rested, as seen after that answer was handled. */
  #restedAt: number | undefined = 0
  readonly #requests = new Happenings(() => JSON.stringify({ posts: this.posts.length, queries: this.queries.length }))
  readonly #acks = new Map<string, { next: number; done: Set<number> }>()
  /** Accepted and not yet acknowledged: in memory only. */
  readonly #held: { channel: string; id: number; ids: readonly string[] }[] = []
  readonly #server = createServer((request, response) => void this.#serve(request, response))

  constructor(ack: boolean) {
    this.ack = ack
  }

  readonly #begun = (): void => void this.#sent++
  readonly #ended = (): void => {
    this.#sent--
    this.#restedAt = undefined
  }

  /** A request may be waiting for a connection to rest. */
  #resting(): boolean {
    this.#restedAt ??= performance.now() + 2 * CONNECTION_REST_MS
    return performance.now() < this.#restedAt
  }

  async listen(port = 0): Promise<void> {
    subscribe('undici:request:create', this.#begun)
    for (const end of ENDS_OF_A_REQUEST) subscribe(end, this.#ended)
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Looks again after each request. */
  async until(met: () => boolean, withinMs?: number): Promise<void> {
    await this.#requests.until(met, withinMs)
  }

  /** Waits until so many POSTs have come in all. */
  posted(count: number): Promise<void> {
    return this.until(() => this.posts.length >= count)
  }

  /** Waits until so many more queries about acks have come, on one channel or on any. */
  queried(more: number, channel?: string): Promise<void> {
    const asked = (): number => this.queries.filter((query) => !channel || query.channel === channel).length
    const before = asked()
    return this.until(() => asked() >= before + more)
  }

  async close(): Promise<void> {
    unsubscribe('undici:request:create', this.#begun)
    for (const end of ENDS_OF_A_REQUEST) unsubscribe(end, this.#ended)
    this.#server.closeAllConnections()
    if (!this.#server.listening) return
    this.#server.close()
    await once(this.#server, 'close')
  }

  index(ids: readonly string[]): void {
    this.indexed.push(...ids)
  }

  /** Indexes the post and, with an ack token, gives it its id. */
  accept(post: Post): number | undefined {
    this.index(post.ids)
    if (!this.ack) return undefined
    const channel = this.#acks.get(post.channel) ?? { next: this.firstAckId, done: new Set<number>() }
    this.#acks.set(post.channel, channel)
    const id = channel.next++
    if (this.acknowledging) channel.done.add(id)
    else this.#held.push({ channel: post.channel, id, ids: post.ids })
    return id
  }

  /** Acknowledges what was accepted so far: all of it, or what is chosen. */
  acknowledge(chosen: () => boolean = () => true): void {
    for (const held of this.#held.splice(0)) {
      if (chosen()) this.#acks.get(held.channel)?.done.add(held.id)
      else this.#held.push(held)
    }
  }

  /** splunkd restarted: what was not acknowledged is lost, ack state is gone, ids start at the first again. */
  restart(): void {
    for (const { ids } of this.#held.splice(0)) {
      for (const id of ids) this.indexed.splice(this.indexed.indexOf(id), 1)
    }
    this.#acks.clear()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer)
    } catch {
      return // the client went away in the middle of its request
    }
    this.#kept++
    response.once('close', () => this.#kept--)
    this.#answer(Buffer.concat(chunks), request, response)
    this.#requests.notify()
  }

  #answer(raw: Buffer, request: IncomingMessage, response: ServerResponse): void {
    const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw
    const channel = String(request.headers['x-splunk-request-channel'])
    const isAck = request.url?.endsWith('/ack') === true
    const atMs = performance.now()
    const isQuery = isAck && this.posts.some((post) => post.channel === channel)
    if (body.length === 0 || (isAck && !isQuery)) this.probes.push({ path: String(request.url), atMs })
    if (this.outage) return void this.outage(request, response)
    if (isAck && this.ackOutage) return void this.ackOutage(response)
    if (isAck) return void this.#serveAck(channel, body, request, response, atMs, isQuery)
    if (body.length === 0) return void json(response, 400, { text: 'No data', code: 5 })
    const ids = body
      .toString()
      .split('\n')
      .filter(Boolean)
      .map((line) => (JSON.parse(line) as { event: { id: string } }).event.id)
    const endsInLineEnd = body.at(-1) === 0x0a
    const post: Post = { headers: request.headers, channel, ids, bytes: body.length, endsInLineEnd, atMs }
    this.posts.push(post)
    const reaction = this.script.shift()
    if (reaction && reaction(post, response, this) !== undefined) return
    if (this.rule && this.rule(post, response, this) !== undefined) return
    const ackId = this.accept(post)
    json(response, 200, { text: 'Success', code: 0, ...(ackId !== undefined && { ackId }) })
  }

  #serveAck(
    channel: string,
    body: Buffer,
    request: IncomingMessage,
    response: ServerResponse,
    atMs: number,
    isQuery: boolean,
  ): void {
    if (!this.ack) return void json(response, 400, { text: 'ACK is disabled', code: 14 })
    const query = {
      channel,
      ids: (JSON.parse(body.toString()) as { acks: number[] }).acks,
      cookie: request.headers.cookie,
      atMs,
    }
    if (isQuery) {
      this.queries.push(query)
      const reaction = this.ackScript.shift()
      if (reaction && reaction(query, response, this) !== undefined) return
    }
    json(response, 200, { acks: this.tell(query) })
  }

  /** `true` is told once: asking takes it away. */
  tell({ channel, ids }: AckQuery): Record<string, boolean> {
    const done = this.#acks.get(channel)?.done
    return Object.fromEntries(ids.map((id) => [id, done?.delete(id) ?? false]))
  }
}

/** Starts a double that is closed when the test ends. */
export async function startHec({ ack = false } = {}): Promise<HecDouble> {
  const hec = new HecDouble(ack)
  await hec.listen()
  onTestFinished(() => hec.close())
  return hec
}
