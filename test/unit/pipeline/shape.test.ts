import { describe, expect, test } from 'vitest'
import { shippedPatterns } from '../../../src/config/file/grok-step.ts'
import { referenceEncoder as referenceEncoderOf } from '../../../src/parts.ts'
import type { Log } from '../../../src/pipeline/reference/log.ts'
import { factsOf, readLog } from '../../../src/pipeline/reference/log.ts'
import { LogGroup, logGroupsOf } from '../../../src/pipeline/reference/log-group.ts'
import { applyShape } from '../../../src/pipeline/reference/shape.ts'
import { parseGrok } from '../../../src/routing/grok.ts'
import { shapeOf } from '../../../src/routing/grok-shapes.ts'
import { parsePath } from '../../../src/routing/path.ts'
import { parsePattern } from '../../../src/routing/pattern.ts'
import { parseReplacement } from '../../../src/routing/replacement.ts'
import type { TextProblem } from '../../../src/routing/scanner.ts'
import type { GeoRecord, KvStep, LineShape, OnFailure, Step } from '../../../src/routing/step.ts'
import { LINE_SHAPES, ON_FAILURE } from '../../../src/routing/step.ts'
import { parseTemplate } from '../../../src/routing/template.ts'
import { parseTimeFormat } from '../../../src/routing/time-format.ts'
import { encodeAll, position, programOf } from './encode-all.ts'
import { content, group, list, log, source, tag, time, topic } from './wire.ts'

type Contents = Readonly<Record<string, string | Buffer>>

function logOf(contents: Contents): Log {
  const pairs = Object.entries(contents).map(([key, value]) => content(key, value))
  const body = list(group(log(time(1_790_000_000), ...pairs), topic('t'), source('s'), tag('host', 'h')))
  const [bytes] = logGroupsOf(body)
  if (bytes === undefined) throw new Error('no group')
  const parsed = new LogGroup(bytes)
  const [first] = parsed.logs()
  if (first === undefined) throw new Error('no log')
  return readLog(factsOf(parsed, position), first, 'override')
}

/** Members as the event has them, without topic, source and tag. */
function shaped(contents: Contents, ...steps: Step[]): string {
  const { members } = applyShape(logOf(contents), steps, 'route')
  return [...members]
    .filter(([key]) => !['__topic__', '__source__', '__tag__:host'].includes(key))
    .map(([key, { bytes, isJson }]) => `${key}=${isJson ? bytes : JSON.stringify(bytes.toString())}`)
    .join(' ')
}

const keysOf = (...steps: Step[]): string[] => [...applyShape(logOf({ a: '1', b: '2' }), steps, 'route').members.keys()]

const json = (fields: string[] | '*', more: Partial<Extract<Step, { name: 'json' }>> = {}): Step => ({
  ...{ name: 'json', fields, into: 'value', required: false, onFailure: 'keep' },
  ...more,
})
const rename = (names: Record<string, string>): Step => ({ name: 'rename', names: new Map(Object.entries(names)) })
const remove = (...fields: string[]): Step => ({ name: 'remove', fields: new Set(fields) })
const keep = (...fields: string[]): Step => ({ name: 'keep', fields: new Set(fields) })

