import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { lookUp } from '../../../src/pipeline/reference/json-path.ts'
import type { Json, Steps } from './random-json.ts'
import { chancesOf, isScalar, key, outermost, pathsOf, written } from './random-json.ts'

const found = (json: string | Buffer, ...path: Steps) => {
  const value = lookUp(Buffer.from(json as string), path)
  return value?.isList ? value.texts.map(String) : value?.texts[0]?.toString()
}

/** What the look-up should find at the value `json`, which is not the outermost. Objects are compared by what they mean. */
function expected(json: Json): unknown {
  if (json === null) return undefined
  if (Array.isArray(json) && json.every(isScalar)) return json.filter((item) => item !== null).map(String)
  return typeof json === 'object' ? json : String(json)
}

describe('JSON is looked up as JSON.parse reads it', () => {
  test('every value inside, however it is written', () => {
    fc.assert(
      fc.property(outermost, fc.nat(), (json, seed) => {
        const text = written(json, chancesOf(seed))
        expect(JSON.parse(text)).toEqual(json)
        for (const [path, value] of pathsOf(json)) {
          const result = found(text, ...path)
          const meant = expected(value)
          const isText = typeof meant === 'object' && !Array.isArray(meant)
          const isMixed = Array.isArray(value) && !value.every(isScalar)
          expect(isText || isMixed ? JSON.parse(result as string) : result, path.join('/')).toEqual(meant)
        }
      }),
      { numRuns: 500, interruptAfterTimeLimit: 2000 },
    )
  })

  test('nothing where nothing is', () => {
    fc.assert(
      fc.property(outermost, fc.array(fc.oneof(key, fc.nat(3)), { minLength: 1, maxLength: 4 }), (json, path) => {
        const known = new Map(pathsOf(json).map(([steps, value]) => [JSON.stringify(steps), value]))
        const isAbsent = (known.get(JSON.stringify(path)) ?? null) === null
        expect(found(JSON.stringify(json), ...path) === undefined).toBe(isAbsent)
      }),
      { numRuns: 500, interruptAfterTimeLimit: 2000 },
    )
  })

  test('a value does not depend on what stands behind it, and a text that ends before its end has none', () => {
    fc.assert(
      fc.property(outermost, fc.string({ maxLength: 4 }), (json, behind) => {
        const text = JSON.stringify(json)
        for (const [path, value] of pathsOf(json)) {
          const whole = found(text, ...path)
          if (value === null || whole === undefined) continue
          const ends = Array.from({ length: text.length }, (_, end) => found(text.slice(0, end), ...path))
          const first = ends.findIndex((result) => result !== undefined)
          const since = first === -1 ? [] : ends.slice(first)
          expect(new Set(since.map((result) => JSON.stringify(result))).size).toBeLessThan(2)
          if (first !== -1) expect(found(`${text.slice(0, first)}${behind}`, ...path)).toEqual(whole)
          expect(found(`${text}${behind}`, ...path)).toEqual(whole)
        }
      }),
      { numRuns: 100, interruptAfterTimeLimit: 2000 },
    )
  })

  test('damaged text never throws, and JSON.parse agrees where it accepts it', () => {
    const damage = fc.array(fc.tuple(fc.nat(60), fc.constantFrom('', '"', ',', '}', '[', '\\', '\n', '1', 'e', ':')), {
      maxLength: 3,
    })
    fc.assert(
      fc.property(outermost, damage, (json, places) => {
        let text = JSON.stringify(json)
        for (const [at, put] of places) text = text.slice(0, at) + put + text.slice(at + 1)
        const paths: Steps[] = [['a'], ['b', 'a'], ['', 0], [0], [1, 'a']]
        const results = paths.map((path) => found(text, ...path))
        const parsed = parsedOnce(text)
        if (parsed === undefined) return
        const known = new Map(pathsOf(parsed).map(([steps, value]) => [JSON.stringify(steps), value]))
        for (const [index, path] of paths.entries()) {
          if ((known.get(JSON.stringify(path)) ?? null) === null) expect(results[index]).toBeUndefined()
          else expect(results[index]).toBeDefined()
        }
      }),
      { numRuns: 2000, interruptAfterTimeLimit: 2000 },
    )
  })
})

/** `undefined` also for objects with equal keys, of which JSON.parse takes the last. */
function parsedOnce(text: string): Json | undefined {
  try {
    const json = JSON.parse(text) as Json
    return JSON.stringify(json).length === text.length ? json : undefined
  } catch {
    return undefined
  }
}

