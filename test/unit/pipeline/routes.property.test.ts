import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Program, ProgramRoute } from '../../../src/pipeline/program.ts'
import { TopicSelection } from '../../../src/pipeline/select.ts'
import type { Step } from '../../../src/routing/step.ts'
import { bodies } from './bodies.ts'
import { assertFor, compare, kernel } from './both-engines.ts'
import { expressionOf } from './condition-logs.ts'
import { position } from './encode-all.ts'
import { fieldsOf, groupFieldsOf, plainLog, randomCondition } from './random-conditions.ts'
import { content, group, list, log, time } from './wire.ts'

const LAYOUT = { source: 's', sourcetype: 't' }
const fields = ['a', 'b', '10', 'key', 'eventName', '__topic__', '__source__', '__tag__:a', '__tag__:eventName']
const texts = ['""', '"a"', '"aa"', '"\\""', 'audit', 'audi', '10.0.0.1', '"é"', '"😀"', '"\\n"']
const field = fc.constantFrom(...fields)
const text = fc.constantFrom(...texts)
const comparison = fc.oneof(
  field.map((name) => `${nameOf(name)} exists`),
  fc
    .tuple(field, fc.constantFrom('=', '!=', 'contains', 'startswith', 'endswith'), text)
    .map(([name, operator, value]) => `${nameOf(name)} ${operator} ${value}`),
  fc
    .tuple(field, fc.array(text, { maxLength: 3 }))
    .map(([name, values]) => `${nameOf(name)} in (${values.join(', ')})`),
)
const conditions = fc.letrec<{ any: string }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    comparison,
    fc.tuple(tie('any'), fc.constantFrom('and', 'or'), tie('any')).map(([a, word, b]) => `(${a}) ${word} (${b})`),
    tie('any').map((one) => `not (${one})`),
  ),
})).any

function nameOf(field: string): string {
  return `["${field}"]`
}

const copies = fc.array(
  fc
    .tuple(fc.constantFrom('one', 'two'), fc.constantFrom(undefined, 'i', 'j'), fc.constantFrom(undefined, 'a "host"'))
    .map(([sink, index, host]) => ({
      destination: { sink, maxBatchBytes: 900 },
      layout: { ...LAYOUT, ...(index && { index }), ...(host && { host }) },
    })),
  { minLength: 1, maxLength: 2 },
)
const names = fc.uniqueArray(fc.constantFrom('a', 'b', '10', 'key', 'eventName', 'q"', 'j'), { maxLength: 3 })
const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.oneof(names, fc.constant('*' as const)).map((some) => jsonStep(some)),
  names.map((some): Step => ({ name: 'remove', fields: new Set(some) })),
  names.map((some): Step => ({ name: 'keep', fields: new Set(some) })),
  fc.tuple(names, names).map(
    ([some, others]): Step => ({
      name: 'rename',
      names: new Map(some.flatMap((name, at) => (others[at] === undefined ? [] : [[name, others[at]]]))),
    }),
  ),
  names.map(
    (some): Step => ({
      name: 'add',
      values: new Map(some.map((name) => [name, { text: 'x', parts: ['a "constant" ', 'of ', name] }])),
    }),
  ),
)
const shapes = fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, fc.array(steps, { maxLength: 3 }))

function jsonStep(fields: readonly string[] | '*'): Step {
  return { name: 'json', fields, into: 'value', required: false, onFailure: 'keep' }
}

const routes: fc.Arbitrary<readonly ProgramRoute[]> = fc.array(
  fc
    .tuple(fc.option(conditions), fc.constantFrom(undefined, undefined, 'x', 'y'), fc.boolean(), copies, shapes)
    .map(([when, drop, goesOn, some, shape]) => ({
      name: '',
      ...(when !== null && { when: { text: when, expression: expressionOf(when) } }),
      ...(drop && { drop }),
      continue: goesOn && !drop,
      shape,
      copies: drop ? [] : some,
    })),
  { minLength: 1, maxLength: 4 },
)
const programs = fc
  .tuple(routes, fc.constantFrom<string[]>([], ['audit*']))
  .map(([some, topics]) => programOf(some, topics))

/** Conditions of every kind, of which the kernel leaves some to the reference. */
const anyPrograms = fc.array(fc.tuple(randomCondition, fc.boolean()), { minLength: 1, maxLength: 2 }).map((some) =>
  programOf(
    some.map(([{ text: when }, drops]) => ({
      ...{ name: '', when: { text: when, expression: expressionOf(when) }, continue: false, shape: [] },
      ...(drops && { drop: 'x' }),
      copies: drops ? [] : [{ destination: { sink: 'one', maxBatchBytes: 900 }, layout: LAYOUT }],
    })),
    [],
  ),
)
const plainBodies = fc
  .array(plainLog, { minLength: 1, maxLength: 4 })
  .map((logs) => list(...logs.map((one) => group(log(time(7), ...fieldsOf(one)), ...groupFieldsOf(one)))))

