import type { Dispatcher } from 'undici'
import { abortable } from '../core/abortable.ts'
import { Fault, messageOf } from '../core/errors.ts'
import type { Secret } from '../core/secret.ts'
import { hiding } from '../core/secret.ts'
import { beginningOf } from '../core/text.ts'
import { Connections } from '../net/connections.ts'
import { decoded, isEncoded } from '../net/content-encoding.ts'
import type { Proxies } from '../net/proxy.ts'
import { secretsOf } from '../net/proxy.ts'
import { Deadline } from './deadline.ts'
import { resolveEndpoint } from './endpoint.ts'
import type { CallContext, SlsApi, SlsError } from './errors.ts'
import { errorOfAnswer, faultOfTransport, refusesCredentials } from './errors.ts'
import type { Credentials } from './signature.ts'
import { percentEncode, signV1, signV4 } from './signature.ts'

const CONNECT_TIMEOUT_MS = 10_000
const ERROR_BODY_BYTES = 64 * 1024

export interface TransportOptions {
  /** `https://cn-hangzhou.log.aliyuncs.com`; without a scheme https. See `resolveEndpoint` for IPs and localhost. */
  endpoint: string
  project: string
  logstore: string
  /** Asked for every request, so that temporary ones can change. */
  credentials: () => Promise<Credentials>
  /** Told when the service refuses them. A request is sent once more with what it resolves to, if anything. */
  credentialsRefused?: (these: Credentials) => Promise<Credentials | undefined>
  /** Where they come from, as `SLS_CREDENTIALS` names it, for advice. An access key pair unless told. */
  credentialsChoice?: string
  /** As SLS_EXPIRED_CURSOR says, for advice. */
  expiredCursor?: 'begin' | 'fail'
  /** When set, requests are signed V4 for this region, else V1. */
  region?: string
  userAgent: string
  proxies?: Proxies
  /**
   * Told once per request: HTTP status, or `error` when no answer came; `ok`, the service's code or ours (`aborted` when
   * the caller gave up); and how long the call took until then. For a pull that is the time to its headers.
   */
  onRequest?: (api: string, status: number | 'error', code: string, seconds: number) => void
}

export interface Call {
  api: SlsApi
  method: 'GET' | 'POST' | 'PUT'
  /** Path below the logstore, decoded segments. */
  path: readonly string[]
  query?: ReadonlyArray<readonly [name: string, value: string]>
  headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  body?: unknown
  timeoutMs: number
  signal?: AbortSignal | undefined
}

/** Signs and sends calls, and turns everything but a 200 into a Fault. A caller's abort is thrown with its own reason. */
export class SlsTransport {
  readonly #options: TransportOptions
  readonly #host: string
  readonly #connections: Connections
  #closed: Promise<void> | undefined

