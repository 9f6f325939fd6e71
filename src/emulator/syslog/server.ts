/**
 * A syslog collector over TCP, TLS and UDP (RFC 5424, RFC 3164, RFC 6587), also with RELP, with the misbehaviour of real ones on
 * demand: it closes early or late, resets, goes silent, refuses, or never answers a half-close.
 *
 * Not implemented: `NOT_IMPLEMENTED` below.
 */
import type { Socket as DatagramSocket } from 'node:dgram'
import { createSocket } from 'node:dgram'
import type { AddressInfo, Server, Socket } from 'node:net'
import { createServer } from 'node:net'
import type { TlsOptions } from 'node:tls'
import { createServer as createTlsServer } from 'node:tls'
import type { ListenOptions } from '../listener.ts'
import type { WaitOptions } from '../watch.ts'
import { Watch } from '../watch.ts'
import type { Pending } from './connection.ts'
import { Connection } from './connection.ts'
import type { SyslogFault } from './faults.ts'
import { problemOf } from './faults.ts'
import type { FrameOptions, Framing, Oversize } from './frames.ts'
import type { SyslogMessage } from './message.ts'
import { readMessage } from './message.ts'
import type { OutputOptions } from './output.ts'
import { Output } from './output.ts'

export type { SyslogFault } from './faults.ts'
export type { Framing, Oversize } from './frames.ts'
export type { SyslogMessage } from './message.ts'
export type { SyslogReceiver }

export const NOT_IMPLEMENTED = [
  'DTLS (RFC 6012), compressed TLS, the starttls command of RELP',
  'the byte order mark before a message, and years and ISO times in a header of RFC 3164',
  'any meaning of CEF, LEEF and JSON: the text of a message is kept as it is',
]

export interface SyslogReceiverOptions extends ListenOptions, OutputOptions {
  /** Default `tcp`. With `relp` each message is answered. `tls` goes with both. */
  transport?: 'tcp' | 'udp' | 'relp'
  /** Over TCP. Default `auto`. */
  framing?: Framing
  /** Default 10,000,000, the most that a bridge can send. */
  maxMessageBytes?: number
  /** What becomes of a longer one: `close` (default), `split` or `truncate`. RELP has no `split`. */
  oversize?: Oversize
  /** One more is closed without being read, as syslog-ng does. Default 1,000. */
  maxConnections?: number
  /** Of messages that are not complete, over all connections. One that would exceed it is closed. Default 64 MiB. */
  maxPendingBytes?: number
  /** Keep the messages in memory. Default true. */
  keep?: boolean
  /** Gets each message before it is answered. */
  onMessage?: (message: SyslogMessage) => void
  faults?: readonly SyslogFault[]
}

/** Rejects when the port or the output file can't be had. */
export async function startSyslogReceiver(options: SyslogReceiverOptions = {}): Promise<SyslogReceiver> {
  const receiver = new SyslogReceiver(options)
  await receiver.listen()
  return receiver
}

interface Script extends SyslogFault {
  fired: number
}

class SyslogReceiver implements AsyncDisposable {
  /** Messages that were read whole, in the order of their arrival. Empty with `keep: false`. */
  readonly messages: Buffer[] = []
  readonly connections = { open: 0, total: 0 }
  readonly #transport: 'tcp' | 'udp' | 'relp'
  readonly #frames: FrameOptions
  readonly #host: string
  readonly #tls: TlsOptions | undefined
  readonly #options: SyslogReceiverOptions
  readonly #output: Output
  readonly #scripts: Script[] = []
  readonly #sockets = new Set<Socket>()
  readonly #watch = new Watch()
  readonly #pending: Pending
  readonly #mostConnections: number
  #server: Server | DatagramSocket | undefined
  #port: number
  #count = 0

  /** @internal */
  constructor(options: SyslogReceiverOptions) {
    const { transport = 'tcp', framing = 'auto', maxMessageBytes = 10_000_000, oversize = 'close' } = options
    const { host = '127.0.0.1', port = 0, tls, faults = [] } = options
    if (transport === 'udp' && tls) throw new TypeError('there is no TLS over UDP')
    this.#transport = transport
    this.#frames = { framing, maxMessageBytes, oversize }
    this.#host = host
    this.#tls = tls
    this.#port = port
    this.#options = options
    this.#pending = { bytes: 0, most: options.maxPendingBytes ?? 64 * 1024 * 1024 }
    this.#mostConnections = options.maxConnections ?? 1_000
    for (const fault of faults) this.fault(fault)
    this.#output = new Output(options)
  }

  /** Also after `kill`, at the same port. */
  async listen(): Promise<void> {
    const server = this.#transport === 'udp' ? this.#datagrams() : this.#stream()
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      const listening = (): void => {
        server.off('error', reject)
        resolve()
      }
      if ('bind' in server) server.bind(this.#port, this.#host, listening)
      else server.listen(this.#port, this.#host, listening)
    })
    this.#server = server
    this.#port = (server.address() as AddressInfo).port
  }

