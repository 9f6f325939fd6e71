import type { Fields } from './line.ts'
import { Told } from './line.ts'

const BLANKS = ' \t\r\n'

/**
 * `user=root rhost=203.0.113.9 msg="two words"`: pairs, with characters of `fieldSplit` between. A value in quotes or brackets
 * may hold them. A word without a value is skipped. Of equal keys the first counts; the next are `KEY_2`, `KEY_3`.
 */
export function parseKeyValue(text: string, fieldSplit = BLANKS, valueSplit = '='): Fields {
  return pairsOf(text, fieldSplit, valueSplit, USUAL)
}

/** `level=info msg="two \\"words\\""`: only double quotes hold a text together, and escapes in it are those of JSON. */
export function parseLogfmt(text: string): Fields | undefined {
  const fields = pairsOf(text, BLANKS, '=', LOGFMT)
  return fields.size === 0 ? undefined : fields
}

interface Enclosed {
  readonly closing: Readonly<Record<string, string>>
  unescaped(inside: string): string
}

const ESCAPES: ReadonlyMap<string, string> = new Map(
  Object.entries({ b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\', '/': '/' }),
)

const LOGFMT: Enclosed = {
  closing: { '"': '"' },
  unescaped: (inside) =>
    inside.replace(/\\(?:u([0-9a-fA-F]{4})|(.))/gs, (whole, unit?: string, char?: string) =>
      unit === undefined ? (ESCAPES.get(char ?? '') ?? whole) : String.fromCharCode(Number.parseInt(unit, 16)),
    ),
}

const USUAL: Enclosed = {
  closing: { '"': '"', "'": "'", '(': ')', '[': ']' },
  unescaped: (inside) => inside.replace(/\\(["\\])/g, '$1'),
}

function pairsOf(text: string, fieldSplit: string, valueSplit: string, enclosed: Enclosed): Fields {
  const told = new Told()
  const values = new Values(text, fieldSplit, enclosed)
  const isOneOf = (characters: string, at: number): boolean => characters.includes(text[at] as string)
  let at = 0
  while (at < text.length) {
    const start = at
    while (at < text.length && !isOneOf(fieldSplit, at) && !isOneOf(valueSplit, at)) at++
    const key = text.slice(start, at)
    const hasValue = at < text.length && isOneOf(valueSplit, at)
    at++
    if (!hasValue) continue
    const { value, end } = values.at(at)
    if (key !== '') told.put(key, value)
    at = end
  }
  return told.fields
}

class Values {
  readonly #text: string
  readonly #fieldSplit: string
  readonly #enclosed: Enclosed
  /** Where the next character that closes is, by that character. No place is searched twice for it. */
  readonly #closes = new Map<string, number>()

  constructor(text: string, fieldSplit: string, enclosed: Enclosed) {
    this.#text = text
    this.#fieldSplit = fieldSplit
    this.#enclosed = enclosed
  }

  /** The value that begins here, and its end. */
  at(start: number): { value: string; end: number } {
    const text = this.#text
    const closing = this.#enclosed.closing[text[start] ?? '']
    const close = closing === undefined ? text.length : this.#closeOf(closing, start + 1)
    // A quote that nothing closes is part of the value.
    if (this.#isEnd(close + 1) && close < text.length) {
      const inside = text.slice(start + 1, close)
      return { value: closing === '"' ? this.#enclosed.unescaped(inside) : inside, end: close + 1 }
    }
    let end = start
    while (!this.#isEnd(end)) end++
    return { value: text.slice(start, end), end }
  }

  #isEnd(at: number): boolean {
    return at >= this.#text.length || this.#fieldSplit.includes(this.#text[at] as string)
  }

  /** Place of the character that closes, or the length of the text. A backslash keeps a double quote from closing. */
  #closeOf(closing: string, start: number): number {
    const text = this.#text
    let close = this.#closes.get(closing) ?? -1
    if (close >= start) return close
    for (close = start; close < text.length && text[close] !== closing; close++) {
      if (closing === '"' && text[close] === '\\') close++
    }
    this.#closes.set(closing, close)
    return close
  }
}
