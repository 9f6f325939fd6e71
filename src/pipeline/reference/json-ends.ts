/** Deeper nesting is taken for malformed. The outermost object or array is at depth 1. */
export const MAX_DEPTH = 64

export const QUOTE = 0x22
export const COMMA = 0x2c
export const COLON = 0x3a
export const BACKSLASH = 0x5c
export const OPEN_ARRAY = 0x5b
export const CLOSE_ARRAY = 0x5d
export const OPEN_OBJECT = 0x7b
export const CLOSE_OBJECT = 0x7d

/** Where white space that begins here ends. */
export function endOfSpace(json: Buffer, at: number): number {
  let end = at
  while (isSpace(json[end])) end++
  return end
}

/** Just behind the value, with the white space before it; -1 if it is malformed. An object or array is at this depth. */
export function endOfValue(json: Buffer, at: number, depth: number): number {
  const start = endOfSpace(json, at)
  const first = json[start]
  if (first === QUOTE) return endOfString(json, start)
  return first === OPEN_OBJECT || first === OPEN_ARRAY ? endOfItems(json, start, depth) : endOfScalar(json, start)
}

/** Of the object or array that begins here. */
function endOfItems(json: Buffer, start: number, depth: number): number {
  if (depth > MAX_DEPTH) return -1
  const isObject = json[start] === OPEN_OBJECT
  const close = isObject ? CLOSE_OBJECT : CLOSE_ARRAY
  let at = endOfSpace(json, start + 1)
  if (json[at] === close) return at + 1
  for (;;) {
    if (isObject) at = endOfKey(json, at)
    if (at !== -1) at = endOfValue(json, at, depth + 1)
    if (at === -1) return -1
    at = endOfSpace(json, at)
    if (json[at] === close) return at + 1
    if (json[at] !== COMMA) return -1
    at++
  }
}

/** Of the key that begins here, with its colon; -1 if there is none. */
export function endOfKey(json: Buffer, at: number): number {
  const start = endOfSpace(json, at)
  if (json[start] !== QUOTE) return -1
  const end = endOfString(json, start)
  if (end === -1) return -1
  const colon = endOfSpace(json, end)
  return json[colon] === COLON ? colon + 1 : -1
}

/** Of the string whose quote is here. */
export function endOfString(json: Buffer, start: number): number {
  const { length } = json
  let at = start + 1
  while (at < length) {
    const byte = json[at] as number
    if (byte < 0x20) return -1
    at++
    if (byte === QUOTE) return at
    if (byte !== BACKSLASH) continue
    const length = lengthOfEscape(json, at)
    if (length === 0) return -1
    at += length
  }
  return -1
}

/** Of what stands behind a backslash; 0 if it is none. */
function lengthOfEscape(json: Buffer, at: number): number {
  if (json[at] === LETTER_U) return UNIT.test(json.toString('latin1', at, at + 5)) ? 5 : 0
  return ESCAPED.has(json[at]) ? 1 : 0
}

const ESCAPED: ReadonlySet<number | undefined> = new Set(Buffer.from('"\\/bfnrt'))
const LETTER_U = 0x75
const UNIT = /^u[0-9a-fA-F]{4}$/

/** Of a number or literal. Something that ends it stands behind it. */
export function endOfScalar(json: Buffer, start: number): number {
  let at = start
  while (!endsScalar(json[at])) at++
  return json[at] !== undefined && SCALAR.test(json.toString('latin1', start, at)) ? at : -1
}

const SCALAR = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/

function endsScalar(byte: number | undefined): boolean {
  return byte === undefined || isSpace(byte) || byte === COMMA || byte === CLOSE_ARRAY || byte === CLOSE_OBJECT
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}
