import type { Oversize } from './frames.ts'

const LF = 0x0a
const OFFERS = 'relp_version=0\nrelp_software=sls-siem-bridge-receiver\ncommands=syslog\n'
const LARGEST_NUMBER = 999_999_999
/** The longest beginning of a frame: number, command, length. */
const LONGEST_BEGINNING = 60
export const SERVER_CLOSE = '0 serverclose 0\n'

/** A message and how to answer it. */
export interface Received {
  readonly message: Buffer
  readonly answer: (text: string) => void
}

export interface RelpOptions {
  readonly write: (text: string) => void
  /** The client has said that it closes. */
  readonly closed: () => void
  readonly maxMessageBytes: number
  readonly oversize: Oversize
}

/**
 * The server's side of RELP on one connection (librelp's `doc/relp.md`, version 0). Answers all but the messages by itself.
 * Numbers have to begin at 1 and to follow one another.
 */
export class RelpServer {
  readonly #options: RelpOptions
  #rest: Buffer = Buffer.alloc(0)
  #next = 1
  #isOpen = false

  constructor(options: RelpOptions) {
    this.#options = options
  }

  /** Bytes of a frame that is not complete. */
  get pending(): number {
    return this.#rest.length
  }

  /** Throws an Error at bytes that are no frame, a number that is not the next, an unknown command, and too long a message. */
  *push(bytes: Buffer): Generator<Received, void> {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    for (let frame = this.#frame(); frame !== undefined; frame = this.#frame()) {
      const { number, command, data } = frame
      const answer = (text: string): void =>
        this.#options.write(`${number} rsp ${Buffer.byteLength(text)}${text && ' '}${text}\n`)
      if (command === 'open') {
        this.#isOpen = true
        answer(`200 OK\n${OFFERS}`)
      } else if (command === 'syslog' && this.#isOpen) {
        // librelp cuts it, and takes it all the same.
        yield { message: data.subarray(0, this.#options.maxMessageBytes), answer }
      } else if (command === 'syslog') answer('500 command disabled')
      else if (command === 'close') {
        answer('')
        this.#options.write(SERVER_CLOSE)
        this.#options.closed()
      } else throw new Error(`no command of RELP: ${command}`)
    }
  }

  #frame(): { readonly number: string; readonly command: string; readonly data: Buffer } | undefined {
    const rest = this.#rest
    const beginning = rest.toString('latin1', 0, LONGEST_BEGINNING)
    const [whole, number = '', command = '', count] = /^(\d{1,9}) ([A-Za-z]{1,32}) (\d{1,9})[ \n]/.exec(beginning) ?? []
    if (whole === undefined) {
      if (rest.length >= LONGEST_BEGINNING) throw new Error('no frame of RELP')
      return undefined
    }
    const { maxMessageBytes, oversize } = this.#options
    const length = Number(count)
    const most = oversize === 'close' ? maxMessageBytes : LONGEST_DATA
    if (length > most) throw new Error(`a message has more than ${most} bytes`)
    // Without data the line end follows at once.
    const from = length === 0 ? whole.length - 1 : whole.length
    const to = from + length
    if (rest.length <= to) return undefined
    if (rest[to] !== LF) throw new Error('no frame of RELP')
    if (Number(number) !== this.#next) throw new Error(`number ${number} instead of ${this.#next}`)
    this.#next = this.#next === LARGEST_NUMBER ? 1 : this.#next + 1
    this.#rest = rest.subarray(to + 1)
    return { number, command, data: rest.subarray(from, to) }
  }
}

/** Of one frame, however long its message may be. */
const LONGEST_DATA = 64 * 1024 * 1024
