import type { Dispatcher } from 'undici'
import type { Clock } from '../../core/clock.ts'
import { Fault } from '../../core/errors.ts'
import type { Secret } from '../../core/secret.ts'
import { hiding } from '../../core/secret.ts'
import type { Telemetry } from '../../core/telemetry.ts'
import { Connections } from '../../net/connections.ts'
import { decoded, isEncoded } from '../../net/content-encoding.ts'
import type { Progress } from '../../net/network-fault.ts'
import { networkFault, variablesOf } from '../../net/network-fault.ts'
import type { Proxies } from '../../net/proxy.ts'
import { secretsOf } from '../../net/proxy.ts'
import { retryAfterMs } from '../../net/retry-after.ts'
import type { Tls } from '../../net/tls.ts'
import { gzip } from '../gzip/gzip.ts'
import type { CookieJar } from './cookie-jar.ts'
import type { HecReply, HecResponse } from './response.ts'
import { readReply } from './response.ts'

const CONNECT_TIMEOUT_MS = 10_000
/** A busy splunkd drops connections that are idle for 12 s. A request on one that is being dropped ends in an ambiguous fault. */
const LONGEST_IDLE_MS = 9_000
/** Behind a TCP balancer a connection sticks to one indexer: replace it now and then so that load spreads. */
const CONNECTION_LIFE_MS = 120_000
const LONGEST_ANSWER_BYTES = 256 * 1024
const LONGEST_RETRY_AFTER_MS = 5 * 60_000

/** Names of the settings of a connection to HEC, for advice. */
export const HEC_SETTINGS = variablesOf('SPLUNK_HEC')

/** Needed for every connection to HEC. */
export interface HecConnection {
  readonly token: Secret
  /** One request from the first connect to the last byte of the answer, milliseconds. */
  readonly timeoutMs: number
  readonly tls: Tls
  readonly proxies?: Proxies
  readonly userAgent: string
  readonly clock: Clock
  /** The sink's configured name. */
  readonly sink: string
  readonly telemetry: Pick<Telemetry, 'sinkRequest'> & Partial<Pick<Telemetry, 'notice'>>
}

export interface HecRequest {
  readonly to: 'event' | 'ack'
  readonly body: Buffer
  readonly gzip?: boolean
  /** A GUID; tokens without acknowledgement ignore it, so every request carries one. `undefined` asks what a token says without. */
  readonly channel: string | undefined
  readonly cookies?: CookieJar
  readonly newConnection?: boolean
  readonly signal: AbortSignal
  readonly timeoutMs?: number
  /** Called when a connection stands and the first byte is about to leave. Throwing stops the request there. */
  readonly leaving?: () => void
}

type Asked = Omit<HecRequest, 'to' | 'body'> & { readonly to: HecRequest['to'] | 'health' }

/** One HEC base URL. Every request is one POST (a GET for the health), never redirected, never repeated here. */
export class HecClient {
  /** Without path and credentials: for messages. */
  readonly origin: string
  readonly #path: string
  readonly #connection: HecConnection
  readonly #connections: Connections

  constructor(baseUrl: string, connection: HecConnection) {
    const url = new URL(baseUrl)
    this.origin = url.origin
    this.#path = url.pathname.replace(/\/+$/, '').replace(/\/services\/collector(\/event(\/1\.0)?)?$/, '')
    this.#connection = connection
    this.#connections = new Connections(url.origin, {
      lifeMs: CONNECTION_LIFE_MS,
      keepAliveTimeout: 4_000,
      keepAliveMaxTimeout: LONGEST_IDLE_MS,
      // One clock for the whole request, ours, instead of undici's two for headers and body.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: {
        timeoutMs: Math.min(CONNECT_TIMEOUT_MS, connection.timeoutMs),
        tls: connection.tls,
        proxies: connection.proxies,
        notice: connection.telemetry.notice?.bind(connection.telemetry),
      },
    })
  }

  /** Throws a Fault by what the connection did (never by the answer), the signal's reason, or what `leaving` threw. */
  async post(request: HecRequest): Promise<HecResponse> {
    const { clock, sink, telemetry } = this.#connection
    const body = request.gzip ? await gzip(request.body) : request.body
    request.signal.throwIfAborted()
    const begun = clock.monotonic()
    const seconds = (): number => (clock.monotonic() - begun) / 1000
    let left = false
    const leaving = (): void => {
      request.leaving?.()
      left = true
    }
    try {
      const response = this.#withoutSecrets(await this.#exchange({ ...request, leaving }, body))
      telemetry.sinkRequest(sink, response.status, String(response.reply?.code ?? ''), seconds())
      return response
    } catch (error) {
      const network = error instanceof Fault && !request.signal.aborted
      if (left || (network && error.kind !== 'lease')) {
        telemetry.sinkRequest(sink, 'error', network ? error.code : 'aborted', seconds())
      }
      throw error
    }
  }

  /** The health that the answering node reports. Throws as `post` does. */
  async health(request: Pick<HecRequest, 'channel' | 'signal' | 'timeoutMs'>): Promise<HecResponse> {
    return this.#withoutSecrets(await this.#exchange({ ...request, to: 'health' }, null))
  }

  async close(): Promise<void> {
    await this.#connections.end()
  }

  /** Some proxies repeat the request that they refuse, with its secrets, and answers end up in logs and on /readyz. */
  #withoutSecrets(response: HecResponse): HecResponse {
    const secrets = [this.#connection.token, ...secretsOf(this.#connection.proxies)]
    const body = hiding(secrets, response.body)
    const location = response.location && hiding(secrets, response.location)
    // A secret may be a part of HEC's JSON, so that only the words to show are read without it.
    const reply = response.reply && { ...response.reply, text: readReply(body)?.text }
    return { ...response, body, location, reply: body === response.body ? response.reply : reply }
  }

  /** undici's dispatch, not its `request`: only the handler learns when the first byte is about to leave. */
  #exchange(request: Asked, body: Buffer | null): Promise<HecResponse> {
    const { clock, timeoutMs } = this.#connection
    return new Promise((resolve, reject) => {
      const exchange = new Exchange(request, this.origin, clock, resolve, reject)
      const limit = request.timeoutMs ?? timeoutMs
      clock.sleep(limit, exchange.over).then(
        () => exchange.timedOut(limit),
        () => {}, // the request is over: the only thing that ends this sleep early
      )
      this.#connections.dispatch(
        {
          method: body === null ? 'GET' : 'POST',
          path: `${this.#path}/services/collector/${request.to}`,
          headers: this.#headers(request),
          body,
          newConnection: request.newConnection ?? false,
        },
        exchange,
      )
    })
  }

  #headers(request: Asked): Record<string, string> {
    const cookie = request.cookies?.header
    return {
      authorization: `Splunk ${this.#connection.token.reveal()}`,
      ...(request.channel !== undefined && { 'x-splunk-request-channel': request.channel }),
      'user-agent': this.#connection.userAgent,
      'content-type': 'application/json',
      'accept-encoding': 'identity',
      ...(request.gzip && { 'content-encoding': 'gzip' }),
      ...(cookie !== undefined && { cookie }),
    }
  }
}

