// Not the global one: tests stop that, and the network goes on.
import type { Socket } from 'node:net'
import { setTimeout } from 'node:timers'
import { TLSSocket } from 'node:tls'
import { buildConnector, Client, Dispatcher } from 'undici'
import { ownTurn } from '../core/turns.ts'

export interface ConnectionsOptions extends Omit<Client.Options, 'connect'> {
  connect: buildConnector.BuildOptions
  /** A connection older than this is not used again. */
  lifeMs?: number
}

interface Connection {
  readonly client: Client
  /** What it has open at this moment. */
  socket: Socket | undefined
  readonly openedAt: number
  restingSince: number
}

/** Longer than it takes an answer that follows upon another to arrive. */
const REST_MS = 5
/**
 * Writing a MB takes about a millisecond, and several may be ready at once: each gets a turn of its own. (On a connection that
 * is still to be opened it leaves when that is open, whoever's turn it is.)
 */
const LARGE_BYTES = 256 << 10
/** What has rested so long is surplus. */
const SURPLUS_MS = 10_000

/**
 * Connections to one origin, as many as there are requests at a time, each of them for one request after the other.
 *
 * Nothing but their order says which answer belongs to which request of a connection. Who answers one twice would have the
 * second taken for the answer to the next request, and every later one for the next but one. So a connection rests for a
 * moment before it is used again: what arrives meanwhile was asked for by nobody, and undici closes the connection on it.
 */
export class Connections extends Dispatcher {
  readonly #open: (connect: buildConnector.connector) => Client
  readonly #connector: buildConnector.connector
  readonly #lifeMs: number
  readonly #all = new Set<Client>()
  /** Who has rested longest comes first. */
  readonly #resting: Connection[] = []
  #ended = false

  constructor(origin: string, { connect, lifeMs = Number.POSITIVE_INFINITY, ...options }: ConnectionsOptions) {
    super()
    // One connector for all: it remembers the TLS session.
    this.#connector = withoutCorks(buildConnector({ allowH2: false, ...connect }))
    this.#open = (connector) => new Client(origin, { ...options, pipelining: 1, allowH2: false, connect: connector })
    this.#lifeMs = lifeMs
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const now = performance.now()
    const rested = this.#resting.findLastIndex(({ restingSince }) => restingSince <= now - REST_MS)
    // When none has rested long enough, the one that has the longest is waited for: that is sooner than a new one.
    const [connection] = this.#resting.splice(Math.max(0, rested), 1)
    const waitMs = connection && rested < 0 ? connection.restingSince + REST_MS - now : 0
    const used = connection ?? this.#opened(now)
    const isLarge = Buffer.isBuffer(options.body) && options.body.length >= LARGE_BYTES
    const start = async (): Promise<void> => {
      if (isLarge) await ownTurn()
      used.client.dispatch(options, new EndOf(handler, used, (failed) => this.#rest(used, failed)))
    }
    if (waitMs > 0) setTimeout(() => void start(), Math.ceil(waitMs))
    else void start()
    this.#dropSurplus(now)
    return true
  }

  /** Fails what is still under way, and whatever comes later. */
  async end(): Promise<void> {
    this.#ended = true
    await Promise.all([...this.#all].map((client) => client.destroy()))
  }

  #opened(now: number): Connection {
    const client = this.#open((to, callback) =>
      this.#connector(to, (...connected) => {
        connection.socket = connected[1] ?? undefined
        callback(...connected)
      }),
    )
    const connection: Connection = { client, socket: undefined, openedAt: now, restingSince: now }
    if (this.#ended) void client.destroy()
    else this.#all.add(client)
    return connection
  }

  #rest(connection: Connection, failed: boolean): void {
    const now = performance.now()
    // After a failure there is a new socket, on which nothing was asked yet.
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

/**
 * Head and body of a request are corked together, and what Node's TLS is given together it copies into one piece first: a
 * megabyte asked of the operating system, filled with zeros, then with the copy, and given back, with each batch. One after
 * the other they are encrypted from where they lie. (HTTPS both ways: a quarter less CPU in all.)
 */
function withoutCorks(connect: buildConnector.connector): buildConnector.connector {
  return (options, callback) => {
    connect(options, (...connected) => {
      const [, socket] = connected
      if (socket instanceof TLSSocket) {
        socket.cork = () => {}
        socket.uncork = () => {}
      }
      callback(...connected)
    })
  }
}

/**
 * Passes everything on, and tells when the request is over in whatever way.
 *
 * Who says 200 before all of the request has left has not seen what it says that of, and what is still to leave is read from
 * where it lies: its owner must not take the end for the end. So that is held back until all of it has left. A refusal ends
 * at once, and the connection with it: what the owner puts there next would leave as the rest of what was refused.
 */
class EndOf implements Dispatcher.DispatchHandler {
  readonly #handler: Dispatcher.DispatchHandler
  readonly #connection: Connection
  #over: ((failed: boolean) => void) | undefined
  #status = 0
  #heldBack = false

  constructor(handler: Dispatcher.DispatchHandler, connection: Connection, over: (failed: boolean) => void) {
    this.#handler = handler
    this.#connection = connection
    this.#over = over
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    const abort = controller.abort.bind(controller)
    controller.abort = (reason) => {
      abort(reason)
      // For undici the request is over, and it would go on sending.
      if (this.#heldBack) this.#connection.socket?.destroy()
    }
    this.#handler.onRequestStart?.(controller, context)
  }

  onResponseStart(...answer: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>): void {
    this.#status = answer[1]
    this.#handler.onResponseStart?.(...answer)
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
    this.#handler.onResponseError?.(controller, error)
    this.#tell(true)
  }

  #ended(end: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseEnd']>>): void {
    this.#handler.onResponseEnd?.(...end)
    this.#tell(false)
  }

  #tell(failed: boolean): void {
    this.#over?.(failed)
    this.#over = undefined
  }
}
