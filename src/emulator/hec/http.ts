import type { IncomingMessage, ServerResponse } from 'node:http'
import type { BodyShare } from '../body-room.ts'
import { BodyRoom } from '../body-room.ts'
import { intercept } from '../faults.ts'
import type { Body } from './body.ts'
import { readBody } from './body.ts'
import type { HecCollector } from './collector.ts'
import type { HecAction, HecFaults } from './faults.ts'
import { isEventScript, scriptedReply } from './faults.ts'
import type { HecAnswer } from './index.ts'
import type { HecReply } from './response.ts'
import { hecReply, htmlReply, notFoundReply } from './response.ts'
import type { HecTokens } from './tokens.ts'
import { sendReply } from './wire.ts'

type Endpoint = 'event' | 'raw' | 'ack' | 'health'

const ROUTES: ReadonlyMap<string, Endpoint> = new Map([
  ['/services/collector', 'event'],
  ['/services/collector/event', 'event'],
  ['/services/collector/event/1.0', 'event'],
  ['/services/collector/raw', 'raw'],
  ['/services/collector/raw/1.0', 'raw'],
  ['/services/collector/ack', 'ack'],
  ['/services/collector/ack/1.0', 'ack'],
  ['/services/collector/health', 'health'],
  ['/services/collector/health/1.0', 'health'],
])

/** What OPTIONS says. The documents list GET for `/ack` too, so that is taken, though not announced. */
const ALLOW: Readonly<Record<Endpoint, string>> = {
  event: 'POST,OPTIONS',
  raw: 'POST,OPTIONS',
  ack: 'POST,OPTIONS',
  health: 'GET,HEAD,OPTIONS',
}

export interface HttpLimits {
  maxContentLength: number
  maxPendingBytes: number
  cloudCap: number | undefined
}

/** Requests to paths beyond so many kinds are counted together, so that paths without end take no memory without end. */
const MOST_COUNTED = 200

interface Call {
  readonly request: IncomingMessage
  readonly url: URL
  readonly endpoint: Endpoint | undefined
  /** The body, which is read once. */
  readonly read: () => Promise<Body>
}

/**
 * From an HTTP request to its answer: routes, authorization, body limits, scripted faults, and the counts of it all.
 */
export class HecHttp {
  /** Count by `<path> <status> <code>`. */
  readonly requests = new Map<string, number>()
  /** Bytes of bodies before compression. */
  bodyBytes = 0
  abortedBodies = 0
  readonly #tokens: HecTokens
  readonly #collector: HecCollector
  readonly #faults: HecFaults
  readonly #limits: HttpLimits
  readonly #room: BodyRoom
  readonly #closing = new AbortController()

  constructor(tokens: HecTokens, collector: HecCollector, faults: HecFaults, limits: HttpLimits) {
    this.#tokens = tokens
    this.#collector = collector
    this.#faults = faults
    this.#limits = limits
    this.#room = new BodyRoom(limits.maxPendingBytes)
  }

  async serve(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const share = this.#room.share()
    try {
      await this.#serve(request, response, url, share)
    } finally {
      share.release()
    }
  }

  /** Ends delays that are under way. */
  close(): void {
    this.#closing.abort()
  }

  clear(): void {
    this.requests.clear()
    this.bodyBytes = this.abortedBodies = 0
  }

  async #serve(request: IncomingMessage, response: ServerResponse, url: URL, share: BodyShare): Promise<void> {
    const endpoint = ROUTES.get(url.pathname)
    let reading: Promise<Body> | undefined
    const read = () => (reading ??= readBody(request, this.#limits.maxContentLength, share))
    const body = this.#faults.lookAtBodies ? await read() : undefined
    const action = this.#faults.take({
      endpoint,
      path: url.pathname,
      method: request.method,
      channel: channelOf(request, url),
      encoding: request.headers['content-encoding'],
      host: request.headers.host,
      contains: (text: string) => Buffer.isBuffer(body) && body.includes(text),
      endsWith: (text: string) => Buffer.isBuffer(body) && body.toString('latin1').endsWith(text),
    })
    const ended = action && (await intercept(action, request, this.#closing.signal))
    if (ended) return this.#count(url, ended)
    const answer: HecAnswer = {}
    const reply = await this.#reply({ request, url, endpoint, read }, action, answer)
    if (!reply) {
      this.abortedBodies += 1
      return
    }
    this.#count(url, action?.cut ? 'cut' : `${reply.status} ${reply.code ?? '-'}`)
    if (action?.cut) answer.cut = true
    else Object.assign(answer, { status: reply.status, code: reply.code })
    await sendReply(request, response, reply, action?.cut)
  }

  #count({ pathname }: URL, outcome: string): void {
    const counted = this.requests.size < MOST_COUNTED || ROUTES.has(pathname) ? pathname : 'other'
    const key = `${counted} ${outcome}`
    this.requests.set(key, (this.requests.get(key) ?? 0) + 1)
  }

