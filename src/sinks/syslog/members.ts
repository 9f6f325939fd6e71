import { endOfString } from './envelope.ts'

const QUOTE = 0x22
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const COMMA = 0x2c

/** The members of a JSON object: strings as their text, other values as JSON, byte for byte. `undefined` for another value. */
export function membersOf(event: Buffer): Array<[key: string, value: string]> | undefined {
  if (event[0] !== OPEN_BRACE) return undefined
  const members: Array<[string, string]> = []
  for (let at = event.indexOf(QUOTE); at > 0 && at < event.length; ) {
    const keyEnd = endOfString(event, at + 1)
    const from = keyEnd + 1
    const to = event[from] === QUOTE ? endOfString(event, from + 1) : endOfValue(event, from)
    const text = event.toString('utf8', from, to)
    members.push([
      JSON.parse(event.toString('utf8', at, keyEnd)) as string,
      event[from] === QUOTE ? (JSON.parse(text) as string) : text,
    ])
    if (event[to] !== COMMA) break
    at = to + 1
  }
  return members
}

/** The offset just past a value that is no string. */
function endOfValue(json: Buffer, from: number): number {
  let depth = 0
  for (let at = from; at < json.length; at++) {
    const byte = json[at]
    if (byte === QUOTE) at = endOfString(json, at + 1) - 1
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      if (depth === 0) return at
      depth--
    } else if (byte === COMMA && depth === 0) return at
  }
  return json.length
}
