import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Program } from '../../../src/pipeline/program.ts'
import { TopicSelection } from '../../../src/pipeline/select.ts'
import type { DockerStep, Step } from '../../../src/routing/step.ts'
import { parseTagTemplate } from '../../../src/routing/tag-template.ts'
import { assertFor, compare, expectNoHandOver } from './both-engines.ts'
import { expressionOf } from './condition-logs.ts'
import { position } from './encode-all.ts'
import { content, group, list, log, tag, time } from './wire.ts'

function tagOf(text: string) {
  const parsed = parseTagTemplate(text)
  if ('problem' in parsed) throw new Error(parsed.problem)
  return parsed
}

const FIELDS = ['_container_id_', '_container_name_', '_image_name_', '_source_', '_pod_name_', '_env_', 'content']
const lines = fc.constantFrom<string | Buffer>(
  ...[
    '',
    ' ',
    '\n',
    'text "\\\n',
    '{"a": 1, "é":"\\u0041"}',
    ' [1, 2] ',
    '{"a":',
    '{}x',
    '[',
    'true',
    ' null ',
    'trueish',
  ],
  ...[
    '12',
    '-1.5e3',
    '1.',
    '2026-12-01 listening',
    '"text"',
    '"',
    '"a" b',
    'false ',
    'fetch',
    '\ufeff{}',
    '\u00a0',
    'é😀',
  ],
  ...[Buffer.from('ff', 'hex'), Buffer.from('7b227822ff3a317d', 'hex')],
)
const values = fc.oneof(
  lines,
  fc.constantFrom(
    'stdout',
    '4c1f3dc1b1b2a3c4d5e6f7',
    'äöüäöüäöüäöüä',
    '1234567890é12345',
    'web/nginx:1.25',
    'x'.repeat(400),
  ),
)
const contents = fc.uniqueArray(
  fc.tuple(
    fc.oneof(fc.constantFrom(...FIELDS), fc.constant('content'), fc.constantFrom('other', '__tag__:_pod_name_')),
    values,
  ),
  { selector: ([key]) => key, maxLength: 7 },
)
const bodies = fc
  .tuple(fc.array(contents, { minLength: 1, maxLength: 4 }), contents)
  .map(([logs, tags]) =>
    list(
      group(
        ...logs.map((some) => log(time(7), ...some.map(([key, value]) => content(key, value)))),
        ...tags.map(([key, value]) => tag(key, value)),
      ),
    ),
  )

const docker = fc.record({
  name: fc.constant('docker' as const),
  format: fc.constantFrom('inline' as const, 'json' as const, 'raw' as const),
  tag: fc
    .constantFrom(
      '',
      '{{.ID}}',
      '{{.ImageName}}/{{.Name}}/{{.ID}}',
      'a "{{.FullID}}',
      '{{.DaemonName}}',
      '{{upper .Name}}',
    )
    .map(tagOf),
  attrs: fc
    .dictionary(fc.constantFrom('b', 'a', '"', 'é', '10', '9', 'pod'), fc.constantFrom(...FIELDS, '__topic__'), {
      maxKeys: 3,
    })
    .map((fields) => new Map(Object.entries(fields))),
})
const before = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Step[]>([]) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Step[]>(
      [{ name: 'rename', names: new Map([['_env_', '_pod_name_']]) }],
      [{ name: 'json', fields: ['_env_'], into: 'value', required: false, onFailure: 'keep' }],
      [{ name: 'remove', fields: new Set(['_source_', 'content']) }],
    ),
  },
)

function programOf(shape: readonly Step[], when?: string): Program {
  return {
    ...{ topics: new TopicSelection([]), idScope: 'containers', reservedKeys: 'override', shape: [] },
    routes: [
      {
        ...{ name: 'all', continue: false, shape },
        ...(when !== undefined && { when: { text: when, expression: expressionOf(when) } }),
        copies: [{ destination: { sink: 'one', maxBatchBytes: 900 }, layout: { source: 's', sourcetype: 't' } }],
      },
      { name: 'unmatched', drop: 'unmatched', continue: false, shape: [], copies: [] },
    ],
  }
}

test('both engines make the same event of Docker’s driver', { timeout: 60_000 }, () => {
  let sent = 0
  const whens = fc.constantFrom(undefined, '_source_ = stdout', 'content contains e')
  const property = fc.property(bodies, before, docker, whens, fc.boolean(), (body, first, step, when, isHashed) => {
    const program = programOf([...first, step], when)
    sent += compare(body, program, isHashed ? { ...position, firstGroup: undefined } : position)
  })
  assertFor(property, () => sent > 1000)
  expect(sent).toBeGreaterThan(5)
})

test.each<[DockerStep['format'], string]>([
  ['inline', 'GET /healthz 200'],
  ['json', '{"level": "info"}'],
  ['json', 'the line is no JSON'],
  ['json', '2026-12-01 listening'],
  ['raw', 'GET /healthz 200'],
])('a line in the format %s does not leave the kernel: %s', (format, line) => {
  const step: Step = {
    ...{ name: 'docker', format, tag: tagOf('{{.ImageName}}/{{.Name}}/{{.ID}}') },
    attrs: new Map([['pod', '_pod_name_']]),
  }
  const fields = FIELDS.map((key) => content(key, key === 'content' ? line : '4c1f3dc1b1b2a3c4d5e6f7'))
  const bytes = list(group(log(time(7), ...fields), tag('_pod_name_', 'web-1')))
  expectNoHandOver(bytes, programOf([step]))
})
