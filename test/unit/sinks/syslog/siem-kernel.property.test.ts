import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Batch } from '../../../../src/core/batch.ts'
import { SAMPLE_KINDS, SampleLogs } from '../../../../src/emulator/sample-logs.ts'
import { SOURCE_KINDS, SourceLogs } from '../../../../src/emulator/source-logs.ts'
import { Framer } from '../../../../src/sinks/syslog/frames.ts'
import { FrameKernel } from '../../../../src/sinks/syslog/kernel.ts'
import type { FramerOptions } from '../../../../src/sinks/syslog/message.ts'
import { PRODUCTS } from '../../../../src/sinks/syslog/products.ts'
import { envelopes, MESSAGES } from './syslog-bench.ts'

// The kernel's messages of every format, and its severities, are compared with those in TypeScript.

const RUNS = 600

const PATHS = [
  ...new Set(
    PRODUCTS.flatMap(({ columns, has = [], eventClass = [], eventName = [], severities }) => [
      ...columns.flatMap(({ from }) => from),
      ...has,
      ...eventClass,
      ...eventName,
      ...severities.flatMap(({ when }) => Object.keys(when)),
    ]),
  ),
]
const TOPICS = [
  ...PRODUCTS.flatMap(({ topics }) => topics).map((topic) => topic.replace('*', 'x')),
  '',
  '-',
  'a|b\\c=d',
]

const words = fc.constantFrom(
  ...['', '-', 'null', ' ', 'a b ', '10.1.2.3', '010.1.2.3', '256.1.1.1', '2001:db8::1', 'oss.aliyuncs.com'],
  ...['1795949622', '1795949622123', '1795949622123456', '2026-11-29T10:53:42.123Z', '2026-11-29T10:53:42Z'],
  ...[
    '2026-02-29T23:59:59.1234567+08:00',
    '2024-02-29T00:00:00.9-03:30',
    '2026-11-29T18:53:42+0800',
    '2026-13-01T00:00:00Z',
  ],
  ...[
    '2026-11-29T10:53:60Z',
    '1969-12-31T23:59:59Z',
    '0.123',
    '12.',
    '1.2345',
    '-1',
    '1e3',
    '200',
    '403',
    '404',
    '500',
  ],
  ...[
    'Forbidden.RAM',
    'Write',
    'Read',
    'ConsoleSignin',
    'root-account',
    'block',
    'captcha',
    'sqli',
    'ACCEPT',
    'DROP',
    'in',
  ],
  ...[
    'out',
    '6',
    '17',
    '99',
    'TCP',
    'get',
    'create',
    'secrets',
    'exec',
    'Panic',
    'Emergency',
    'WARN',
    '3',
    'loud',
    'true',
  ],
  ...[
    'a=b\\c|d',
    'l1\r\nl2\t',
    '张三',
    '张三\u3000',
    'x\u00a0',
    '😀',
    '\u007f',
    '"quoted"',
    '{"a":1}',
    '[1]',
    '{',
    '\ud800',
  ],
)
const text = fc.oneof(
  { weight: 8, arbitrary: words },
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ maxLength: 1_100, minLength: 900 }),
)
const name = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...PATHS) },
  fc.constantFrom(
    'event',
    'userIdentity',
    'user',
    'objectRef',
    'responseStatus',
    'sourceIPs',
    'level',
    'severity',
    'topic',
  ),
  fc.constantFrom(
    'a-b',
    'ab',
    'a.b',
    'ab2',
    'src',
    'cs1Label',
    'slsEventId',
    'event.verb',
    'event.userIdentity',
    '张',
    '__tag__:x',
    '"',
  ),
  fc.string({ maxLength: 12 }),
)
const value: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 8, arbitrary: text },
  fc.integer(),
  fc.constant(null),
  fc.jsonValue({ maxDepth: 1 }),
)

/** The values that the paths of a product lead to. */
const deep = fc.dictionary(fc.constantFrom(...PATHS, 'other'), value, { maxKeys: 12 }).map((flat) => {
  const all: Record<string, unknown> = {}
  for (const [path, each] of Object.entries(flat)) {
    const steps = path.split('.')
    let at = all
    for (const step of steps.slice(0, -1)) {
      if (typeof at[step] !== 'object' || at[step] === null)
        at[step] = steps.at(-1) === '0' && step === steps.at(-2) ? [] : {}
      at = at[step] as Record<string, unknown>
    }
    at[steps.at(-1) as string] = each
  }
  return all
})
const asJson = fc
  .tuple(deep, fc.constantFrom(0, 0, 0, 2), fc.constantFrom('', '', '', '', ' ', '}'))
  .map(([all, gap, more]) => JSON.stringify(all, null, gap) + more)
