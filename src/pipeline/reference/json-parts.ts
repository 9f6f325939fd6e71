import {
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COMMA,
  endOfKey,
  endOfSpace,
  endOfValue,
  OPEN_ARRAY,
  OPEN_OBJECT,
} from './json-ends.ts'

/** A member of an object, or an element of an array, by its place in the text. */
export interface Part {
  /** Of a member, as the text that it stands for. */
  readonly key?: string
  /** Where it begins, with its key. It ends with its value. */
  readonly start: number
  readonly valueStart: number
  readonly value: Buffer
}

/** The parts of an object or array, in order. `undefined` if the text is neither, or malformed anywhere. */
export function partsOf(json: Buffer): Part[] | undefined {
  const open = endOfSpace(json, 0)
  const isObject = json[open] === OPEN_OBJECT
  if (!isObject && json[open] !== OPEN_ARRAY) return undefined
  const close = isObject ? CLOSE_OBJECT : CLOSE_ARRAY
  const parts: Part[] = []
  let at = endOfSpace(json, open + 1)
  while (json[at] !== close || parts.length > 0) {
    const start = endOfSpace(json, at)
    const keyEnd = isObject ? endOfKey(json, start) : start
    const from = endOfSpace(json, keyEnd)
    const end = keyEnd === -1 ? -1 : endOfValue(json, from, 2)
    if (end === -1) return undefined
    parts.push({
      ...(isObject && { key: keyOf(json, start, keyEnd) }),
      ...{ start, valueStart: from, value: json.subarray(from, end) },
    })
    at = endOfSpace(json, end)
    if (json[at] === close) break
    if (json[at] !== COMMA) return undefined
    at++
  }
  return endOfSpace(json, at + 1) === json.length ? parts : undefined
}

/** The key whose quote is at `start`, and whose colon ends at `end`. */
function keyOf(json: Buffer, start: number, end: number): string {
  const written = json.toString('utf8', start, end - 1).trimEnd()
  return written.includes('\\') ? (JSON.parse(written) as string) : written.slice(1, -1)
}

/**
 * JSON text with other values in its parts. `undefined` takes a part away. All other bytes are as they were, and without a change
 * it is the same buffer.
 */
export function rewritten(json: Buffer, parts: readonly Part[], change: (part: Part) => Buffer | undefined): Buffer {
  const pieces: Buffer[] = []
  let isChanged = false
  /** Where parts in a row begin that stay. */
  let kept: number | undefined
  let end = 0
  const keep = (): void => {
    if (kept !== undefined) pieces.push(json.subarray(kept, end))
    kept = undefined
  }
  for (const part of parts) {
    const { start, valueStart, value } = part
    const now = change(part)
    if (now === value) kept ??= start
    else {
      isChanged = true
      keep()
      if (now !== undefined) pieces.push(Buffer.concat([json.subarray(start, valueStart), now]))
    }
    end = valueStart + value.length
  }
  if (!isChanged) return json
  keep()
  const [open, close] = json[endOfSpace(json, 0)] === OPEN_OBJECT ? '{}' : '[]'
  const separated = pieces.flatMap((piece, index) => (index === 0 ? [piece] : [SEPARATOR, piece]))
  return Buffer.concat([Buffer.from(open as string), ...separated, Buffer.from(close as string)])
}

const SEPARATOR = Buffer.from(',')
