import type { Socket } from 'node:net'
import type { SyslogFault } from './faults.ts'
import type { FrameOptions } from './frames.ts'
import { FrameReader } from './frames.ts'
import type { Received } from './relp.ts'
import { RelpServer, SERVER_CLOSE } from './relp.ts'

export interface ConnectionOptions extends FrameOptions {
  readonly isRelp: boolean
  readonly fault: SyslogFault | undefined
  /** Takes a message before it is answered. Resolves when the output has room again; throws when it has failed. */
  readonly take: (message: Buffer) => Promise<unknown> | undefined
  /** Of messages that are not complete, over all connections. One that would exceed it is closed. */
  readonly pending: Pending
  /** A socket of TLS cannot be reset, only the one below it. */
  readonly reset: () => void
  /** Something has happened. */
  readonly changed: () => void
}

export interface Pending {
  bytes: number
  readonly most: number
}

/** One connection to the receiver: reads its messages, and misbehaves as its script says. */
export class Connection {
  readonly #socket: Socket
  readonly #options: ConnectionOptions
  #protocol: Protocol
  #pending = 0
  #read = 0
  /** Later bytes are thrown away. */
  #isOver = false

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket
    this.#options = options
    this.#protocol = options.isRelp ? relp(socket, options) : frames(options)
    socket.on('error', () => {})
    socket.on('end', () => this.#ended())
    socket.on('close', () => this.#holds(0))
    socket.on('data', (bytes) => this.#take(bytes))
    this.#misbehave()
  }

  #take(bytes: Buffer): void {
    if (this.#isOver) return
    try {
      for (const received of this.#protocol.push(bytes)) {
        this.#receive(received)
        if (this.#isOver) break
      }
      this.#holds(this.#protocol.pending)
    } catch {
      // Bytes that are no frame, too many, or an output that has failed: the rest of the connection is lost, as with real collectors.
      this.#isOver = true
      this.#protocol = NOTHING
      this.#holds(0)
      if (this.#options.isRelp) this.#socket.write(SERVER_CLOSE)
      this.#socket.end()
    }
    this.#options.changed()
  }

  /** Throws if all connections together hold too much. */
  #holds(bytes: number): void {
    const { pending } = this.#options
    pending.bytes += bytes - this.#pending
    this.#pending = bytes
    if (bytes > 0 && pending.bytes > pending.most) throw new Error('too many messages are not complete')
  }

  #receive({ message, answer }: Received): void {
    const { fault, take } = this.#options
    if (fault?.does === 'refuse' && (fault.at?.test(message.toString()) ?? true)) {
      answer('500 not taken')
      return
    }
    if (fault?.at && this.#misbehave(message)) return
    const room = take(Buffer.from(message))
    if (room) this.#waitFor(room)
    this.#read += 1
    if (this.#misbehave()) return
    if (fault?.does !== 'deaf') answer('200 OK')
  }

  /** True if what was scripted happens now. */
  #misbehave(message?: Buffer): boolean {
    const { fault, reset } = this.#options
    if (fault === undefined || !isDue(fault, this.#read, message)) return false
    this.#isOver = true
    if (fault.does === 'stop') this.#socket.pause()
    else {
      this.#after(fault.delayMs, () => {
        if (fault.does === 'reset') return reset()
        if (fault.does === 'serverclose') this.#socket.write(SERVER_CLOSE)
        this.#socket.end()
      })
    }
    return true
  }

  #ended(): void {
    const { fault, take, changed } = this.#options
    const last = this.#isOver ? undefined : this.#protocol.end()
    try {
      if (last) void take(last)
    } catch {
      // The output has failed, and the receiver has said so.
    }
    changed()
    if (this.#isOver || fault?.does === 'deaf') return
    this.#after(fault?.does === 'late' ? fault.delayMs : 0, () => this.#socket.end())
  }

  #after(delayMs: number | undefined, act: () => void): void {
    if (delayMs) setTimeout(act, delayMs).unref()
    else act()
  }

  #waitFor(room: Promise<unknown>): void {
    this.#socket.pause()
    const goOn = (): void => {
      if (!(this.#isOver && this.#options.fault?.does === 'stop')) this.#socket.resume()
    }
    void room.then(goOn, goOn)
  }
}

/** The messages in the bytes of one connection. */
interface Protocol {
  /** Bytes of a message that is not complete. */
  readonly pending: number
  push(bytes: Buffer): Iterable<Received>
  /** The message that the connection ended in. */
  end(): Buffer | undefined
}

const NOTHING: Protocol = { pending: 0, push: () => [], end: () => undefined }

function relp(socket: Socket, options: ConnectionOptions): Protocol {
  const { maxMessageBytes, oversize } = options
  const write = (text: string): void => void socket.write(text)
  const server = new RelpServer({ maxMessageBytes, oversize, write, closed: () => socket.end() })
  return {
    get pending() {
      return server.pending
    },
    push: (bytes) => server.push(bytes),
    end: () => undefined,
  }
}

function frames(options: ConnectionOptions): Protocol {
  const reader = new FrameReader(options)
  return {
    get pending() {
      return reader.pending
    },
    *push(bytes) {
      for (const message of reader.push(bytes)) yield { message, answer: () => {} }
    },
    end: () => reader.end(),
  }
}

const LATER: readonly string[] = ['deaf', 'late', 'refuse']

function isDue(fault: SyslogFault, read: number, message: Buffer | undefined): boolean {
  if (LATER.includes(fault.does)) return false
  if (fault.at) return message !== undefined && fault.at.test(message.toString())
  return read >= (fault.afterMessages ?? 0)
}
