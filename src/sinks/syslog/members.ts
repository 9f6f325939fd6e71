/** The members of a JSON object: strings as their text, other values as JSON, as they stand. `undefined` for another value. */
export function membersOf(json: string): Array<[key: string, value: string]> | undefined {
  if (!json.startsWith('{')) return undefined
  const members: Array<[string, string]> = []
  for (let at = json.indexOf('"'); at > 0 && at < json.length; ) {
    const keyEnd = endOfText(json, at + 1)
    const from = keyEnd + 1
    const isText = json[from] === '"'
    const to = isText ? endOfText(json, from + 1) : endOfValue(json, from)
    members.push([textOf(json, at, keyEnd), isText ? textOf(json, from, to) : json.slice(from, to)])
    if (json[to] !== ',') break
    at = to + 1
  }
  return members
}

/** The text of a string with its quotes. */
function textOf(json: string, from: number, to: number): string {
  const inside = json.slice(from + 1, to - 1)
  return inside.includes('\\') ? (JSON.parse(json.slice(from, to)) as string) : inside
}

/** The offset just past the closing quote of the string whose inside begins at `from`. */
function endOfText(json: string, from: number): number {
  for (let at = json.indexOf('"', from); at >= 0; at = json.indexOf('"', at + 1)) {
    let backslashes = 0
    while (json[at - 1 - backslashes] === '\\') backslashes++
    if (backslashes % 2 === 0) return at + 1
  }
  throw new Error('a string of the event does not end')
}

/** The offset just past a value that is no string. */
function endOfValue(json: string, from: number): number {
  let depth = 0
  for (let at = from; at < json.length; at++) {
    const one = json[at]
    if (one === '"') at = endOfText(json, at + 1) - 1
    else if (one === '{' || one === '[') depth++
    else if (one === '}' || one === ']') {
      if (depth === 0) return at
      depth--
    } else if (one === ',' && depth === 0) return at
  }
  return json.length
}
