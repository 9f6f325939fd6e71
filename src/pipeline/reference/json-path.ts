/** A value as conditions see it: one text, or the texts of a list. */
export interface Found {
  readonly texts: readonly Buffer[]
  readonly isList: boolean
}

/** Deeper nesting is taken for malformed. The outermost object or array is at depth 1. */
const MAX_DEPTH = 64

/**
 * Looks a value up in JSON text by scanning. Of equal keys the first counts. What stands behind the value is not looked at.
 * `undefined` if the value is not there, if it is `null`, if the text is no object or array, or if the text is malformed
 * before the value's end.
 *
 * A string is the text that it stands for; half a surrogate pair is U+FFFD. Numbers, `true` and `false` are as written. An
 * array of scalars is a list of those that are not `null`. An object or another array is its JSON text.
 */
export function lookUp(json: Buffer, path: readonly (string | number)[]): Found | undefined {
  const scan = new JsonScan(json)
  scan.skipSpace()
  return (scan.byte === OPEN_OBJECT || scan.byte === OPEN_ARRAY) && scan.goTo(path)
    ? scan.value(path.length)
    : undefined
}

/** The value of a whole JSON text, of whatever kind. */
export function wholeValue(json: Buffer): Found | undefined {
  const scan = new JsonScan(json)
  scan.skipSpace()
  return scan.value(0)
}

const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY, QUOTE, COMMA, COLON, BACKSLASH] = Buffer.from('{}[]",:\\')
const SPACES: ReadonlySet<number | undefined> = new Set(Buffer.from(' \t\n\r'))
/** The literals and numbers of JSON. */
const SCALAR = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/
/** One of these tells that a literal or number has ended. */
const BEHIND_SCALAR: ReadonlySet<number | undefined> = new Set(Buffer.from(' \t\n\r,]}'))
const ESCAPE = /^(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/
const CONTROL = 0x20

/** Moves through JSON text, never beyond its end and never back. Its methods are false where the text is malformed. */
class JsonScan {
  readonly #json: Buffer
  #at = 0

  constructor(json: Buffer) {
    this.#json = json
  }

  /** The byte here; `undefined` at the end. */
  get byte(): number | undefined {
    return this.#json[this.#at]
  }

  skipSpace(): void {
    while (SPACES.has(this.byte)) this.#at++
  }

  /** Moves to the value at the end of the path. False also if there is none. */
  goTo(path: readonly (string | number)[]): boolean {
    return path.every((step, index) =>
      typeof step === 'string' ? this.#goToMember(Buffer.from(step), index + 1) : this.#goToElement(step, index + 1),
    )
  }

  #goToMember(key: Buffer, depth: number): boolean {
    if (depth > MAX_DEPTH || !this.#take(OPEN_OBJECT)) return false
    do {
      this.skipSpace()
      const found = this.#key()
      if (found === undefined) return false
      if (found.equals(key)) return true
    } while (this.#skipValue(depth + 1) && this.#takeComma())
    return false
  }

  #goToElement(index: number, depth: number): boolean {
    if (depth > MAX_DEPTH || !this.#take(OPEN_ARRAY)) return false
    this.skipSpace()
    for (let left = index; left > 0; left--) {
      if (!this.#skipValue(depth + 1) || !this.#takeComma()) return false
    }
    this.skipSpace()
    return this.byte !== CLOSE_ARRAY
  }

  /** Reads the value here, which is inside `depth` objects and arrays. */
  value(depth: number): Found | undefined {
    const start = this.#at
    if (this.byte === OPEN_ARRAY) return this.#array(depth)
    if (this.byte === OPEN_OBJECT)
      return this.#skipValue(depth + 1) ? one(this.#json.subarray(start, this.#at)) : undefined
    const text = this.#scalar()
    return text === undefined || text === null ? undefined : one(text)
  }

  #array(depth: number): Found | undefined {
    const start = this.#at
    const texts: Buffer[] = []
    let isList = true
    if (depth + 1 > MAX_DEPTH) return undefined
    this.#at++
    this.skipSpace()
    if (this.#take(CLOSE_ARRAY)) return { texts, isList }
    do {
      this.skipSpace()
      if (this.byte === OPEN_OBJECT || this.byte === OPEN_ARRAY) {
        isList = false
        if (!this.#skipValue(depth + 2)) return undefined
      } else {
        const text = this.#scalar()
        if (text === undefined) return undefined
        if (text !== null) texts.push(text)
      }
    } while (this.#takeComma())
    if (!this.#take(CLOSE_ARRAY)) return undefined
    return isList ? { texts, isList } : one(this.#json.subarray(start, this.#at))
  }

  /** Passes a value. An object or array is at this depth. */
  #skipValue(depth: number): boolean {
    this.skipSpace()
    if (this.byte === OPEN_OBJECT) {
      return this.#skipItems(depth, CLOSE_OBJECT, () => this.#key() !== undefined && this.#skipValue(depth + 1))
    }
    if (this.byte === OPEN_ARRAY) return this.#skipItems(depth, CLOSE_ARRAY, () => this.#skipValue(depth + 1))
    return this.#scalar() !== undefined
  }

  #skipItems(depth: number, close: number | undefined, skipItem: () => boolean): boolean {
    if (depth > MAX_DEPTH) return false
    this.#at++
    this.skipSpace()
    if (this.#take(close)) return true
    do {
      this.skipSpace()
      if (!skipItem()) return false
    } while (this.#takeComma())
    return this.#take(close)
  }

  /** A key, with the colon and the space behind it. */
  #key(): Buffer | undefined {
    const key = this.#string()
    this.skipSpace()
    if (key === undefined || !this.#take(COLON)) return undefined
    this.skipSpace()
    return key
  }

  /** The text of a string, number or literal; `null` for `null`. */
  #scalar(): Buffer | null | undefined {
    if (this.byte === QUOTE) return this.#string()
    const start = this.#at
    while (this.byte !== undefined && !BEHIND_SCALAR.has(this.byte)) this.#at++
    if (this.byte === undefined) return undefined
    const bytes = this.#json.subarray(start, this.#at)
    const text = bytes.toString('latin1')
    if (!SCALAR.test(text)) return undefined
    return text === 'null' ? null : bytes
  }

  #string(): Buffer | undefined {
    if (!this.#take(QUOTE)) return undefined
    const start = this.#at
    let hasEscapes = false
    for (;;) {
      const byte = this.byte
      if (byte === undefined || byte < CONTROL) return undefined
      this.#at++
      if (byte === QUOTE) break
      if (byte !== BACKSLASH) continue
      hasEscapes = true
      const escaped = ESCAPE.exec(this.#json.toString('latin1', this.#at, this.#at + 5))?.[0]
      if (escaped === undefined) return undefined
      this.#at += escaped.length
    }
    const bytes = this.#json.subarray(start, this.#at - 1)
    return hasEscapes ? unescaped(bytes) : bytes
  }

  #takeComma(): boolean {
    this.skipSpace()
    return this.#take(COMMA)
  }

  #take(byte: number | undefined): boolean {
    if (this.byte !== byte || byte === undefined) return false
    this.#at++
    return true
  }
}

function one(text: Buffer): Found {
  return { texts: [text], isList: false }
}

/** Bytes of the text that a string stands for. All escapes in a row are taken at once, since two may be one character. */
function unescaped(string: Buffer): Buffer {
  const text = string.toString('latin1').replace(/(?:\\(?:u....|.))+/gs, (escapes) => {
    const meant = JSON.parse(`"${escapes}"`) as string
    return Buffer.from(meant).toString('latin1')
  })
  return Buffer.from(text, 'latin1')
}
