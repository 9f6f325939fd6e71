/** Control characters, line and paragraph separators, and characters that change the direction of the text after them. */
const UNPRINTABLE = '\\p{Cc}\\p{Zl}\\p{Zp}\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069'
const RUNS = new RegExp(`[${UNPRINTABLE}]+`, 'gu')
const RUNS_AND_SPACE = new RegExp(`[\\s${UNPRINTABLE}]+`, 'gu')
const EACH = new RegExp(`[${UNPRINTABLE}]`, 'gu')

const LONGEST_LINE = 1000

/** Text that may hold a server's words, fit for one line of a log or a table: at most 1000 characters and `…`. */
export function onOneLine(text: string): string {
  const line = text.replace(RUNS, ' ')
  return line.length <= LONGEST_LINE ? line : `${line.slice(0, LONGEST_LINE)}…`
}

/** The first `most` characters of a server's text, on one line, for use inside a message. Layout of a page is dropped. */
export function beginningOf(text: string, most: number): string {
  return text
    .slice(0, 2 * most)
    .replace(RUNS_AND_SPACE, ' ')
    .trim()
    .slice(0, most)
}

/** A value on one line: escaped, not replaced, so that users recognise what they wrote. */
export function escaped(text: string): string {
  return text.replace(EACH, (character) => {
    const json = JSON.stringify(character).slice(1, -1)
    return json === character ? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}` : json
  })
}

/** JSON on one line, the same value without what a terminal obeys: JSON may hold U+009B and U+202E as they are. */
export function escapedJson(json: string): string {
  // Outside of texts these are blanks, and inside they cannot be.
  return escaped(json.trim().replace(/[\t\n\r]/g, ' '))
}

/** `text` as a part of a file name, a consumer name or a host name: letters, digits, `.`, `_`, `-`; at most `most`. */
export function nameOf(text: string, most: number, instead: '_' | '-'): string {
  return text.replace(/[^A-Za-z0-9._-]+/g, instead).slice(0, most)
}

/** `text` as the value of a metric's label. A server's code must not become an odd or endless one. */
export function labelOf(text: string): string {
  return text.replace(/[^\w.:-]+/g, '_').slice(0, 64)
}

/** Printable ASCII without spaces: identifiers and secrets that travel in HTTP headers. */
export function isPrintable(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text)
}
