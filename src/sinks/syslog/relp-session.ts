import type { Socket } from 'node:net'
import { abortable } from '../../core/abortable.ts'
import { Changes } from '../../core/changes.ts'
import type { Clock } from '../../core/clock.ts'
import { sleepUnlessAborted } from '../../core/clock.ts'
import { Fault } from '../../core/errors.ts'
import type { ConnectionEnd } from '../../core/telemetry.ts'
import { networkFault } from '../../net/network-fault.ts'
import { tlsProblem } from '../../net/tls.ts'
import { LARGEST_NUMBER, numberAfter } from './command-number.ts'
import { SYSLOG_SETTINGS } from './connect.ts'
import type { Piece } from './frames.ts'
import { STALL_MS, stalls } from './send-queue.ts'

const LF = 0x0a
const OFFERS = 'relp_version=0\nrelp_software=sls-siem-bridge\ncommands=syslog\n'
/** The longest beginning of a frame: number, command, length. */
const LONGEST_BEGINNING = 60
/** Messages and bytes that may wait for their answers. */
const WINDOW_MESSAGES = 2_000
const WINDOW_BYTES = 2_000_000
const OPEN_MS = 10_000
/** As long as rsyslog's own client waits. */
const SILENT_MS = 90_000
const LOOK_EACH_MS = 5_000
const KEEP_ALIVE_MS = 15_000

/** A collector's answer to one message. Only 200 is success. */
export interface Answer {
  readonly code: string
  readonly text: string
}

/** Commands that left together, with numbers one behind the other. */
interface Run {
  readonly first: number
  readonly bytes: number
  /** By place: whether it has its answer. */
  readonly isAnswered: Uint8Array
  /** Commands without an answer. */
  left: number
  readonly answered: (nth: number, answer: Answer) => void
}

const SUCCESS: Answer = { code: '200', text: 'OK' }
/** The answer of nearly every command, behind its number. */
const SUCCESS_BYTES = Buffer.from(' rsp 6 200 OK\n')

export interface RelpSessionOptions {
  /** `relp://host:port`, for messages. */
  readonly name: string
  readonly clock: Clock
  readonly ended: (end: ConnectionEnd) => void
}

/** The client's side of RELP (librelp's `doc/relp.md`, version 0) on one connection. Each message has an answer of its own. */
export class RelpSession {
  readonly #socket: Socket
  readonly #options: RelpSessionOptions
  readonly #over = new AbortController()
  /** Commands that wait for answers, in the order in which they left. */
  readonly #runs: Run[] = []
  #waiting = 0
  readonly #changes = new Changes()
  #rest: Buffer = Buffer.alloc(0)
  #next = 1
  #inFlight = 0
  /** The system has taken everything. */
  #taken = Promise.resolve()
  #heardAt = 0
  #isOpen = false
  #isWatched = false

  private constructor(socket: Socket, options: RelpSessionOptions) {
    this.#socket = socket
    this.#options = options
    socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS)
    socket.on('data', (bytes) => this.#read(bytes))
    socket.on('end', () => this.fail('early', 'closed the session before it answered everything'))
    socket.on('error', (error) => this.#failed(error))
    socket.on('close', () => this.fail('reset', 'ended the session without a FIN'))
    void stalls(socket, options.clock, this.over).then((is) => {
      if (is) this.fail('timeout', `has taken nothing for ${STALL_MS / 1000} s`, SILENT)
    })
  }

  /** Aborted with the Fault that ended the session. */
  get over(): AbortSignal {
    return this.#over.signal
  }

  /** Agrees with the collector on what is sent. Rejects with a Fault if it speaks no RELP, or takes no messages. */
  static async open(socket: Socket, options: RelpSessionOptions): Promise<RelpSession> {
    const session = new RelpSession(socket, options)
    await session.#open()
    return session
  }

  /** No message waits for its answer. */
  get isQuiet(): boolean {
    return this.#waiting === 0
  }

  /** At once: the collector has answered already. */
  async stays(): Promise<void> {}

  async #open(): Promise<void> {
    const opened = new AbortController()
    const answer = new Promise<Answer>((resolve) => {
      this.#write(Buffer.from(`${this.#next} open ${OFFERS.length} ${OFFERS}\n`), 1, (_, answer) => resolve(answer))
    })
    const late = sleepUnlessAborted(this.#options.clock, OPEN_MS, opened.signal).then((is) => {
      if (is) this.fail('timeout', `did not answer RELP within ${OPEN_MS / 1000} s`, NO_RELP)
    })
    try {
      const { code, text } = await abortable(answer, this.over)
      this.#isOpen = code === '200' && /^commands=(.*,)?syslog(,|$)/m.test(text)
      if (this.#isOpen) return
      const message = `${this.#options.name} takes no messages by RELP: ${code} ${text.split('\n', 1)[0]}`
      this.#finish('refused', new Fault('configuration', message, { code: `relp_${code}`, advice: NO_RELP }))
      this.#socket.destroy()
      throw this.over.reason
    } finally {
      opened.abort()
      await late
    }
  }

