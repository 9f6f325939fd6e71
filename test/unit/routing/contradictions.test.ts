import { describe, expect, test } from 'vitest'
import { passedByAbsence } from '../../../src/routing/absence.ts'
import { parseCondition } from '../../../src/routing/condition.ts'
import { contradictionsIn } from '../../../src/routing/contradictions.ts'

function expressionOf(text: string) {
  const macros = new Map([['probe', 'ua startswith kube-probe/']])
  const condition = parseCondition(text, { macros, lists: new Map() })
  if ('problem' in condition) throw new Error(condition.problem)
  return condition.expression
}

describe('a condition that can never hold', () => {
  test.for<[text: string, reason: string]>([
    ['status = 404 and status = 500', "'status = 404' and 'status = 500' exclude one another"],
    [
      'status in (404, 500) and uri = /x and status = 200',
      "'status in (404, 500)' and 'status = 200' exclude one another",
    ],
    ['status = 404 and status != 404', "'status = 404' and 'status != 404' exclude one another"],
    ['status = 404 and not status in (404, 500)', "'status = 404' and 'not status in (404, 500)' exclude one another"],
    ['status = 404 and status >= 500', "'status = 404' and 'status >= 500' exclude one another"],
    ['status = abc and status > 0', "'status = abc' and 'status > 0' exclude one another"],
    ['size > 5 and size < 5.0', "'size > 5' and 'size < 5.0' exclude one another"],
    ['size >= 6 and size <= 5', "'size >= 6' and 'size <= 5' exclude one another"],
    ['uri = /x and uri startswith /y', "'uri = /x' and 'uri startswith /y' exclude one another"],
    ['uri endswith .gz and uri in (a.zip, b)', "'uri endswith .gz' and 'uri in (a.zip, b)' exclude one another"],
    ['a matches x and not a matches x', "'a matches x' and 'not a matches x' exclude one another"],
    ['a != x and not a exists', "'a != x' and 'not a exists' exclude one another"],
    ['not (a = x or a exists) and a = y', "'not a exists' and 'a = y' exclude one another"],
    ['j.l = a and not j.l = a', "'j.l = a' and 'not j.l = a' exclude one another"],
    ['(a = 1 and a = 2) or (b = 1 and b = 2)', "'a = 1' and 'a = 2' exclude one another"],
    ['x = 1 and (a = 1 and a = 2 or b in ())', "'a = 1' and 'a = 2' exclude one another"],
    ['a in ()', "'a in ()': the list is empty"],
    ['tolower(a) = Bob', "'tolower(a) = Bob': tolower leaves no capital letter"],
    ['tolower(a) in (BOB, Al)', "'tolower(a) in (BOB, Al)': tolower leaves no capital letter"],
    ['toupper(a) contains x', "'toupper(a) contains x': toupper leaves no small letter"],
    ['basename(a) startswith /etc', "'basename(a) startswith /etc': basename leaves no /"],
    ['severity(a) > 7', "'severity(a) > 7': a severity is 0 to 7"],
    ['severity(a) = error', "'severity(a) = error': a severity is 0 to 7"],
    ['len(a) < 0', "'len(a) < 0': a length is a number from 0"],
    ['@time.x = 1', "'@time.x = 1': @time has no parts"],
    ['__topic__ = a and __topic__ = b', "'__topic__ = a' and '__topic__ = b' exclude one another"],
  ])('%s', ([text, reason]) => {
    expect(contradictionsIn(expressionOf(text))).toEqual([{ offset: expect.any(Number), reason, isWhole: true }])
  })

  test('a part of an or that can never hold is told, too, with its place', () => {
    expect(contradictionsIn(expressionOf('b = 1 or x = 1 and a = 1 and a = 2'))).toEqual([
      { offset: 19, reason: "'a = 1' and 'a = 2' exclude one another", isWhole: false },
    ])
    expect(contradictionsIn(expressionOf('not (b = 1 and not a in ())'))).toEqual([
      { offset: 19, reason: "'a in ()': the list is empty", isWhole: false },
    ])
  })

  test('is looked for in little time, however long the condition is', () => {
    const list = Array.from({ length: 7000 }, (_, index) => `v${index}`).join(', ')
    const texts = [
      Array.from({ length: 4500 }, (_, index) => `x != ${index}`).join(' and '),
      Array.from({ length: 3800 }, (_, index) => `x${index} != y`).join(' and '),
      Array.from({ length: 1800 }, (_, index) => `x = ${index} or x = y and z = 1`).join(' or '),
      `x in (${list})`,
      `${'(not '.repeat(45)}${'x = 1 and not y = 2 or '.repeat(1500)} x = 1${')'.repeat(45)}`,
    ]
    for (const text of texts) {
      const expression = expressionOf(text)
      const start = performance.now()
      contradictionsIn(expression)
      passedByAbsence(expression)
      expect(performance.now() - start, text.slice(0, 50)).toBeLessThan(1500)
    }
  })

  test.for([
    'status = 404 or status = 500',
    'status = 404 and uri = /x',
    'status = 404 and status >= 400',
    'status = 404 and not status = 500',
    'j.l = a and j.l = b',
    'j.l > 5 and j.l < 3',
    'tolower(a) = bob and a = BOB',
    'a startswith x and a startswith y',
    'size >= 5 and size <= 5',
    'not a exists and not a = x',
    'not a in ()',
    'severity(a) <= 3',
    'len(j.l) = 0 and j.l != x',
    'a = val(b) and a != val(c)',
  ])('is not: %s', (text) => {
    expect(contradictionsIn(expressionOf(text))).toEqual([])
  })
})

describe('a part that logs pass because they lack a field', () => {
  test.for<[text: string, told: [field: string, text: string, offset: number][]]>([
    ['not user in (root, admin)', [['user', 'user in (root, admin)', 4]]],
    [
      '__topic__ = a and not (a = 1 or b.c contains x)',
      [
        ['a', 'a = 1', 23],
        ['b.c', 'b.c contains x', 32],
      ],
    ],
    ['not a = 1 and not a = 2', [['a', 'a = 1', 4]]],
    ['x = 1 and not probe', [['ua', 'ua startswith kube-probe/', 14]]],
    ['not __tag__:h = x', [['__tag__:h', '__tag__:h = x', 4]]],
    ['not (a = 1 and not a = 2)', [['a', 'a = 1', 5]]],
    [
      'a = 1 or not a = val(b)',
      [
        ['a', 'a = val(b)', 13],
        ['b', 'a = val(b)', 13],
      ],
    ],
  ])('%s', ([text, told]) => {
    const expected = told.map(([field, part, offset]) => ({ field, text: part, offset }))
    expect(passedByAbsence(expressionOf(text))).toEqual(expected)
  })

  test.for([
    'user != root',
    'not user exists',
    'user exists and not user in (root)',
    'not user exists or not user in (root)',
    'status >= 400 and not status in (404)',
    'not __topic__ = x and not @project = y and not __source__ in (a)',
    'not not a = 1',
  ])('is not in: %s', (text) => {
    expect(passedByAbsence(expressionOf(text))).toEqual([])
  })
})
