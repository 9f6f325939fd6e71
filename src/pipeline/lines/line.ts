/** The fields of a line, in its order. A name stands once. */
export type Fields = ReadonlyMap<string, string>

/** Reads a line from its beginning. Nothing is looked at twice, so that no line takes long. */
export class Line {
  readonly text: string
  at = 0

  constructor(text: string) {
    this.text = text
  }

  get rest(): string {
    return this.text.slice(this.at)
  }

  get isAtEnd(): boolean {
    return this.at >= this.text.length
  }

  /** Moves behind a text that stands here. */
  take(text: string): boolean {
    if (!this.text.startsWith(text, this.at)) return false
    this.at += text.length
    return true
  }

  /** Moves behind the next place of a text, and returns what stands before it. Does not move if there is none. */
  takeUntil(text: string): string | undefined {
    const end = this.text.indexOf(text, this.at)
    if (end === -1) return undefined
    const taken = this.text.slice(this.at, end)
    this.at = end + text.length
    return taken
  }

  /** Everything before the next blank or the end; at least one character. */
  takeWord(): string | undefined {
    const blank = this.text.indexOf(' ', this.at)
    const end = blank === -1 ? this.text.length : blank
    if (end === this.at) return undefined
    const word = this.text.slice(this.at, end)
    this.at = end
    return word
  }

  skipBlanks(): void {
    while (this.text[this.at] === ' ') this.at++
  }

  /** The inside of a text in double quotes, in which a backslash keeps a quote from ending it. It stays as it is written. */
  takeQuoted(): string | undefined {
    if (this.text[this.at] !== '"') return undefined
    for (let end = this.at + 1; end < this.text.length; end++) {
      if (this.text[end] === '\\') end++
      else if (this.text[end] === '"') {
        const inside = this.text.slice(this.at + 1, end)
        this.at = end + 1
        return inside
      }
    }
    return undefined
  }
}

/** Collects fields whose names may stand twice: of `KEY` the second is `KEY_2`. */
export class Told {
  readonly fields = new Map<string, string>()
  /** How often a name stood. */
  readonly #counts = new Map<string, number>()

  put(name: string, value: string): void {
    let count = (this.#counts.get(name) ?? 0) + 1
    let free = count === 1 ? name : `${name}_${count}`
    while (this.fields.has(free)) free = `${name}_${++count}`
    this.#counts.set(name, count)
    this.fields.set(free, value)
  }
}

/** Leaves out what a line does not tell. */
export function fieldsOf(fields: Readonly<Record<string, string | undefined>>): Fields {
  const told = new Map<string, string>()
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) told.set(name, value)
  return told
}
