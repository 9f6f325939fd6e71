import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Program } from '../../../src/pipeline/program.ts'
import { TopicSelection } from '../../../src/pipeline/select.ts'
import type { AuditPolicy } from '../../../src/routing/audit-policy.ts'
import { parseGrok } from '../../../src/routing/grok.ts'
import type { Pattern } from '../../../src/routing/pattern.ts'
import { parsePattern } from '../../../src/routing/pattern.ts'
import type { TextProblem } from '../../../src/routing/scanner.ts'
import type { Step } from '../../../src/routing/step.ts'
import { ON_FAILURE } from '../../../src/routing/step.ts'
import { parseTagTemplate } from '../../../src/routing/tag-template.ts'
import { parseTimeFormat } from '../../../src/routing/time-format.ts'
import { bodies } from './bodies.ts'
import { assertFor, compare, kernel } from './both-engines.ts'
import { expressionOf, pathOf, templateOf } from './condition-logs.ts'
import { position } from './encode-all.ts'
import { content, group, list, log, source, tag, time, topic } from './wire.ts'

function parsed<T extends object>(result: T | TextProblem): T {
  if ('problem' in result) throw new Error(result.problem)
  return result
}

const KEYS = ['content', 'kind', 'a', 'b', 'c', 'j', '10', 'key', '"\n', '__tag__:a', '__topic__', 'é']
const key = fc.constantFrom(...KEYS)
const keys = fc.uniqueArray(key, { maxLength: 4 })
const onFailure = fc.constantFrom('keep' as const, ...ON_FAILURE)
const texts = fc.constantFrom(
  ...['', 'text', '"\\\n', 'é😀', '{a}', '{j.x} {__topic__}', '{nope}{@logstore}', '{a}{b}', '{__tag__:a}'],
  ...['{j}', '{j.a}', '{c}: "{["10"]}"', '{nope}', '{x}', '{__tag__:a.x}', '{j["é"]}', '{key}'],
)
const templates = texts.map(templateOf)
const times = fc
  .tuple(
    fc.constantFrom('b', 'a', 'j.x', 'j.a', 'x', '__tag__:a', '__topic__'),
    fc.uniqueArray(fc.constantFrom('epoch', 'iso8601', 'iso8601', 'syslog', 'yyyy-MM-dd HH'), {
      minLength: 1,
      maxLength: 2,
    }),
    fc.constantFrom('UTC', 'UTC', 'Asia/Shanghai', '+08:00'),
    onFailure,
  )
  .map(([field, formats, zone, fate]) => ({
    ...{ name: 'time' as const, field: pathOf(field), zone, onFailure: fate },
    formats: formats.map((format) => parsed(parseTimeFormat(format))),
  }))

const policies = fc.constantFrom('None', 'Metadata', 'Request').map((level): AuditPolicy => {
  const none = { users: [], userGroups: [], verbs: [], namespaces: [], resources: [], nonResourceURLs: [] }
  return { rules: [{ level, ...none, omitStages: ['Panic'], omitManagedFields: true }] }
})