  /** `undefined`: the client went away before its body was complete. */
  async #reply(call: Call, action: HecAction | undefined, answer: HecAnswer): Promise<HecReply | undefined> {
    if (action?.forgetAcks) this.#collector.acks.forget()
    const scripted = action && scriptedReply(action)
    if (scripted && !action.index) {
      return (await call.read()) === 'aborted' ? undefined : scripted
    }
    const reply = await this.#route(call, action, answer).catch((error: unknown) => {
      if (this.#collector.failed) return hecReply(8)
      throw error
    })
    if (!reply || scripted) return reply && scripted
    return action?.headers ? { ...reply, headers: { ...reply.headers, ...action.headers } } : reply
  }

  async #route(call: Call, action: HecAction | undefined, answer: HecAnswer): Promise<HecReply | undefined> {
    const { request, url, endpoint } = call
    const { method = 'GET' } = request
    if (!endpoint) return notFoundReply(404)
    if (method === 'OPTIONS') return { status: 200, body: '', type: 'text/plain', headers: { Allow: ALLOW[endpoint] } }
    if (!ALLOW[endpoint].includes(method) && !(endpoint === 'ack' && method === 'GET')) return notFoundReply(405)
    const authorization = this.#tokens.authorize(request.headers.authorization, url.searchParams.get('token'))
    if (endpoint === 'health') {
      const anonymous = request.headers.authorization === undefined && !url.searchParams.has('token')
      return this.#collector.health(anonymous ? undefined : authorization, url.searchParams.get('ack') === 'true')
    }
    if (this.#collector.shuttingDown) return hecReply(23)
    if (typeof authorization === 'number') return hecReply(authorization)
    const channel = channelOf(request, url)
    const problem = this.#collector.channelProblem(authorization, channel)
    if (problem) return problem
    const body = await this.#body(call)
    if (!Buffer.isBuffer(body)) return body
    return this.#collector[endpoint]({
      path: url.pathname,
      query: url.searchParams,
      authority: request.headers.host ?? 'localhost',
      token: authorization,
      channel,
      body,
      script: isEventScript(action) ? action : undefined,
      answer,
    })
  }

  async #body({ read }: Call): Promise<Buffer | HecReply | undefined> {
    const { maxContentLength, cloudCap } = this.#limits
    const body = await read()
    if (body === 'aborted') return undefined
    if (body === 'unsupported_encoding') {
      return htmlReply(415, 'Unsupported Media Type', 'The Content-Encoding of the request is not supported.')
    }
    if (body === 'too_large') {
      const detail = `Content-Length exceeds the maximum of ${maxContentLength} bytes.`
      return { ...htmlReply(413, 'Content-Length too large', detail), close: true }
    }
    if (body === 'busy') return { ...hecReply(9), close: true }
    // Not measured; a body that is no gzip has no readable first object.
    if (body === 'corrupt') return hecReply(6, { invalidEventNumber: 0 })
    this.bodyBytes += body.length
    return cloudCap !== undefined && body.length > cloudCap ? hecReply(6, { invalidEventNumber: 0 }) : body
  }
}

function channelOf(request: IncomingMessage, url: URL): string | undefined {
  const header = request.headers['x-splunk-request-channel']
  return (typeof header === 'string' ? header : undefined) ?? url.searchParams.get('channel') ?? undefined
}