const contents = fc.dictionary(name, fc.oneof({ weight: 6, arbitrary: value }, deep, asJson), { maxKeys: 14 })
const event = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.constantFrom(...TOPICS), contents)
      .map(([topic, all]) => ({ __topic__: topic, __source__: 's', ...all })),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.constantFrom('actiontrail_audit_event', 'k8s'), fc.oneof(deep, asJson), contents)
      .map(([topic, inside, more]) => ({ __topic__: topic, __source__: '', event: inside, ...more })),
  },
  fc.constantFrom<unknown>('a line', 17, {}, []),
)
const batches = fc
  .array(fc.record({ id: fc.constantFrom('audit:3:170:0', 'a=b'), event, host: fc.constantFrom('prod', 'a b', '') }), {
    minLength: 1,
    maxLength: 12,
  })
  .map(envelopes)
const options: fc.Arbitrary<FramerOptions> = fc
  .record({
    format: fc.constantFrom('cef' as const, 'leef' as const, 'json' as const, 'kv' as const, 'raw' as const),
    rawField: fc.constantFrom('event', 'ab'),
    header: fc.constantFrom('rfc5424' as const, 'rfc3164' as const, 'none' as const),
    framing: fc.constantFrom('octet' as const, 'lf' as const, 'relp' as const),
    severity: fc.constantFrom('auto' as const, 5),
    timezone: fc.constantFrom('UTC', 'Asia/Shanghai', 'America/St_Johns'),
    maxBytes: fc.constantFrom(700, 8_000, 100_000),
  })
  .map((some) => ({ ...MESSAGES, ...some }))

function framed(batch: Batch, some: FramerOptions, kernel: FrameKernel | null) {
  const oversized: object[] = []
  const pieces = [
    ...new Framer(some, undefined, kernel).pieces(batch, { from: 0, to: batch.count }, (one) => oversized.push(one)),
  ]
  return {
    bytes: Buffer.concat(pieces.map(({ bytes }) => bytes)).toString(),
    indexes: pieces.flatMap(({ indexes }) => indexes),
    cut: pieces.flatMap(({ cut }) => cut),
    asJson: pieces.flatMap(({ asJson }) => asJson),
    oversized,
  }
}

test('the kernel writes events as the code in TypeScript says', { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(batches, options, (batch, some) => {
      expect(framed(batch, some, FrameKernel.for(some))).toEqual(framed(batch, some, null))
    }),
    { numRuns: RUNS },
  )
})

const logs = {
  ...Object.fromEntries(SAMPLE_KINDS.map((kind) => [kind, new SampleLogs(1).group(kind, 20)])),
  ...Object.fromEntries(SOURCE_KINDS.map((kind) => [kind, new SourceLogs(1).group(kind, 20)])),
}
const FORMATS = ['cef', 'leef', 'kv'] as const

test.each(Object.entries(logs).flatMap(([kind, group]) => FORMATS.map((format) => [kind, format, group] as const)))(
  'logs of %s as %s are left to nobody',
  (_, format, { topic, source, tags, logs: all }) => {
    const batch = envelopes(
      all.map(({ content }, n) => ({
        id: `audit:3:170:${n}`,
        event: { __topic__: topic, __source__: source, ...Object.assign({}, ...tags), ...content },
      })),
    )
    const some: FramerOptions = { ...MESSAGES, format, framing: 'octet', maxBytes: 100_000 }
    const kernel = FrameKernel.for(some)
    expect(framed(batch, some, kernel)).toEqual(framed(batch, some, null))
    const { count } =
      kernel?.frame(batch, { from: 0, to: batch.count }, some, { room: Buffer.alloc(1 << 18), next: 1 }) ?? {}
    expect(count).toBe(batch.count)
  },
)

test('the tables of products keep to what the kernel knows', () => {
  for (const { name, columns, inside } of PRODUCTS) {
    for (const [at, { cef, leef }] of columns.entries()) {
      expect([name, at, cef === 'rt' || leef === 'devTime']).toEqual([
        name,
        at,
        cef === 'rt' && leef === 'devTime' && at === 0,
      ])
    }
    expect([undefined, 'event'], name).toContain(inside)
  }
  for (const path of PATHS) expect(path).not.toMatch(/\.(?!0$)\d+/)
})

test('a kernel that is full of words forgets them, and goes on', () => {
  const some: FramerOptions = { ...MESSAGES, format: 'cef', framing: 'octet' }
  const kernel = FrameKernel.for(some)
  for (let round = 0; round < 30; round++) {
    const batch = envelopes(
      Array.from({ length: 20 }, (_, n) => ({
        id: `audit:3:170:${n}`,
        event: Object.fromEntries(Array.from({ length: 30 }, (_, m) => [`name${round}x${n}x${m}`, 'x'])),
      })),
    )
    expect(framed(batch, some, kernel)).toEqual(framed(batch, some, null))
  }
})
