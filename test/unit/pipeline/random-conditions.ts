import fc from 'fast-check'
import type { Field } from './wire.ts'
import { content, source, tag, topic } from './wire.ts'

/** A log as plain data. */
export interface PlainLog {
  readonly topic: string
  readonly source: string
  readonly tags: Readonly<Record<string, string>>
  /** The value of `j` is made of the JSON. */
  readonly contents: Readonly<Record<string, string>>
}

/** A condition, and whether it holds, found without anything of the program. */
export interface RandomCondition {
  readonly text: string
  holds(log: PlainLog): boolean
}

type Json = string | number | boolean | null | Json[] | { [key: string]: Json }
type Value = string | readonly string[] | undefined

export function fieldsOf({ contents }: PlainLog): Field[] {
  return Object.entries(contents).map(([key, value]) => content(key, value))
}

export function groupFieldsOf(log: PlainLog): Field[] {
  return [topic(log.topic), source(log.source), ...Object.entries(log.tags).map(([key, value]) => tag(key, value))]
}

const WORDS = [
  '',
  'a',
  'b',
  'ab',
  'A',
  'abc',
  'aB/c',
  '/a/b',
  'a/b/c',
  '404',
  '-1',
  '1.50',
  '1e2',
  '用户',
  'error',
  'Info',
  'é',
]
const word = fc.oneof(
  fc.constantFrom(...WORDS),
  fc.string({ unit: fc.constantFrom('a', 'b', '/', '1', 'A', '用'), maxLength: 4 }),
)
const scalar: fc.Arbitrary<Json> = fc.oneof(word, fc.constantFrom<Json>(404, 0, -1, 12.5, true, false, null))
const list = fc.array(scalar, { maxLength: 3 })
const json: fc.Arbitrary<Json> = fc.record(
  {
    x: scalar,
    y: fc.oneof(scalar, fc.record({ z: fc.oneof(scalar, list) }, { requiredKeys: [] })),
    l: fc.oneof(list, fc.array(fc.record({ id: scalar }), { maxLength: 2 })),
    'a.b': scalar,
  },
  { requiredKeys: [] },
)

export const plainLog: fc.Arbitrary<PlainLog> = fc.record({
  topic: fc.constantFrom('', 'audit', 'a', 'b'),
  source: fc.constantFrom('', '10.0.0.1', 'a'),
  tags: fc.dictionary(fc.constantFrom('h', 'k'), word, { noNullPrototype: true }),
  contents: fc.record(
    {
      a: word,
      b: word,
      'j.x': word,
      status: fc.constantFrom('200', '404', '500', '', 'x'),
      j: fc.oneof(
        json.map((value) => JSON.stringify(value)),
        word,
      ),
    },
    { requiredKeys: [] },
  ),
})

/** The texts in which a field can be written, and its value. */
const FIELDS: Readonly<Record<string, (log: PlainLog) => Value>> = {
  a: ({ contents }) => contents['a'],
  '["b"]': ({ contents }) => contents['b'],
  status: ({ contents }) => contents['status'],
  nope: () => undefined,
  j: ({ contents }) => contents['j'],
  'j.x': ({ contents }) => contents['j.x'] ?? inside(contents['j'], 'x'),
  'j["x"]': ({ contents }) => inside(contents['j'], 'x'),
  'j.y.z': ({ contents }) => inside(contents['j'], 'y', 'z'),
  'j.l': ({ contents }) => inside(contents['j'], 'l'),
  'j.l[1]': ({ contents }) => inside(contents['j'], 'l', 1),
  'j.l[0].id': ({ contents }) => inside(contents['j'], 'l', 0, 'id'),
  'j["a.b"]': ({ contents }) => inside(contents['j'], 'a.b'),
  'j.a.b': ({ contents }) => inside(contents['j'], 'a', 'b'),
  __topic__: (log) => log.topic,
  __source__: (log) => log.source,
  '__tag__:h': ({ tags }) => tags['h'],
  '@project': () => 'p',
  '@shard': () => '3',
}

