import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { JsonScanner, KIND } from '../../../../src/emulator/hec/json.ts'
import type { Verdict } from '../../../../src/emulator/hec/parser.ts'
import { EnvelopeReader, judge } from '../../../../src/emulator/hec/parser.ts'

const TIME_BOX = { interruptAfterTimeLimit: 1000, numRuns: 20_000 } as const

function parses(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** The scanner's opinion of a whole text: one value and nothing but white space after it. */
function scans(text: string): boolean {
  const scanner = new JsonScanner(Buffer.from(text))
  return scanner.value() !== KIND.malformed && scanner.peek() === -1
}

function verdict(text: string): Verdict | string {
  const body = Buffer.from(text)
  const reader = new EnvelopeReader(body)
  const step = reader.next()
  return step === 'envelope' ? judge(body, reader.envelope, 100) : step
}

describe('the JSON scanner', () => {
  test('agrees with JSON.parse about damaged JSON', () => {
    const damaged = fc
      .tuple(
        fc.json(),
        fc.nat(),
        fc.constantFrom('', '"', '\\', '{', '}', ',', ':', '0', '-', 'e', '.', '\n', '\u0001', 'u'),
      )
      .map(([json, at, insert]) => {
        const cut = at % (json.length + 1)
        return at % 3 === 0 ? json.slice(0, cut) + json.slice(cut + 1) : json.slice(0, cut) + insert + json.slice(cut)
      })
    fc.assert(
      fc.property(fc.oneof(fc.json(), damaged), (text) => scans(text) === parses(text)),
      TIME_BOX,
    )
  })

  test.each([
    ['01', '-', '1.', '.5', '1e', '1e+', '+1', '-01', '0x1', 'NaN', 'tru', 'nul', '"\\x"', '"\\u12g4"', '"', '"a\tb"'],
    ['[1,]', '{"a":1,}', '{"a"}', '{a:1}', '[', '{', ']', '', '{"a":1]', '[1 2]', "'a'", '"a" "b"', '{"a" 1}'],
  ])('refuses malformed values (%#)', (...texts) => {
    for (const text of texts) expect({ text, ok: scans(text) }).toEqual({ text, ok: false })
  })

  test.each([
    '0',
    '-0.5e-10',
    '1E+9',
    '"\\ud83d\\ude00\\"\\\\\\/\\b\\f\\n\\r\\t"',
    '[]',
    '{}',
    ' [ 1 , { "a" : null } ] ',
    '"é😀"',
  ])('accepts %s', (text) => expect(scans(text)).toBe(true))

  test('calls nesting malformed before the stack runs out', () => {
    expect(scans('['.repeat(100_000) + ']'.repeat(100_000))).toBe(false)
    expect(scans('['.repeat(500) + ']'.repeat(500))).toBe(true)
  })
})

describe('the envelope reader', () => {
  test('finds the byte range of every envelope, with any separators', () => {
    const envelopes = fc.array(
      fc.record({ event: fc.jsonValue(), host: fc.string(), fields: fc.dictionary(fc.string(), fc.string()) }),
      { maxLength: 6 },
    )
    const separator = fc.constantFrom('', '\n', ' ', '\r\n\t')
    fc.assert(
      fc.property(envelopes, separator, fc.boolean(), (objects, between, indented) => {
        const texts = objects.map((object) => JSON.stringify(object, null, indented ? 2 : 0))
        const body = Buffer.from(texts.join(between))
        const reader = new EnvelopeReader(body)
        const found: string[] = []
        while (reader.next() === 'envelope')
          found.push(body.toString('utf8', reader.envelope.start, reader.envelope.end))
        return JSON.stringify(found) === JSON.stringify(texts)
      }),
      TIME_BOX,
    )
  })

  test('reads a JSON array of envelopes as the envelopes', () => {
    const reader = new EnvelopeReader(Buffer.from(' [ {"event":1} , {"event":2}] {"event":3}'))
    expect([reader.next(), reader.next(), reader.next(), reader.next()]).toEqual([
      'envelope',
      'envelope',
      'envelope',
      'end',
    ])
  })

  test.each([
    '[{"event":1}',
    '[{"event":1} {"event":2}]',
    '[{"event":1},]',
    '[,{"event":1}]',
    '[1]',
    '[[{"event":1}]]',
  ])('calls the damaged array %s malformed', (text) => {
    const reader = new EnvelopeReader(Buffer.from(text))
    let step = reader.next()
    while (step === 'envelope') step = reader.next()
    expect(step).toBe('malformed')
  })

  test.each<[string, Verdict | string]>([
    ['{"event":"x"}', 'index'],
    ['{"event":0}', 'index'],
    ['{"event":false}', 'index'],
    ['{"event":{}}', 'index'],
    ['{"\\u0065vent":"x"}', 'index'],
    ['{}', 12],
    ['{"host":"h"}', 12],
    ['{"event":null}', 12],
    ['{"event":""}', 13],
    ['{"event":"x","time":1790000000.123456789}', 'index'],
    ['{"event":"x","time":"1790000000.5"}', 'index'],
    ['{"event":"x","time":1.79E9}', 15],
    ['{"event":"x","time":"1.79e9"}', 15],
    ['{"event":"x","time":"yesterday"}', 15],
    ['{"event":"x","time":null}', 'index'],
    ['{"event":"x","fields":{"a":"1","b":["x","y"],"c":null,"d":5,"e":true}}', 'index'],
    ['{"event":"x","fields":{"a":{"b":"c"}}}', 15],
    ['{"event":"x","fields":{"a":[{"b":1}]}}', 15],
    ['{"event":"x","fields":["a"]}', 6],
    ['{"event":"x","fields":"a"}', 6],
    ['{"event":"x","fields":{}}', 'index'],
    ['{"fields":{"a":"1"}}', 'skip'],
    ['{"fields":{"metric_name:cpu":1}}', 'index'],
    ['{"fields":{"metric_name":"cpu","_value":1}}', 'index'],
    ['{"fields":{"metric_names":"cpu"}}', 'skip'],
    ['{"event":"x","host":5}', 6],
    ['{"event":"x","host":null}', 'index'],
    ['{"event":"x","severity":1}', 'unknown_key'],
    ['{"event":"x","Event":1}', 'unknown_key'],
    ['{"event":"x","severity"', 'unknown_key'],
    [`{"event":"${'x'.repeat(100)}"}`, 'index'],
    [`{"event":"${'x'.repeat(101)}"}`, 6],
    [`{"event":"${'\\u0041'.repeat(100)}"}`, 'index'],
    ['{"event":"x"', 'malformed'],
    ['{"event":"x",}', 'malformed'],
    ['"event"', 'malformed'],
    [' \r\n\t', 'end'],
  ])('judges %s as %s', (text, expected) => expect(verdict(text)).toBe(expected))

  test('finds the event id among the indexed fields', () => {
    const body = Buffer.from('{"event":"é","fields":{"other":"x","sls_event_id":"audit/3/MTY=/7"}}')
    const reader = new EnvelopeReader(body)
    reader.next()
    expect(body.toString('utf8', reader.envelope.idStart, reader.envelope.idEnd)).toBe('audit/3/MTY=/7')
  })
})
