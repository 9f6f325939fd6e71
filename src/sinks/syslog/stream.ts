import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { abortable } from '../../core/abortable.ts'
import type { Clock } from '../../core/clock.ts'
import { sleepUnlessAborted } from '../../core/clock.ts'
import { Fault } from '../../core/errors.ts'
import type { ConnectionEnd } from '../../core/telemetry.ts'
import { networkFault } from '../../net/network-fault.ts'
import { tlsProblem } from '../../net/tls.ts'
import { SYSLOG_SETTINGS } from './connect.ts'
import type { Connection } from './connected-target.ts'
import { STALL_MS, stalls, unacknowledged } from './send-queue.ts'

const FIN_MS = 30_000
const KEEP_ALIVE_MS = 15_000
/** A receiver that refuses a frame needs this long to say so. Less gave false confirmations. */
const LEAST_GRACE_MS = 50
/** Where the system does not tell of the send queue. */
const BLIND_GRACE_MS = 250
const LONGEST_GRACE_MS = 1_000

export interface StreamOptions {
  /** `tcp://host:port`, for messages. */
  readonly name: string
  readonly clock: Clock
  readonly ended: (end: ConnectionEnd) => void
}

/**
 * One connection to a collector, that is only ever written to. It ends in one of two ways: `drain` had the collector's FIN
 * after ours, and everything was read; or anything else, and nothing is known of what was written.
 */
export class Stream implements Connection {
  readonly #socket: Socket
  readonly #options: StreamOptions
  readonly next = 1
  readonly #over = new AbortController()
  readonly #drained = Promise.withResolvers<void>()
  /** Our FIN was asked for. */
  #isEnding = false
  #isReadToEnd = false
  #written = 0
  #writtenAt = 0

