const LF = 0x0a
const OFFERS = 'relp_version=0\nrelp_software=sls-siem-bridge-receiver\ncommands=syslog\n'

/** A message and how to answer it. */
export interface Received {
  readonly message: Buffer
  readonly answer: (text: string) => void
}

/** The server's side of RELP on one connection. Answers all but the messages by itself. */
export class RelpServer {
  readonly #write: (text: string) => void
  readonly #close: () => void
  #rest: Buffer = Buffer.alloc(0)
  #next = 1
  #isOpen = false

  constructor(write: (text: string) => void, close: () => void) {
    this.#write = write
    this.#close = close
  }

  /** Throws an Error at bytes that are no frame, and at a number that is not the next. */
  *push(bytes: Buffer): Generator<Received, void> {
    this.#rest = Buffer.concat([this.#rest, bytes])
    for (;;) {
      const [whole, number, command, count] =
        /^(\d{1,9}) ([a-z]{1,32}) (\d{1,9})[ \n]/.exec(this.#rest.toString('latin1', 0, 60)) ?? []
      if (whole === undefined) {
        if (this.#rest.length >= 60) throw new Error('no RELP frame')
        return
      }
      const from = count === '0' ? whole.length - 1 : whole.length
      const to = from + Number(count)
      if (this.#rest.length <= to) return
      if (this.#rest[to] !== LF || Number(number) !== this.#next)
        throw new Error('no RELP frame, or a number out of turn')
      const data = this.#rest.subarray(from, to)
      this.#rest = this.#rest.subarray(to + 1)
      this.#next = this.#next === 999_999_999 ? 1 : this.#next + 1
      const answer = (text: string): void =>
        this.#write(`${number} rsp ${Buffer.byteLength(text)}${text && ' '}${text}\n`)
      if (command === 'open') {
        this.#isOpen = true
        answer(`200 OK\n${OFFERS}`)
      } else if (command === 'syslog' && this.#isOpen) yield { message: data, answer }
      else if (command === 'close') {
        answer('')
        this.#write('0 serverclose 0\n')
        this.#close()
      } else answer('500 command disabled')
    }
  }
}
