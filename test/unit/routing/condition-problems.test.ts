import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseCondition } from '../../../src/routing/condition.ts'
import { parsePath } from '../../../src/routing/path.ts'

const NAMES = {
  macros: new Map([
    ['probe', 'ua startswith kube-probe/'],
    ['broken', 'status =\n  404 and'],
    ['uses_broken', 'x = 1 or broken'],
    ['a', 'x = 1 and b'],
    ['b', 'c or y exists'],
    ['c', 'not a'],
  ]),
  lists: new Map([
    ['bad', ['404', '500']],
    ['nets', ['10.0.0.0/8', 'lan']],
  ]),
}

/** `column: problem`, as the configuration file shows it. */
function problemOf(text: string, names = NAMES): string {
  const result = parseCondition(text, names)
  return 'problem' in result ? `${result.offset + 1}: ${result.problem}` : 'none'
}

describe('a condition that cannot be read says where and why', () => {
  test.for<[text: string, problem: string]>([
    ['status startwith 4', "8: unknown operator 'startwith' (did you mean 'startswith'?)"],
    ['status STARTSWITH 4', "8: unknown operator 'STARTSWITH' (did you mean 'startswith'?)"],
    [
      'status resembles 4',
      "8: unknown operator 'resembles'; operators are = == != < <= > >= exists contains icontains startswith endswith glob iglob regex matches in intersects pmatch cidr",
    ],
    ['status < abc', "10: number expected behind '<', found 'abc'"],
    ['status >= "4"', `11: number expected behind '>=', found '"'`],
    ['status > 0x1g', "10: number expected behind '>', found '0x1g'"],
    ['status <', "9: number expected behind '<'"],
    ['status in 404', "11: list expected: '(' or the name of a list; there is no list '404'"],
    ['status in bat', "11: list expected: '(' or the name of a list; there is no list 'bat' (did you mean 'bad'?)"],
    ['status in', "10: list expected: '(' or the name of a list"],
    ['status in (404', '11: list is not closed'],
    ['status in (404 500)', "16: ',' or ')' expected in the list, found '500'"],
    ['status in (404,)', "16: value expected in the list, found ')'"],
    ['status = "404', '10: quote is not closed'],
    ["status = '404\\'", '10: quote is not closed'],
    ['msg matches "\\d+"', "14: unknown escape '\\d': a backslash is written '\\\\'"],
    ['status', "1: there is no macro 'status', and no operator follows the field"],
    ['prob and x = 1', "1: there is no macro 'prob' (did you mean 'probe'?), and no operator follows the field"],
    ['a.b and x = 1', '1: no operator follows the field'],
    ['status = 404 foo', "14: 'and', 'or' or the end expected, found 'foo'"],
    ['status = 404 AND x = 1', "14: 'and', 'or' or the end expected, found 'AND' (did you mean 'and'?)"],
    ['status = 404 && x = 1', "14: 'and', 'or' or the end expected, found '&&' (did you mean 'and'?)"],
    [
      'uri = /a?b=c',
      "11: 'and', 'or' or the end expected, found '='; a value with blanks or any of = , ( ) needs quotes",
    ],
    ['(status = 404', '1: parenthesis is not closed'],
    ['(status = 404 x = 1)', "15: 'and', 'or' or ')' expected, found 'x'"],
    ['status = 404)', "13: 'and', 'or' or the end expected, found ')'"],
    ['probe foo', "7: 'and', 'or' or the end expected, found 'foo'"],
    ['', '1: a field expected'],
    ['status = 404 and', '17: a field expected'],
    ['!status = 404', "1: a field expected, found '!' (did you mean 'not'?)"],
    ['"status" = 404', `1: a field expected, found '"'; a key in quotes is written ["…"]`],
    ['状态 = 404', `1: a field expected, found '状态'; a key of other letters is written ["状态"]`],
    ['in in (a)', `1: a field expected, found 'in'; a field of this name is written ["in"]`],
    ['a. = x', '3: a name expected behind the dot; other keys are written ["…"]'],
    ['a[b = x', '2: [ is not closed'],
    ['a[] = x', '3: a key expected behind ['],
    ['lower(x) = a', "1: unknown function 'lower' (did you mean 'tolower'?)"],
    ['tolower(x = a', "11: ')' expected, which closes 'tolower('"],
    ['status =', "9: value expected behind '='"],
    ['status contains (a)', "17: value expected behind 'contains', found '('; a value with ( in it needs quotes"],
    ['x = val(y', "10: ')' expected, which closes 'val('"],
    ['ip cidr (10.0.0.0/33)', "10: cidr: '10.0.0.0/33' has more than 32 bits"],
    ['ip cidr nets', "9: cidr: list 'nets': 'lan' is no network: an address and its bits expected, such as 10.0.0.0/8"],
    ['x glob [b-a]', '8: glob: a range of characters is the wrong way round: b-a'],
    ['x = 1 constructor', "7: 'and', 'or' or the end expected, found 'constructor'"],
    ['constructor', "1: there is no macro 'constructor', and no operator follows the field"],
    ['x glob [[:constructor:]]', '8: glob: unknown class of characters: [:constructor:]'],
    ['x glob [[:letter:]]', '8: glob: unknown class of characters: [:letter:]'],
  ])('%s', ([text, problem]) => {
    expect(problemOf(text)).toBe(problem)
  })

  test.for<[pattern: string, problem: string]>([
    ['(?=x)', 'invalid or unsupported: (?= (RE2 has no look-ahead)'],
    ['a(?!x)', 'invalid or unsupported: (?! (RE2 has no look-ahead)'],
    ['(?<=x)y', 'invalid or unsupported: (?<= (RE2 has no look-behind)'],
    ['(?<!x)y', 'invalid or unsupported: (?<! (RE2 has no look-behind)'],
    ['(a)\\\\1', 'invalid or unsupported: \\1 (RE2 has no back-references)'],
    ['(?P<n>a)(?P=n)', 'invalid or unsupported: (?P (RE2 has no back-references)'],
    ['(?<n>a)\\\\k<n>', 'invalid or unsupported: \\k (RE2 has no back-references)'],
    ['(?>a)', 'invalid or unsupported: (?> (RE2 has no atomic groups)'],
    ['a*+', 'invalid or unsupported: *+ (RE2 has no possessive quantifiers)'],
    ['(a', 'invalid or unsupported: (a (missing closing ))'],
    ['a{1001}', 'invalid or unsupported: {1001} (invalid repeat count)'],
  ])('regex and matches: %s', ([pattern, problem]) => {
    expect(problemOf(`msg regex "${pattern}"`)).toBe(`11: regex: ${problem}`)
    expect(problemOf(`msg matches "${pattern}"`)).toBe(`13: matches: ${problem}`)
  })

  test('macros: the place of the name, and the place in the macro', () => {
    expect(parseCondition('x = 1 or broken', NAMES)).toEqual({
      problem: "macro 'broken' 2:10: a field expected",
      offset: 9,
      macro: 'broken',
    })
    expect(parseCondition('uses_broken', NAMES)).toMatchObject({ offset: 0, macro: 'broken' })
    expect(problemOf('x = 1 and a')).toBe(
      "11: macro 'a' 1:11: macro 'b' 1:1: macro 'c' 1:5: macro 'a' uses itself: a → b → c → a",
    )
  })
})

