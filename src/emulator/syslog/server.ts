/**
 * A syslog collector over TCP and TLS (RFC 6587), also with RELP, with the misbehaviour of real ones on demand: it closes early, resets, goes silent,
 * or never answers a half-close.
 *
 * Not implemented: `NOT_IMPLEMENTED` below.
 */
import type { AddressInfo, Server, Socket } from 'node:net'
import { createServer } from 'node:net'
import type { TlsOptions } from 'node:tls'
import { createServer as createTlsServer } from 'node:tls'
import type { ListenOptions } from '../listener.ts'
import type { WaitOptions } from '../watch.ts'
import { Watch } from '../watch.ts'
import type { Framing } from './frames.ts'
import { FrameReader } from './frames.ts'
import type { Received } from './relp.ts'
import { RelpServer } from './relp.ts'

export type { SyslogReceiver }

export const NOT_IMPLEMENTED = ['UDP', 'any meaning of a message: frames are kept as bytes']

/** A scripted fault of one connection. It happens after a number of messages, or at a certain message. */
export interface SyslogFault {
  /**
   * - `fin`: closes as a collector does that refuses a frame. What follows is read and thrown away, so that no reset tells of it.
   * - `reset`: resets the connection.
   * - `stop`: reads no more, and does not close.
   * - `deaf`: reads on, and never answers our FIN, nor a message of RELP.
   * - `refuse`: answers messages with `500` (RELP).
   */
  does: 'fin' | 'reset' | 'stop' | 'deaf' | 'refuse'
  /** Default 0: at once. */
  afterMessages?: number
  /** Instead of a count: at each message that matches. It is not kept. */
  at?: RegExp
  /** `fin` and `reset` come so much later, as from a collector that takes its time. Default 0. */
  delayMs?: number
  /** Connections that do it. Default 1; 0 is all. */
  times?: number
}

export interface SyslogReceiverOptions extends ListenOptions {
  /** Default `octet`. With `relp` each message is answered. */
  framing?: Framing | 'relp'
  faults?: readonly SyslogFault[]
}

/** Rejects when the port can't be had. */
export async function startSyslogReceiver(options: SyslogReceiverOptions = {}): Promise<SyslogReceiver> {
  const receiver = new SyslogReceiver(options)
  await receiver.listen()
  return receiver
}

interface Script extends SyslogFault {
  fired: number
}

class SyslogReceiver implements AsyncDisposable {
  /** Messages that were read whole, in the order of their arrival. */
  readonly messages: Buffer[] = []
  readonly connections = { open: 0, total: 0 }
  readonly #framing: Framing | 'relp'
  readonly #host: string
  readonly #tls: TlsOptions | undefined
  readonly #scripts: Script[] = []
  readonly #sockets = new Set<Socket>()
  readonly #watch = new Watch()
  #server: Server | undefined
  #port: number

  constructor({ framing = 'octet', host = '127.0.0.1', port = 0, tls, faults = [] }: SyslogReceiverOptions) {
    this.#framing = framing
    this.#host = host
    this.#tls = tls
    this.#port = port
    for (const fault of faults) this.fault(fault)
  }

  /** Also after `kill`, at the same port. */
  async listen(): Promise<void> {
    const serve = (socket: Socket): void => this.#serve(socket)
    const server = this.#tls
      ? createTlsServer({ ...this.#tls, allowHalfOpen: true }, serve)
      : createServer({ allowHalfOpen: true, noDelay: true }, serve)
    // Under TLS also those whose handshake comes to nothing.
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.#port, this.#host, resolve)
    })
    this.#port = (server.address() as AddressInfo).port
  }

  /** As `SYSLOG_URL` takes it. */
  get url(): string {
    const scheme = this.#framing === 'relp' ? (this.#tls ? 'relp+tls' : 'relp') : this.#tls ? 'tls' : 'tcp'
    return `${scheme}://${this.#host.includes(':') ? `[${this.#host}]` : this.#host}:${this.#port}`
  }

  /** Later connections do this, in the order in which faults were given. */
  fault(fault: SyslogFault): void {
    this.#scripts.push({ ...fault, fired: 0 })
  }

  clearFaults(): void {
    this.#scripts.length = 0
  }

  /** Faults that no connection has done. A test fails on them. */
  get unfired(): SyslogFault[] {
    return this.#scripts.filter(({ fired }) => fired === 0)
  }

  /** Resolves when `met` is true; asked after each message and each end of a connection. */
  async until(met: () => boolean, options?: WaitOptions): Promise<void> {
    await this.#watch.until(met, options)
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
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** The messages that are complete with each run of bytes. */
  #reader(socket: Socket): (bytes: Buffer) => Iterable<Received> {
    if (this.#framing === 'relp') {
      const server = new RelpServer(
        (text) => socket.write(text),
        () => socket.end(),
      )
      return (bytes) => server.push(bytes)
    }
    const frames = new FrameReader(this.#framing)
    return function* (bytes) {
      for (const message of frames.push(bytes)) yield { message, answer: () => {} }
    }
  }

  /** A socket of TLS cannot be reset, only the one below it. */
  #reset({ remotePort }: Socket): void {
    for (const socket of this.#sockets) if (socket.remotePort === remotePort) socket.resetAndDestroy()
  }

  #serve(socket: Socket): void {
    this.connections.open += 1
    this.connections.total += 1
    const script = this.#scripts.find(({ times = 1, fired }) => times === 0 || fired < times)
    if (script) script.fired += 1
    const received = this.#reader(socket)
    let read = 0
    let isOver = false
    const isDue = (message: Buffer | undefined): boolean => {
      if (script === undefined || script.does === 'deaf' || script.does === 'refuse') return false
      if (script.at) return message !== undefined && script.at.test(message.toString())
      return read >= (script.afterMessages ?? 0)
    }
    const misbehave = (message?: Buffer): boolean => {
      if (script === undefined || !isDue(message)) return false
      isOver = true
      if (script.does === 'stop') socket.pause()
      else setTimeout(() => (script.does === 'fin' ? socket.end() : this.#reset(socket)), script.delayMs ?? 0)
      return true
    }
    const take = (bytes: Buffer): void => {
      if (isOver) return
      try {
        for (const { message, answer } of received(bytes)) {
          if (script?.does === 'refuse' && (script.at?.test(message.toString()) ?? true)) {
            answer('500 not taken')
            continue
          }
          if (script?.at && misbehave(message)) break
          this.messages.push(Buffer.from(message))
          read += 1
          if (misbehave()) break
          if (script?.does !== 'deaf') answer('200 OK')
        }
      } catch {
        isOver = true
        socket.end() // bytes that are no frame: the rest of the connection is lost, as with real collectors
      }
      this.#watch.changed()
    }
    socket.on('error', () => {})
    socket.on('close', () => {
      this.connections.open -= 1
      this.#watch.changed()
    })
    socket.on('end', () => {
      if (script?.does !== 'deaf' && !isOver) socket.end()
    })
    socket.on('data', take)
    misbehave()
  }
}
