/** Kinds of values that `JsonScanner.value` finds. They are numbers so that the hot loop compares small integers. */
export const KIND = { malformed: 0, null: 1, boolean: 2, number: 3, string: 4, object: 5, array: 6 } as const
export type Kind = (typeof KIND)[keyof typeof KIND]

/**
 * Deeper nesting than this is called malformed: the scanner recurses, and a hostile body must not exhaust the stack.
 */
const MAX_DEPTH = 512

const QUOTE = 0x22
const BACKSLASH = 0x5c
const LITERALS: ReadonlyMap<number, { text: Buffer; kind: Kind }> = new Map([
  [0x74, { text: Buffer.from('true'), kind: KIND.boolean }],
  [0x66, { text: Buffer.from('false'), kind: KIND.boolean }],
  [0x6e, { text: Buffer.from('null'), kind: KIND.null }],
])

/**
 * Walks JSON text (RFC 8259) byte by byte and validates it without building a value: the caller learns where things
 * begin and end, which keeps a number's own digits and costs no object per event. Accepts exactly what `JSON.parse`
 * accepts, except that nesting is limited and that invalid UTF-8 inside a string passes.
 */
export class JsonScanner {
  readonly bytes: Buffer
  /** Offset of the next byte to look at. */
  at = 0
  /** A line end was skipped as white space since this was last set to false. */
  lineEnd = false

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  /** Skips white space; the byte there, or -1 at the end. */
  peek(): number {
    const { bytes } = this
    let { at } = this
    let byte = bytes[at]
    while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) {
      if (byte === 0x0a || byte === 0x0d) this.lineEnd = true
      byte = bytes[++at]
    }
    this.at = at
    return byte ?? -1
  }

  /** Skips white space and one value. After `malformed`, `at` is somewhere inside the value. */
  value(depth = 0): Kind {
    const byte = this.peek()
    if (byte === QUOTE) return this.string() ? KIND.string : KIND.malformed
    if (byte === 0x7b) return this.#object(depth) ? KIND.object : KIND.malformed
    if (byte === 0x5b) return this.#array(depth) ? KIND.array : KIND.malformed
    if (byte === 0x2d || isDigit(byte)) return this.#number() ? KIND.number : KIND.malformed
    return this.#literal(byte)
  }

  /** With `at` on the opening quote: moves past the closing one. */
  string(): boolean {
    const { bytes } = this
    const end = bytes.length
    let at = this.at + 1
    while (at < end) {
      const byte = bytes[at] as number
      if (byte === QUOTE) {
        this.at = at + 1
        return true
      }
      if (byte < 0x20) return false
      at += 1
      if (byte === BACKSLASH) {
        const length = escapeLength(bytes, at)
        if (length === 0) return false
        at += length
      }
    }
    return false
  }

  /** Moves past `byte` (after white space) if it is next. */
  take(byte: number): boolean {
    if (this.peek() !== byte) return false
    this.at += 1
    return true
  }

  #object(depth: number): boolean {
    if (depth >= MAX_DEPTH) return false
    this.at += 1
    if (this.take(0x7d)) return true
    do {
      if (this.peek() !== QUOTE || !this.string() || !this.take(0x3a)) return false
      if (this.value(depth + 1) === KIND.malformed) return false
    } while (this.take(0x2c))
    return this.take(0x7d)
  }

  #array(depth: number): boolean {
    if (depth >= MAX_DEPTH) return false
    this.at += 1
    if (this.take(0x5d)) return true
    do {
      if (this.value(depth + 1) === KIND.malformed) return false
    } while (this.take(0x2c))
    return this.take(0x5d)
  }

  #number(): boolean {
    const { bytes } = this
    if (bytes[this.at] === 0x2d) this.at += 1
    if (bytes[this.at] === 0x30) this.at += 1
    else if (!this.#digits()) return false
    if (bytes[this.at] === 0x2e) {
      this.at += 1
      if (!this.#digits()) return false
    }
    if (((bytes[this.at] ?? 0) | 0x20) !== 0x65) return true
    this.at += 1
    if (bytes[this.at] === 0x2b || bytes[this.at] === 0x2d) this.at += 1
    return this.#digits()
  }

  #digits(): boolean {
    const start = this.at
    while (isDigit(this.bytes[this.at] ?? -1)) this.at += 1
    return this.at > start
  }

  #literal(first: number): Kind {
    const literal = LITERALS.get(first)
    if (!literal) return KIND.malformed
    const { text, kind } = literal
    for (let i = 0; i < text.length; i += 1) if (this.bytes[this.at + i] !== text[i]) return KIND.malformed
    this.at += text.length
    return kind
  }
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}

/** Bytes of the escape whose letter is at `at` (the backslash not counted), 0 when it is none. */
function escapeLength(bytes: Buffer, at: number): number {
  const letter = bytes[at] ?? 0
  if (letter !== 0x75) return '"\\/bfnrt'.includes(String.fromCharCode(letter)) ? 1 : 0
  for (let i = 1; i <= 4; i += 1) {
    const hex = bytes[at + i] ?? 0
    const lower = hex | 0x20
    if (!isDigit(hex) && !(lower >= 0x61 && lower <= 0x66)) return 0
  }
  return 5
}
