import type { Fields } from './line.ts'
import { Line, Told } from './line.ts'

/** Names of the parts of the header, in order. */
const HEADER = ['version', 'vendor', 'product', 'device_version', 'signature', 'name', 'severity'] as const
const START = 'CEF:'

/**
 * `CEF:0|Security|threatmanager|1.0|100|worm stopped|10|src=10.0.0.1 msg=two words`, also behind the header of a syslog line.
 * Keys of the extension are fields; a value ends where the next key begins.
 */
export function parseCef(text: string): Fields | undefined {
  const start = text.startsWith(START) ? 0 : text.indexOf(` ${START}`) + 1
  if (!text.startsWith(START, start)) return undefined
  const line = new Line(text)
  line.at = start + START.length
  const told = new Told()
  for (const name of HEADER) {
    const part = takePart(line)
    if (part === undefined) return undefined
    told.put(name, part)
  }
  const extension = line.rest
  const keys = [...extension.matchAll(/(?:^|\s)([\w.[\]-]+)=/g)]
  for (const [index, found] of keys.entries()) {
    const value = extension.slice(found.index + found[0].length, keys[index + 1]?.index)
    told.put(found[1] as string, unescaped(value.trimEnd()))
  }
  return told.fields
}

/** What stands before the next bar that no backslash keeps. */
function takePart(line: Line): string | undefined {
  for (let end = line.at; end < line.text.length; end++) {
    if (line.text[end] === '\\') end++
    else if (line.text[end] === '|') {
      const part = line.text.slice(line.at, end)
      line.at = end + 1
      return part.replace(/\\([|\\])/g, '$1')
    }
  }
  return undefined
}

function unescaped(value: string): string {
  return value.replace(/\\([=|\\nr])/g, (_, char: string) => (char === 'n' ? '\n' : char === 'r' ? '\r' : char))
}
