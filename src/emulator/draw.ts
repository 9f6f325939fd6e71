/** Contents of one log, written at a time. */
export type MakeContents = (draw: Draw, at: Date) => Record<string, string>

/** Values drawn from a generator of numbers from 0 to 1. */
export class Draw {
  readonly #random: () => number

  constructor(random: () => number) {
    this.#random = random
  }

  fraction(): number {
    return this.#random()
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T
  }

  hex(digits: number): string {
    let text = ''
    while (text.length < digits) text += this.below(0x1_0000).toString(16).padStart(4, '0')
    return text.slice(0, digits)
  }

  uuid(): string {
    return `${this.hex(8)}-${this.hex(4)}-${this.hex(4)}-${this.hex(4)}-${this.hex(12)}`
  }

  /** A private address. */
  ip(): string {
    return `10.${this.below(256)}.${this.below(256)}.${this.below(256)}`
  }

  /** An address out of the networks that are kept for documents. */
  foreignIp(): string {
    return `${this.pick(['192.0.2', '198.51.100', '203.0.113'])}.${1 + this.below(254)}`
  }

  port(): number {
    return 32_768 + this.below(28_232)
  }
}
