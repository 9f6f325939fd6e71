import { CountedText, TOO_MANY_LOOKS } from './counted-text.ts'
import type { Pattern } from './pattern.ts'
import type { TextProblem } from './scanner.ts'
import { parsed } from './scanner.ts'

/** A text for each place that a pattern matches. Numbers are groups of the pattern; 0 is the whole place. */
export interface Replacement {
  readonly pattern: Pattern
  readonly parts: readonly (string | number)[]
}

/** `$1` is the first of `groups` groups, `$$` a dollar. Every other dollar stands for itself. */
export function parseReplacement(text: string, groups: number): Replacement['parts'] | TextProblem {
  return parsed(text, (scanner) => {
    const parts: (string | number)[] = []
    while (!scanner.isDone) {
      const start = scanner.at
      const group = scanner.take(/\$\d{1,2}/y)
      if (group === undefined) {
        parts.push((scanner.take(/(?:\$\$|[^$])+|\$/sy) ?? '').replaceAll('$$', () => '$'))
        continue
      }
      const number = Number(group.slice(1))
      if (number > groups) scanner.fail(`there is no group ${number}; a dollar is written $$`, start)
      parts.push(number)
    }
    return parts
  })
}

/** Looks for each character of the text. A pattern that matches every character, with groups, needs 20. */
const LOOKS = 24
/** Short texts may be read more often. */
const MORE_LOOKS = 1 << 18
/** Characters of a result that is longer than its text. */
const LONGEST_RESULT = 1 << 20

/** The text with all places replaced. `undefined` if that is too much work, or would make the text too long. */
export function replaceAll(text: string, { pattern, parts }: Replacement): string | undefined {
  const longest = Math.max(LONGEST_RESULT, text.length)
  const counted = new CountedText(text, MORE_LOOKS + LOOKS * text.length)
  // re2js takes any String.
  const matcher = pattern.matcher(counted as unknown as string)
  const pieces: string[] = []
  let length = text.length
  let behind = 0
  try {
    while (matcher.find()) {
      const filled = parts.map((part) =>
        typeof part === 'string' ? part : text.slice(Math.max(0, matcher.start(part)), Math.max(0, matcher.end(part))),
      )
      const [start, end] = [matcher.start(), matcher.end()]
      const piece = filled.join('')
      length += piece.length - (end - start)
      if (length > longest) return undefined
      pieces.push(text.slice(behind, start), piece)
      behind = end
    }
  } catch (error) {
    if (error === TOO_MANY_LOOKS) return undefined
    throw error
  }
  return pieces.length === 0 ? text : pieces.join('') + text.slice(behind)
}