  get port(): number {
    return this.#port
  }

  /** As `SYSLOG_URL` takes it; an address that means all of them is shown as 127.0.0.1. */
  get url(): string {
    const scheme = this.#transport === 'relp' && this.#tls ? 'relp+tls' : this.#tls ? 'tls' : this.#transport
    const host = ['0.0.0.0', '::'].includes(this.#host) ? '127.0.0.1' : this.#host
    return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${this.#port}`
  }

  /** Settings of a bridge that writes here. */
  environment() {
    return { SYSLOG_URL: this.url }
  }

  /** Messages so far, kept or not. */
  get count(): number {
    return this.#count
  }

  /** Resolves with every kept message, as it is read, as soon as there are so many. Rejects when that takes too long. */
  async received(count: number, wait?: WaitOptions): Promise<SyslogMessage[]> {
    const describe = () => `the receiver has ${this.#count} of ${count} messages`
    await this.#watch.until(() => this.#count >= count, wait, describe)
    return this.messages.map(readMessage)
  }

  /** Resolves when `met` is true; asked after each message and each end of a connection. */
  async until(met: () => boolean, options?: WaitOptions): Promise<void> {
    await this.#watch.until(met, options)
  }

  /** Later connections do this, in the order in which faults were given. Throws a TypeError if none ever could. */
  fault(fault: SyslogFault): void {
    const problem = problemOf(fault, this.#transport)
    if (problem !== undefined) throw new TypeError(`fault: ${problem}`)
    this.#scripts.push({ ...fault, fired: 0 })
  }

  clearFaults(): void {
    this.#scripts.length = 0
  }

  /** Faults that no connection has done. A test fails on them. */
  get unfired(): SyslogFault[] {
    return this.#scripts.filter(({ fired }) => fired === 0)
  }

  /** As SIGKILL does it: whatever was not read is lost, and each connection is reset. */
  async kill(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    for (const socket of this.#sockets) socket.resetAndDestroy()
    if (server) await new Promise<void>((resolve) => server.close(() => resolve()))
  }

  async close(): Promise<void> {
    await this.kill()
    this.#watch.close()
    await this.#output.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #stream(): Server {
    const serve = (socket: Socket): void => this.#serve(socket)
    const server = this.#tls
      ? createTlsServer({ ...this.#tls, allowHalfOpen: true }, serve)
      : createServer({ allowHalfOpen: true, noDelay: true }, serve)
    // Under TLS also those whose handshake comes to nothing.
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      if (this.#tls && this.#sockets.size > this.#mostConnections) socket.on('error', () => {}).destroy()
    })
    return server
  }

  #datagrams(): DatagramSocket {
    const socket = createSocket(this.#host.includes(':') ? 'udp6' : 'udp4')
    const { maxMessageBytes } = this.#frames
    // As a kernel's buffer that is full, a slow output loses datagrams.
    let isFull = false
    socket.on('message', (bytes, { address, port }) => {
      if (isFull) return
      try {
        const room = this.#take(bytes.subarray(0, maxMessageBytes), `${address}:${port}`)
        isFull = room !== undefined
        void room?.then(() => {
          isFull = false
        })
      } catch {
        // The output has failed, and nothing can say so to a sender over UDP.
      }
      this.#watch.changed()
    })
    return socket
  }

  #serve(socket: Socket): void {
    this.connections.open += 1
    this.connections.total += 1
    socket.on('close', () => {
      this.connections.open -= 1
      this.#watch.changed()
    })
    if (this.connections.open > this.#mostConnections) {
      socket.on('error', () => {}).destroy()
      return
    }
    const script = this.#scripts.find(({ times = 1, fired }) => times === 0 || fired < times)
    if (script) script.fired += 1
    const { remoteAddress, remotePort } = socket
    new Connection(socket, {
      ...this.#frames,
      isRelp: this.#transport === 'relp',
      fault: script,
      pending: this.#pending,
      take: (message) => this.#take(message, `${remoteAddress}:${remotePort}`),
      reset: () => {
        for (const each of this.#sockets) if (each.remotePort === remotePort) each.resetAndDestroy()
      },
      changed: () => this.#watch.changed(),
    })
  }

  #take(message: Buffer, from: string): Promise<unknown> | undefined {
    const { keep = true, onMessage } = this.#options
    const isRead = this.#output.isWanted || onMessage !== undefined
    const read = isRead ? readMessage(message) : undefined
    const room = this.#output.isWanted ? this.#output.write(lineOf(read as SyslogMessage, from)) : undefined
    this.#count += 1
    if (keep) this.messages.push(message)
    if (read) onMessage?.(read)
    return room
  }
}

function lineOf(message: SyslogMessage, from: string): string {
  return `${JSON.stringify({ receivedAt: new Date().toISOString(), from, ...message })}\n`
}