describe('json', () => {
  test('puts an object or array into the event as it is, without white space', () => {
    expect(shaped({ a: ' {"n": 12345678901234567890} ', b: '[1, "x"]' }, json(['a', 'b']))).toBe(
      'a={"n":12345678901234567890} b=[1,"x"]',
    )
  })

  test('leaves every other value as text, and says nothing', () => {
    const others = {
      a: '123',
      b: 'true',
      c: '"x"',
      d: '{"a":1',
      e: '',
      f: '["\\ud800"]',
      g: Buffer.from('5b22ff225d', 'hex'),
    }
    const after = applyShape(logOf(others), [json('*')], 'route')
    expect([...after.members.values()].every(({ isJson }) => !isJson)).toBe(true)
    expect(after.failures).toEqual([])
  })

  test('* is every content, but no topic and no tag', () => {
    const body = { a: '{}', __topic__: '{}', '__tag__:host': '[]', b: '[]' }
    const { members } = applyShape(logOf(body), [json('*')], 'route')
    expect([...members].filter(([, { isJson }]) => isJson).map(([key]) => key)).toEqual(['a', 'b'])
  })

  test('a name may be one of a tag', () => {
    const { members } = applyShape(logOf({ '__tag__:host': '{}' }), [json(['__tag__:host'])], 'route')
    expect(members.get('__tag__:host')?.isJson).toBe(true)
  })

  test('required makes a failure of a value that is no object or array, not of an absent field', () => {
    expect(applyShape(logOf({ a: '1' }), [json(['a'], { required: true })], 'route').failures).toEqual([
      { where: 'route', step: 'json' },
    ])
    expect(applyShape(logOf({}), [json(['a'], { required: true })], 'route').failures).toEqual([])
  })

  test('a failure leaves every field as it was', () => {
    expect(shaped({ a: '{}', b: 'x' }, json(['a', 'b'], { required: true }))).toBe('a="{}" b="x"')
  })

  describe('into: merge', () => {
    const merge = (...fields: string[]): Step => json(fields, { into: 'merge' })
    test.each<[string, Contents, string]>([
      [
        'puts the members in the place of the field',
        { a: '1', j: '{"x": 1, "y": {"z": "\\u0026"}}', b: '2' },
        'a="1" x=1 y={"z":"\\u0026"} b="2"',
      ],
      ['contents win', { a: '1', j: '{"a":2,"b":3,"c":4}', b: '2' }, 'a="1" c=4 b="2"'],
      ['topic and tags win', { j: '{"__topic__":"x","__tag__:host":"x","k":1}' }, 'k=1'],
      ['the object may have a member of its own name', { j: '{"j":{"j":1}}' }, 'j={"j":1}'],
      ['of equal keys the last counts', { j: '{"a":1,"b":2,"a":3}' }, 'a=3 b=2'],
      ['keys are text', { j: '{"\\u0061\\"":1}' }, 'a"=1'],
      ['an empty object leaves nothing', { j: '{}', a: '1' }, 'a="1"'],
      ['an array stays a value', { j: '[1]' }, 'j=[1]'],
      ['text stays text', { j: '{"a"' }, 'j="{\\"a\\""'],
    ])('%s', (_, contents, expected) => expect(shaped(contents, merge('j'))).toBe(expected))

    test('several objects may have each other’s names', () => {
      expect(shaped({ a: '{"b":1}', b: '{"a":2}' }, merge('a', 'b'))).toBe('b=1 a=2')
    })

    test('JSON within the text of a member is found by a later step', () => {
      expect(shaped({ j: '{"log":"{\\"k\\": 1}"}' }, merge('j'), json(['log']))).toBe('log={"k":1}')
    })
  })
})

describe('rename', () => {
  test.each<[string, Record<string, string>, string]>([
    ['keeps the place', { a: 'z' }, 'z="1" b="2" c="3"'],
    ['replaces a field of the new name', { c: 'a' }, 'b="2" a="3"'],
    ['works on all at once', { a: 'b', b: 'a' }, 'b="1" a="2" c="3"'],
    ['of two with one name the later one in the log counts', { a: 'z', c: 'z' }, 'z="3" b="2"'],
    ['an absent field replaces nothing', { nope: 'a' }, 'a="1" b="2" c="3"'],
    ['a field may get its own name', { a: 'a' }, 'a="1" b="2" c="3"'],
  ])('%s', (_, names, expected) => expect(shaped({ a: '1', b: '2', c: '3' }, rename(names))).toBe(expected))

  test('takes tags, too', () =>
    expect(keysOf(rename({ '__tag__:host': 'h' }))).toEqual(['__topic__', '__source__', 'h', 'a', 'b']))
})

describe('remove and keep', () => {
  test('remove takes tags, too', () =>
    expect(keysOf(remove('__tag__:host', 'a', 'nope'))).toEqual(['__topic__', '__source__', 'b']))
  test('keep always keeps topic, source and tags', () =>
    expect(keysOf(keep('b', 'nope'))).toEqual(['__topic__', '__source__', '__tag__:host', 'b']))
  test('keep nothing', () => expect(keysOf(keep())).toEqual(['__topic__', '__source__', '__tag__:host']))
})

function parsed<T extends object>(result: T | TextProblem): T {
  if ('problem' in result) throw new Error(result.problem)
  return result
}

