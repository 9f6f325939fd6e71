/** Words and texts of a program as they will lie in the kernel's memory, from `base` on. Every address is a multiple of 4. */
export class Image {
  readonly #base: number
  readonly #parts: Buffer[] = []
  readonly #texts = new Map<string, number>()
  #size = 0

  constructor(base: number) {
    this.#base = base
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts)
  }

  get size(): number {
    return this.#size
  }

  /** Where the next words will be. */
  get next(): number {
    return this.#base + this.#size
  }

  /** Address of these words of 32 bits. */
  words(words: readonly number[]): number {
    const bytes = Buffer.allocUnsafe(4 * words.length)
    for (const [index, word] of words.entries()) bytes.writeInt32LE(word | 0, 4 * index)
    return this.#add(bytes)
  }

  /** Address of the bytes. The kernel may read past their end. */
  text(bytes: Buffer): number {
    const key = bytes.toString('latin1')
    let at = this.#texts.get(key)
    if (at === undefined) {
      at = this.#add(bytes)
      this.#texts.set(key, at)
    }
    return at
  }

  /** Address of a list of texts, each behind its length in 32 bits, without gaps. */
  texts(texts: readonly Buffer[]): number {
    return this.text(Buffer.concat(texts.flatMap((text) => [lengthOf(text), text])))
  }

  #add(bytes: Buffer): number {
    const at = this.next
    const padding = Buffer.alloc(-bytes.length & 3)
    this.#parts.push(bytes, padding)
    this.#size += bytes.length + padding.length
    return at
  }
}

function lengthOf(text: Buffer): Buffer {
  const length = Buffer.allocUnsafe(4)
  length.writeUInt32LE(text.length)
  return length
}
