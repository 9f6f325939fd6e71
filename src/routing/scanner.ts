/** A problem of a text that was written by hand. */
export interface TextProblem {
  readonly problem: string
  /** Place in the text, from 0. */
  readonly offset: number
}

/** Thrown where a text cannot be read on; `parsed` makes a result of it. */
class Unreadable extends Error {
  readonly offset: number

  constructor(problem: string, offset: number) {
    super(problem)
    this.offset = offset
  }
}

/** What `read` makes of a text, or what it failed with. */
export function parsed<T>(text: string, read: (scanner: Scanner) => T): T | TextProblem {
  try {
    return read(new Scanner(text))
  } catch (error) {
    if (error instanceof Unreadable) return { problem: error.message, offset: error.offset }
    throw error
  }
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '\\': '\\', '/': '/' }

/** Reads a text from its beginning. */
export class Scanner {
  readonly text: string
  /** Where it is, from 0. */
  at = 0

  constructor(text: string) {
    this.text = text
  }

  get isDone(): boolean {
    return this.at >= this.text.length
  }

  isAt(begin: string): boolean {
    return this.text.startsWith(begin, this.at)
  }

  /** What the pattern (sticky) matches here. Does not move. */
  peek(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at
    return pattern.exec(this.text)?.[0]
  }

  /** Moves behind what the pattern (sticky) matches here, if it does. */
  take(pattern: RegExp): string | undefined {
    const found = this.peek(pattern)
    this.at += found?.length ?? 0
    return found
  }

  skipBlanks(): void {
    this.take(/\s*/y)
  }

  /** A text in quotes, without its escapes; `undefined` if there is no quote here. */
  takeQuoted(): string | undefined {
    const start = this.at
    const quote = this.take(/['"]/y)
    if (quote === undefined) return undefined
    let value = ''
    for (;;) {
      value += this.take(quote === '"' ? /[^"\\]*/y : /[^'\\]*/y)
      const special = this.take(/\\.|["']/suy)
      if (special === quote) return value
      if (special === undefined) return this.fail('quote is not closed', start)
      const meant = special === `\\${quote}` ? quote : ESCAPES[special.slice(1)]
      if (meant === undefined) {
        this.fail(`unknown escape '${special}': a backslash is written '\\\\'`, this.at - special.length)
      }
      value += meant
    }
  }

  fail(problem: string, offset = this.at): never {
    throw new Unreadable(problem, offset)
  }
}