describe('add', () => {
  const add = (values: Record<string, string>): Step => ({
    name: 'add',
    values: new Map(Object.entries(values).map(([key, text]) => [key, parsed(parseTemplate(text))])),
  })

  test.each<[string, Record<string, string>, string]>([
    ['puts new fields at the end', { z: 'text', y: '' }, 'a="1" b="2" z="text" y=""'],
    ['replaces a field in its place', { a: 'x' }, 'a="x" b="2"'],
    ['puts in values; an absent one is empty', { z: '<{a}|{nope}|{b.nope}>' }, 'a="1" b="2" z="<1||>"'],
    ['sees the log as it was before the step', { a: '{b}', b: '{a}' }, 'a="2" b="1"'],
    [
      'knows topic, source, tags and the bridge',
      { z: '{__topic__} {__source__} {__tag__:host} {@logstore} {@time}' },
      'a="1" b="2" z="t s h audit 1790000000"',
    ],
  ])('%s', (_, values, expected) => expect(shaped({ a: '1', b: '2' }, add(values))).toBe(expected))

  test('finds what was merged into the log', () => {
    const j = '{"n": -1.50, "t": true, "z": null, "s": "a\\u0062", "l": [1, "x"], "o": {"k": "v"}}'
    const z = add({ z: '{n} {t} {z}|{s} {l} {o} {o.k}' })
    const { members } = applyShape(logOf({ j }), [json(['j'], { into: 'merge' }), z], 'route')
    expect(members.get('z')?.bytes.toString()).toBe('-1.50 true |ab 1,x {"k":"v"} v')
  })

  test('finds values in JSON, whether it is embedded or text', () => {
    const event = '{"user": {"name": "al\\u0069ce"}, "groups": ["a", "b"], "none": null, "o": {"x": [ 1 ]}}'
    const values = { z: '{event.user.name} {event.groups} {event.none} {event.o}' }
    const z = (...steps: Step[]): string | undefined =>
      applyShape(logOf({ event }), [...steps, add(values)], 'route')
        .members.get('z')
        ?.bytes.toString()
    expect(z()).toBe('alice a,b  {"x": [ 1 ]}')
    expect(z(json(['event']))).toBe('alice a,b  {"x":[1]}')
  })
})

describe('parse', () => {
  const parse = (as: LineShape, more: { prefix?: string; field?: string; onFailure?: OnFailure } = {}): Step => ({
    ...{ name: 'parse', as, prefix: more.prefix ?? '', onFailure: more.onFailure ?? 'keep' },
    field: parsed(parsePath(more.field ?? 'line')),
  })
  const failuresOf = (contents: Contents, step: Step): number =>
    applyShape(logOf(contents), [step], 'route').failures.length

  test('puts fields at the end; the line stays, and its end is no part of it', () => {
    expect(shaped({ line: 'Jul  5 09:30:00 web cron[7]: done\n', z: '1' }, parse('syslog'))).toBe(
      'line="Jul  5 09:30:00 web cron[7]: done\\n" z="1" timestamp="Jul  5 09:30:00" host="web" program="cron" pid="7" message="done"',
    )
  })

  test('fields replace contents of their name, unless there is a prefix', () => {
    const line = 'IN=a OUT=b'
    expect(shaped({ line, OUT: 'old' }, parse('iptables'))).toBe('line="IN=a OUT=b" OUT="b" IN="a"')
    expect(shaped({ line, OUT: 'old' }, parse('iptables', { prefix: 'fw.' }))).toBe(
      'line="IN=a OUT=b" OUT="old" fw.IN="a" fw.OUT="b"',
    )
    expect(shaped({ message: 'Jul  5 09:30:00 h p: m' }, parse('syslog_3164', { field: 'message' }))).toContain(
      'message="m"',
    )
  })

  test('the line may stand in JSON', () => {
    expect(shaped({ event: '{"log":"a=1"}' }, parse('logfmt', { field: 'event.log' }))).toContain(' a="1"')
  })

  test.each(LINE_SHAPES)('%s: another line is a failure, an absent one is none', (as) => {
    expect(failuresOf({ line: 'no such line' }, parse(as))).toBe(1)
    expect(failuresOf({ line: '' }, parse(as))).toBe(1)
    expect(failuresOf({ line: Buffer.from('61ff3d31', 'hex') }, parse(as))).toBe(1)
    expect(failuresOf({ line: '\0' }, parse(as))).toBe(1)
    expect(failuresOf({ other: 'x' }, parse(as))).toBe(0)
  })

  test('docker_json is the line of a file of Docker', () => {
    const line =
      '{"log":"say \\"hi\\"\\n","stream":"stderr","attrs":{"a":"b"},"time":"2016-10-06T00:17:09.669794202Z"}\n'
    expect(shaped({ line }, parse('docker_json'), remove('line'))).toBe(
      'log="say \\"hi\\"" stream="stderr" time="2016-10-06T00:17:09.669794202Z"',
    )
    expect(failuresOf({ line: '{"log":1,"stream":"stdout","time":""}' }, parse('docker_json'))).toBe(1)
    expect(failuresOf({ line: '[]' }, parse('docker_json'))).toBe(1)
  })
})

