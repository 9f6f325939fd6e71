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
  /** A socket of TLS cannot be reset, only the one below it. */
  readonly reset: () => void
  /** Something has happened. */
  readonly changed: () => void
}

/** One connection to the receiver: reads its messages, and misbehaves as its script says. */
export class Connection {
  readonly #socket: Socket
  readonly #options: ConnectionOptions
  readonly #received: (bytes: Buffer) => Iterable<Received>
  readonly #last: () => Buffer | undefined
  #read = 0
  /** Later bytes are thrown away. */
  #isOver = false

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket
    this.#options = options
    if (options.isRelp) {
      const server = new RelpServer({
        ...{ maxMessageBytes: options.maxMessageBytes, oversize: options.oversize },
        write: (text) => socket.write(text),
        closed: () => socket.end(),
      })
      this.#received = (bytes) => server.push(bytes)
      this.#last = () => undefined
    } else {
      const frames = new FrameReader(options)
      this.#received = function* (bytes) {
        for (const message of frames.push(bytes)) yield { message, answer: () => {} }
      }
      this.#last = () => frames.end()
    }
    socket.on('error', () => {})
    socket.on('end', () => this.#ended())
    socket.on('data', (bytes) => this.#take(bytes))
    this.#misbehave()
  }

  #take(bytes: Buffer): void {
    if (this.#isOver) return
    try {
      for (const received of this.#received(bytes)) {
        this.#receive(received)
        if (this.#isOver) break
      }
    } catch {
      // Bytes that are no frame, or an output that has failed: the rest of the connection is lost, as with real collectors.
      this.#isOver = true
      if (this.#options.isRelp) this.#socket.write(SERVER_CLOSE)
      this.#socket.end()
    }
    this.#options.changed()
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
    const last = this.#isOver ? undefined : this.#last()
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

const LATER: readonly string[] = ['deaf', 'late', 'refuse']

function isDue(fault: SyslogFault, read: number, message: Buffer | undefined): boolean {
  if (LATER.includes(fault.does)) return false
  if (fault.at) return message !== undefined && fault.at.test(message.toString())
  return read >= (fault.afterMessages ?? 0)
}
