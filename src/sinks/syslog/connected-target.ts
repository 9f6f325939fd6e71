import type { Socket } from 'node:net'
import pLimit from 'p-limit'
import { abortable } from '../../core/abortable.ts'
import { Fault } from '../../core/errors.ts'
import type { ConnectionEnd } from '../../core/telemetry.ts'
import { Dialer } from './connect.ts'
import type { Framer, Piece, Pieces } from './frames.ts'
import { LateRefusal } from './late-refusal.ts'
import type { SendOptions, Target, TargetOptions } from './target.ts'

/** A connection to a collector that is only written to by one batch at a time. */
export interface Connection {
  /** Aborted with the Fault that ended it, or when it was closed. */
  readonly over: AbortSignal
  /** The number of the next command; of interest to RELP only. */
  readonly next: number
  /** Waits until a collector that takes no more connections, or not our certificate, would have ended this one. */
  stays(): Promise<void>
  /** Resolves when another piece may leave. Rejects with the Fault that ended the connection. */
  room(): Promise<void>
  /** Nobody waits for it any more. */
  close(): void
}

/** The way of the pieces of one `send` onto their connection. */
export interface Sending<C extends Connection> {
  /** `left`: called when the system has taken the piece. */
  put(connection: C, piece: Piece, left: () => void): void
  /** Resolves when everything that was put is confirmed, or answered. */
  confirmed(connection: C): Promise<void>
}

/**
 * One collector, and the connections to it. A batch gets a connection of its own, or one that others have used before. How a
 * connection is made of a socket, how pieces are put on it, and what confirms them, is for its kind to say.
 */
export abstract class ConnectedTarget<C extends Connection> implements Target {
  readonly url: string
  readonly framer: Framer
  readonly confirms = true
  protected readonly options: TargetOptions
  readonly #dialer: Dialer
  readonly #writers
  /** Open, and nobody writes to them. */
  readonly #idle: C[] = []
  readonly #all = new Set<C>()
  readonly #stop = new AbortController()
  readonly #late: LateRefusal
  #confirmations = 0

  constructor(options: TargetOptions) {
    this.url = options.url
    this.framer = options.framer
    this.options = options
    this.#late = new LateRefusal(options.url, options.clock)
    this.#dialer = new Dialer(options)
    this.#writers = pLimit(options.connections)
  }

  get confirmations(): number {
    return this.#confirmations
  }

  async send(pieces: Pieces, options: SendOptions): Promise<void> {
    try {
      await this.#send(pieces, options)
    } catch (error) {
      throw this.#late.faultOf(error)
    }
  }

  async #send(pieces: Pieces, options: SendOptions): Promise<void> {
    const { clock, telemetry, sink } = this.options
    const { signal, alone } = options
    const sending = this.sending(options)
    const connection = await abortable(
      this.#writers(() => this.#write(pieces, sending, options)),
      signal,
    )
    const since = clock.monotonic()
    try {
      await abortable(sending.confirmed(connection), signal)
    } finally {
      if (alone) connection.close()
    }
    telemetry.confirmed(sink, (clock.monotonic() - since) / 1000)
  }

  async probe(signal: AbortSignal): Promise<Fault | undefined> {
    try {
      const connection = await this.#open(signal)
      connection.close()
      return undefined
    } catch (error) {
      if (error instanceof Fault) return error
      throw error
    }
  }

  close(): void {
    this.#stop.abort(new Fault('transient', 'the sink is closed', { code: 'closed' }))
    for (const connection of this.#all) connection.close()
  }

  /** Makes a connection of a socket. Rejects with a Fault if the collector does not agree. */
  protected abstract connected(socket: Socket, ended: (end: ConnectionEnd) => void): Promise<C>

  protected abstract sending(options: SendOptions): Sending<C>

  /** Called when a batch is written: whether others may write to the connection. */
  protected abstract written(connection: C, alone: boolean): boolean

  /** The collector has confirmed something. */
  protected proven(): void {
    this.#confirmations++
    this.#late.confirmed()
  }

  /** False if somebody writes to it. Otherwise nobody will. */
  protected takeIdle(connection: C): boolean {
    const place = this.#idle.indexOf(connection)
    if (place >= 0) this.#idle.splice(place, 1)
    return place >= 0
  }

  async #write(pieces: Pieces, sending: Sending<C>, { leaving, alone, signal }: SendOptions): Promise<C> {
    signal.throwIfAborted()
    const connection = (alone ? undefined : this.#idle.pop()) ?? (await this.#open(this.#stop.signal))
    try {
      if (alone) await connection.stays()
      for (const piece of pieces(() => connection.next)) {
        await this.options.pace?.take(piece.indexes.length, AbortSignal.any([signal, connection.over]))
        await connection.room()
        leaving(piece)
        sending.put(connection, piece, () => this.framer.recycle(piece))
      }
      return connection
    } finally {
      if (!connection.over.aborted && this.written(connection, alone)) this.#idle.push(connection)
    }
  }

  async #open(signal: AbortSignal): Promise<C> {
    const { clock, telemetry, sink } = this.options
    const socket = await this.#dialer.open(signal)
    const since = clock.monotonic()
    const connection = await this.connected(socket, (end) => {
      telemetry.connectionEnded(sink, end)
      if (end === 'reset') this.#late.wasReset(since)
    })
    this.#all.add(connection)
    const forget = (): void => {
      this.#all.delete(connection)
      this.takeIdle(connection)
    }
    connection.over.addEventListener('abort', forget, { once: true })
    return connection
  }
}