describe('kv', () => {
  const kv = (more: Partial<KvStep> = {}): Step => ({
    ...{ name: 'kv', field: parsed(parsePath('m')), prefix: '', fieldSplit: ' ', valueSplit: '=', onFailure: 'keep' },
    ...more,
  })

  test('makes fields of pairs', () => {
    const m = 'authentication failure; uid=0 rhost=203.0.113.9 user=root'
    expect(shaped({ m }, kv(), remove('m'))).toBe('uid="0" rhost="203.0.113.9" user="root"')
    expect(shaped({ m }, kv({ includeKeys: new Set(['rhost', 'nope']), prefix: 'pam_' }), remove('m'))).toBe(
      'pam_rhost="203.0.113.9"',
    )
    expect(shaped({ m: 'a:1|b:2' }, kv({ fieldSplit: '|', valueSplit: ':' }), remove('m'))).toBe('a="1" b="2"')
  })

  test('a text without pairs is no failure, a text that is not UTF-8 is one', () => {
    const failures = (m: string | Buffer) => applyShape(logOf({ m }), [kv()], 'route').failures.length
    expect([failures('no pairs'), failures(''), failures(Buffer.from('613dff', 'hex'))]).toEqual([0, 0, 1])
  })
})

describe('time', () => {
  const time = (field: string, format: string[], onFailure: OnFailure = 'keep'): Step => ({
    ...{ name: 'time', zone: 'UTC', onFailure, field: parsed(parsePath(field)) },
    formats: format.map((text) => parsed(parseTimeFormat(text))),
  })
  const timed = (contents: Contents, ...steps: Step[]): [number, number, number] => {
    const {
      time: { seconds, nanos },
      failures,
    } = applyShape(logOf(contents), steps, 'route')
    return [seconds, nanos, failures.length]
  }

  test('replaces the time of the event', () => {
    expect(timed({ t: '2026-01-01T00:00:00.000000042Z' }, time('t', ['iso8601']))).toEqual([1_767_225_600, 42, 0])
  })

  test('is found in JSON', () => {
    expect(timed({ event: '{"at": 1767225600}' }, time('event.at', ['epoch']))).toEqual([1_767_225_600, 0, 0])
  })

  test('fails for a text in no format, and the time stays that of Log Service', () => {
    expect(timed({ t: 'yesterday' }, time('t', ['iso8601', 'epoch']))).toEqual([1_790_000_000, 0, 1])
    expect(timed({ t: '' }, time('t', ['iso8601']))).toEqual([1_790_000_000, 0, 1])
  })

  test('an absent field is no failure', () => {
    expect(timed({ e: '{"t":null}' }, time('nope', ['epoch']), time('e.t', ['epoch']))).toEqual([1_790_000_000, 0, 0])
  })

  test('a year that is not told is near the time of Log Service, also behind another time step', () => {
    const steps = [time('old', ['iso8601']), time('t', ['syslog'])]
    expect(timed({ old: '2001-01-01T00:00:00Z', t: 'Sep 21 00:00:00' }, ...steps)).toEqual([1_789_948_800, 0, 0])
  })
})

describe('raw', () => {
  const raw: Step = { name: 'raw', field: 'line' }
  const rawOf = (line?: string, ...before: Step[]): string | undefined =>
    applyShape(logOf(line === undefined ? {} : { line }), [...before, raw], 'route').raw?.bytes.toString()
  test('makes the event of one field', () => expect(rawOf('GET / HTTP/1.1')).toBe('GET / HTTP/1.1'))
  test('takes JSON as JSON', () => expect(rawOf('{ "a" : 1 }', json(['line']))).toBe('{"a":1}'))
  test('an absent or blank field leaves the event whole: HEC refuses blank events', () =>
    expect([rawOf(), rawOf(''), rawOf(' \t\n')]).toEqual([undefined, undefined, undefined]))
})