function inside(text: string | undefined, ...path: readonly (string | number)[]): Value {
  let value: unknown
  try {
    value = JSON.parse(text ?? '')
  } catch {
    return undefined
  }
  if (!/^[{[]/.test(text ?? '')) return undefined
  for (const step of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) !== (typeof step === 'number'))
      return undefined
    value = (value as Record<string | number, unknown>)[step]
  }
  if (value === null || value === undefined) return undefined
  if (typeof value !== 'object') return String(value)
  if (!Array.isArray(value) || value.some((item) => typeof item === 'object' && item !== null))
    return JSON.stringify(value)
  return value.filter((item) => item !== null).map(String)
}

interface RandomOperand {
  readonly text: string
  valueIn(log: PlainLog): Value
}

const field: fc.Arbitrary<RandomOperand> = fc
  .constantFrom(...Object.entries(FIELDS))
  .map(([text, valueIn]) => ({ text, valueIn }))

const SEVERITIES = 'emergency alert critical error warning notice informational debug'.split(' ')
const small = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())

const FUNCTIONS: Readonly<Record<string, (value: string) => string | undefined>> = {
  tolower: small,
  toupper: (text) => text.replace(/[a-z]/g, (letter) => letter.toUpperCase()),
  basename: (text) => text.split('/').at(-1),
  severity: (text) => {
    const name = small(text) === 'info' ? 'informational' : small(text)
    return SEVERITIES.includes(name) ? String(SEVERITIES.indexOf(name)) : undefined
  },
}

const operand: fc.Arbitrary<RandomOperand> = fc
  .tuple(
    field,
    fc.array(fc.constantFrom('tolower', 'toupper', 'basename', 'severity', 'len'), { maxLength: 2 }),
    fc.nat(3),
  )
  .map(([from, names, chance]) => (chance === 0 ? names : []).reduce<RandomOperand>(call, from))

function call(inner: RandomOperand, name: string): RandomOperand {
  return {
    text: `${name}(${inner.text})`,
    valueIn(log) {
      const value = inner.valueIn(log)
      if (value === undefined) return undefined
      if (name === 'len') return String(typeof value === 'string' ? Buffer.byteLength(value) : value.length)
      const results = [value].flat().map((text) => FUNCTIONS[name]?.(text))
      const known = results.filter((text) => text !== undefined)
      if (results.length > 0 && known.length === 0) return undefined
      return typeof value === 'string' ? known[0] : known
    },
  }
}

/** Some texts can be written without quotes. */
const written = (text: string, quoted: boolean): string =>
  quoted || !/^[^\s()"'=,]+$/.test(text) ? JSON.stringify(text) : text
const value = fc.tuple(word, fc.boolean()).map(([text, quoted]) => ({ text, written: written(text, quoted) }))
const values = fc.array(value, { maxLength: 3 })

/** An operator with its right side, and what it says of the elements of a value that is there. */
interface RandomTest {
  readonly text: string
  holds(elements: readonly string[], log: PlainLog): boolean
}

const some =
  (isTrue: (element: string) => boolean) =>
  (elements: readonly string[]): boolean =>
    elements.some(isTrue)

const textTest = value.chain(({ text, written }) =>
  fc.constantFrom<RandomTest>(
    { text: `= ${written}`, holds: some((element) => element === text) },
    { text: `!= ${written}`, holds: (elements) => !elements.includes(text) },
    { text: `contains ${written}`, holds: some((element) => element.includes(text)) },
    { text: `icontains ${written}`, holds: some((element) => small(element).includes(small(text))) },
    { text: `startswith ${written}`, holds: some((element) => element.startsWith(text)) },
    { text: `endswith ${written}`, holds: some((element) => element.endsWith(text)) },
  ),
)

const NUMBER = /^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/
const ORDERS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
}
const isOrdered = (order: string, a: string, b: string): boolean =>
  NUMBER.test(a) && NUMBER.test(b) && ORDERS[order]?.(Number(a), Number(b)) === true

const order = fc.constantFrom(...Object.keys(ORDERS))
const orderTest = fc.tuple(order, fc.constantFrom('404', '0', '-1', '12.5', '1e2', '3')).map(
  ([sign, number]): RandomTest => ({
    text: `${sign} ${number}`,
    holds: some((element) => isOrdered(sign, element, number)),
  }),
)