  constructor(socket: Socket, options: StreamOptions) {
    this.#socket = socket
    this.#options = options
    this.#drained.promise.catch(() => {})
    socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS)
    // A socket that is not read never tells of the other side's FIN.
    socket.resume()
    socket.on('end', () => this.#peerEnded())
    socket.on('error', (error) => this.#failed(error))
    socket.on('close', () => this.#closed())
    void stalls(socket, options.clock, this.over).then((is) => {
      if (is) this.fail('timeout', `has taken nothing for ${STALL_MS / 1000} s`, STALLED)
    })
  }

  /** Bytes so far. */
  get written(): number {
    return this.#written
  }

  /** When the last of them were, by the monotonic clock. */
  get writtenAt(): number {
    return this.#writtenAt
  }

  /** Nothing more can be written. */
  get isOver(): boolean {
    return this.#over.signal.aborted
  }

  /** Resolves when everything was confirmed by the collector's FIN. Rejects with the Fault that ended the connection. */
  get drained(): Promise<void> {
    return this.#drained.promise
  }

  /** Aborted with the Fault that ended the connection. */
  get over(): AbortSignal {
    return this.#over.signal
  }

  async stays(): Promise<void> {
    await this.#graceOf(LEAST_GRACE_MS)
  }

  async room(): Promise<void> {
    if (this.#socket.writableNeedDrain) await abortable(once(this.#socket, 'drain'), this.over)
    this.over.throwIfAborted()
  }

  /** `left`: called when the system has taken them. */
  write(bytes: Buffer, left: () => void): void {
    this.#written += bytes.length
    this.#writtenAt = this.#options.clock.monotonic()
    this.#socket.write(bytes, (error) => error ?? left())
  }

  /**
   * Half-closes once the send queue is empty and a grace has passed, then waits for the collector's FIN. A collector that
   * refuses a frame closes too, with the same FIN, so one that comes before ours proves nothing. `finMs`: how long the FIN
   * took lately. Returns how long it took.
   */
  async drain(finMs: number): Promise<number> {
    const { clock } = this.#options
    const isKnown = await this.#sendQueueEmpty()
    const grace = Math.min(LONGEST_GRACE_MS, Math.max(isKnown ? LEAST_GRACE_MS : BLIND_GRACE_MS, 2 * finMs))
    await this.#graceOf(grace)
    const since = clock.monotonic()
    this.#isEnding = true
    this.#socket.end()
    const answered = new AbortController()
    const late = sleepUnlessAborted(clock, FIN_MS, answered.signal).then((is) => {
      if (is) this.fail('timeout', `not confirmed: no FIN within ${FIN_MS / 1000} s`, NO_FIN)
    })
    try {
      await this.drained
    } finally {
      answered.abort()
      await late
    }
    return clock.monotonic() - since
  }

  /** Ends the connection at once; it confirms nothing. */
  fail(end: ConnectionEnd, what: string, advice = EARLY): void {
    if (this.isOver) return
    const message = `${this.#options.name} ${what}`
    const kind = this.#written > 0 ? 'ambiguous' : 'transient'
    this.#finish(end, new Fault(kind, message, { code: `syslog_${end}`, advice }))
    this.#socket.destroy()
  }

  close(): void {
    this.#over.abort(new Fault('transient', 'the sink is closed', { code: 'closed' }))
    this.#drained.reject(this.#over.signal.reason)
    this.#socket.on('error', () => {}).destroy()
  }

  #finish(end: ConnectionEnd, fault: Fault | undefined): void {
    this.#over.abort(fault ?? new Fault('transient', `${this.#options.name} is drained`, { code: 'drained' }))
    if (fault) this.#drained.reject(fault)
    else this.#drained.resolve()
    this.#options.ended(end)
  }

  #peerEnded(): void {
    if (this.#isEnding && this.#socket.writableFinished) this.#isReadToEnd = true
    else this.fail('early', 'closed the connection before it confirmed what was sent')
  }

  #closed(): void {
    if (this.isOver) return
    if (this.#isReadToEnd && !this.#socket.errored) this.#finish('confirmed', undefined)
    else this.fail('reset', 'ended the connection without a FIN')
  }

  /** With TLS 1.3 a server looks at our certificate after the handshake, and its alert comes here. */
  #failed(error: Error): void {
    if (this.isOver) return
    const { code = error.message } = error as NodeJS.ErrnoException
    const problem = tlsProblem(error)
    if (problem !== 'client_refused') {
      this.fail('reset', `was reset (${code})`)
      return
    }
    const { name } = this.#options
    this.#finish('refused', networkFault(error, { sent: true, answering: false }, name, SYSLOG_SETTINGS))
    this.#socket.destroy()
  }

  async #graceOf(ms: number): Promise<void> {
    const { signal } = this.#over
    await this.#options.clock.sleep(ms, signal)
    // A FIN that came while this thread was busy is seen in the next round of the event loop.
    await setImmediate()
    await setImmediate()
    signal.throwIfAborted()
  }

  /** False where the system does not tell. */
  async #sendQueueEmpty(): Promise<boolean> {
    for (;;) {
      const inKernel = await unacknowledged(this.#socket, this.#options.clock)
      this.over.throwIfAborted()
      if (this.#socket.writableLength + (inKernel ?? 0) === 0) return inKernel !== undefined
    }
  }

  /** Whether everything that was written has reached the other kernel, where the system tells. */
  async hasSentAll(): Promise<boolean> {
    return this.#socket.writableLength + ((await unacknowledged(this.#socket, this.#options.clock)) ?? 0) === 0
  }
}

const EARLY =
  'All of it is sent again. If it goes on: look into the log of the collector. It may refuse the framing (SYSLOG_FRAMING), the size of a message (SYSLOG_MAX_BYTES) or so many connections (SYSLOG_CONNECTIONS), want a client certificate, or speak TLS where the URL says tcp://.'
const STALLED = 'All of it is sent again. Check whether the collector, or its disk or queue, is blocked.'
const NO_FIN =
  'All of it is sent again. The collector, or a proxy before it, is blocked or keeps half-closed connections open. If it always does that, set SYSLOG_CONFIRM=written.'