describe('a step that fails', () => {
  const fails = (onFailure: OnFailure): Step => json(['a'], { required: true, onFailure })
  test('is noted, and the next steps go on', () => {
    const after = applyShape(logOf({ a: 'x', b: '2' }), [fails('keep'), remove('b')], 'route')
    expect([after.failures, after.fate, after.members.has('b')]).toEqual([
      [{ where: 'route', step: 'json' }],
      'keep',
      false,
    ])
  })

  test.each(ON_FAILURE.filter((fate) => fate !== 'keep'))('with on_failure: %s is the last', (onFailure) => {
    const after = applyShape(logOf({ a: 'x', b: '2' }), [fails(onFailure), remove('b')], 'route')
    expect([after.fate, after.members.has('b'), after.failures.length]).toEqual([onFailure, true, 1])
  })
})

describe('failures in the engine', () => {
  const fails = (onFailure: OnFailure): Step => json(['a'], { required: true, onFailure })
  const body = list(group(log(content('a', 'x')), log(content('a', '{}'))))
  const encoded = (inSource: Step[], inRoute: Step[]) => {
    const [route] = programOf().routes
    if (route === undefined) throw new Error('no route')
    const copies = ['one', 'two'].flatMap((sink) =>
      route.copies.map((copy) => ({ ...copy, destination: { ...copy.destination, sink } })),
    )
    const program = { ...programOf(), shape: inSource, routes: [{ ...route, name: 'all', shape: inRoute, copies }] }
    const { batches, counts, text } = encodeAll(referenceEncoderOf(program), body)
    const sent = batches.map(({ sink, refused, count }) => `${sink} ${refused ?? 'sent'} ${count}`).sort()
    return { sent, counts, marks: text.match(/"sls_parse_error":[^}]*/g) ?? [] }
  }

  test('keep: every copy is sent with the mark, and each failure is counted once', () => {
    const { sent, counts, marks } = encoded([fails('keep')], [fails('keep')])
    expect(sent).toEqual(['one sent 2', 'two sent 2'])
    expect(counts.failures).toEqual(
      new Map([
        ['default/json', 1],
        ['all/json', 1],
      ]),
    )
    expect(marks).toEqual(Array(2).fill('"sls_parse_error":["default/json","all/json"]'))
  })

  test.each([
    ['the source', [fails('drop')], []],
    ['a route', [], [fails('drop')]],
  ])('drop in %s: the log counts as filtered', (_, inSource, inRoute) => {
    const { sent, counts } = encoded(inSource, inRoute)
    expect(sent).toEqual(['one sent 1', 'two sent 1'])
    expect(counts.filtered).toEqual(new Map([['parse_failure', 1]]))
  })

  test.each([
    ['the source', [fails('dead_letter')], [remove('a')]],
    ['a route', [], [fails('dead_letter'), remove('a')]],
  ])('dead_letter in %s: every copy goes to the dead letter as it was', (_, inSource, inRoute) => {
    const { sent, counts, marks } = encoded(inSource, inRoute)
    expect(sent).toEqual(['one parse_failure 1', 'one sent 1', 'two parse_failure 1', 'two sent 1'])
    expect([...counts.filtered.keys()]).toEqual([])
    expect(marks.length).toBe(2)
  })
})

