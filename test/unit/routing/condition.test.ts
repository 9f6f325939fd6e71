import { expect, test } from 'vitest'
import { parseCondition } from '../../../src/routing/condition.ts'
import type { Comparison } from '../../../src/routing/expression.ts'

const NAMES = {
  macros: new Map([
    ['probe', 'ua startswith kube-probe/'],
    ['quiet', 'probe or x exists'],
  ]),
  lists: new Map([['bad', ['404', '500']]]),
}

function parse(text: string) {
  const condition = parseCondition(text, NAMES)
  if ('problem' in condition) throw new Error(`${condition.offset}: ${condition.problem}`)
  return condition
}

test('a comparison knows how it was written and where it stands; one of a macro stands where the macro is named', () => {
  const { text, expression } = parse('tolower( a ) = "x y"  and quiet')
  expect(text).toBe('tolower( a ) = "x y"  and quiet')
  expect(expression).toMatchObject({
    kind: 'and',
    parts: [
      { kind: '=', to: 'x y', operand: { functions: ['tolower'] }, text: 'tolower( a ) = "x y"', offset: 0 },
      {
        kind: 'or',
        parts: [
          { kind: 'startswith', text: 'ua startswith kube-probe/', offset: 26 } satisfies Partial<Comparison>,
          { kind: 'exists', text: 'x exists', offset: 26 } satisfies Partial<Comparison>,
        ],
      },
    ],
  })
})

test('functions are listed from the innermost', () => {
  expect(parse('len(basename(tolower(p))) > 3').expression).toMatchObject({
    operand: { functions: ['tolower', 'basename', 'len'] },
  })
})

test('a list is its values; its name in quotes is a value', () => {
  expect(parse('status in (bad, "bad", 1)').expression).toMatchObject({ to: ['404', '500', 'bad', '1'] })
})

test.for<[text: string, like: string]>([
  ['a=1', 'a = 1'],
  ['a==1', 'a = 1'],
  ['a\t=\r\n1', 'a = 1'],
  ['a<5', 'a < 5'],
  ['a="x"and b=y', 'a = x and b = y'],
  ['a exists or(b exists)', 'a exists or b exists'],
  ['not(a exists)', 'not a exists'],
  ['a in(x,y)', 'a in (x, y)'],
  ['a = val( b )', 'a = val(b)'],
  ['and_more exists', '["and_more"] exists'],
  ['a.in = x', 'a.in = x'],
  ['["not"] = x', `['not'] = x`],
  ['a = and', 'a = "and"'],
  ['tolower = x', '["tolower"] = x'],
])('%s is %s', ([text, like]) => {
  const plain = (condition: string) =>
    JSON.stringify(parse(condition).expression, (key, value) =>
      key === 'text' || key === 'offset' ? undefined : value,
    )
  expect(plain(text)).toBe(plain(like))
})