/** `abort()` without a reason makes an Error with a stack for every request. This string avoids that. */
const OVER = 'the request is over'

/** One request on the wire; tells "nothing left" from "something may have left" whatever ends it. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #request: Asked
  readonly #origin: string
  readonly #clock: Clock
  readonly #resolve: (response: HecResponse) => void
  readonly #reject: (error: unknown) => void
  readonly #over = new AbortController()
  readonly #chunks: Buffer[] = []
  #controller: Dispatcher.DispatchController | undefined
  #kept = 0
  #status = 0
  #retryAfterMs: number | undefined
  #location: string | undefined
  #encoding: string | undefined

  constructor(
    request: Asked,
    origin: string,
    clock: Clock,
    resolve: (response: HecResponse) => void,
    reject: (error: unknown) => void,
  ) {
    this.#request = request
    this.#origin = origin
    this.#clock = clock
    this.#resolve = resolve
    this.#reject = reject
    if (request.signal.aborted) this.#aborted()
    else request.signal.addEventListener('abort', this.#aborted, { once: true })
  }

  /** Aborted as soon as the request has ended in any way. */
  get over(): AbortSignal {
    return this.#over.signal
  }

  timedOut(limitMs: number): void {
    const error = Object.assign(new Error(`did not answer within ${limitMs / 1000} s`), { code: 'timeout' })
    this.#fail(networkFault(error, this.#progress, this.#origin, HEC_SETTINGS))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    try {
      if (!this.over.aborted) this.#request.leaving?.()
    } catch (error) {
      this.#fail(error)
    }
    if (this.over.aborted) controller.abort(new Error('given up before it was sent'))
    else this.#controller = controller
  }

  onResponseStart(
    _: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ) {
    this.#status = status
    const [retryAfter] = [headers['retry-after']].flat()
    this.#retryAfterMs = retryAfterMs(retryAfter, this.#clock.wall(), LONGEST_RETRY_AFTER_MS)
    this.#location = [headers['location']].flat()[0]
    this.#encoding = [headers['content-encoding']].flat().join()
    this.#request.cookies?.keep(headers['set-cookie'])
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#kept += chunk.length
    this.#chunks.push(chunk)
    if (this.#kept <= LONGEST_ANSWER_BYTES) return
    // HEC's answers are shorter, and this one may never end. Its beginning is shown but not believed.
    this.#answered(() => undefined)
    controller.abort(new Error('longer than any answer'))
  }

  onResponseEnd(): void {
    if (this.over.aborted) return
    if (isEncoded(this.#encoding)) void this.#decoded(this.#encoding)
    else this.#answered(readReply)
  }

  async #decoded(encoding: string): Promise<void> {
    try {
      const body = await decoded(Buffer.concat(this.#chunks), encoding, LONGEST_ANSWER_BYTES, this.#origin)
      this.#chunks.splice(0, Number.POSITIVE_INFINITY, body)
      if (!this.over.aborted) this.#answered(readReply)
    } catch (error) {
      this.#fail(error)
    }
  }

  #answered(read: (body: string) => HecReply | undefined): void {
    this.#end()
    const body = Buffer.concat(this.#chunks).toString('utf8')
    this.#resolve({
      status: this.#status,
      body,
      reply: read(body),
      retryAfterMs: this.#retryAfterMs,
      location: this.#location,
    })
  }

  onResponseError(_: Dispatcher.DispatchController | null, error: Error): void {
    this.#fail(networkFault(error, this.#progress, this.#origin, HEC_SETTINGS))
  }

  get #progress(): Progress {
    return { sent: this.#controller !== undefined, answering: this.#status > 0 }
  }

  readonly #aborted = (): void => this.#fail(this.#request.signal.reason)

  #fail(error: unknown): void {
    if (this.over.aborted) return
    this.#end()
    this.#reject(error)
    this.#controller?.abort(new Error('given up'))
  }

  #end(): void {
    this.#over.abort(OVER)
    this.#request.signal.removeEventListener('abort', this.#aborted)
  }
}