describe('a condition has bounds', () => {
  const nested = (depth: number, open: string, close = ''): string => `${open.repeat(depth)}x = 1${close.repeat(depth)}`

  test('depth 100', () => {
    for (const [open, close] of [
      ['(', ')'],
      ['not ', ''],
      ['(not (', '))'],
    ] as const) {
      const depth = Math.floor(100 / (open.match(/\(|not/g)?.length ?? 1))
      expect(problemOf(nested(depth, open, close)), open).toBe('none')
      expect(problemOf(nested(depth + 1, open, close)), open).toMatch(/more than 100 parentheses/)
    }
    expect(problemOf(nested(20_000, '(', ')'))).toMatch(/^101: more than 100/)
    const functions = (count: number) => `${'tolower('.repeat(count)}x${')'.repeat(count)} = 1`
    expect(problemOf(functions(100))).toBe('none')
    expect(problemOf(functions(101))).toMatch(/more than 100 functions/)
  })

  test('64 KiB', () => {
    const fit = `x in (${'a'.repeat(65_536 - 7)})`
    expect(problemOf(fit)).toBe('none')
    expect(problemOf(`${fit} `)).toBe('1: a condition has at most 64 KiB; this one has 65537 bytes')
    expect(problemOf(`x = ${'用'.repeat(22_000)}`)).toMatch(/this one has 66004 bytes/)
  })

  test('10,000 comparisons, however they were made', () => {
    const macros = new Map([['m0', 'x = 1 or y = 2']])
    for (let i = 1; i <= 40; i++) macros.set(`m${i}`, `m${i - 1} or m${i - 1}`)
    expect(problemOf('m10', { macros, lists: new Map() })).toBe('none')
    expect(problemOf('m40', { macros, lists: new Map() })).toMatch(/at most 10000 comparisons/)
  })

  test('a million values of lists, however they were made', () => {
    const long = Array.from({ length: 300_000 }, (_, index) => `10.${index}`)
    const names = {
      lists: new Map([['long', long]]),
      macros: new Map([['listed', 'x in long or y in (long, z)']]),
    }
    expect(problemOf('x in long or y in (long, z) or listed', names)).toMatch(/at most 1000000 values/)
    expect(problemOf('x in long or y in (long, z)', names)).toBe('none')
  })

  test('100 steps of a path', () => {
    const path = (steps: number) => Array(steps).fill('a').join('.')
    expect(parsePath(path(100))).toHaveProperty('readings.length', 100)
    expect(parsePath(path(101))).toEqual({ problem: 'a path has at most 100 steps', offset: 0 })
  })
})

test('any text is read or refused with a place in it, in time that its length allows', { timeout: 60_000 }, () => {
  const pieces = [
    ...['status', '=', '!=', '<', '404', 'and', 'or', 'not', '(', ')', 'in', 'bad', ',', '"a b"', "'", '"', '\\', ' '],
    ...[
      'exists',
      'a.b',
      '["k"]',
      '[0]',
      'tolower(',
      'val(',
      'matches',
      '(?=',
      'cidr',
      '10.0.0.0/8',
      'glob',
      '[!a',
      '用',
    ],
    ...['probe', 'a', 'broken', '\n', '&&', '0x', '.', '@time', '\u0000'],
  ]
  const texts = fc.oneof(
    fc.array(fc.constantFrom(...pieces), { maxLength: 30 }).map((some) => some.join(' ')),
    fc.array(fc.constantFrom(...pieces), { maxLength: 30 }).map((some) => some.join('')),
    fc.string({ unit: 'binary' }),
  )
  fc.assert(
    fc.property(texts, (text) => {
      const result = parseCondition(text, NAMES)
      if (!('problem' in result)) return
      expect(result.problem).not.toBe('')
      expect(result.offset).toBeGreaterThanOrEqual(0)
      expect(result.offset).toBeLessThanOrEqual(text.length)
    }),
    { numRuns: 5000, interruptAfterTimeLimit: 1500 },
  )
  for (const piece of ['status', '(', "'", '.', ' ', '用', 'x = 1 or ', 'not (', 'a.', 'x in (a,', '[!a']) {
    const start = performance.now()
    parseCondition(piece.repeat(65_536 / Buffer.byteLength(piece)), NAMES)
    expect(performance.now() - start, piece).toBeLessThan(2000)
  }
})
