import { describe, expect, test } from 'vitest'
import type { Log } from '../../../src/pipeline/reference/log.ts'
import { factsOf, readLog } from '../../../src/pipeline/reference/log.ts'
import { LogGroup, logGroupsOf } from '../../../src/pipeline/reference/log-group.ts'
import { applyShape } from '../../../src/pipeline/reference/shape.ts'
import type { DockerStep, Step } from '../../../src/routing/step.ts'
import { parseTagTemplate } from '../../../src/routing/tag-template.ts'
import { accepted, fileOf, told } from '../config/file/given-file.ts'
import { position } from './encode-all.ts'
import { content, group, list, log, tag, time } from './wire.ts'

type Contents = Readonly<Record<string, string | Buffer>>

const CONTAINER = {
  _container_id_: 'containeriidcontaineriid',
  _container_name_: 'container_name',
  _image_name_: 'container_image_name',
  _source_: 'stdout',
  _pod_name_: 'b',
}

function logOf(contents: Contents, tags: Contents = {}): Log {
  const pairs = Object.entries(contents).map(([key, value]) => content(key, value))
  const ofTags = Object.entries(tags).map(([key, value]) => tag(key, value))
  const [bytes] = logGroupsOf(list(group(log(time(1_790_000_000), ...pairs), ...ofTags)))
  const parsed = new LogGroup(bytes as Buffer)
  const [first] = parsed.logs()
  return readLog(factsOf(parsed, position), first as Buffer, 'override')
}

interface Given {
  readonly format?: DockerStep['format']
  readonly tag?: string
  readonly attrs?: Readonly<Record<string, string>>
}

function stepOf({ format = 'json', tag: written = '{{.ID}}', attrs = {} }: Given): Step {
  const template = parseTagTemplate(written)
  if ('problem' in template) throw new Error(template.problem)
  return { name: 'docker', format, tag: template, attrs: new Map(Object.entries(attrs)) }
}

/** The event as it leaves. `undefined` if the log is dropped. */
function eventOf(line: string | Buffer, given: Given, more: Contents = {}): string | undefined {
  const shaped = applyShape(logOf({ content: line, ...CONTAINER, ...more }), [stepOf(given)], 'route')
  if (shaped.fate === 'drop') return undefined
  const { bytes, isJson } = shaped.raw ?? { bytes: Buffer.from('no raw'), isJson: true }
  return isJson ? bytes.toString() : JSON.stringify(bytes.toString())
}

const TAG = '{{.ImageName}}/{{.Name}}'
const TAGGED = '"tag":"container_image_name/container_name"'

