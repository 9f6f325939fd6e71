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
export function parsePattern(text: string): Pattern | string {
  const compiled = compile(text)
  return 'problem' in compiled ? compiled.problem : compiled
}

/** Why RE2 does not take an expression. */
export interface Uncompilable {
  readonly problem: string
  /** The part of the expression that is wrong. */
  readonly piece: string
  readonly reason: string
}

/** The same with flags of re2js. */
export function compile(text: string, flags = 0): Pattern | Uncompilable {
  try {
    return RE2JS.compile(text, flags)
  } catch (error) {
    if (!(error instanceof RE2JSSyntaxException)) return uncompilable(text, String(error))
    const { error: reason, input } = error as { error: string; input: string }
    for (const [beginning, name] of LACKING) {
      const found = beginning.exec(input)?.[0]
      if (found !== undefined) return uncompilable(found, `RE2 has no ${name}`)
    }
    return uncompilable(input, reason)
  }
}

function uncompilable(piece: string, reason: string): Uncompilable {
  return { problem: `invalid or unsupported: ${piece} (${reason})`, piece, reason }
}
