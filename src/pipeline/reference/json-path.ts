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

/** The value of a JSON text of whatever kind, which a step has found to be JSON, and left without white space. */
export function wholeValue(json: Buffer): Found | undefined {
  const [first] = json
  // A number has no end of its own: elsewhere in JSON another byte follows it.
  if (first === OPEN_OBJECT || first === OPEN_ARRAY || first === QUOTE) return new JsonScan(json).value(0)
  return first === LETTER_N ? undefined : one(json)
}

/** A member of an object, or an element of an array, by its place in the text. */
export interface Part {
  /** Of a member, as the text that it stands for. */
  readonly key?: string
  /** The bytes of the key, to the value. Empty for an element. */
  readonly before: Buffer
  readonly value: Buffer
}

/** The parts of an object or array, in order. `undefined` if the text is neither, or malformed anywhere. */
export function partsOf(json: Buffer): Part[] | undefined {
  return new JsonScan(json).parts()
}

const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY, QUOTE, COMMA, COLON, BACKSLASH, LETTER_N, LETTER_U] =
  Buffer.from('{}[]",:\\nu')
/** The literals and numbers of JSON. */
const SCALAR = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/
/** Behind a backslash. */
const ESCAPED: ReadonlySet<number | undefined> = new Set(Buffer.from('"\\/bfnrt'))
const UNIT = /^u[0-9a-fA-F]{4}$/
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
    while (isSpace(this.byte)) this.#at++
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
      const start = this.#at
      if (!this.#passString()) return false
      const isKey = this.#textFrom(start)?.equals(key)
      if (!this.#passColon()) return false
      if (isKey) return true
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

  /** Reads the whole text. */
  parts(): Part[] | undefined {
    const parts: Part[] = []
    this.skipSpace()
    const isObject = this.byte === OPEN_OBJECT
    if (!isObject && this.byte !== OPEN_ARRAY) return undefined
    const isRead = this.#skipItems(1, isObject ? CLOSE_OBJECT : CLOSE_ARRAY, () => {
      const start = this.#at
      if (isObject && !this.#passString()) return false
      const key = isObject ? this.#textFrom(start)?.toString() : undefined
      if (isObject && !this.#passColon()) return false
      const from = this.#at
      if (!this.#skipValue(2)) return false
      const [before, value] = [this.#json.subarray(start, from), this.#json.subarray(from, this.#at)]
      parts.push({ ...(key !== undefined && { key }), before, value })
      return true
    })
    this.skipSpace()
    return isRead && this.byte === undefined ? parts : undefined
  }

  /** Reads the value here, which is inside `depth` objects and arrays. */
  value(depth: number): Found | undefined {
    const start = this.#at
    if (this.byte === OPEN_ARRAY) return this.#array(depth)
    if (this.byte === OPEN_OBJECT)
      return this.#skipValue(depth + 1) ? one(this.#json.subarray(start, this.#at)) : undefined
    if (!this.#passScalar()) return undefined
    const text = this.#textFrom(start)
    return text && one(text)
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
        const from = this.#at
        if (!this.#passScalar()) return undefined
        const text = this.#textFrom(from)
        if (text !== undefined) texts.push(text)
      }
    } while (this.#takeComma())
    if (!this.#take(CLOSE_ARRAY)) return undefined
    return isList ? { texts, isList } : one(this.#json.subarray(start, this.#at))
  }

  /** Passes a value. An object or array is at this depth. */
  #skipValue(depth: number): boolean {
    this.skipSpace()
    if (this.byte === OPEN_OBJECT) {
      return this.#skipItems(
        depth,
        CLOSE_OBJECT,
        () => this.#passString() && this.#passColon() && this.#skipValue(depth + 1),
      )
    }
    if (this.byte === OPEN_ARRAY) return this.#skipItems(depth, CLOSE_ARRAY, () => this.#skipValue(depth + 1))
    return this.#passScalar()
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

  /** Passes the colon behind a key, and space around it. */
  #passColon(): boolean {
    this.skipSpace()
    const isThere = this.#take(COLON)
    this.skipSpace()
    return isThere
  }

  /** Passes a string, number or literal. Behind the last two stands something that ends them. */
  #passScalar(): boolean {
    if (this.byte === QUOTE) return this.#passString()
    const start = this.#at
    while (!endsScalar(this.byte)) this.#at++
    return this.byte !== undefined && SCALAR.test(this.#json.toString('latin1', start, this.#at))
  }

  #passString(): boolean {
    if (!this.#take(QUOTE)) return false
    for (;;) {
      const byte = this.byte
      if (byte === undefined || byte < CONTROL) return false
      this.#at++
      if (byte === QUOTE) return true
      if (byte !== BACKSLASH) continue
      const isUnit = this.byte === LETTER_U
      const isKnown = isUnit ? UNIT.test(this.#json.toString('latin1', this.#at, this.#at + 5)) : ESCAPED.has(this.byte)
      if (!isKnown) return false
      this.#at += isUnit ? 5 : 1
    }
  }

  /** The text of the scalar that was passed, and began at `start`; `undefined` for `null`. */
  #textFrom(start: number): Buffer | undefined {
    if (this.#json[start] === LETTER_N) return undefined
    if (this.#json[start] !== QUOTE) return this.#json.subarray(start, this.#at)
    const string = this.#json.subarray(start + 1, this.#at - 1)
    return string.includes(BACKSLASH as number) ? unescaped(string) : string
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

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

function endsScalar(byte: number | undefined): boolean {
  return byte === undefined || isSpace(byte) || byte === COMMA || byte === CLOSE_ARRAY || byte === CLOSE_OBJECT
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