const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record(
    { name: fc.constant('k8s_audit_policy' as const), field: key, policy: policies, onFailure },
    { requiredKeys: ['name', 'policy', 'onFailure'] },
  ),
  fc.record({
    name: fc.constant('docker' as const),
    format: fc.constantFrom('inline' as const, 'json' as const, 'raw' as const),
    tag: fc.constantFrom('', '{{.ID}}', 'x/{{upper .Name}}').map((text) => parsed(parseTagTemplate(text))),
    attrs: fc.dictionary(key, key, { maxKeys: 2 }).map((fields) => new Map(Object.entries(fields))),
  }),
  fc.record({
    name: fc.constant('json' as const),
    fields: fc.oneof(keys, fc.constant('*' as const)),
    into: fc.constantFrom('value' as const, 'value' as const, 'merge' as const),
    required: fc.constantFrom(false, false, true),
    onFailure,
  }),
  fc
    .dictionary(key, key, { maxKeys: 3 })
    .map((names) => ({ name: 'rename' as const, names: new Map(Object.entries(names)) })),
  keys.map((fields) => ({ name: 'remove' as const, fields: new Set(fields) })),
  keys.map((fields) => ({ name: 'keep' as const, fields: new Set(fields) })),
  fc.dictionary(key, templates, { maxKeys: 2 }).map((values) => ({
    name: 'add' as const,
    values: new Map(Object.entries(values)),
  })),
  key.map((field) => ({ name: 'raw' as const, field })),
  keys.map((fields) => ({ name: 'lowercase' as const, fields })),
  fc.tuple(key, onFailure).map(([field, fate]) => ({
    ...{ name: 'replace' as const, field, onFailure: fate },
    replacement: { pattern: parsePattern('[0-9]+|"') as Pattern, parts: ['<', 0, '>'] },
  })),
  fc.tuple(key, onFailure).map(([field, fate]) => ({
    ...{ name: 'grok' as const, field: pathOf(`["${field.replace(/["\n]/g, '')}"]`), onFailure: fate },
    match: [parsed(parseGrok('%{DAY:x}(?<a>.)', new Map([['DAY', { text: '[0-9]{4}-[0-9-]+', place: '' }]])))],
  })),
  times,
)
const shapes = fc.array(steps, { maxLength: 3 })
/** Only what the kernel may know, so that it is tried most of the time. */
const plainShapes = fc.array(
  fc.oneof(
    keys.map((fields) => ({
      name: 'json' as const,
      fields,
      into: 'value' as const,
      required: false,
      onFailure: 'keep' as const,
    })),
    fc.constantFrom('x', 'a', 'é').map((name) => ({ name: 'rename' as const, names: new Map([['c', name]]) })),
    keys.map((fields) => ({ name: 'remove' as const, fields: new Set(fields) })),
    keys.map((fields) => ({ name: 'keep' as const, fields: new Set(fields) })),
    fc
      .tuple(fc.constantFrom('x', 'a'), templates)
      .map(([name, template]) => ({ name: 'add' as const, values: new Map([[name, template]]) })),
    fc.constantFrom('a', 'j', 'x').map((field) => ({ name: 'raw' as const, field })),
    times,
  ),
  { maxLength: 3 },
)

const whens = fc.constantFrom(
  ...[
    undefined,
    'a exists',
    'j.x = 1',
    'j.x exists or b = 2',
    '__topic__ = audit',
    'not c exists',
    'x = 1',
    'j = "[1]"',
  ],
  ...['j in (1, x)', 'j contains "1"', 'a != "{}"', '["10"] startswith "{" or j exists', 'j.x contains " "'],
)

const layoutTexts = fc.oneof(
  fc.constantFrom('fixed "', 'auto'),
  fc
    .tuple(templates, fc.constantFrom(undefined, 'other', 'auto', ''))
    .map(([template, otherwise]) => ({ template, ...(otherwise !== undefined && { otherwise }) })),
)
const layouts = fc.oneof(
  { weight: 2, arbitrary: fc.constant({ source: 's', sourcetype: 't' }) },
  {
    weight: 1,
    arbitrary: fc.record(
      { host: layoutTexts, source: layoutTexts, sourcetype: layoutTexts },
      { requiredKeys: ['source', 'sourcetype'] },
    ),
  },
)

const programsOf = (shape: fc.Arbitrary<readonly Step[]>): fc.Arbitrary<Program> =>
  fc
    .record({
      shape: fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: shape }),
      reservedKeys: fc.constantFrom('override' as const, 'rename' as const),
      routes: fc.array(fc.tuple(whens, shape, fc.boolean(), layouts), { minLength: 1, maxLength: 3 }),
    })
    .map(({ routes, ...program }) => ({
      ...program,
      ...{ topics: new TopicSelection([]), idScope: 'audit' },
      routes: [
        ...routes.map(([when, shapeOfRoute, goesOn, layout], number) => ({
          name: `route ${number}`,
          ...(when !== undefined && { when: { text: when, expression: expressionOf(when) } }),
          ...{ continue: goesOn, shape: shapeOfRoute },
          copies: [{ destination: { sink: `sink ${number % 2}`, maxBatchBytes: 900 }, layout }],
        })),
        { name: 'unmatched', drop: 'unmatched', continue: false, shape: [], copies: [] },
      ],
    }))