  /** Resolves when another message may leave. Rejects with the Fault that ended the session. */
  async room(): Promise<void> {
    const hasRoom = (): boolean => this.#waiting < WINDOW_MESSAGES && this.#inFlight < WINDOW_BYTES
    if (!hasRoom()) await this.#changes.until(hasRoom, this.over)
    await abortable(this.#taken, this.over)
    this.over.throwIfAborted()
  }

  /** The number of the next command. */
  get next(): number {
    return this.#next
  }

  /** Sends commands that begin with this number. `answered` gets their answers by place; `left`: the system has the bytes. */
  send({ bytes, indexes }: Pick<Piece, 'bytes' | 'indexes'>, answered: Run['answered'], left: () => void): void {
    this.#write(bytes, indexes.length, answered, left)
  }

  /** Ends the session at once. What has no answer is unknown. */
  fail(end: ConnectionEnd, what: string, advice = this.#isOpen ? UNANSWERED : NO_RELP): void {
    if (this.over.aborted) return
    const kind = this.#waiting > 0 && this.#isOpen ? 'ambiguous' : 'transient'
    this.#finish(end, new Fault(kind, `${this.#options.name} ${what}`, { code: `syslog_${end}`, advice }))
    this.#socket.destroy()
  }

  /** Nothing waits for an answer any more. */
  close(): void {
    if (this.over.aborted) return
    this.#finish('confirmed', new Fault('transient', 'the session is closed', { code: 'closed' }))
    this.#socket.on('error', () => {}).end(`${this.#next} close 0\n`)
    this.#socket.destroySoon()
  }

  #write(bytes: Buffer, count: number, answered: Run['answered'], left = () => {}): void {
    const taken = Promise.withResolvers<void>()
    this.#taken = taken.promise
    this.#runs.push({
      first: this.#next,
      bytes: bytes.length,
      isAnswered: new Uint8Array(count),
      left: count,
      answered,
    })
    this.#next = numberAfter(this.#next, count)
    this.#waiting += count
    this.#inFlight += bytes.length
    this.#socket.write(bytes, (error) => {
      if (error) return
      left()
      taken.resolve()
    })
    void this.#watch()
  }

  /** Ends a session whose collector says nothing while messages wait. */
  async #watch(): Promise<void> {
    if (this.#isWatched) return
    this.#isWatched = true
    const { clock } = this.#options
    this.#heardAt = clock.monotonic()
    while (this.#waiting > 0 && (await sleepUnlessAborted(clock, LOOK_EACH_MS, this.over))) {
      const isSilent = this.#waiting > 0 && clock.monotonic() - this.#heardAt > SILENT_MS
      if (isSilent) this.fail('timeout', `has answered nothing for ${SILENT_MS / 1000} s`, SILENT)
    }
    this.#isWatched = false
  }

  #read(bytes: Buffer): void {
    if (this.over.aborted) return
    this.#heardAt = this.#options.clock.monotonic()
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    this.#readSuccesses()
    for (let frame = this.#frame(); frame !== undefined && !this.over.aborted; frame = this.#frame()) {
      const { number, command, data } = frame
      if (command === 'rsp') this.#answered(number, data)
      else if (command === 'serverclose') this.fail('early', 'closed the session before it answered everything')
    }
    this.#changes.notify()
  }

  /** The next frame that is complete. Bytes that are none end the session. */
  #frame(): { number: number; command: string; data: string } | undefined {
    const beginning = this.#rest.toString('latin1', 0, LONGEST_BEGINNING)
    const [whole, number, command = '', count] = /^(\d{1,9}) ([A-Za-z]{1,32}) (\d{1,9})[ \n]/.exec(beginning) ?? []
    if (whole === undefined) {
      if (this.#rest.length >= LONGEST_BEGINNING) this.fail('early', 'sent what is no RELP', NO_RELP)
      return undefined
    }
    // Without data the line end follows at once.
    const from = whole.endsWith('\n') ? whole.length - 1 : whole.length
    const to = from + Number(count)
    if (this.#rest.length <= to) return undefined
    if (this.#rest[to] !== LF) {
      this.fail('early', 'sent what is no RELP', NO_RELP)
      return undefined
    }
    const data = this.#rest.toString('utf8', from, to)
    this.#rest = this.#rest.subarray(to + 1)
    return { number: Number(number), command, data }
  }

  /** Reads answers of success as far as nothing else comes. */
  #readSuccesses(): void {
    const bytes = this.#rest
    let at = 0
    for (;;) {
      let number = 0
      let end = at
      for (let digit = numeral(bytes[end]); digit >= 0 && end - at < 9; digit = numeral(bytes[end])) {
        number = number * 10 + digit
        end++
      }
      let same = 0
      while (same < SUCCESS_BYTES.length && bytes[end + same] === SUCCESS_BYTES[same]) same++
      if (end === at || same < SUCCESS_BYTES.length) break
      this.#settle(number, SUCCESS)
      at = end + same
    }
    this.#rest = bytes.subarray(at)
  }

  #answered(number: number, data: string): void {
    const [, code = '', text = ''] = /^(\d{3}) ?([\s\S]*)$/.exec(data) ?? []
    this.#settle(number, { code, text })
  }

  /** An answer that nothing waits for is ignored. */
  #settle(number: number, answer: Answer): void {
    for (const [place, run] of this.#runs.entries()) {
      const nth = (number - run.first + LARGEST_NUMBER) % LARGEST_NUMBER
      if (nth >= run.isAnswered.length) continue
      if (run.isAnswered[nth] === 1) return
      run.isAnswered[nth] = 1
      run.left--
      this.#waiting--
      if (run.left === 0) {
        this.#runs.splice(place, 1)
        this.#inFlight -= run.bytes
      }
      run.answered(nth, answer)
      return
    }
  }

  /** With TLS 1.3 a server looks at our certificate after the handshake, and its alert comes here. */
  #failed(error: Error): void {
    if (this.over.aborted) return
    const { code = error.message } = error as NodeJS.ErrnoException
    if (tlsProblem(error) !== 'client_refused') {
      this.fail('reset', `was reset (${code})`)
      return
    }
    const { name } = this.#options
    this.#finish('refused', networkFault(error, { sent: true, answering: false }, name, SYSLOG_SETTINGS))
    this.#socket.destroy()
  }

  #finish(end: ConnectionEnd, fault: Fault): void {
    this.#over.abort(fault)
    this.#options.ended(end)
  }
}

/** The value of a digit; less than 0 for another byte, or none. */
function numeral(byte: number | undefined): number {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : -1
}

const UNANSWERED =
  'Messages without an answer are sent again. If it goes on: look into the log of the collector. It may refuse the size of a message (SYSLOG_MAX_BYTES), or want a client certificate.'
const SILENT =
  'Messages without an answer are sent again. Check whether the collector, or its disk or queue, is blocked.'
const NO_RELP = 'Does this port speak RELP? Without it the URL is tcp:// or tls://, and with TLS relp+tls://.'
