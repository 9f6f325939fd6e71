import {
  BACKSLASH,
  CLOSE_ARRAY,
  COLON,
  COMMA,
  endOfScalar,
  endOfSpace,
  endOfString,
  endOfValue,
  MAX_DEPTH,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
} from './json-ends.ts'

/** A value as conditions see it: one text, or the texts of a list. */
export interface Found {
  readonly texts: readonly Buffer[]
  readonly isList: boolean
}

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

const [LETTER_N] = Buffer.from('n')

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
    this.#at = endOfSpace(this.#json, this.#at)
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
    return this.#moveTo(endOfValue(this.#json, this.#at, depth))
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
    return this.byte === QUOTE ? this.#passString() : this.#moveTo(endOfScalar(this.#json, this.#at))
  }

  #passString(): boolean {
    return this.byte === QUOTE && this.#moveTo(endOfString(this.#json, this.#at))
  }

  /** False for the end of what is malformed. */
  #moveTo(end: number): boolean {
    if (end === -1) return false
    this.#at = end
    return true
  }

  /** The text of the scalar that was passed, and began at `start`; `undefined` for `null`. */
  #textFrom(start: number): Buffer | undefined {
    if (this.#json[start] === LETTER_N) return undefined
    if (this.#json[start] !== QUOTE) return this.#json.subarray(start, this.#at)
    const string = this.#json.subarray(start + 1, this.#at - 1)
    return string.includes(BACKSLASH) ? unescaped(string) : string
  }

  #takeComma(): boolean {
    this.skipSpace()
    return this.#take(COMMA)
  }

  #take(byte: number): boolean {
    if (this.byte !== byte) return false
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
