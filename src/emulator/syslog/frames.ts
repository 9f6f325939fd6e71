const LF = 0x0a
const SPACE = 0x20

export type Framing = 'octet' | 'lf'

/** Cuts what one connection sends into messages. */
export class FrameReader {
  readonly #framing: Framing
  #rest: Buffer = Buffer.alloc(0)

  constructor(framing: Framing) {
    this.#framing = framing
  }

  /** Bytes of a message that is not complete. */
  get left(): number {
    return this.#rest.length
  }

  /** The messages that are complete with these bytes. Throws an Error at bytes that are no frame. */
  *push(bytes: Buffer): Generator<Buffer, void> {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    for (let next = this.#next(); next !== undefined; next = this.#next()) yield next
  }

  #next(): Buffer | undefined {
    const rest = this.#rest
    if (this.#framing === 'lf') {
      const end = rest.indexOf(LF)
      if (end < 0) return undefined
      this.#rest = rest.subarray(end + 1)
      return rest.subarray(0, end)
    }
    const space = rest.subarray(0, 11).indexOf(SPACE)
    const count = rest.toString('latin1', 0, space < 0 ? Math.min(rest.length, 10) : space)
    if (!/^([1-9]\d*)?$/.test(count) || (space < 0 && count.length === 10)) {
      throw new Error(`no octet count: ${JSON.stringify(count)}`)
    }
    const end = space + 1 + Number(count)
    if (space < 0 || rest.length < end) return undefined
    this.#rest = rest.subarray(end)
    return rest.subarray(space + 1, end)
  }
}
