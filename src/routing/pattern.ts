import { RE2JS, RE2JSSyntaxException } from 're2js'

export type Pattern = RE2JS

/** What other engines have and RE2 has not, since it takes time that is not linear. */
const LACKING: readonly (readonly [beginning: RegExp, name: string])[] = [
  [/^\(\?[=!]/, 'look-ahead'],
  [/^\(\?<[=!]/, 'look-behind'],
  [/^\\[1-9k]|^\(\?P$/, 'back-references'],
  [/^\(\?>/, 'atomic groups'],
  [/^\(\?\($/, 'conditional groups'],
  [/^[*+?}]\+/, 'possessive quantifiers'],
]

/** Compiles a regular expression. It matches in linear time, whatever the text. A string says what is wrong. */
export function parsePattern(text: string): RE2JS | string {
  try {
    return RE2JS.compile(text)
  } catch (error) {
    if (!(error instanceof RE2JSSyntaxException)) return `invalid or unsupported: ${text} (${String(error)})`
    const { error: reason, input } = error as { error: string; input: string }
    for (const [beginning, name] of LACKING) {
      const found = beginning.exec(input)?.[0]
      if (found !== undefined) return `invalid or unsupported: ${found} (RE2 has no ${name})`
    }
    return `invalid or unsupported: ${input} (${reason})`
  }
}