/** JSON with one piece replaced, or pieces at random. */
const pieces = [
  ...'{}[]:,"\\ \n\t0123-+.eEa',
  'true',
  'false',
  'null',
  '"x"',
  '\\u0041',
  '\\u00e9',
  '\\ud83d\\ude00',
  '\\"',
  'é',
  '\0',
]
const piece = fc.constantFrom(...pieces)
const jsonTexts = fc.oneof(
  fc.array(piece, { maxLength: 12 }).map((some) => some.join('')),
  fc
    .tuple(fc.jsonValue({ maxDepth: 4 }), fc.constantFrom(0, 1), fc.nat(), fc.nat(3), fc.array(piece, { maxLength: 2 }))
    .map(([value, indent, at, without, some]) => {
      const text = JSON.stringify({ x: value, y: [value, { x: 'a\n' }], '"': 1 }, null, indent)
      const place = at % (text.length + 1)
      return some.length === 0 ? text : text.slice(0, place) + some.join('') + text.slice(place + without)
    }),
)
const jsonConditions = fc
  .tuple(
    fc.constantFrom('j.x', 'j.y', 'j.y[0]', 'j.y[1].x', 'j["\\""]', 'j.x[0]', 'j[0]', 'j[1][0].x', 'j.x.x'),
    fc.constantFrom('exists', '= a', '!= "a\\n"', 'contains "\\n"', '>= 0', '< 1e2', 'in (a, "", 1)', 'icontains E'),
  )
  .map(([path, test]) => `${path} ${test}`)

function taking(when: string): ProgramRoute {
  const condition = { text: when, expression: expressionOf(when) }
  const copies = [{ destination: { sink: 'one', maxBatchBytes: 900 }, layout: LAYOUT }]
  return { name: '', when: condition, continue: true, shape: [], copies }
}

/** The last route drops what no other takes. */
function programOf(some: readonly ProgramRoute[], topics: string[]): Program {
  const named = some.map((route, number) => ({ ...route, name: `route ${number}` }))
  const last: ProgramRoute = { name: 'unmatched', drop: 'unmatched', continue: false, shape: [], copies: [] }
  return {
    topics: new TopicSelection(topics),
    idScope: 'audit',
    reservedKeys: 'override',
    shape: [],
    routes: [...named, last],
  }
}

describe('both engines send the same events by the same routes to the same sinks and indexes', () => {
  test('of any log groups', { timeout: 60_000 }, () => {
    let sent = 0
    let translated = 0
    const property = fc.property(bodies, programs, fc.boolean(), (body, program, isHashed) => {
      translated += Number(typeof kernel.translated(program) === 'object')
      sent += compare(body, program, isHashed ? { ...position, firstGroup: undefined } : position)
    })
    assertFor(property, () => sent > 5 && translated > 5)
    expect(sent).toBeGreaterThan(5)
    expect(translated).toBeGreaterThan(5)
  })

  test.each([
    ['at most as many drops and reasons as the kernel counts', 255, 255, 'object'],
    ['more drops than it counts', 300, 2, 'more than 256 routes'],
    ['more drops and reasons than it counts', 300, 300, 'more than 256 reasons to drop'],
  ])('with %s', (_, drops, reasons, expected) => {
    const dropping = Array.from({ length: drops }, (_, number) => {
      const { copies: _copies, ...condition } = taking(`key = "${number}"`)
      return { ...condition, continue: false, drop: `reason ${number % reasons}`, copies: [] }
    })
    const logs = Array.from({ length: drops + 1 }, (_, number) => log(time(7), content('key', String(number))))
    const program = programOf(expected === 'object' ? dropping : [...dropping, taking('key exists')], [])
    compare(list(group(...logs)), program, position)
    const translated = kernel.translated(program)
    expect(typeof translated === 'string' ? translated : typeof translated).toBe(expected)
  })

  test('in many batches, also where another pull takes the kernel between two', () => {
    const program = programOf([taking('key = "0"'), taking('key != "3"'), taking('key = "1"')], [])
    const copies = (sink: string) => [{ destination: { sink, maxBatchBytes: 900 }, layout: LAYOUT }]
    const routes = program.routes.map((route, number) =>
      route.drop ? route : { ...route, copies: copies(`${number}`) },
    )
    const logs = Array.from({ length: 99 }, (_, number) => log(time(7), content('key', String(number % 4))))
    // One of the two comparisons is without the other pull.
    for (const at of [position, position]) expect(compare(list(group(...logs)), { ...program, routes }, at)).toBe(3)
  })

  test('by what stands in JSON, however broken', { timeout: 60_000 }, () => {
    const conditions = fc.array(jsonConditions, { minLength: 3, maxLength: 3 })
    const property = fc.property(jsonTexts, conditions, fc.boolean(), fc.boolean(), (text, some, before, behind) => {
      const shape = behind ? [jsonStep(['j'])] : []
      const expected = {
        ...programOf(
          some.map((when) => ({ ...taking(when), shape })),
          [],
        ),
        shape: before ? [jsonStep('*')] : [],
      }
      expect(typeof kernel.translated(expected)).toBe('object')
      compare(list(group(log(time(7), content('j', text)))), expected, position)
    })
    assertFor(property)
  })

  test('by any conditions', { timeout: 60_000 }, () => {
    let sent = 0
    let translated = 0
    const property = fc.property(plainBodies, anyPrograms, (body, program) => {
      translated += Number(typeof kernel.translated(program) === 'object')
      sent += compare(body, program, position)
    })
    assertFor(property, () => sent > 5 && translated > 5)
    expect(sent).toBeGreaterThan(5)
    expect(translated).toBeGreaterThan(5)
  })
})