describe('replace', () => {
  const replace = (field: string, matches: string, written: string, onFailure: OnFailure = 'keep'): Step => {
    const pattern = parsePattern(matches)
    if (typeof pattern === 'string') throw new Error(pattern)
    const parts = parseReplacement(written, pattern.groupCount())
    if ('problem' in parts) throw new Error(parts.problem)
    return { name: 'replace', field, replacement: { pattern, parts }, onFailure }
  }

  test.each([
    ['all places', 'a=1 b=2', '[0-9]', '*', 'a=* b=*'],
    ['groups, of which one took no part', '12 x', '([0-9])([0-9])|(x)', '<$3$2$1>', '<21> <x>'],
    ['the whole place and a dollar', 'ab', 'b', '[$0$$5$]', 'a[b$5$]'],
    ['empty places', 'ab', '', '-', '-a-b-'],
    ['characters outside the first plane', 'a😀b', '[^a-z]', '_', 'a_b'],
    ['nothing', 'abc', 'x', 'y', 'abc'],
  ])('replaces %s', (_, text, matches, written, expected) => {
    expect(shaped({ a: text }, replace('a', matches, written))).toBe(`a=${JSON.stringify(expected)}`)
  })

  test('makes text of JSON only where it replaces something', () => {
    const steps = (matches: string): Step[] => [json(['a']), replace('a', matches, '*')]
    expect(shaped({ a: '{"n":1}' }, ...steps('2'))).toBe('a={"n":1}')
    expect(shaped({ a: '{"n":1}' }, ...steps('1'))).toBe('a="{\\"n\\":*}"')
  })

  test('replaces beside bytes that are not UTF-8, so that they hide no secret', () => {
    expect(shaped({ a: Buffer.from('ff20706173733d31', 'hex') }, replace('a', 'pass=[0-9]', '*'))).toBe('a="\ufffd *"')
  })

  test('fails, and leaves the log as it was, where each place reads a long text to its end', () => {
    const text = 'a'.repeat(100_000)
    const { members, fate, failures } = applyShape(
      logOf({ a: text }),
      [replace('a', 'a.*b|a', '', 'dead_letter')],
      'route',
    )
    expect(members.get('a')?.bytes.toString()).toBe(text)
    expect({ fate, failures }).toEqual({ fate: 'dead_letter', failures: [{ where: 'route', step: 'replace' }] })
  })

  test.each(['a', 'a+', '(a|b)+$', 'x', '[^a]', '(?i)(A|b)'])(
    'has enough looks for %s at 100,000 characters',
    (matches) => {
      expect(applyShape(logOf({ a: 'a'.repeat(100_000) }), [replace('a', matches, '-')], 'r').failures).toEqual([])
    },
  )

  test('fails where the result would be longer than a mebibyte', () => {
    expect(
      applyShape(logOf({ a: 'a'.repeat(2000) }), [replace('a', 'a', 'b'.repeat(1000))], 'r').failures,
    ).toHaveLength(1)
  })

  test('leaves a log without the field as it was', () =>
    expect(shaped({ a: '1' }, replace('b', '1', '2'))).toBe('a="1"'))
})

describe('lowercase', () => {
  const lowercase = (...fields: string[]): Step => ({ name: 'lowercase', fields })

  test('knows the letters of ASCII, and leaves all other bytes', () => {
    expect(shaped({ a: 'ÄB-Ünder', b: 'B', c: 'C' }, lowercase('a', 'c', 'none'))).toBe('a="Äb-Ünder" b="B" c="c"')
  })

  test('leaves JSON what it is', () => {
    const steps = [json(['a'], { into: 'merge' }), lowercase('s', 'o', 'n')]
    expect(shaped({ a: '{"s":"\\u0041B\\n","o":{"K":"V"},"n":1E5}' }, ...steps)).toBe('s="ab\\n" o={"k":"v"} n=1e5')
  })
})

