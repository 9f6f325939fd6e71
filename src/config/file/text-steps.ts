import type { Pattern } from '../../routing/pattern.ts'
import { parsePattern } from '../../routing/pattern.ts'
import { parseReplacement } from '../../routing/replacement.ts'
import type { Described, TextParser } from './shape.ts'
import { checked, made, map, Refusal, required, text } from './shape.ts'
import type { Draft } from './step-parts.ts'
import { anyText, field, onFailureKey, onlyFields } from './step-parts.ts'

const pattern: TextParser<Pattern> = {
  allowed: 'a regular expression of RE2',
  parse: (value) => {
    const found = parsePattern(value)
    return typeof found === 'string' ? { refused: found } : { value: found }
  },
}

export const replace: Described<Draft> = checked(
  map(
    {
      field: required(field('Name of a field.')),
      matches: required(text(pattern, { doc: 'What to replace, as a regular expression.', example: '[0-9]{12}' })),
      with: required(
        text(anyText, { doc: 'Stands in its place. `$1` is the first group, `$$` a dollar.', example: '"***"' }),
      ),
      on_failure: onFailureKey,
    },
    {
      doc: 'Replaces all places of a field that a regular expression matches.',
      example: '{field: message, matches: "password=[^ ]+", with: "password=***"}',
    },
  ),
  ({ field: name, matches, with: written, on_failure }): Draft | Refusal => {
    const parts = parseReplacement(written, matches.groupCount())
    if ('problem' in parts) {
      const { problem, offset } = parts
      return new Refusal(problem, 'text with $1 for a group', { offset, under: ['with'] })
    }
    const replacement = { pattern: matches, parts }
    return (byDefault) => ({ name: 'replace', field: name, replacement, onFailure: on_failure ?? byDefault })
  },
)

export const lowercase: Described<Draft> = made(
  onlyFields('Fields whose letters A to Z become small.'),
  (fields): Draft =>
    () => ({ name: 'lowercase', fields }),
)