describe('hostile JSON', () => {
  const nested = (depth: number, open: string, close: string, inner = '1'): string =>
    open.repeat(depth) + inner + close.repeat(depth)

  test('nesting beyond 64 hides what is inside and behind it, and nothing before it', () => {
    expect(found(nested(64, '[', ']'), ...Array(64).fill(0))).toBe('1')
    expect(found(nested(65, '[', ']'), ...Array(65).fill(0))).toBeUndefined()
    expect(found(nested(64, '[', ']'), ...Array(63).fill(0))).toEqual(['1'])
    expect(found(nested(65, '[', ']'), ...Array(64).fill(0))).toBeUndefined()
    expect(found(nested(64, '{"a":', '}'), ...Array(64).fill('a'))).toBe('1')
    expect(found(nested(65, '{"a":', '}'), ...Array(65).fill('a'))).toBeUndefined()
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      expect(found(`{"x":0,"d":${nested(63, open, close)},"y":2}`, 'y')).toBe('2')
      for (const depth of [64, 1000, 100_000]) {
        const text = `{"x":0,"d":${nested(depth, open, close)},"y":2}`
        expect(found(text, 'x')).toBe('0')
        expect(found(text, 'd')).toBeUndefined()
        expect(found(text, 'y')).toBeUndefined()
      }
    }
  })

  test.for([
    '{"a":1',
    '{"a":"x',
    '{"a":"x\\',
    '{"a":"x\\u00',
    '{"a":tru',
    '{"a":[1,2',
    '{"a":{"b":1',
    '{"a',
    '{"a"',
    '{"a":',
    '{',
    '[',
    '',
    ' ',
  ])('unterminated: %s', (text) => {
    expect(found(text, 'a')).toBeUndefined()
    expect(found(text, 0)).toBeUndefined()
  })

  test.for([
    'tru',
    'truee',
    '01',
    '1.',
    '.5',
    '+1',
    '-',
    '1e',
    '0x1',
    'NaN',
    "'a'",
    'a',
    '"\t"',
    '"\\x"',
    '"\\u12g4"',
    '[1,]',
    '[,]',
    '{"a":1,}',
    '{a:1}',
    '{"a" 1}',
    '[1 2]',
  ])('malformed before a value: %s', (bad) => {
    expect(found(`{"bad":${bad},"y":2}`, 'y')).toBeUndefined()
    expect(found(`{"bad":${bad},"y":2}`, 'bad')).toBeUndefined()
    expect(found(`{"y":2,"bad":${bad}}`, 'y')).toBe('2')
  })

  test('the word null in quotes is a text', () => {
    expect(found('{"a":"null","b":["null",null],"null":1}', 'a')).toBe('null')
    expect(found('{"a":"null","b":["null",null],"null":1}', 'b')).toEqual(['null'])
    expect(found('{"a":"null","b":["null",null],"null":1}', 'null')).toBe('1')
  })

  test('keys and values with escapes are compared by what they mean', () => {
    expect(found(String.raw`{"v\u0065rb":"g\u0065t","\"":"\ud83d\ude00","\ud83d":"\udE00\ud83d"}`, 'verb')).toBe('get')
    expect(found(String.raw`{"v\u0065rb":1,"verb":2}`, 'verb')).toBe('1')
    expect(found(String.raw`{"\"":"\ud83d\ude00"}`, '"')).toBe('😀')
    expect(found(String.raw`{"a":"\udE00\ud83d\\u0041\/"}`, 'a')).toBe('\ufffd\ufffd\\u0041/')
  })

  test('a megabyte takes linear time', () => {
    const million = 1_000_000
    const texts: Array<[string, string, unknown]> = [
      ['one long string', `{"a":"${'x'.repeat(million)}","y":1}`, '1'],
      ['escapes', `{"a":"${'\\u0041'.repeat(million / 6)}","y":1}`, '1'],
      ['escapes in a key', `{"${'\\u0041'.repeat(million / 6)}":0,"y":1}`, '1'],
      ['many keys', `{${'"k":0,'.repeat(million / 6)}"y":1}`, '1'],
      ['many elements', `{"a":[${'0,'.repeat(million / 2)}0],"y":1}`, '1'],
      ['a long number', `{"a":${'9'.repeat(million)},"y":1}`, '1'],
      ['space', `{${' '.repeat(million)}"y":1}`, '1'],
      ['a key that is cut off', `{"${'y'.repeat(million)}`, undefined],
      ['arrays inside', `{"a":[${'[],'.repeat(million / 3)}[]],"y":1}`, '1'],
    ]
    for (const [name, text, value] of texts) {
      const start = performance.now()
      expect(found(text, 'y'), name).toBe(value)
      expect(performance.now() - start, name).toBeLessThan(1500)
    }
  })
})
