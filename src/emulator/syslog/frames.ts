const LF = 0x0a
const SPACE = 0x20
const ONE = 0x31
const NINE = 0x39
/** Digits of a count, and its space. */
const LONGEST_COUNT = 10

/** RFC 6587: `MSG-LEN SP MSG` or `MSG LF`. `auto` looks at each message, as rsyslog does: one that begins with a digit has a count. */
export type Framing = 'octet' | 'lf' | 'auto'

/**
 * What becomes of a message that is too long:
 * - `close`: it ends the connection, and what follows is lost (syslog-ng).
 * - `split`: the rest is a message of its own (rsyslog over TCP).
 * - `truncate`: the rest is thrown away (rsyslog over RELP, which still answers 200).
 */
export type Oversize = 'close' | 'split' | 'truncate'

export interface FrameOptions {
  readonly framing: Framing
  readonly maxMessageBytes: number
  readonly oversize: Oversize
}

/** Cuts what one connection sends into messages. Holds no more than one message and the bytes of one call. */
export class FrameReader {
  readonly #options: FrameOptions
  #rest: Buffer = Buffer.alloc(0)
  /** Bytes of the frame that are to come, `line` without a count, `undefined` between two frames. */
  #frame: number | 'line' | undefined
  /** The beginning of this frame was given away. */
  #isCut = false

  constructor(options: FrameOptions) {
    this.#options = options
  }

  /** Bytes of a message that is not complete. */
  get pending(): number {
    return this.#rest.length
  }

  /** The messages that are complete with these bytes. Throws an Error at bytes that are no frame, and at one that is too long. */
  *push(bytes: Buffer): Generator<Buffer, void> {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      if (!next.isRest || this.#options.oversize === 'split') yield next.message
    }
  }

  /** The message that the connection ended in. Collectors take a line without its end for a whole one; what has a count is lost. */
  end(): Buffer | undefined {
    return this.#frame === 'line' && this.#rest.length > 0 && !this.#isCut ? this.#rest : undefined
  }

  #next(): { readonly message: Buffer; readonly isRest: boolean } | undefined {
    this.#frame ??= this.#begin()
    if (this.#frame === undefined) return undefined
    const { maxMessageBytes, oversize } = this.#options
    const rest = this.#rest
    const isLine = this.#frame === 'line'
    const lineEnd = rest.indexOf(LF)
    const length = this.#frame === 'line' ? (lineEnd < 0 ? Number.POSITIVE_INFINITY : lineEnd) : this.#frame
    const isRest = this.#isCut
    if (length <= maxMessageBytes) {
      if (rest.length < length) return undefined
      this.#rest = rest.subarray(length + (isLine ? 1 : 0))
      this.#frame = undefined
      return { message: rest.subarray(0, length), isRest }
    }
    const isTooLong = !isLine || rest.length > maxMessageBytes
    if (isTooLong && oversize === 'close') throw new Error(`a message has more than ${maxMessageBytes} bytes`)
    if (rest.length <= maxMessageBytes) return undefined
    this.#rest = rest.subarray(maxMessageBytes)
    if (this.#frame !== 'line') this.#frame -= maxMessageBytes
    this.#isCut = true
    return { message: rest.subarray(0, maxMessageBytes), isRest }
  }

  #begin(): number | 'line' | undefined {
    this.#isCut = false
    const { framing } = this.#options
    if (framing === 'auto') while (this.#rest[0] === LF) this.#rest = this.#rest.subarray(1)
    const [first] = this.#rest
    if (first === undefined) return undefined
    const isCounted = framing === 'octet' || (framing === 'auto' && first >= ONE && first <= NINE)
    return isCounted ? this.#count() : 'line'
  }

  #count(): number | undefined {
    const rest = this.#rest
    const space = rest.subarray(0, LONGEST_COUNT + 1).indexOf(SPACE)
    const count = rest.toString('latin1', 0, space < 0 ? Math.min(rest.length, LONGEST_COUNT) : space)
    if (!/^[1-9]\d*$/.test(count) || (space < 0 && count.length === LONGEST_COUNT)) {
      throw new Error(`no octet count: ${JSON.stringify(count)}`)
    }
    if (space < 0) return undefined
    this.#rest = rest.subarray(space + 1)
    return Number(count)
  }
}
