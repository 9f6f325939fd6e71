/** Bytes at which lengths, varints, escapes and signs turn over. */
const EDGES = [0x00, 0x01, 0x0a, 0x0d, 0x0f, 0x12, 0x20, 0x22, 0x2c, 0x7f, 0x80, 0xf0, 0xfe, 0xff]
const MOST_CHANGES = 6
const LONGEST = 64 * 1024

/** Makes damaged inputs from real ones: flips, cuts, splices, repeats, foreign words, lengths that grow. */
export class Mutator {
  readonly #random: () => number
  readonly #words: readonly Buffer[]

  constructor(random: () => number, words: readonly (string | Buffer)[] = []) {
    this.#random = random
    this.#words = words.map((word) => Buffer.from(word as string))
  }

  mutated(corpus: readonly Buffer[]): Buffer {
    let input = this.#pick(corpus)
    for (let changes = 1 + this.#below(MOST_CHANGES); changes > 0; changes--) input = this.#change(input, corpus)
    return input.length > LONGEST ? input.subarray(0, LONGEST) : input
  }

  #change(input: Buffer, corpus: readonly Buffer[]): Buffer {
    const at = this.#below(input.length + 1)
    switch (this.#below(9)) {
      case 0:
        return this.#edited(input, (byte) => byte ^ (1 << this.#below(8)))
      case 1:
        return this.#edited(input, () => this.#pick(EDGES))
      case 2:
        return this.#edited(input, () => this.#below(256))
      case 3:
        return input.subarray(0, at)
      case 4:
        return Buffer.concat([input.subarray(0, at), input.subarray(at + 1 + this.#below(8))])
      case 5: {
        const other = this.#pick(corpus)
        return Buffer.concat([input.subarray(0, at), other.subarray(this.#below(other.length + 1))])
      }
      case 6: {
        const piece = input.subarray(at, at + 1 + this.#below(40))
        const times = 1 + this.#below(this.#below(30) === 0 ? 200 : 4)
        return Buffer.concat([input.subarray(0, at), ...Array.from({ length: times }, () => piece), input.subarray(at)])
      }
      case 7: {
        const piece = this.#words.length > 0 ? this.#pick(this.#words) : Buffer.of(this.#pick(EDGES))
        return Buffer.concat([input.subarray(0, at), piece, input.subarray(at + this.#below(3))])
      }
      default:
        return this.#longer(input)
    }
  }

  #edited(input: Buffer, edit: (byte: number) => number): Buffer {
    if (input.length === 0) return input
    const edited = Buffer.from(input)
    const at = this.#below(edited.length)
    edited[at] = edit(edited[at] as number)
    return edited
  }

  /** Somewhere a byte, taken as a length, grows by little or much; or becomes a varint of several bytes. */
  #longer(input: Buffer): Buffer {
    if (input.length === 0) return input
    const at = this.#below(input.length)
    const grown = Buffer.from(input)
    grown[at] = Math.min(255, (grown[at] as number) + this.#pick([1, 2, 3, 7, 100]))
    const tail = this.#pick([0, 0, 1, 4, 8])
    if (tail === 0) return grown
    const bytes = Buffer.alloc(tail, this.#pick([0x80, 0xff]))
    return Buffer.concat([grown.subarray(0, at + 1), bytes, grown.subarray(at + 1)])
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[this.#below(choices.length)] as T
  }

  /** Whole, 0 … bound - 1. */
  #below(bound: number): number {
    return Math.floor(this.#random() * bound)
  }
}
