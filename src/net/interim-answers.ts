import type { Socket } from 'node:net'
import { setImmediate } from 'node:timers'

/** Interim answers have a status of 1xx. 101 is none: it changes the protocol. */
const INTERIM = /^HTTP\/1\.[01] 1(?!01)\d\d/
/** `HTTP/1.1 100` */
const STATUS_BYTES = 12
const LONGEST_HEAD_BYTES = 16 << 10
const NOTHING: Buffer = Buffer.alloc(0)

/**
 * Drops interim answers (`100 Continue`, `103 Early Hints`) before undici reads them. Servers and gateways may send them
 * unasked (RFC 9110, 15.2), and undici ends a connection on which it reads a 100.
 *
 * It looks only between a request and the head of its answer. All other bytes pass as they are.
 */
export class InterimAnswers {
  readonly #socket: Socket
  /** Before the first request undici must see nothing: it would end the connection, and open another without end. */
  #isAsked = false
  #awaiting = false
  /** The beginning of a head whose end has not arrived. */
  #held = NOTHING

  constructor(socket: Socket) {
    this.#socket = socket
    const read = socket.read.bind(socket)
    socket.read = (size) => {
      if (!this.#isAsked && socket.readableLength > 0) return null
      for (;;) {
        const piece: Buffer | null = read(size)
        if (piece === null || !this.#awaiting) return piece
        const rest = this.#withoutInterim(this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece]))
        if (rest.length > 0) return rest
      }
    }
  }

  /** A request is about to leave. */
  requestLeaves(): void {
    this.#awaiting = true
    this.#held = NOTHING
    if (this.#isAsked) return
    this.#isAsked = true
    const socket = this.#socket
    // The request is under way for undici only after this turn.
    if (socket.readableLength > 0) setImmediate(() => socket.emit('readable'))
  }

  #withoutInterim(bytes: Buffer): Buffer {
    let rest = bytes
    while (INTERIM.test(rest.toString('latin1', 0, STATUS_BYTES))) {
      const end = rest.indexOf('\r\n\r\n')
      if (end < 0) return rest.length < LONGEST_HEAD_BYTES ? this.#hold(rest) : this.#pass(rest)
      rest = rest.subarray(end + 4)
    }
    // What does not begin like HTTP is not held back, so that its kind is recognised at once.
    const mayBecomeInterim = rest.length < STATUS_BYTES && 'HTTP/1.'.startsWith(rest.toString('latin1', 0, 7))
    return mayBecomeInterim ? this.#hold(rest) : this.#pass(rest)
  }

  #hold(bytes: Buffer): Buffer {
    this.#held = bytes
    return NOTHING
  }

  #pass(bytes: Buffer): Buffer {
    this.#awaiting = false
    this.#held = NOTHING
    return bytes
  }
}
