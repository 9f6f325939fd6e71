// Not the global one: tests stop that, and the network goes on.
import type { Socket } from 'node:net'
import { setTimeout } from 'node:timers'
import { Client, Dispatcher } from 'undici'
import { ownTurn } from '../core/turns.ts'
import type { ConnectorOptions } from './connector.ts'
import { Connector } from './connector.ts'
import { openingBegins, openingEnded, withRemedy } from './descriptors.ts'
import { InterimAnswers } from './interim-answers.ts'
import type { ForwardProxy } from './proxy.ts'
import { ProxyFailed } from './proxy.ts'
import { silent } from './unasked-answer.ts'

export interface ConnectionsOptions extends Omit<Client.Options, 'connect'> {
  connect: ConnectorOptions
  /** A connection older than this is not used again. */
  lifeMs?: number
  /** Twice is as good as once: a request is sent again if a connection that was kept open ends before it is answered. */
  repeatable?: boolean
}

export interface RequestOptions extends Dispatcher.DispatchOptions {
  /** Behind a balancer another connection may reach another server. */
  readonly newConnection?: boolean
}

interface Connection {
  readonly client: Client
  /** What forwards its requests. */
  readonly proxy: ForwardProxy | undefined
  /** What it has open at this moment. */
  socket: Socket | undefined
  interim: InterimAnswers | undefined
  /** Its open connection has answered a request. */
  answeredBefore: boolean
  readonly openedAt: number
  restingSince: number
}

/** A second answer that follows another arrives within this time. */
const REST_MS = 5
/**
 * Writing a MB takes about a millisecond, and several may be ready at once, so each gets a turn of its own. (On a connection
 * that is still being opened the body leaves when that is open, in any turn.)
 */
const LARGE_BYTES = 256 << 10
/** The other side ended a connection. */
const ENDED = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE', 'ECONNABORTED', 'hung_up'])
/** A connection that has rested this long is surplus and is closed. */
const SURPLUS_MS = 10_000

/**
 * Connections to one origin: one for each request under way, and each takes one request after the other.
 *
 * Only the order of answers ties them to requests. If a server answers one request twice, the second answer would be taken
 * for the next request's, and every later answer would be shifted too. So a connection rests for a moment before it is used
 * again. An answer that arrives meanwhile belongs to no request, and undici closes the connection. A new connection rests,
 * too, before its first request.
 */
export class Connections extends Dispatcher {
  readonly #open: (connect: Connector['connect']) => Client
  readonly #connector: Connector
  readonly #origin: string
  readonly #lifeMs: number
  readonly #repeatable: boolean
  readonly #all = new Set<Client>()
  /** The connection that has rested longest comes first. */
  readonly #resting: Connection[] = []
  #ended = false

  constructor(
    origin: string,
    { connect, lifeMs = Number.POSITIVE_INFINITY, repeatable = false, ...options }: ConnectionsOptions,
  ) {
    super()
    this.#origin = origin
    this.#connector = new Connector(origin, connect)
    this.#open = (connector) => new Client(origin, { ...options, pipelining: 1, allowH2: false, connect: connector })
    this.#lifeMs = lifeMs
    this.#repeatable = repeatable
  }

  override dispatch(options: RequestOptions, handler: Dispatcher.DispatchHandler): boolean {
    return this.#dispatch(options, handler, this.#repeatable)
  }

