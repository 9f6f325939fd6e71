import pLimit from 'p-limit'
import { abortable } from '../../core/abortable.ts'
import type { Clock } from '../../core/clock.ts'
import { sleepUnlessAborted } from '../../core/clock.ts'
import { Fault } from '../../core/errors.ts'
import type { ConnectionEnd, Telemetry } from '../../core/telemetry.ts'
import type { Tls } from '../../net/tls.ts'
import { Dialer } from './connect.ts'
import type { Framer, Piece } from './frames.ts'
import { LateRefusal } from './late-refusal.ts'
import type { Pace } from './pace.ts'
import type { Answer } from './relp-session.ts'
import { Stream } from './stream.ts'

/** A connection takes batches until one of these, and is drained. More of them keeps checkpoints behind; less wastes ports. */
const ROTATE_BYTES = 4_000_000
const ROTATE_MS = 1_000
const QUIET_MS = 200
/** Connections of a target that drain at the same time. Some collectors take ten from one address. */
const MOST_CLOSING = 7
/** With `written`: what the kernels on both sides and the collector may hold, at the defaults of Linux. */
const WINDOW_BYTES = 16_000_000
const WINDOW_MS = 60_000

export type Confirm = 'drain' | 'written'

export interface TargetOptions {
  readonly sink: string
  readonly url: string
  readonly framer: Framer
  readonly tls: Tls
  readonly confirm: Confirm
  /** Connections that are written to at the same time. */
  readonly connections: number
  /** Shared by all targets of a sink. */
  readonly pace: Pace | undefined
  readonly clock: Clock
  readonly telemetry: Pick<Telemetry, 'connectionEnded' | 'confirmed' | 'notice'>
}

type Written = Omit<SendOptions, 'answered'>

export interface SendOptions {
  /** Called before each piece. Throws if it may not leave any more. */
  readonly leaving: (piece: Piece) => void
  /** Called for each message that has an answer of its own, in the order in which they left. */
  readonly answered: (index: number, answer: Answer) => void
  /** On a connection for these pieces only. */
  readonly alone: boolean
  readonly signal: AbortSignal
}

/** One collector. */
export interface Target {
  readonly url: string
  readonly framer: Framer
  /** False: that something was sent says nothing about its arrival. */
  readonly confirms: boolean
  /** How often it confirmed anything. */
  readonly confirmations: number
  /** Sends the pieces and resolves when they are confirmed. Rejects with a Fault, or with the signal's reason. */
  send(pieces: Iterable<Piece>, options: SendOptions): Promise<void>
  /** Whether it can be connected to. */
  probe(signal: AbortSignal): Promise<Fault | undefined>
  /** Only after all deliveries were settled or aborted. */
  close(): void
}

/** One collector that confirms whole connections, and the connections to it. */
export class StreamTarget implements Target {
  readonly url: string
  readonly framer: Framer
  readonly confirms = true
  readonly #options: TargetOptions
  readonly #dialer: Dialer
  readonly #writers
  readonly #closers = pLimit(MOST_CLOSING)
  /** Open, and nobody writes to them. */
  readonly #idle: Stream[] = []
  readonly #all = new Set<Stream>()
  /** They take no more batches. */
  readonly #due = new WeakSet<Stream>()
  readonly #stop = new AbortController()
  #finMs = 0
  #confirmations = 0
  readonly #late: LateRefusal

  constructor(options: TargetOptions) {
    this.url = options.url
    this.framer = options.framer
    this.#late = new LateRefusal(options.url, options.clock)
    this.#options = options
    this.#dialer = new Dialer(options)
    this.#writers = pLimit(options.connections)
  }

  get confirmations(): number {
    return this.#confirmations
  }

  async send(pieces: Iterable<Piece>, options: SendOptions): Promise<void> {
    try {
      await this.#send(pieces, options)
    } catch (error) {
      throw this.#late.faultOf(error)
    }
  }

