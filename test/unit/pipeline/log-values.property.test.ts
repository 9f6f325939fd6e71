import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Step } from '../../../src/routing/step.ts'
import { assertFor, compare, kernel } from './both-engines.ts'
import { pathOf, templateOf } from './condition-logs.ts'
import { position, programOf } from './encode-all.ts'
import { content, group, list, log, source, tag, time, timeNs, topic } from './wire.ts'

// Programs that read values of a log: times, templates, and values that are whole events.

const digits = (least: number, most: number) =>
  fc.array(fc.nat(9), { minLength: least, maxLength: most }).map((some) => some.join(''))
const two = (most: number) => fc.nat(most).map((number) => String(number).padStart(2, '0'))
const clocks = fc
  .tuple(
    fc.constantFrom('2026', '2024', '2000', '2100', '1970', '1969', '2106', '0099', '9999'),
    ...([two(13), two(32)] as const),
    fc.constantFrom('T', 't', ' ', '_'),
    ...([two(24), two(60), two(61)] as const),
    fc.oneof(fc.constant(''), fc.constant('.'), fc.tuple(fc.constantFrom('.', ','), digits(1, 11))),
    fc.constantFrom('', 'Z', 'z', ' Z', ' ', '  Z', '+08:00', '-0830', '+23', '-24:00', '+08:60', '+08:', '+8'),
  )
  .map(
    ([year, month, day, between, hour, minute, second, fraction, zone]) =>
      `${year}-${month}-${day}${between}${hour}:${minute}:${second}${[fraction].flat().join('')}${zone}`,
  )
const epochs = fc
  .tuple(
    fc.constantFrom('1790000000', '0000000001', '4294967295', '9'),
    digits(0, 10),
    fc.constantFrom('', '.'),
    digits(0, 10),
  )
  .map((parts) => parts.join(''))
const timeTexts = fc.oneof(clocks, epochs)

function timeStep(formats: readonly string[], zone: string): Step {
  const known = formats.map((name) => ({ name: name as 'epoch' }))
  return { name: 'time', field: pathOf('t'), formats: known, zone, onFailure: 'keep' }
}

test('both engines read the same times', { timeout: 60_000 }, () => {
  const formats = fc.constantFrom(['iso8601', 'epoch'], ['epoch'], ['syslog', 'iso8601'])
  const property = fc.property(
    ...[fc.array(timeTexts, { minLength: 1, maxLength: 4 }), formats, fc.constantFrom('UTC', 'Asia/Shanghai')],
    ...[fc.boolean(), fc.boolean()],
    (texts, some, zone, isFirst, isHashed) => {
      const [before, behind] = isFirst ? [[timeStep(some, zone)], []] : [[], [timeStep(some, zone)]]
      const program = programWith({ shape: before, shapeOfRoute: behind })
      expect(typeof kernel.translated(program)).toBe('object')
      const body = list(group(...texts.map((text) => log(time(7), content('t', text), timeNs(5)))))
      compare(body, program, isHashed ? { ...position, firstGroup: undefined } : position)
    },
  )
  assertFor(property)
})

/** Some of them halves of a character, blanks of Unicode, or JSON. */
const values = fc.oneof(
  ...[
    fc.constantFrom(
      '',
      ' ',
      '\t\r\n',
      '\u00a0',
      '\u3000 ',
      '\ufeff',
      '\u2028',
      '\u205f',
      '\u1680',
      '\u0085',
      '\0',
      '\u0008',
    ),
    fc.constantFrom('é', '中', '😀', 'à', '〆', '"\\\n', 'auto', 'a'.repeat(40)),
    fc.constantFrom(
      '{"x":"é"}',
      '{"x":["a",1,null,"\\"",{}]}',
      '{"x":[1,"b"]}',
      '{"x":"\\ud800"}',
      '{"x":"\\u00e9"}',
      ' {"x": [ ] }',
    ),
  ].map((some) => some.map((text) => Buffer.from(text))),
  fc.constantFrom('c3', 'a9', 'e4b8', 'ad', 'c2a0', 'ff').map((hex) => Buffer.from(hex, 'hex')),
)
const parts = fc.constantFrom(
  '{a}',
  '{b}',
  '{a.x}',
  '{b.x[1]}',
  '{c}',
  '{__topic__}',
  '{__tag__:a}',
  '{__tag__:a.x}',
  '-',
  '"',
)
const texts = fc.array(parts, { maxLength: 4 }).map((some) => templateOf(some.join('')))
const layouts = fc.record(
  {
    host: fc.record({ template: texts, otherwise: fc.constantFrom('', 'other') }, { requiredKeys: ['template'] }),
    sourcetype: fc.record(
      { template: texts, otherwise: fc.constantFrom('auto', 'other') },
      { requiredKeys: ['template'] },
    ),
  },
  { requiredKeys: [] },
)
const json: Step = { name: 'json', fields: ['a'], into: 'value', required: false, onFailure: 'keep' }
const shapes = fc
  .tuple(
    fc.constantFrom<Step[]>([], [], [json], [{ name: 'remove', fields: new Set(['a', 'b']) }]),
    fc.constantFrom<Step[]>([], [{ name: 'raw', field: 'a' }], [{ name: 'raw', field: 'c' }]),
    fc.dictionary(fc.constantFrom('b', 'n'), texts, { maxKeys: 2 }),
  )
  .map(([some, raw, added]): Step[] => [{ name: 'add', values: new Map(Object.entries(added)) }, ...some, ...raw])

test('both engines make the same texts of values', { timeout: 60_000 }, () => {
  let translated = 0
  const property = fc.property(
    ...[fc.array(fc.tuple(values, values, values), { minLength: 1, maxLength: 4 }), shapes, layouts, values],
    fc.boolean(),
    (logs, shapeOfRoute, layout, tagged, isHashed) => {
      const program = programWith({ shapeOfRoute, layout })
      translated += Number(typeof kernel.translated(program) === 'object')
      const fields = logs.map(([a, b, c]) => log(time(7), content('a', a), content('b', b), content('c', c)))
      const body = list(group(...fields, topic('t'), source('s'), tag('a', tagged)))
      compare(body, program, isHashed ? { ...position, firstGroup: undefined } : position)
    },
  )
  assertFor(property, () => translated > 5)
  expect(translated).toBeGreaterThan(5)
})

function programWith({
  shape = [],
  shapeOfRoute = [],
  layout = {},
}: {
  shape?: Step[]
  shapeOfRoute?: Step[]
  layout?: object
}) {
  const destination = { sink: 'one', maxBatchBytes: 900 }
  const copies = [{ destination, layout: { source: 's', sourcetype: 't', ...layout } }]
  return { ...programOf(), shape, routes: [{ name: 'all', continue: false, shape: shapeOfRoute, copies }] }
}