  constructor(options: TransportOptions) {
    const { origin, host, alias } = resolveEndpoint(options.endpoint, options.project)
    this.#options = options
    this.#host = host
    // As many as it takes: a pull whose body waits to be read holds one, and must never keep a heartbeat waiting.
    // Deadlines are ours (undici's timers do not run while a body is paused).
    this.#connections = new Connections(origin, {
      connect: { timeoutMs: CONNECT_TIMEOUT_MS, proxies: options.proxies, alias },
      headersTimeout: 0,
      bodyTimeout: 0,
      // No call brings a log into the service. A heartbeat or commit that waited for the next try could cost a lease.
      repeatable: true,
    })
  }

  /** Makes one call and hands a 200 answer to `read`, whose failure is the call's failure. */
  async call<T>(call: Call, read: (answer: Answer) => T | Promise<T>): Promise<T> {
    const started = performance.now()
    const context = this.#contextOf(call)
    const deadline = new Deadline(call.api, call.timeoutMs, call.signal)
    let answer: Answer | undefined
    const tell = (code: string) =>
      this.#options.onRequest?.(call.api, answer?.status ?? 'error', code, (performance.now() - started) / 1000)
    try {
      const ask = async (credentials: Credentials): Promise<Answer> => {
        const response = await this.#send(call, credentials, deadline.signal)
        const token = credentials.securityToken
        const secrets = [...(token ? [token] : []), ...secretsOf(this.#options.proxies)]
        return new Answer(response, { context, deadline, secrets })
      }
      const credentials = await abortable(this.#options.credentials(), deadline.signal)
      answer = await ask(credentials)
      if (answer.status !== 200) {
        const refusal = await answer.asError()
        const others = await this.#othersThan(credentials, refusal, deadline)
        if (!others) throw refusal
        tell(refusal.code)
        answer.discard()
        answer = undefined
        answer = await ask(others)
      }
      if (answer.status !== 200) throw await answer.asError()
      answer.endsCall()
      const result = await read(answer)
      tell('ok')
      return result
    } catch (error) {
      const failure = deadline.signal.aborted ? deadline.signal.reason : faultOfTransport(context, error)
      tell(call.signal?.aborted ? 'aborted' : failure instanceof Fault ? failure.code : 'bug')
      answer?.discard()
      deadline.end()
      throw failure
    }
  }

  /** Ends everything that is still under way. */
  close(): Promise<void> {
    this.#closed ??= this.#connections.end()
    return this.#closed
  }

  #contextOf({ api }: Call): CallContext {
    const { project, logstore, credentialsChoice, expiredCursor } = this.#options
    return {
      ...{ api, project, logstore, host: this.#host },
      ...(credentialsChoice && { credentialsChoice }),
      ...(expiredCursor && { expiredCursor }),
    }
  }

  async #othersThan(these: Credentials, error: SlsError, deadline: Deadline): Promise<Credentials | undefined> {
    const { credentialsRefused } = this.#options
    if (!credentialsRefused || !refusesCredentials(error)) return undefined
    return await abortable(credentialsRefused(these), deadline.signal)
  }

  async #send(call: Call, credentials: Credentials, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const { region, userAgent, logstore } = this.#options
    const segments = ['logstores', logstore, ...call.path]
    const query = call.query ?? []
    const body = call.body === undefined ? undefined : Buffer.from(JSON.stringify(call.body))
    const unsigned = {
      method: call.method,
      path: `/${segments.join('/')}`,
      query,
      headers: {
        host: this.#host,
        'user-agent': userAgent,
        'x-log-apiversion': '0.6.0',
        'x-log-bodyrawsize': String(body?.length ?? 0),
        'accept-encoding': 'identity',
        ...(body && { 'content-type': 'application/json' }),
        ...call.headers,
      },
      body,
    }
    const now = new Date()
    const headers =
      region === undefined ? signV1(unsigned, credentials, now) : signV4(unsigned, credentials, now, region)
    const search = query.map(([name, value]) => `${name}=${percentEncode(value)}`).join('&')
    return await this.#connections.request({
      method: call.method,
      path: `/${segments.map(percentEncode).join('/')}${search && `?${search}`}`,
      headers,
      body: body ?? null,
      signal,
    })
  }
}

interface Asked {
  readonly context: CallContext
  readonly deadline: Deadline
  /** What was sent and must not be shown, should the answer repeat it. */
  readonly secrets: readonly Secret[]
}

/** An answer whose headers are there and whose body may still be on its way. */
export class Answer {
  readonly status: number
  readonly #response: Dispatcher.ResponseData
  readonly #context: CallContext
  readonly #deadline: Deadline
  readonly #secrets: readonly Secret[]
  #idleTimeout = false

  constructor(response: Dispatcher.ResponseData, { context, deadline, secrets }: Asked) {
    this.status = response.statusCode
    this.#response = response
    this.#context = context
    this.#deadline = deadline
    this.#secrets = secrets
    // A connection may break while the body is not being read. Without a listener that would end the process; `body` reports it.
    response.body.on('error', () => {})
  }

  /** No other request follows: when the body is over, the call's time is of no more concern. */
  endsCall(): void {
    this.#response.body.once('close', () => this.#deadline.end())
  }

  /** Value of a header that was sent once. */
  header(name: string): string | undefined {
    const value = this.#response.headers[name]
    return typeof value === 'string' ? value : undefined
  }

