import { describe, expect, test } from 'vitest'
import { shippedPatterns } from '../../../src/config/file/grok-step.ts'
import type { Grok } from '../../../src/routing/grok.ts'
import { parseGrok } from '../../../src/routing/grok.ts'
import type { Definitions } from '../../../src/routing/grok-expansion.ts'

const LEGACY = shippedPatterns('legacy')

function grok(text: string, definitions: Definitions = LEGACY): Grok {
  const found = parseGrok(text, definitions)
  if ('problem' in found) throw new Error(found.problem)
  return found
}

const own = (patterns: Readonly<Record<string, string>>): Definitions =>
  new Map(
    Object.entries(patterns).map(
      ([name, text], index) => [name, { text, place: `patterns/own:${index + 1}` }] as const,
    ),
  )

const matched = (text: string, line: string, definitions?: Definitions): string | undefined =>
  grok(text, definitions)
    .match(line)
    ?.map(([field, value]) => `${field}=${value}`)
    .join(' ')

describe('a grok pattern', () => {
  test.each([
    ['names its fields', '%{IP:client} %{WORD:verb}', '10.0.0.1 GET', 'client=10.0.0.1 verb=GET'],
    ['matches inside a line', 'from %{IP:client}', 'login from 10.0.0.1 port 22', 'client=10.0.0.1'],
    ['leaves out what has no field', '%{IP} %{WORD:verb}', '10.0.0.1 GET', 'verb=GET'],
    ['leaves out what is empty', '%{DATA:a}-%{WORD:b}', '-x', 'b=x'],
    ['may match without a field', '%{IP}', '10.0.0.1', ''],
    ['keeps a number as text', '%{NUMBER:n:int} %{NUMBER:f:float}', '007 1.50', 'n=007 f=1.50'],
    ['joins names in brackets with dots', '%{IP:[source][ip]} %{WORD:a.b}', '10.0.0.1 x', 'source.ip=10.0.0.1 a.b=x'],
    ['leaves out metadata', '%{WORD:[@metadata][x]} %{WORD:y}', 'a b', 'y=b'],
    ['has groups with fields of its own', 'took (?<ms>[0-9]+)ms', 'took 12ms', 'ms=12'],
    ['makes no fields of other groups', '(a|b)(?>c)%{WORD:d}', 'bcd', undefined],
    ['makes no fields of other groups', '(a|b)(?>c) %{WORD:d}', 'bc d', 'd=d'],
    ['names a field twice', '%{WORD:a} %{WORD:a}', 'x y', 'a=x a=y'],
    ['knows look-behinds', '(?<=user )%{WORD:user}', 'for user alice', 'user=alice'],
    ['does not begin inside a number', '%{GREEDYDATA:text}%{NUMBER:n}', 'took 123', 'text=took  n=123'],
    ['does not begin inside an address', '%{IPV4:ip}', '1234.5.6.7', undefined],
    ['does not end inside an address', '%{IPV4:ip}', '1.2.3.256', undefined],
    ['has ends of lines as Ruby has them', '^b %{WORD:x}$', 'a\nb c\nd', 'x=c'],
    ['has dots that match line ends with (?m)', '(?m)a%{DATA:x}c', 'a\nc', 'x=\n'],
    ['knows hexadecimal digits', '(?<id>\\h{4})', 'x12ZAB01', 'id=AB01'],
    ['has brackets in a class', '(?<x>[(?<a>%{]+)', '-(%{?-', 'x=(%{?'],
  ])('%s: %s', (_, text, line, expected) => expect(matched(text, line)).toBe(expected))

  test('may name patterns of the user, also within each other', () => {
    const definitions = own({ ID: '[A-Z]{2}%{DIGITS:digits}', DIGITS: '[0-9]+' })
    expect(matched('%{ID:id}', 'x AB12', definitions)).toBe('id=AB12 digits=12')
  })

  test('does not match a line of more than 32 Ki characters', () => {
    expect(grok('^a').match('a'.repeat(1 << 15))).toEqual([])
    expect(grok('^a').match('a'.repeat((1 << 15) + 1))).toBeUndefined()
  })
})

describe('a grok pattern is refused', () => {
  const problemOf = (text: string, definitions: Definitions = LEGACY): object => {
    const found = parseGrok(text, definitions)
    if (!('problem' in found)) throw new Error('accepted')
    const { problem, offset } = found
    return { problem, offset }
  }

  test.each([
    ['a %{IPORHOTS:x}', 2, 'there is no pattern IPORHOTS; did you mean IPORHOST?'],
    ['%{IP:a b}', 0, 'is no reference: write %{NAME} or %{NAME:field}'],
    ['%{WORD}(?=x)', 7, 'invalid or unsupported: (?= (RE2 has no look-ahead)'],
    ['%{WORD} (', 0, 'is no regular expression: missing closing )'],
    ['(%{WORD:a}) \\1', 12, 'invalid or unsupported: \\1 (RE2 has no back-references)'],
    ['a++', 1, 'invalid or unsupported: ++ (RE2 has no possessive quantifiers)'],
  ])('%s', (text, offset, problem) => expect(problemOf(text)).toEqual({ problem, offset }))

  test('where a pattern that it names is wrong, with the place of that one', () => {
    const definitions = own({ OUTER: 'a %{INNER}', INNER: 'b (', SELF: '%{SELF}', GONE: '%{ABSENT}' })
    expect(problemOf('x %{OUTER}', definitions)).toEqual({
      problem: 'missing closing ) (in INNER, patterns/own:2)',
      offset: 0,
    })
    expect(problemOf('%{SELF}', definitions)).toMatchObject({ problem: expect.stringContaining('contains itself') })
    expect(problemOf('- %{GONE}', definitions)).toEqual({
      problem: 'there is no pattern ABSENT (in GONE, patterns/own:4)',
      offset: 2,
    })
  })

  test('before it grows without end', () => {
    const doubling = Object.fromEntries(
      Array.from({ length: 30 }, (_, index) => [`P${index}`, index === 0 ? 'x' : `%{P${index - 1}}%{P${index - 1}}`]),
    )
    expect(problemOf('%{P29}', own(doubling))).toMatchObject({
      problem: expect.stringMatching(/^is longer than 65536/),
    })
    expect(problemOf('x'.repeat(10_001))).toMatchObject({ problem: 'is longer than 10000 characters' })
  })
})