describe('grok', () => {
  const step = (match: string[], more: { ecs?: boolean; onFailure?: OnFailure } = {}): Step => {
    const { ecs = false, onFailure = 'keep' } = more
    const shipped = shippedPatterns(ecs ? 'ecs-v1' : 'legacy')
    const patterns = match.map((text) => {
      const grok = parseGrok(text, shipped)
      if ('problem' in grok) throw new Error(grok.problem)
      return shapeOf(grok, shipped, ecs) ?? grok
    })
    return { name: 'grok', field: parsed(parsePath('a')), match: patterns, onFailure }
  }

  test('makes fields by the first pattern that matches, over contents of their names', () => {
    expect(shaped({ a: 'up 5', n: 'old' }, step(['down %{INT:n}', 'up %{INT:n}', '%{GREEDYDATA:n}']))).toBe(
      'a="up 5" n="5"',
    )
  })

  test('numbers a name that stands twice', () =>
    expect(shaped({ a: 'x y' }, step(['%{WORD:w} %{WORD:w}']))).toBe('a="x y" w="x" w_2="y"'))

  test('fails where no pattern matches, where bytes are not UTF-8, and not where the field is absent', () => {
    const failuresOf = (value: string | Buffer, key = 'a') =>
      applyShape(logOf({ [key]: value }), [step(['%{IP:ip}'], { onFailure: 'dead_letter' })], 'r')
    expect(failuresOf('x')).toMatchObject({ fate: 'dead_letter', failures: [{ where: 'r', step: 'grok' }] })
    expect(failuresOf(Buffer.from('10.0.0.1 \xff', 'latin1'))).toMatchObject({ fate: 'dead_letter' })
    expect(failuresOf('x', 'b')).toMatchObject({ fate: 'keep', failures: [] })
  })

  const REQUEST = '127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326'
  const LINES = [
    `${REQUEST} "http://cadenza/navi.php" "Mozilla/5.0 (\\"quoted\\")"`,
    `${REQUEST} "-" "-"`,
    `${REQUEST.replace('2326', '-')} "" "curl/8"`,
    '::1 - ann@b.c [01/Jan/2026:00:00:00 +0000] "-" 408 - "-" "-"',
    'host.example - - [01/Jan/2026:00:00:00 +0000] "" 400 0 "-" "-"',
    '10.0.0.1 - - [01/Jan/2026:00:00:00 +0000] "\\x16\\x03\\x01" 400 226 "-" "-"',
    '10.0.0.1 - - [01/Jan/2026:00:00:00 +0000] "GET /a b HTTP/1.1" 200 5 "-" "-"',
    '10.0.0.1 - - [01/Jan/2026:00:00:00 +0000] "OPTIONS *" 200 5 "-" "-"',
  ]

  test.each(
    LINES.flatMap((line) => [false, true].map((ecs) => ({ line, ecs }))).filter(
      // Logstash's pattern for ECS ends an agent at the first quote, also at an escaped one.
      ({ line, ecs }) => !(ecs && line.includes('quoted')),
    ),
  )('a parser reads what the pattern would: ecs $ecs, $line', ({ line, ecs }) => {
    // With a blank class before it the pattern is no longer one that has a parser.
    const fieldsOf = (pattern: string): string[] =>
      [...applyShape(logOf({ a: line }), [step([pattern], { ecs })], 'r').members].map(
        ([key, { bytes }]) => `${key}=${bytes.toString()}`,
      )
    const byParser = fieldsOf('%{COMBINEDAPACHELOG}')
    expect(byParser.length).toBeGreaterThan(6)
    expect(byParser.toSorted()).toEqual(fieldsOf('(?:)%{COMBINEDAPACHELOG}').toSorted())
  })

  test('the pattern reads what the parser does not', () => {
    expect(shaped({ a: `web: ${LINES[1]}` }, step(['%{COMBINEDAPACHELOG}']))).toContain('clientip="127.0.0.1"')
  })
})

describe('geoip', () => {
  const geoip = (record: GeoRecord | undefined, more: { into?: string; onFailure?: OnFailure } = {}): Step => ({
    ...{ name: 'geoip', field: parsed(parsePath('ip')), into: 'geo', onFailure: 'drop', ...more },
    database: {
      path: '',
      changed: () => {},
      lookUp: (address) => {
        if (address === 'broken') throw new Error('a record that cannot be read')
        return record
      },
    },
  })

  test('flattens what MaxMind has of an address, and leaves the names of other values', () => {
    const record = {
      city: { names: { en: 'Oslo' } },
      autonomous_system_number: 64_500,
      big: 2n ** 70n,
      traits: { a: 1 },
    }
    expect(shaped({ ip: '203.0.113.9' }, geoip(record))).toBe(
      'ip="203.0.113.9" geo={"city_name":"Oslo","autonomous_system_number":64500,"big":"1180591620717411303424"}',
    )
    expect(shaped({ ip: '203.0.113.9' }, geoip({ country: 'NO', city: 'Oslo' }, { into: 'where' }))).toBe(
      'ip="203.0.113.9" where={"country":"NO","city":"Oslo"}',
    )
  })

  test('of a region without a country gives the code alone', () => {
    const record = { subdivisions: [{ iso_code: 'ZJ' }] }
    expect(shaped({ ip: '203.0.113.9' }, geoip(record))).toBe('ip="203.0.113.9" geo={"region_iso_code":"ZJ"}')
  })

  test('leaves a log whose address is unknown or absent, and fails where the look-up does', () => {
    expect(applyShape(logOf({ ip: '10.0.0.1' }), [geoip(undefined)], 'r')).toMatchObject({ fate: 'keep', failures: [] })
    expect(applyShape(logOf({ a: '10.0.0.1' }), [geoip({})], 'r')).toMatchObject({ fate: 'keep', failures: [] })
    expect(applyShape(logOf({ ip: 'broken' }), [geoip({})], 'r')).toMatchObject({
      fate: 'drop',
      failures: [{ where: 'r', step: 'geoip' }],
    })
    expect(applyShape(logOf({ ip: Buffer.from('ff', 'hex') }), [geoip({})], 'r')).toMatchObject({ fate: 'drop' })
  })
})
