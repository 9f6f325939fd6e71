import pLimit from 'p-limit'
import { abortable } from '../../core/abortable.ts'
import { Fault } from '../../core/errors.ts'
import { Dialer } from './connect.ts'
import type { Framer, Piece } from './frames.ts'
import { messagesOf } from './frames.ts'
import { LateRefusal } from './late-refusal.ts'
import type { Answer } from './relp-session.ts'
import { RelpSession } from './relp-session.ts'
import type { SendOptions, Target, TargetOptions } from './target.ts'

/** One collector that answers each message, and the sessions with it. */
export class RelpTarget implements Target {
  readonly url: string
  readonly framer: Framer
  readonly confirms = true
  readonly #options: TargetOptions
  readonly #dialer: Dialer
  readonly #writers
  /** Nobody writes to them. */
  readonly #idle: RelpSession[] = []
  readonly #all = new Set<RelpSession>()
  readonly #stop = new AbortController()
  readonly #late: LateRefusal
  #confirmations = 0

  constructor(options: TargetOptions) {
    this.url = options.url
    this.framer = options.framer
    this.#options = options
    this.#late = new LateRefusal(options.url, options.clock)
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

  async #send(pieces: Iterable<Piece>, options: SendOptions): Promise<void> {
    const { clock, telemetry, sink } = this.#options
    const { signal } = options
    const sent = new Sent((index, answer) => {
      if (answer.code === '200') this.#confirmations++
      options.answered(index, answer)
    })
    const write = async (): Promise<RelpSession> => {
      signal.throwIfAborted()
      return await this.#write(pieces, sent, options)
    }
    const session = await abortable(this.#writers(write), signal)
    const since = clock.monotonic()
    try {
      await abortable(sent.all(), AbortSignal.any([signal, session.over]))
    } finally {
      if (options.alone) session.close()
    }
    this.#late.confirmed()
    telemetry.confirmed(sink, (clock.monotonic() - since) / 1000)
  }

  /** Whether a session can be opened. */
  async probe(signal: AbortSignal): Promise<Fault | undefined> {
    try {
      await openSession(this.url, this.#dialer, { ...this.#options, signal }).then((session) => session.close())
      return undefined
    } catch (error) {
      if (error instanceof Fault) return error
      throw error
    }
  }

  close(): void {
    this.#stop.abort(new Fault('transient', 'the sink is closed', { code: 'closed' }))
    for (const session of this.#all) session.close()
  }

  async #write(pieces: Iterable<Piece>, sent: Sent, { leaving, alone, signal }: SendOptions): Promise<RelpSession> {
    const session = (alone ? undefined : this.#idle.pop()) ?? (await this.#open())
    try {
      for (const piece of pieces) {
        await this.#options.pace?.take(piece.indexes.length, AbortSignal.any([signal, session.over]))
        await session.room()
        leaving(piece)
        for (const [nth, message] of messagesOf(piece.bytes).entries()) {
          session.send(message, sent.expect(piece.indexes[nth] as number))
        }
      }
      return session
    } finally {
      if (!alone && !session.over.aborted) this.#idle.push(session)
    }
  }

  async #open(): Promise<RelpSession> {
    const { clock } = this.#options
    const since = clock.monotonic()
    const opening = openSession(this.url, this.#dialer, { ...this.#options, signal: this.#stop.signal })
    const session = await opening.catch((error) => {
      if (error instanceof Fault && error.code === 'syslog_reset') this.#late.wasReset(since)
      throw error
    })
    this.#all.add(session)
    const forget = (): void => {
      this.#all.delete(session)
      const place = this.#idle.indexOf(session)
      if (place >= 0) this.#idle.splice(place, 1)
    }
    session.over.addEventListener('abort', forget, { once: true })
    return session
  }
}

/** Opens a connection and a session on it. Rejects with a Fault. */
export async function openSession(
  url: string,
  dialer: Dialer,
  { clock, sink, telemetry, signal }: Pick<TargetOptions, 'clock' | 'sink' | 'telemetry'> & { signal: AbortSignal },
): Promise<RelpSession> {
  const socket = await dialer.open(signal).catch((error) => {
    if (error instanceof Fault && error !== signal.reason) telemetry.connectionEnded(sink, 'refused')
    throw error
  })
  const session = new RelpSession(socket, { name: url, clock, ended: (end) => telemetry.connectionEnded(sink, end) })
  await session.open()
  return session
}

/** The messages of one send, answered in the order in which they left. */
class Sent {
  readonly #tell: SendOptions['answered']
  readonly #open: { readonly index: number; answer?: Answer }[] = []
  readonly #done = Promise.withResolvers<void>()
  #isWaited = false

  constructor(tell: SendOptions['answered']) {
    this.#tell = tell
  }

  expect(index: number): (answer: Answer) => void {
    const message: { readonly index: number; answer?: Answer } = { index }
    this.#open.push(message)
    return (answer) => {
      message.answer = answer
      for (let first = this.#open[0]; first?.answer; first = this.#open[0]) {
        this.#open.shift()
        this.#tell(first.index, first.answer)
      }
      this.#look()
    }
  }

  /** Resolves when all that were expected until now are answered. */
  all(): Promise<void> {
    this.#isWaited = true
    this.#look()
    return this.#done.promise
  }

  #look(): void {
    if (this.#isWaited && this.#open.length === 0) this.#done.resolve()
  }
}