  async #send(pieces: Iterable<Piece>, { leaving, alone, signal }: SendOptions): Promise<void> {
    const write = async (): Promise<Stream> => {
      signal.throwIfAborted()
      return await this.#write(pieces, { leaving, alone, signal })
    }
    const { clock, telemetry, sink, confirm } = this.#options
    const stream = await abortable(this.#writers(write), signal)
    const since = clock.monotonic()
    try {
      await abortable(confirm === 'drain' ? stream.drained : this.#aged(stream, stream.written), signal)
    } finally {
      if (alone && confirm === 'written') stream.destroy()
    }
    if (stream.written > 0) {
      this.#confirmations++
      this.#late.confirmed()
    }
    telemetry.confirmed(sink, (clock.monotonic() - since) / 1000)
  }

  async probe(signal: AbortSignal): Promise<Fault | undefined> {
    try {
      const socket = await this.#dialer.open(signal)
      socket.on('error', () => {}).destroy()
      return undefined
    } catch (error) {
      if (error instanceof Fault) return error
      throw error
    }
  }

  close(): void {
    this.#stop.abort(new Fault('transient', 'the sink is closed', { code: 'closed' }))
    for (const stream of this.#all) stream.destroy()
  }

  async #write(pieces: Iterable<Piece>, { leaving, alone, signal }: Written): Promise<Stream> {
    const stream = (alone ? undefined : this.#idle.pop()) ?? (await this.#open())
    const isFirst = stream.written === 0
    try {
      if (alone) await stream.stays()
      for (const piece of pieces) {
        await this.#options.pace?.take(piece.indexes.length, AbortSignal.any([signal, stream.over]))
        leaving(piece)
        await stream.write(piece.bytes)
      }
    } finally {
      const drains = this.#options.confirm === 'drain'
      if (isFirst && drains && !alone) void this.#rotateInTime(stream)
      if (!alone) this.#release(stream)
      else if (drains && !stream.isOver) this.#drain(stream)
    }
    return stream
  }

  async #open(): Promise<Stream> {
    const { clock, sink, telemetry, url } = this.#options
    const socket = await this.#dialer.open(this.#stop.signal).catch((error) => {
      if (error instanceof Fault && error !== this.#stop.signal.reason) telemetry.connectionEnded(sink, 'refused')
      throw error
    })
    const since = clock.monotonic()
    const ended = (end: ConnectionEnd): void => {
      telemetry.connectionEnded(sink, end)
      if (end === 'reset') this.#late.wasReset(since)
    }
    const stream = new Stream(socket, { name: url, clock, ended })
    this.#all.add(stream)
    stream.over.addEventListener('abort', () => this.#forget(stream), { once: true })
    return stream
  }

  #forget(stream: Stream): void {
    this.#all.delete(stream)
    const place = this.#idle.indexOf(stream)
    if (place >= 0) this.#idle.splice(place, 1)
  }

  #release(stream: Stream): void {
    if (stream.isOver) return
    const isFull = stream.written >= ROTATE_BYTES || this.#due.has(stream)
    if (isFull && this.#options.confirm === 'drain') this.#drain(stream)
    else this.#idle.push(stream)
  }

  async #rotateInTime(stream: Stream): Promise<void> {
    const { clock } = this.#options
    const until = clock.monotonic() + ROTATE_MS
    do {
      if (!(await sleepUnlessAborted(clock, QUIET_MS, stream.over))) return
    } while (clock.monotonic() < until && clock.monotonic() - stream.writtenAt < QUIET_MS)
    this.#due.add(stream)
    const place = this.#idle.indexOf(stream)
    if (place < 0) return // somebody writes to it and gives it back, or it drains already
    this.#idle.splice(place, 1)
    this.#drain(stream)
  }

  #drain(stream: Stream): void {
    const drained = this.#closers(async () => {
      this.#finMs = await stream.drain(this.#finMs)
    })
    // Everybody who wrote to it is told by the stream itself.
    drained.catch(() => {})
  }

  /** Resolves when the connection has outlived the replay window of what was written up to `offset`. */
  async #aged(stream: Stream, offset: number): Promise<void> {
    const { clock } = this.#options
    const until = clock.monotonic() + WINDOW_MS
    for (;;) {
      stream.over.throwIfAborted()
      if (stream.written - offset >= WINDOW_BYTES) return
      if (clock.monotonic() >= until && (await stream.hasSentAll())) {
        stream.over.throwIfAborted()
        return
      }
      await clock.sleep(LOOK_EACH_MS, stream.over)
    }
  }
}

/** How often a window is looked at. */
const LOOK_EACH_MS = 200