/** JSON of every kind, some of it cut or with a piece in it that does not belong there. */
const json = fc
  .tuple(
    fc.oneof(
      fc.record(
        { x: fc.jsonValue({ maxDepth: 3 }), a: fc.nat(9), é: fc.string({ unit: 'binary' }) },
        { requiredKeys: [] },
      ),
      fc.jsonValue({ maxDepth: 2 }),
    ),
    fc.constantFrom(0, 1, '\t'),
    fc.nat(),
    fc.constantFrom('', '', '', ' ', ',', '"', '\\', '\\u0041', '\\ud800', '\0', '}', '1'),
  )
  .map(([value, indent, at, piece]) => {
    const text = JSON.stringify(value, null, indent)
    const place = at % (text.length + 1)
    return text.slice(0, place) + piece + text.slice(place)
  })
const value = fc.oneof(
  { weight: 2, arbitrary: json },
  {
    weight: 1,
    arbitrary: fc.constantFrom<string | Buffer>(
      '',
      ' ',
      '{}',
      ...['1790000000', '1790000000123', '1790000000123456789', '17900000001.5', '1790000000.0625', '9999999999'],
      ...['2026-12-01T02:03:04Z', '2026-12-01 02:03:04,123456789123', '2024-02-29t23:59:60.5+08:00', '\u00a0', 'auto'],
      ...['2026-02-29T00:00:00Z', '1969-12-31T23:59:59-0001', '2026-12-01T02:03:04 +08', '\u3000é', '  '],
      'text "\n',
      '["é","a\\"b",1,null]',
      '{"x":"2026-12-01T02:03:04.5Z","a":[1790000000]}',
      Buffer.from('7bff7d', 'hex'),
      '[1]',
      ' {"x":1} ',
      'Event',
      '{"kind":"Event","level":"RequestResponse","requestObject":{"metadata":{"managedFields":[]}},"responseObject":1}',
      '{"kind":"Event","level":"Request","stage":"Panic"}',
    ),
  },
)
const logs = fc
  .array(fc.tuple(fc.uniqueArray(key, { maxLength: 6 }), fc.array(value, { minLength: 6, maxLength: 6 })), {
    minLength: 1,
    maxLength: 4,
  })
  .map((some) =>
    list(
      group(
        ...some.map(([names, values]) =>
          log(time(7), ...names.map((name, index) => content(name, values[index] ?? ''))),
        ),
        ...[topic('audit'), source('10.0.0.1'), tag('a', '{}')],
      ),
    ),
  )

test.each([
  ['any shapes', shapes],
  ['shapes of plain steps', plainShapes],
])('both engines make the same of %s', { timeout: 60_000 }, (_, shape) => {
  let sent = 0
  let translated = 0
  const property = fc.property(
    fc.oneof(logs, logs, bodies),
    programsOf(shape),
    fc.boolean(),
    (body, program, isHashed) => {
      translated += Number(typeof kernel.translated(program) === 'object')
      sent += compare(body, program, isHashed ? { ...position, firstGroup: undefined } : position)
    },
  )
  assertFor(property, () => sent > 5 && translated > 5)
  expect(sent).toBeGreaterThan(5)
  expect(translated).toBeGreaterThan(5)
})

test.each([
  [
    'conditions see the members that a source merges into the log',
    'x = 1',
    { into: 'merge' as const, required: false },
  ],
  [
    'a failure in a source counts although no route takes the log',
    'nope exists',
    { into: 'value' as const, required: true },
  ],
])('%s', (_, when, options) => {
  const [program] = fc.sample(programsOf(fc.constant([])), 1)
  const [taking, last] = [program?.routes[0], program?.routes.at(-1)]
  if (program === undefined || taking === undefined || last === undefined) throw new Error('no program')
  const condition = { text: when, expression: expressionOf(when) }
  const body = list(group(log(content('j', '{"x":1}')), log(content('j', 'text')), log(content('x', '1'))))
  const shape: Step[] = [{ name: 'json', fields: ['j'], onFailure: 'keep', ...options }]
  compare(
    body,
    { ...program, shape, routes: [{ ...taking, when: condition, continue: false, shape: [] }, last] },
    position,
  )
})