describe('the event is the one of the splunk driver of Docker', () => {
  test.each<[string, string, Given, string | undefined]>([
    [
      'inline',
      '{"a":"b"}',
      { format: 'inline' },
      '{"line":"{\\"a\\":\\"b\\"}","source":"stdout","tag":"containeriid"}',
    ],
    ['inline', 'notjson', { format: 'inline' }, '{"line":"notjson","source":"stdout","tag":"containeriid"}'],
    [
      'inline, tag and labels',
      '1',
      { format: 'inline', tag: TAG, attrs: { a: '_pod_name_' } },
      `{"line":"1","source":"stdout",${TAGGED},"attrs":{"a":"b"}}`,
    ],
    ['inline, blank', ' ', { format: 'inline', tag: '' }, '{"line":" ","source":"stdout"}'],
    ['json, JSON', '{"a":"b"}', {}, '{"line":{"a":"b"},"source":"stdout","tag":"containeriid"}'],
    ['json, text', 'notjson', {}, '{"line":"notjson","source":"stdout","tag":"containeriid"}'],
    ['json, without a tag', '[1, 2]', { tag: '' }, '{"line":[1,2],"source":"stdout"}'],
    ['json, a number', ' 12345678901234567890 ', { tag: '' }, '{"line":12345678901234567890,"source":"stdout"}'],
    ['json, a string', '"x"', { tag: '' }, '{"line":"x","source":"stdout"}'],
    ['json, true', 'true', { tag: '' }, '{"line":true,"source":"stdout"}'],
    ['json, null', 'null', { tag: '' }, '{"line":null,"source":"stdout"}'],
    ['json, two values', '1 2', { tag: '' }, '{"line":"1 2","source":"stdout"}'],
    ['json, cut off', '{"a":', { tag: '' }, '{"line":"{\\"a\\":","source":"stdout"}'],
    ['json, empty', '', { tag: '' }, '{"line":"","source":"stdout"}'],
    ['json, keys twice', '{"a":1,"a":2}', { tag: '' }, '{"line":{"a":1,"a":2},"source":"stdout"}'],
    ['raw, JSON', '{"a":"b"}', { format: 'raw' }, '"containeriid {\\"a\\":\\"b\\"}"'],
    ['raw, text', 'notjson', { format: 'raw' }, '"containeriid notjson"'],
    ['raw, labels', 'notjson', { format: 'raw', attrs: { a: '_pod_name_' } }, '"containeriid a=b notjson"'],
    ['raw, without a tag', 'notjson', { format: 'raw', tag: '' }, '"notjson"'],
    ['raw, labels without a tag', 'x', { format: 'raw', tag: '', attrs: { a: '_pod_name_' } }, '"a=b x"'],
    ['raw, blank', ' ', { format: 'raw', attrs: { a: '_pod_name_' } }, undefined],
    ['raw, empty', '', { format: 'raw' }, undefined],
  ])('%s: %s', (_, line, given, expected) => expect(eventOf(line, given)).toBe(expected))

  test('attributes are in the order of their names, and one whose field is absent is left out', () => {
    const attrs = { z: '_source_', B: '_pod_name_', none: 'nope', a: '_image_name_' }
    expect(eventOf('x', { tag: '', attrs })).toBe(
      '{"line":"x","source":"stdout","attrs":{"B":"b","a":"container_image_name","z":"stdout"}}',
    )
  })

  test('a tag that comes out empty is none', () => {
    expect(eventOf('x', {}, { _container_id_: '' })).toBe('{"line":"x","source":"stdout"}')
  })

  test.each([
    ['{{.FullID}}', 'containeriidcontaineriid'],
    ['{{ .ID }}', 'containeriid'],
    ['{{upper .Name}}-{{ .Name | upper | lower }}', 'CONTAINER_NAME-container_name'],
    ['{{truncate .Name 4}}{{truncate .Name 99}}', 'contcontainer_name'],
    ['{{truncate .Name 4 | upper}}', 'CONT'],
    ['{{.DaemonName}}.{x}', 'docker.{x}'],
  ])('tag %s', (template, expected) => {
    expect(JSON.parse(eventOf('x', { tag: template }) ?? '')).toMatchObject({ tag: expected })
  })

  test('fields may be tags of the log group, as collectors write them', () => {
    const { content: line } = { content: 'x' }
    const shaped = applyShape(
      logOf({ content: line, _source_: 'stderr' }, { _container_name_: 'web', _image_name_: 'nginx:1.27' }),
      [stepOf({ tag: '{{.ImageName}}/{{.Name}}/{{.ID}}' })],
      'route',
    )
    expect(shaped.raw?.bytes.toString()).toBe('{"line":"x","source":"stderr","tag":"nginx:1.27/web/"}')
  })

  test('bytes that are not UTF-8 become U+FFFD, and make the line a text', () => {
    expect(eventOf(Buffer.from('5b22ff225d', 'hex'), { tag: '' })).toBe('{"line":"[\\"\uFFFD\\"]","source":"stdout"}')
  })

  test('a log without a line stays whole', () => {
    const shaped = applyShape(logOf({ a: '1' }), [stepOf({})], 'route')
    expect(shaped).toMatchObject({ fate: 'keep', failures: [] })
    expect(shaped.raw).toBeUndefined()
  })

  test.each([
    ['json', JSON.stringify({ a: '\\"'.repeat(50_000) })],
    ['json', '['.repeat(100_000)],
    ['raw', ' '.repeat(100_000)],
  ] as const)('%s takes little time for a line of 100 kB', (format, line) => {
    const start = performance.now()
    eventOf(line, { format })
    expect(performance.now() - start).toBeLessThan(500)
  })
})

describe('the step in a file', () => {
  const fileWith = (step: string) => fileOf({ routes: `[{name: all, to: splunk, shape: [{docker: ${step}}]}]` })

  test('has the defaults of the contract', () => {
    const { config } = accepted(fileWith('{}'))
    expect(config.routing.routes[0]?.shape).toMatchObject([
      { format: 'json', tag: { text: '{{.ID}}' }, attrs: new Map() },
    ])
  })

  test('takes an empty tag for none', () => {
    const { config } = accepted(fileWith('{tag: ""}'))
    expect(config.routing.routes[0]?.shape).toMatchObject([{ tag: { parts: [] } }])
  })

  test.each([
    ['{{.Command}}', 2, 'a log has no .Command; it may have .ID, .FullID, .Name, .ImageName, .DaemonName'],
    ['{{split .Name}}', 2, expect.stringContaining('or lower, upper or truncate before it')],
    ['{{lower}}', 2, expect.stringContaining('expected')],
    ['a{{.Name', 1, '{{ is not closed'],
    ['{{.Name | title}}', 10, 'lower or upper expected behind |'],
    ['{{truncate .Name}}', 16, 'a length expected: truncate .Name 5'],
    ['{{.Name x}}', 8, "'}}' expected"],
  ])('refuses the tag %s', (written, offset, problem) => {
    expect(parseTagTemplate(written)).toEqual({ problem, offset })
  })

  test('refuses a tag at its place', () => {
    expect(told(fileWith('{tag: "x{{.Command}}"}'))).toEqual([
      expect.stringContaining('4:61 routes[0].shape[0].docker.tag: a log has no .Command'),
    ])
  })
})
