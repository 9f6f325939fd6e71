/** Thrown when more characters were looked at than allowed. */
export const TOO_MANY_LOOKS = new Error('too many looks at a text')

/**
 * A text with a limit for the looks of re2js at it. One search is linear, but if each match begins another, a text may be read
 * to its end again and again: `a.*b|a` on a thousand times `a`.
 */
export class CountedText extends String {
  #left: number

  constructor(text: string, looks: number) {
    super(text)
    this.#left = looks
  }

  override charCodeAt(at: number): number {
    this.#look(1)
    return super.charCodeAt(at)
  }

  /** V8 compares many characters at once. */
  override indexOf(piece: string, from: number): number {
    const at = super.indexOf(piece, from)
    this.#look(1 + ((at === -1 ? this.length : at) - from) / 16)
    return at
  }

  #look(count: number): void {
    this.#left -= count
    if (this.#left < 0) throw TOO_MANY_LOOKS
  }
}
