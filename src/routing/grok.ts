import { RE2JS, RE2Set } from 're2js'
import type { Definitions, Expansion } from './grok-expansion.ts'
import { expand, LONGEST_PATTERN } from './grok-expansion.ts'
import type { Pattern, Uncompilable } from './pattern.ts'
import { compile } from './pattern.ts'
import type { TextProblem } from './scanner.ts'

/** Characters of a line. The work for each of them has a limit, and so has the work for a line. */
const LONGEST_LINE = 1 << 15

/** `^` and `$` stand at the ends of lines, as in Ruby. */
const FLAGS = RE2JS.LOOKBEHINDS | RE2JS.MULTILINE
/** Look-behinds without groups in them. */
const LOOK_BEHINDS = /\(\?<[=!](?:\\.|\[(?:\\.|[^\]\\])*\]|[^()\\[])*\)/gs

/** A pattern of Logstash's grok, as RE2 runs it: in linear time. */
export interface Grok {
  /** As it was written. */
  readonly text: string
  /** As one regular expression. */
  readonly expression: string
  /** Names and values in the order of the pattern; a name may stand twice. `undefined` if nothing in the line matches. */
  match(line: string): [field: string, value: string][] | undefined
}

/** `%{IP:client} %{WORD:verb}`. Definitions are the patterns that it may name. */
export function parseGrok(text: string, definitions: Definitions): Grok | TextProblem {
  if (text.length > LONGEST_PATTERN) return { problem: `is longer than ${LONGEST_PATTERN} characters`, offset: 0 }
  const expansion = expand(text, definitions)
  if ('problem' in expansion) return expansion
  const pattern = compile(expansion.expression, FLAGS)
  if ('problem' in pattern) return problemAt(text, expansion, pattern, definitions)
  return new GrokPattern(text, expansion, pattern)
}

/** The piece that RE2 does not take stands in the text itself, or in a pattern that it names. */
function problemAt(
  text: string,
  { used }: Expansion,
  { problem, piece, reason }: Uncompilable,
  definitions: Definitions,
): TextProblem {
  // The innermost of those that are wrong is the last.
  const name = [...used].findLast((each) => {
    const alone = expand(`%{${each}}`, definitions)
    return 'problem' in alone || 'problem' in compile(alone.expression, FLAGS)
  })
  const offset = Math.max(0, text.indexOf(name === undefined ? piece : `%{${name}`))
  if (name !== undefined) return { problem: `${reason} (in ${name}, ${definitions.get(name)?.place})`, offset }
  return { problem: text.includes(piece) ? problem : `is no regular expression: ${reason}`, offset }
}

class GrokPattern implements Grok {
  readonly text: string
  readonly expression: string
  readonly #fields: readonly string[]
  readonly #pattern: Pattern
  #outline: Pattern | 'none' | undefined

  constructor(text: string, { expression, fields }: Expansion, pattern: Pattern) {
    this.text = text
    this.expression = expression
    this.#fields = fields
    this.#pattern = pattern
  }

  match(line: string): [field: string, value: string][] | undefined {
    if (line.length > LONGEST_LINE || !this.#mayMatch(line)) return undefined
    // Most lines match from their beginning. To look there alone takes a quarter of the time.
    const groups = this.#groups(line, RE2Set.ANCHOR_START) ?? this.#groups(line, RE2Set.UNANCHORED)
    if (groups === undefined) return undefined
    return this.#fields.flatMap((field, index) => {
      const [start = -1, end = -1] = groups.slice(2 * index + 2, 2 * index + 4)
      return start < end ? [[field, line.slice(start, end)]] : []
    })
  }

  /** Whether the line matches without look-behinds. re2js finds that out some hundred times faster. */
  #mayMatch(line: string): boolean {
    this.#outline ??= this.#withoutLookBehinds()
    return this.#outline === 'none' || this.#outline.test(line)
  }

  #withoutLookBehinds(): Pattern | 'none' {
    const outline = this.expression.replace(LOOK_BEHINDS, '')
    if (outline === this.expression) return outline.includes('(?<') ? 'none' : this.#pattern
    const compiled = compile(outline, RE2JS.MULTILINE)
    return 'problem' in compiled ? 'none' : compiled
  }

  /** Start and end of each group, the whole match first. */
  #groups(line: string, anchor: number): readonly number[] | undefined {
    const [isFound, groups] = this.#pattern.re2().matchWithGroup(line, 0, line.length, anchor, this.#fields.length + 1)
    return isFound ? groups : undefined
  }
}
