import { endOfString } from './envelope.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const SMALL_U = 0x75

/** The inside of a string that is a value, as offsets. */
interface Inside {
  readonly from: number
  readonly to: number
}

/**
 * The JSON text with its string values shortened to at most `limit` bytes, the longest first, at any depth. Keys, numbers and
 * the form stay. `undefined` if shortening all of them to nothing is not enough.
 */
export function shortenedJson(json: Buffer, limit: number): Buffer | undefined {
  const values = valuesOf(json)
  const most = longestValue(
    values.map(({ from, to }) => to - from),
    json.length - limit,
  )
  if (most === undefined) return undefined
  const parts: Buffer[] = []
  let at = 0
  for (const { from, to } of values) {
    const end = wholeUnits(json, from, Math.min(to, from + most), to)
    parts.push(json.subarray(at, end))
    at = to
  }
  parts.push(json.subarray(at))
  return Buffer.concat(parts)
}

function valuesOf(json: Buffer): Inside[] {
  const values: Inside[] = []
  for (let at = 0; at < json.length; at++) {
    if (json[at] !== QUOTE) continue
    const past = endOfString(json, at + 1)
    let next = past
    while (json[next] !== undefined && (json[next] as number) <= 0x20) next++
    if (json[next] !== COLON) values.push({ from: at + 1, to: past - 1 })
    at = past - 1
  }
  return values
}

/** The greatest length at which cutting all longer ones saves `excess` bytes. */
export function longestValue(lengths: readonly number[], excess: number): number | undefined {
  const savedAt = (most: number): number => lengths.reduce((sum, length) => sum + Math.max(0, length - most), 0)
  if (savedAt(0) < excess) return undefined
  let low = 0
  let high = Math.max(0, ...lengths)
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if (savedAt(middle) >= excess) low = middle
    else high = middle - 1
  }
  return low
}

/** The last place up to `to` at which neither an escape, a surrogate pair nor a character of UTF-8 is cut. */
function wholeUnits(json: Buffer, from: number, to: number, end: number): number {
  if (to === end) return to
  let at = from
  for (;;) {
    const next = at + unitAt(json, at)
    if (next > to) return at
    at = next
  }
}

function unitAt(json: Buffer, at: number): number {
  const byte = json[at] as number
  if (byte === BACKSLASH) {
    if (json[at + 1] !== SMALL_U) return 2
    const isHigh = /^\\u[dD][89abAB]/.test(json.toString('latin1', at, at + 4))
    return isHigh && /^\\u[dD]/.test(json.toString('latin1', at + 6, at + 9)) ? 12 : 6
  }
  if (byte < 0x80) return 1
  if (byte < 0xe0) return 2
  return byte < 0xf0 ? 3 : 4
}

/** The beginning of a text of UTF-8, no character cut. */
export function cutText(text: Buffer, most: number): Buffer {
  if (text.length <= most) return text
  let end = most
  while (end > 0 && ((text[end] as number) & 0xc0) === 0x80) end--
  return text.subarray(0, end)
}