  #dispatch(options: RequestOptions, handler: Dispatcher.DispatchHandler, repeatable: boolean): boolean {
    const now = performance.now()
    const rested = this.#resting.findLastIndex(({ restingSince }) => restingSince <= now - REST_MS)
    // When none has rested long enough, waiting for the one that has rested longest is faster than opening another.
    const [connection] = options.newConnection ? [] : this.#resting.splice(Math.max(0, rested), 1)
    const waitMs = connection && rested < 0 ? connection.restingSince + REST_MS - now : 0
    const used = connection ?? this.#opened(now)
    const isLarge = Buffer.isBuffer(options.body) && options.body.length >= LARGE_BYTES
    const start = async (): Promise<void> => {
      if (isLarge) await ownTurn()
      used.client.dispatch(
        this.#addressed(options),
        new EndOf(handler, {
          connection: used,
          connector: this.#connector,
          over: (failed) => this.#rest(used, failed),
          again: repeatable ? () => this.#dispatch({ ...options, newConnection: true }, handler, false) : undefined,
        }),
      )
    }
    if (waitMs > 0) setTimeout(() => void start(), Math.ceil(waitMs))
    else void start()
    this.#dropSurplus(now)
    return true
  }

  /** A proxy that forwards is asked for the whole URL. */
  #addressed(options: Dispatcher.DispatchOptions): Dispatcher.DispatchOptions {
    const { forwardProxy } = this.#connector
    if (!forwardProxy) return options
    const { authorization } = forwardProxy
    const headers = { ...(options.headers as Record<string, string> | undefined) }
    if (authorization) headers['proxy-authorization'] = authorization.reveal()
    return { ...options, path: this.#origin + options.path, headers }
  }

  /** Fails requests that are under way, and all later ones. */
  async end(): Promise<void> {
    this.#ended = true
    await Promise.all([...this.#all].map((client) => client.destroy()))
  }

  #opened(now: number): Connection {
    const client = this.#open((to, callback) => {
      const spent = openingBegins()
      if (spent) {
        callback(spent, null)
        return
      }
      connection.answeredBefore = false
      this.#connector.connect(to, (...[error, socket]) => {
        openingEnded()
        connection.socket = socket ?? undefined
        if (error) {
          callback(withRemedy(error), null)
          return
        }
        silent(socket, REST_MS).then(
          () => {
            connection.interim = new InterimAnswers(socket)
            callback(null, socket)
          },
          (failure: Error) => {
            socket.destroy()
            callback(failure, null)
          },
        )
      })
    })
    const { forwardProxy: proxy } = this.#connector
    const connection: Connection = {
      client,
      proxy,
      socket: undefined,
      interim: undefined,
      answeredBefore: false,
      openedAt: now,
      restingSince: now,
    }
    if (this.#ended) void client.destroy()
    else this.#all.add(client)
    return connection
  }

  #rest(connection: Connection, failed: boolean): void {
    const now = performance.now()
    // After a failure the next request gets a new socket, which needs no rest.
    connection.restingSince = failed ? now - REST_MS : now
    if (now - connection.openedAt > this.#lifeMs) this.#drop(connection)
    else this.#resting.push(connection)
  }

  #dropSurplus(now: number): void {
    for (;;) {
      const [first] = this.#resting
      if (first === undefined || first.restingSince > now - SURPLUS_MS) return
      this.#resting.shift()
      this.#drop(first)
    }
  }

  #drop({ client }: Connection): void {
    this.#all.delete(client)
    void client.destroy()
  }
}

interface Dispatched {
  readonly connection: Connection
  readonly connector: Connector
  /** Called once. */
  readonly over: (failed: boolean) => void
  /** Sends the request once more on a new connection; absent where it may not be sent twice. */
  readonly again: (() => void) | undefined
}

/**
 * Passes everything on, and tells when the request is over in any way.
 *
 * A server that says 200 before the whole request has left has not seen the rest. That rest is still read from the batch's
 * memory, so the owner must not reuse it yet: success is held back until all of the request has left. A refusal counts at
 * once, and ends the connection: otherwise the memory's next contents would leave as the rest of the refused request.
 */
class EndOf implements Dispatcher.DispatchHandler {
  readonly #handler: Dispatcher.DispatchHandler
  readonly #connection: Connection
  readonly #connector: Connector
  readonly #again: (() => void) | undefined
  #over: ((failed: boolean) => void) | undefined
  #status = 0
  #heldBack = false

  constructor(handler: Dispatcher.DispatchHandler, { connection, connector, over, again }: Dispatched) {
    this.#handler = handler
    this.#connector = connector
    this.#connection = connection
    this.#over = over
    this.#again = again
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    const abort = controller.abort.bind(controller)
    controller.abort = (reason) => {
      abort(reason)
      // For undici the request is over, yet it would go on sending.
      if (this.#heldBack) this.#connection.socket?.destroy()
    }
    this.#connection.interim?.requestLeaves()
    this.#handler.onRequestStart?.(controller, context)
  }

  onResponseStart(...answer: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>): void {
    const [controller, status] = answer
    const { proxy } = this.#connection
    this.#status = status
    this.#connector.answered()
    if (proxy && status === 407) controller.abort(new ProxyFailed(proxy, { status }))
    else this.#handler.onResponseStart?.(...answer)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#handler.onResponseData?.(controller, chunk)
  }

  onResponseEnd(...end: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseEnd']>>): void {
    const { socket } = this.#connection
    if (!socket || socket.writableLength === 0) {
      this.#ended(end)
      return
    }
    if (this.#status >= 300) {
      socket.destroy()
      this.#ended(end)
      return
    }
    this.#heldBack = true
    socket.write('', (error) => {
      this.#heldBack = false
      if (error) this.onResponseError(end[0], error)
      else this.#ended(end)
    })
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    const { code } = error as NodeJS.ErrnoException
    const endedUnanswered = this.#status === 0 && code !== undefined && ENDED.has(code)
    // Servers end connections that they kept, often at the moment of the next request.
    if (endedUnanswered && this.#again && this.#connection.answeredBefore) {
      this.#tell(true)
      this.#again()
      return
    }
    if (endedUnanswered) this.#connector.endedUnanswered()
    this.#handler.onResponseError?.(controller, error)
    this.#tell(true)
  }

  #ended(end: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseEnd']>>): void {
    this.#connection.answeredBefore = true
    this.#handler.onResponseEnd?.(...end)
    this.#tell(false)
  }

  #tell(failed: boolean): void {
    this.#over?.(failed)
    this.#over = undefined
  }
}
