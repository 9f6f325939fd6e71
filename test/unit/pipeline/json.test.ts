import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compactJson, membersOf } from '../../../src/pipeline/reference/json.ts'
import { cpuMillisOf } from '../../support/cpu-time.ts'

const nested = (depth: number, open = '[', close = ']'): string => open.repeat(depth) + close.repeat(depth)

describe('JSON in a content', () => {
  test.each([
    ['{}', '{}'],
    ['[]', '[]'],
    [' \t\r\n{ \n} ', '{}'],
    ['{ "a" : [ 1 , 2 ] , "b" : { } }', '{"a":[1,2],"b":{}}'],
    ['{"spaces":" in \\n a  string "}', '{"spaces":" in \\n a  string "}'],
    ['[12345678901234567890, 1.50, -0, 1E+400, 0.1e-7]', '[12345678901234567890,1.50,-0,1E+400,0.1e-7]'],
    ['{"a":1,"a":2}', '{"a":1,"a":2}'],
    ['{"":0,"__proto__":1,"10":2,"9":3}', '{"":0,"__proto__":1,"10":2,"9":3}'],
    ['["\\u0026\\/\\"\\\\\\b\\f\\n\\r\\t"]', '["\\u0026\\/\\"\\\\\\b\\f\\n\\r\\t"]'],
    ['["\\uD83D\\uDE00", "\\ud83d\\ude00"]', '["\\uD83D\\uDE00","\\ud83d\\ude00"]'],
    ['["é语😀\u007f\u2028\ufeff\ufffd"]', '["é语😀\u007f\u2028\ufeff\ufffd"]'],
    ['["\\u0000\\uffff"]', '["\\u0000\\uffff"]'],
    ['[true, false, null]', '[true,false,null]'],
    [nested(64), nested(64)],
    [`${'{"a":'.repeat(64)}1${'}'.repeat(64)}`, `${'{"a":'.repeat(64)}1${'}'.repeat(64)}`],
  ])('%j is embedded as %j', (text, expected) => expect(compactJson(text)).toBe(expected))

  test.each([
    ...['', ' ', '123', '"text"', 'true', 'null', 'NaN', '-'],
    ...['{', '[', '}', '{"a"}', '{"a":}', '{"a":1', '{"a":1,}', '{,}', '[1,]', '[,1]', '[1 2]', '[1,,2]', '{"a" 1}'],
    ...['{a:1}', "{'a':1}", '{1:2}', '{null:1}', '{"a":1}}', '[]]', '{} {}', '{}x', '[1}', '{"a":1]'],
    ...[
      '[01]',
      '[1.]',
      '[.5]',
      '[+1]',
      '[-]',
      '[1e]',
      '[1e+]',
      '[0x10]',
      '[--1]',
      '[1_000]',
      '[Infinity]',
      '[-01]',
      '[1.e5]',
    ],
    ...['["', '["a', '["\\"]', '["\\x41"]', '["\\u12"]', '["\\u12G4"]', '["\\u 123"]', '["\\U0041"]', '["\\'],
    ...['["a\nb"]', '["a\tb"]', '["\u0000"]', '["\u001f"]'],
    ...[
      '["\\ud800"]',
      '["\\udc00"]',
      '["\\ud800\\u0041"]',
      '["\\ude00\\ud83d"]',
      '["\\ud83dx"]',
      '["\\ud83d\\ud83d\\ude00"]',
    ],
    ...['{"\\ud800":1}', '[tru]', '[True]', '[nul]', '[truefalse]', '[undefined]'],
    ...['\ufeff{}', '\u00a0[]', '[\u00a0]', '[\v]', '[\f]', '[]\u0000', '/* */[]', '[1 // one\n]'],
    ...[nested(65), nested(65, '{"a":', '}'), '['.repeat(100_000), '{"a":'.repeat(100_000)],
  ])('%j stays text', (text) => expect(compactJson(text)).toBe(undefined))

  test('is what JSON.parse takes, and means the same', { timeout: 60_000 }, () => {
    const unit = fc.constantFrom(
      ...'{}[]:,"\\ \n0123-+.eEtrufalsn'.split(''),
      '\\u0041',
      '\\ud83d\\ude00',
      'é',
      '"a"',
      '":',
    )
    const texts = fc.oneof(
      fc.json({ maxDepth: 4, noUnicodeString: false }),
      fc.json({ maxDepth: 4 }).map((text) => JSON.stringify(JSON.parse(text), null, '\t')),
      fc.string({ unit, maxLength: 30 }),
      // A valid text in which one piece is replaced.
      fc.tuple(fc.json({ maxDepth: 3 }), fc.nat(), fc.nat(3), unit).map(([text, place, length, piece]) => {
        const at = place % (text.length + 1)
        return text.slice(0, at) + piece + text.slice(at + length)
      }),
    )
    let taken = 0
    fc.assert(
      fc.property(texts, (text) => {
        const compact = compactJson(text)
        const parsed = parsedOf(text)
        if (compact === undefined) return parsed === undefined
        taken++
        const isSame = isDeepStrictEqual(JSON.parse(compact), parsed)
        return isSame && compactJson(compact) === compact && compact.length <= text.length
      }),
      { numRuns: 2000, interruptAfterTimeLimit: 1500 },
    )
    expect(taken).toBeGreaterThan(5)
  })

  test.each(['[', '{"a":', '"', '\\', '["', ' ', '1', '\\u0041', '[1,', '{"a":1,', '["\\ud83d'])(
    'a megabyte of %j costs little',
    (unit) => {
      for (const text of [unit.repeat(1_000_000 / unit.length), `["${unit.repeat(1_000_000 / unit.length)}`]) {
        expect(cpuMillisOf(() => compactJson(text))).toBeLessThan(1000)
      }
    },
  )
})

describe('members of an object', () => {
  test('come in order, with keys as text and values byte for byte', () => {
    expect(membersOf('{"10":1.50,"9":"a\\u0026b","\\u0061\\"":{"x":[1,{"y":"}],"}]},"":null,"10":[]}')).toEqual([
      ['10', '1.50'],
      ['9', '"a\\u0026b"'],
      ['a"', '{"x":[1,{"y":"}],"}]}'],
      ['', 'null'],
      ['10', '[]'],
    ])
    expect(membersOf('{}')).toEqual([])
  })

  test('are only those of an object', () => expect(membersOf('[{"a":1}]')).toBe(undefined))

  test('are those of JSON.parse', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), (object) => {
        const compact = compactJson(JSON.stringify(object))
        if (compact === undefined) return
        const members = membersOf(compact) ?? []
        expect(Object.fromEntries(members.map(([key, value]) => [key, JSON.parse(value)]))).toEqual(JSON.parse(compact))
      }),
    )
  })
})

/** What JSON.parse makes of an object or array that we would take, too. */
function parsedOf(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return undefined
    return /\\u[dD][89a-fA-F]/.test(text) && !isWellFormed(value) ? undefined : value
  } catch {
    return undefined
  }
}

function isWellFormed(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed()
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([key, inner]) => key.isWellFormed() && isWellFormed(inner))
}