const valTest = fc.tuple(fc.oneof(order, fc.constantFrom('=', '!=')), field).map(
  ([sign, other]): RandomTest => ({
    text: `${sign} val(${other.text})`,
    holds(elements, log) {
      const right = other.valueIn(log)
      if (right === undefined) return false
      const others = [right].flat()
      if (sign === '!=') return !elements.some((element) => others.includes(element))
      return elements.some((element) =>
        others.some((text) => (sign === '=' ? element === text : isOrdered(sign, element, text))),
      )
    },
  }),
)

const listTest = values.chain((items) => {
  const texts = items.map(({ text }) => text)
  const listed = `(${items.map((item) => item.written).join(', ')})`
  return fc.constantFrom<RandomTest>(
    { text: `in ${listed}`, holds: (elements) => elements.length > 0 && elements.every((it) => texts.includes(it)) },
    { text: `intersects ${listed}`, holds: some((element) => texts.includes(element)) },
    {
      text: `pmatch ${listed}`,
      holds: some((element) => texts.some((prefix) => `${path(element)}/`.startsWith(`${path(prefix)}/`))),
    },
  )
})

/** With one slash before each component. */
function path(text: string): string {
  return text
    .split('/')
    .filter((component) => component !== '')
    .map((component) => `/${component}`)
    .join('')
}

/** Patterns, and the same for JavaScript. */
const patternTest = fc.constantFrom<RandomTest>(
  ...(
    [
      ['*', '^[^]*$'],
      ['a*', '^a[^]*$'],
      ['*b', '^[^]*b$'],
      ['?', '^[^]$'],
      ['*[bc]?', '^[^]*[bc][^]$'],
      ['[!a]*', '^[^a][^]*$'],
    ] as const
  ).flatMap(([glob, regex]): RandomTest[] => [
    { text: `glob ${glob}`, holds: some((element) => new RegExp(regex, 'u').test(element)) },
    { text: `iglob ${glob.toUpperCase()}`, holds: some((element) => new RegExp(regex, 'u').test(small(element))) },
  ]),
  ...['a+', '^a', '[ab]+c?', '\\\\d', 'b$|^1', '^$', '.'].flatMap((pattern): RandomTest[] => {
    const source = pattern.replace('\\\\', '\\')
    return [
      { text: `regex "${pattern}"`, holds: some((element) => new RegExp(`^(?:${source})$`, 'u').test(element)) },
      { text: `matches "${pattern}"`, holds: some((element) => new RegExp(source, 'u').test(element)) },
    ]
  }),
  { text: 'exists', holds: () => true },
  { text: 'cidr (10.0.0.0/8, ::1)', holds: some((element) => element === '10.0.0.1') },
)

const comparison: fc.Arbitrary<RandomCondition> = fc
  .tuple(operand, fc.oneof(textTest, textTest, orderTest, listTest, patternTest, valTest))
  .map(([left, test]) => ({
    text: `${left.text} ${test.text}`,
    holds(log) {
      const found = left.valueIn(log)
      return found !== undefined && test.holds([found].flat(), log)
    },
  }))

/** How tightly the outermost operator binds: a part that binds less needs parentheses. */
const BINDING = { or: 0, and: 1, not: 2 } as const

interface Bound extends RandomCondition {
  readonly binds: number
}

const inParentheses = ({ text, binds }: Bound, least: number): string => (binds < least ? `(${text})` : text)

/** Conditions of all operators, with as few parentheses as possible. */
export const randomCondition: fc.Arbitrary<RandomCondition> = fc.letrec<{ tree: Bound; leaf: Bound }>((tie) => ({
  leaf: comparison.map((leaf) => ({ ...leaf, binds: BINDING.not })),
  tree: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    tie('leaf'),
    tie('tree').map((part) => ({
      text: `not ${inParentheses(part, BINDING.not)}`,
      binds: BINDING.not,
      holds: (log: PlainLog) => !part.holds(log),
    })),
    ...(['and', 'or'] as const).map((kind) =>
      fc.array(tie('tree'), { minLength: 2, maxLength: 3 }).map((parts) => ({
        text: parts.map((part) => inParentheses(part, BINDING[kind] + 1)).join(` ${kind} `),
        binds: BINDING[kind],
        holds: (log: PlainLog) =>
          kind === 'and' ? parts.every((part) => part.holds(log)) : parts.some((part) => part.holds(log)),
      })),
    ),
  ),
})).tree
