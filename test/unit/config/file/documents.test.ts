import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { jsonSchema } from '../../../../src/config/file/json-schema.ts'
import { renderPage } from '../../../../src/config/file/page.ts'
import { formatProblems } from '../../../../src/config/problems.ts'
import { accepted, refused } from './given-file.ts'

const page = readFileSync(new URL('../../../../docs/configuration-file.md', import.meta.url), 'utf8')
const [example = ''] = [...page.matchAll(/```yaml\n(.*?)```/gs)].map(([, yaml = '']) => yaml)

describe('docs/configuration-file.md', () => {
  test('has the tables of the description (node src/config/file/page.ts)', () => {
    expect(page).toBe(renderPage(page))
  })

  test('begins with a file that works', () => {
    expect(accepted(example, { env: { SPLUNK_TOKEN: 'x' } }).warnings).toEqual([])
  })
})

test('the page shows the problems of a file as they are told', () => {
  const [, section = ''] = page.split('## Problems')
  const [, file = '', told = ''] = /```yaml\n(.*?)```\n\n```\n(.*?)\n```/s.exec(section) ?? []
  const problems = refused(file, { env: { SPLUNK_TOKEN: 'x' } })
  expect(formatProblems(problems).replace(/\/\S+\/bridge\.yaml/g, 'bridge.yaml')).toBe(told)
})

type Schema = Readonly<Record<string, never>>
// biome-ignore lint/suspicious/noExplicitAny: the shape is what is tested
type Loose = Record<string, any>

/** Paths of the values that a schema does not allow; as much of JSON Schema as ours has. */
function refusedBy(schema: Schema, value: unknown, path = ''): string[] {
  const { anyOf, enum: choices, type, properties = {}, additionalProperties, required = [], items }: Loose = schema
  if (anyOf !== undefined && !anyOf.some((one: Schema) => refusedBy(one, value).length === 0)) return [path]
  if (choices !== undefined && !choices.includes(value)) return [path]
  const own = Array.isArray(value) ? 'array' : Number.isInteger(value) ? 'integer' : typeof value
  const types = [type ?? own].flat()
  if (!types.includes(own) && !(own === 'integer' && types.includes('number'))) return [path]
  if (schema['pattern'] !== undefined && !new RegExp(schema['pattern']).test(String(value))) return [path]
  if (own === 'array' && items !== undefined)
    return (value as unknown[]).flatMap((one, i) => refusedBy(items, one, `${path}[${i}]`))
  if (own !== 'object') return []
  const object = value as Record<string, unknown>
  const lacking = required.filter((key: string) => !(key in object)).map((key: string) => `${path}.${key}`)
  const inner = Object.entries(object).flatMap(([key, one]) => {
    const of = properties[key] ?? additionalProperties
    return of === false ? [`${path}.${key}`] : of === undefined ? [] : refusedBy(of, one, `${path}.${key}`)
  })
  return [...lacking, ...inner]
}

describe('the JSON Schema', () => {
  const schema = jsonSchema() as Schema

  test('allows a file that works', () => {
    expect(refusedBy(schema, parse(example))).toEqual([])
  })

  test.for([
    ['an unknown key', { sink: {} }, ['.sink']],
    ['a missing key', { version: undefined }, ['.version']],
    [
      'a wrong number',
      { sources: { a: { endpoint: 'x', project: 'abc', logstore: 'abc', group: 'abc', fetch_count: 'many' } } },
      ['.sources.a.fetch_count'],
    ],
    ['a step that is not known', { routes: [{ name: 'a', shape: [{ jsn: 'x' }] }] }, ['.routes[0].shape[0]']],
  ] as const)('refuses %s', ([, change, paths]) => {
    const file = JSON.parse(JSON.stringify({ ...parse(example), ...change }))
    expect(refusedBy(schema, file)).toEqual(paths)
  })

  test('allows ${…} for every text and number, with the default of each key', () => {
    const source = {
      endpoint: '${E}',
      project: 'abc',
      logstore: ['abc'],
      group: 'abc',
      fetch_count: '${N:-5}',
      in_order: true,
    }
    expect(refusedBy(schema, { ...parse(example), sources: { a: source } })).toEqual([])
    expect(JSON.stringify(schema)).toContain('"default":"begin"')
  })
})
