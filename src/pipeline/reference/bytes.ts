/** Words are written whole, so a target needs this much room past what is meant to be written. */
export const WORD_SLACK = 4

const KEPT_SCRATCH = 8 * 1024 * 1024

/** Bytes to read from or write to, with the view through which they are moved four at a time. */
export class Bytes {
  readonly buffer: Buffer
  readonly view: DataView
  /** OR of all words `writeEscaped` has put here since the owner set it to 0: tells whether all of it is ASCII. */
  seen = 0

  constructor(buffer: Buffer) {
    this.buffer = buffer
    this.view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength)
  }

  static allocate(size: number): Bytes {
    return new Bytes(Buffer.allocUnsafeSlow(size))
  }
}

/** Room for one event that cannot be written in place; good until the next `reserve`. */
export class Scratch {
  #kept: Bytes | undefined

  reserve(size: number): Bytes {
    if (size > KEPT_SCRATCH) return Bytes.allocate(size)
    this.#kept ??= Bytes.allocate(KEPT_SCRATCH)
    return this.#kept
  }
}