  /** The whole body, at most `limit` bytes of it: more is a Fault `corrupt_response`. `allocate` may give the memory. */
  async body(limit: number, allocate: (size: number) => Buffer = Buffer.allocUnsafe): Promise<Buffer> {
    const tooLong = () => this.corrupt(`the body is longer than ${limit} bytes`)
    const announced = Number(this.header('content-length') ?? 0)
    if (announced > limit) throw tooLong()
    let body = allocate(announced)
    let length = 0
    for await (const chunk of this.#response.body as AsyncIterable<Buffer>) {
      if (length + chunk.length > limit) throw tooLong()
      if (length + chunk.length > body.length) body = larger(body, length, Math.min(limit, 2 * (length + chunk.length)))
      body.set(chunk, length)
      length += chunk.length
      if (this.#idleTimeout) this.#deadline.progress(chunk.length)
    }
    const encoding = this.#encoding
    if (encoding === undefined) return body.subarray(0, length)
    const plain = await decoded(body.subarray(0, length), encoding, limit, this.#context.host)
    if (plain.length > body.length) body = larger(plain, plain.length, plain.length)
    else body.set(plain)
    return body.subarray(0, plain.length)
  }

  /** How something on the way has compressed the body. Log Service names its own compression in a header of its own. */
  get #encoding(): string | undefined {
    const encoding = [this.#response.headers['content-encoding']].flat().join()
    return isEncoded(encoding) && encoding.trim().toLowerCase() !== this.header('x-log-compresstype')?.toLowerCase()
      ? encoding
      : undefined
  }

  /** The body as JSON; `undefined` when it is empty. Anything else is a Fault `corrupt_response`. */
  async json(limit: number): Promise<unknown> {
    const text = (await this.body(limit)).toString()
    if (text.trim() === '') return undefined
    try {
      return JSON.parse(text)
    } catch {
      throw this.corrupt(`the body is not JSON: ${beginningOf(this.#fitToShow(text), 200)}`)
    }
  }

  #fitToShow<T extends string | undefined>(text: T): T | string {
    return text === undefined ? text : hiding(this.#secrets, text)
  }

  async asError(): Promise<SlsError> {
    const chunks: Buffer[] = []
    let length = 0
    try {
      for await (const chunk of this.#response.body as AsyncIterable<Buffer>) {
        length += chunk.length
        chunks.push(chunk)
        if (length >= ERROR_BODY_BYTES) break
      }
    } catch (error) {
      // A cut error body changes nothing: the status has said that the call failed. Running out of time does.
      if (this.#deadline.signal.aborted) throw error
    }
    return errorOfAnswer(this.#context, {
      status: this.status,
      header: (name) => this.#fitToShow(this.header(name)),
      text: this.#fitToShow((await this.#readable(Buffer.concat(chunks, length))).toString()),
      receivedAt: Date.now(),
    })
  }

  /** Of a refusal that cannot be read its status is all that counts, but its bytes are not shown. */
  async #readable(body: Buffer): Promise<Buffer> {
    const encoding = this.#encoding
    if (encoding === undefined) return body
    try {
      return await decoded(body, encoding, ERROR_BODY_BYTES, this.#context.host)
    } catch (error) {
      return Buffer.from(messageOf(error))
    }
  }

  corrupt(what: string): Fault {
    const message = `${this.#context.api}: unusable answer from ${this.#context.host}: ${what}`
    return new Fault('transient', message, { code: 'corrupt_response', status: this.status })
  }

  /** The failure to report when reading the body failed with `error`. */
  failureOf(error: unknown): unknown {
    const { signal } = this.#deadline
    return signal.aborted ? signal.reason : faultOfTransport(this.#context, error)
  }

  /** Stops the deadline until `resume`: the body waits for its reader, not for the network. */
  pause(): void {
    this.#deadline.pause()
  }

  /** Reading goes on, and may take `idleMs` between two pieces of the body. */
  resume(idleMs: number): void {
    this.#idleTimeout = true
    this.#deadline.start(idleMs)
  }

  /** Drops what has not been read yet, and the connection with it. */
  discard(): void {
    this.#response.body.destroy()
  }
}

function larger(bytes: Buffer, used: number, size: number): Buffer {
  const grown = Buffer.allocUnsafe(size)
  bytes.copy(grown, 0, 0, used)
  return grown
}
