import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { holds } from '../../src/pipeline/reference/conditions.ts'
import { isOperator } from '../../src/routing/comparison.ts'
import { comparisonsIn, FUNCTIONS } from '../../src/routing/expression.ts'
import { expressionOf, logOf } from './pipeline/condition-logs.ts'
import { content, source, tag, topic } from './pipeline/wire.ts'

const page = readFileSync(new URL('../../docs/conditions.md', import.meta.url), 'utf8')
/** A log, and conditions on it. */
const blocks = [...page.matchAll(/```json\n(.*?)```\n\n```text\n(.*?)```/gs)]

/** What the page says of its lists and macros. */
const NAMES = {
  lists: new Map([['privileged', ['root', 'admin']]]),
  macros: new Map([['probe', 'ua startswith kube-probe/']]),
}

const examples = blocks.flatMap(([, log = '', lines = '']) =>
  lines
    .trimEnd()
    .split('\n')
    .map((line) => ({ log, answer: line.slice(0, 7).trim(), condition: line.slice(7) })),
)

function logFrom(json: string) {
  const fields = Object.entries(JSON.parse(json) as Record<string, string>).map(([key, value]) => {
    if (key === '__topic__') return { isGroup: true, field: topic(value) }
    if (key === '__source__') return { isGroup: true, field: source(value) }
    return key.startsWith('__tag__:')
      ? { isGroup: true, field: tag(key.slice('__tag__:'.length), value) }
      : { isGroup: false, field: content(key, value) }
  })
  const fieldsOf = (isGroup: boolean) => fields.filter((one) => one.isGroup === isGroup).map(({ field }) => field)
  return logOf(fieldsOf(false), fieldsOf(true))
}

describe('docs/conditions.md', () => {
  test('has no block that is not an example', () => {
    expect(blocks.length).toBe(page.match(/^```json$/gm)?.length)
    expect(blocks.length).toBe(page.match(/^```text$/gm)?.length)
  })

  test.each(examples)('$condition is $answer', ({ log, answer, condition }) => {
    expect(String(holds(expressionOf(condition, NAMES), logFrom(log)))).toBe(answer)
  })

  test('has a true and a false example of each operator, and an example of each function', () => {
    const comparisons = examples.flatMap(({ condition, answer }) => {
      const expression = expressionOf(condition, NAMES)
      return comparisonsIn(expression).map((comparison) => ({
        ...comparison,
        answer,
        isAlone: comparison === expression,
      }))
    })
    const words = [...page.matchAll(/^### (.*)$/gm)].flatMap(([, title = '']) => title.split(', '))
    expect(words.every((word) => isOperator(word))).toBe(true)
    for (const word of words) {
      const own = comparisons.filter(({ kind, isAlone }) => kind === word && isAlone)
      const answers = new Set(own.map(({ answer }) => answer))
      // The four that compare numbers share their examples.
      if (/^[<>]/.test(word)) expect(answers, word).not.toEqual(new Set())
      else expect(answers, word).toEqual(new Set(['true', 'false']))
    }
    const used = new Set(comparisons.flatMap(({ operand }) => operand.functions))
    expect(used).toEqual(new Set(FUNCTIONS))
  })
})
