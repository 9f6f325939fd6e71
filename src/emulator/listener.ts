import type { RequestListener, Server, ServerOptions } from 'node:http'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TlsOptions } from 'node:tls'

export interface ListenOptions {
  /** Default 0: a free port. */
  port?: number
  /** Address to listen on. Default 127.0.0.1. */
  host?: string
  /** With it the server speaks HTTPS. */
  tls?: TlsOptions
}

/** One more is closed without being read. */
const MOST_CONNECTIONS = 1_000

/** An HTTP or HTTPS server on one port, with its address and a count of its connections. */
export class Listener {
  readonly connections = { open: 0, total: 0 }
  readonly #host: string
  readonly #scheme: 'http' | 'https'
  readonly #wantedPort: number
  readonly #server: Server
  #port = 0

  constructor({ port = 0, host = '127.0.0.1', tls }: ListenOptions, http: ServerOptions, serve: RequestListener) {
    this.#host = host
    this.#wantedPort = port
    this.#scheme = tls ? 'https' : 'http'
    this.#server = tls ? createTlsServer({ ...tls, ...http }, serve) : createServer(http, serve)
    this.#server.maxConnections = MOST_CONNECTIONS
    this.#server.on('connection', (socket) => {
      this.connections.open += 1
      this.connections.total += 1
      socket.on('close', () => (this.connections.open -= 1))
    })
  }

  /** Rejects with the system's error (`EADDRINUSE` …) when the port can't be had. */
  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.#wantedPort, this.#host, () => {
        this.#server.off('error', reject)
        this.#port = (this.#server.address() as AddressInfo).port
        resolve()
      })
    })
  }

  /** Known once it listens, and still known after it closed. */
  get port(): number {
    return this.#port
  }

  /** `http://host:port`, or https; an address that means all of them is shown as 127.0.0.1. */
  get url(): string {
    const host = ['0.0.0.0', '::'].includes(this.#host) ? '127.0.0.1' : this.#host
    return `${this.#scheme}://${host.includes(':') ? `[${host}]` : host}:${this.port}`
  }

  cutConnections(): void {
    this.#server.closeAllConnections()
  }

  /** Stops listening, closes idle connections, and cuts the others after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    const impatient = setTimeout(() => this.cutConnections(), graceMs)
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
    clearTimeout(impatient)
  }
}
