/** Deeper values are not taken for JSON. The outermost object or array is at depth 1. */
const MAX_DEPTH = 64

/**
 * An object or array without its insignificant white space, everything else as it was: numbers, escapes, duplicate keys.
 * `undefined` for anything that RFC 8259 does not allow, another kind of value, or what not every reader takes: nesting deeper
 * than 64, and escapes of half a surrogate pair.
 */
export function compactJson(text: string): string | undefined {
  return new Compaction(text).result()
}

/** The same for a value of any kind. */
export function compactValue(text: string): string | undefined {
  return new Compaction(text).value()
}

/** The members of a compact object, in order: the key as text, the value as JSON. `undefined` for an array. */
export function membersOf(compact: string): [key: string, value: string][] | undefined {
  if (!compact.startsWith('{')) return undefined
  const members: [string, string][] = []
  let at = 1
  while (compact[at] !== '}') {
    const keyEnd = endOfString(compact, at)
    const end = endOfValue(compact, keyEnd + 1)
    members.push([JSON.parse(compact.slice(at, keyEnd)) as string, compact.slice(keyEnd + 1, end)])
    at = compact[end] === ',' ? end + 1 : end
  }
  return members
}

/** Just behind the string that begins at `at`. */
function endOfString(text: string, at: number): number {
  let end = at + 1
  while (text[end] !== '"') end += text[end] === '\\' ? 2 : 1
  return end + 1
}

/** Just behind the value that begins at `at` inside an object. */
function endOfValue(text: string, at: number): number {
  let depth = 0
  let end = at
  for (;;) {
    const char = text[end]
    if (depth === 0 && (char === ',' || char === '}')) return end
    if (char === '{' || char === '[') depth++
    else if (char === '}' || char === ']') depth--
    end = char === '"' ? endOfString(text, end) : end + 1
  }
}

/** Reads a text once, from its beginning to its end. */
class Compaction {
  readonly #text: string
  #at = 0
  /** What was copied so far, and where the part begins that is not. */
  #copied = ''
  #from = 0

  constructor(text: string) {
    this.#text = text
  }

  result(): string | undefined {
    this.#space()
    const first = this.#text[this.#at]
    return first === '{' || first === '[' ? this.value() : undefined
  }

  value(): string | undefined {
    this.#space()
    if (!this.#value(1)) return undefined
    this.#space()
    if (this.#at < this.#text.length) return undefined
    return this.#copied + this.#text.slice(this.#from)
  }

  #value(depth: number): boolean {
    switch (this.#text[this.#at] ?? '') {
      case '{':
        return depth <= MAX_DEPTH && this.#list('}', () => this.#key() && this.#value(depth + 1))
      case '[':
        return depth <= MAX_DEPTH && this.#list(']', () => this.#value(depth + 1))
      case '"':
        return this.#string()
      case 't':
        return this.#word('true')
      case 'f':
        return this.#word('false')
      case 'n':
        return this.#word('null')
      default:
        return this.#number()
    }
  }

  #list(close: string, item: () => boolean): boolean {
    this.#at++
    this.#space()
    if (this.#word(close)) return true
    do {
      this.#space()
      if (!item()) return false
      this.#space()
    } while (this.#word(','))
    return this.#word(close)
  }

  /** With the colon and the space around it. */
  #key(): boolean {
    if (this.#text[this.#at] !== '"' || !this.#string()) return false
    this.#space()
    if (!this.#word(':')) return false
    this.#space()
    return true
  }

  #string(): boolean {
    const text = this.#text
    this.#at++
    for (;;) {
      const code = text.charCodeAt(this.#at)
      // At the end of the text the code is NaN.
      if (!(code >= 0x20)) return false
      if (code === 0x5c) {
        if (!this.#escape()) return false
      } else {
        this.#at++
        if (code === 0x22) return true
      }
    }
  }

  #escape(): boolean {
    if ('"\\/bfnrt'.includes(this.#text[this.#at + 1] ?? ' ')) {
      this.#at += 2
      return true
    }
    const unit = this.#escapedUnit()
    if (unit === undefined || isLow(unit)) return false
    if (!isHigh(unit)) return true
    const second = this.#escapedUnit()
    return second !== undefined && isLow(second)
  }

  #escapedUnit(): number | undefined {
    const digits = this.#text.slice(this.#at + 2, this.#at + 6)
    if (!this.#text.startsWith('\\u', this.#at) || !/^[0-9a-fA-F]{4}$/.test(digits)) return undefined
    this.#at += 6
    return Number.parseInt(digits, 16)
  }

  #number(): boolean {
    this.#word('-')
    if (!this.#word('0') && !this.#digits()) return false
    if (this.#word('.') && !this.#digits()) return false
    if (!this.#word('e') && !this.#word('E')) return true
    if (!this.#word('+')) this.#word('-')
    return this.#digits()
  }

  #digits(): boolean {
    const from = this.#at
    while (isDigit(this.#text.charCodeAt(this.#at))) this.#at++
    return this.#at > from
  }

  #word(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at)) return false
    this.#at += word.length
    return true
  }

  /** Passes over white space, which is not copied. */
  #space(): void {
    const start = this.#at
    while (isSpace(this.#text.charCodeAt(this.#at))) this.#at++
    if (this.#at === start) return
    this.#copied += this.#text.slice(this.#from, start)
    this.#from = this.#at
  }
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff
}
