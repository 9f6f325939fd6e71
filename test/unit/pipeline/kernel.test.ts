import { describe, expect, test } from 'vitest'
import type { PullPosition } from '../../../src/core/batch.ts'
import { SAMPLE_KINDS, SampleLogs } from '../../../src/emulator/sample-logs.ts'
import type { Layout, Program } from '../../../src/pipeline/program.ts'
import { Kernel } from '../../../src/pipeline/wasm/kernel.ts'
import { DONE, HANDED_OVER, MAX_GROUPS } from '../../../src/pipeline/wasm/memory-layout.ts'
import type { Step } from '../../../src/routing/step.ts'
import { encodeLogGroup, encodeLogGroupList } from '../../../src/sls/log-group.ts'
import { expectedEvents } from '../../support/event-oracle.ts'
import { compare } from './both-engines.ts'
import { pathOf, templateOf } from './condition-logs.ts'
import { defaults, encodeAll, encoderWith, envelopes, idOf, kernelOptions, position, programOf } from './encode-all.ts'
import type { Field } from './wire.ts'
import {
  bytesField,
  content,
  group,
  groupField,
  list,
  log,
  longVarint,
  pair,
  source,
  tag,
  time,
  timeNs,
  topic,
  varintField,
} from './wire.ts'

/** Number of logs that the kernel hands over to the reference engine; `undefined` when it hands over the whole body. */
function handedOverOf(
  body: Buffer,
  kernel: Kernel = openKernel(),
  at: PullPosition = position,
  program: Program = programOf({ maxBatchBytes: 100_000 }),
): number | undefined {
  const place = kernel.slots.take(body.length) as number
  const placed = kernel.bytes.subarray(place, place + body.length)
  placed.set(body)
  try {
    if (kernel.begin(placed, at, program) === undefined) return undefined
    let handedOver = 0
    for (let stop = kernel.encode(); stop !== DONE; stop = kernel.encode()) {
      if (stop === HANDED_OVER) {
        handedOver++
        kernel.passHandedOver()
      }
      kernel.take(0)
    }
    return handedOver
  } finally {
    kernel.slots.give(place)
  }
}

const openKernel = (): Kernel => Kernel.open(kernelOptions({ maxBatchBytes: 100_000 }), 16 << 20) as Kernel
/** Positions with each kind of event id. */
const POSITIONS: PullPosition[] = [position, { ...position, firstGroup: undefined }]

const plain = log(time(1790000000), content('k', 'v'), timeNs(5))
const around = (...odd: Field[]): Buffer => list(group(plain, ...odd, plain, topic('t'), source('s'), tag('a', 'b')))
const hex = (bytes: string): Buffer => Buffer.from(bytes, 'hex')

describe('the kernel', () => {
  test.each(SAMPLE_KINDS)('does all of %s logs itself', (kind) => {
    const samples = new SampleLogs(3)
    const body = encodeLogGroupList(
      [1, 20, 400].map((count) => {
        const { topic, source, tags, logs } = samples.group(kind, count)
        return encodeLogGroup({
          topic,
          source,
          tags: tags.flatMap((one) => Object.entries(one)),
          logs: logs.map(({ timestamp, timestampNsPart, content }) => ({
            time: timestamp,
            timeNs: timestampNsPart,
            contents: Object.entries(content),
          })),
        })
      }),
    )
    for (const at of POSITIONS) expect(handedOverOf(body, openKernel(), at)).toBe(0)
    const { text } = encodeAll(encoderWith({ maxBatchBytes: 100_000 }), body)
    expect(text === Buffer.concat(expectedEvents(defaults, body, position).events).toString()).toBe(true)
  })

  test.each<[string, Field]>([
    ['a key that occurs twice', log(content('a', '1'), content('b', '2'), content('a', '3'))],
    ['a key of the group', log(content('__topic__', 'x'))],
    ['the other key of the group', log(content('__source__', 'x'))],
    ['a key that looks like a tag', log(content('__tag__:', 'x'))],
    ['a value that is not UTF-8', log(content('a', hex('61ff')))],
    ['a key that is not UTF-8', log(content(hex('61ff'), 'a'))],
    ['a long key', log(content('k'.repeat(128), 'v'))],
    ['a value before its key', log(bytesField(2, Buffer.concat([bytesField(2, 'v'), bytesField(1, 'k')])))],
    ['a pair with more in it', log(bytesField(2, Buffer.concat([pair('k', 'v'), varintField(9, 1)])))],
    ['a pair without a key', log(bytesField(2, bytesField(2, 'v')))],
    ['a pair without a value', log(bytesField(2, bytesField(1, 'k')))],
    ['an empty pair', log(bytesField(2, ''))],
    ['a time behind the contents', log(content('k', 'v'), time(7))],
    ['two times', log(time(7), time(8))],
    ['nanoseconds that are a second', log(time(7), timeNs(1_000_000_000))],
    ['a long length', log(Buffer.concat([Buffer.of(0x12), longVarint(6, 4), pair('k', 'v')]))],
    ['a long tag', log(Buffer.concat([hex('9200'), bytesField(2, pair('k', 'v')).subarray(1)]))],
  ])('leaves a log with %s, and only that, to the other engine', (_, odd) => {
    for (const at of POSITIONS) expect(handedOverOf(around(odd), openKernel(), at)).toBe(1)
  })

  test('leaves a log to the other engine whose event might not fit into its memory', () => {
    const huge = log(content('k', Buffer.alloc(2 << 20, 'v')))
    for (const at of POSITIONS) expect(handedOverOf(around(huge), openKernel(), at)).toBe(1)
  })

  test.each<[string, Field]>([
    ['nothing', log()],
    ['no time', log(content('k', 'v'))],
    ['an empty key and value', log(time(1), content('', ''))],
    ['unknown fields', log(time(1), varintField(9, 2n ** 63n), content('k', 'v'), bytesField(1000, 'x'))],
    ['nanoseconds in front', log(timeNs(7), content('k', 'v'))],
    ['a time longer than 32 bits', log(time(2n ** 64n - 1n))],
    ['a value that ends like nanoseconds', log(time(1), content('k', '%abcd'))],
    ['a value of a megabyte', log(content('k', Buffer.alloc(1_000_000, '"')))],
    ['Chinese', log(content('用户', '登录😀'))],
  ])('writes a log with %s itself', (_, odd) => {
    for (const at of POSITIONS) expect(handedOverOf(around(odd), openKernel(), at)).toBe(0)
  })

  test.each<[string, Field[]]>([
    ['tags that occur twice', [tag('a', '1'), tag('a', '2')]],
    ['many tags', Array.from({ length: 40 }, (_, index) => tag(`t${index}`, 'x'))],
    ['a huge tag', [tag('t', 'x'.repeat(20_000))]],
    ['a topic that is not UTF-8', [topic(hex('ff'))]],
    ['a tag without a key', [bytesField(6, bytesField(2, 'v'))]],
    ['a tag with more in it', [bytesField(6, Buffer.concat([pair('k', 'v'), varintField(9, 1)]))]],
  ])('leaves the logs of a group with %s to the other engine, and takes the next group', (_, fields) => {
    const body = list(group(plain, plain, ...fields), group(plain, topic('t')))
    for (const at of POSITIONS) expect(handedOverOf(body, openKernel(), at)).toBe(2)
  })

  test('leaves a whole body to the other engine when it is not sure about it', () => {
    const many = list(...Array.from({ length: MAX_GROUPS + 1 }, () => group(plain)))
    const bodies = [groupField(15), many].map((field) => list(field, group(plain)))
    expect(bodies.map((body) => handedOverOf(body))).toEqual([undefined, undefined])
    const far = { ...position, firstGroup: 2n ** 63n }
    expect(handedOverOf(list(group(plain)), openKernel(), far)).toBeUndefined()
  })

  test('finds its keys again, and takes new ones after thousands of unused ones', () => {
    const kernel = openKernel()
    const flood = Array.from({ length: 9_000 }, (_, index) => log(content(`key ${index}`, 'x')))
    const left = handedOverOf(list(group(...flood)), kernel)
    expect(left).toBeGreaterThan(500)
    expect(left).toBeLessThan(7_000)
    const body = around(log(content('one', '1'), content('two', '2')), log(content('two', '1'), content('one', '2')))
    expect(handedOverOf(body, kernel)).toBe(0)
  })

  test('gives up on keys chosen to collide, so they do not slow it down', () => {
    // The hash looks at the first and last four bytes and the length.
    const logs = Array.from({ length: 200 }, (_, index) =>
      log(content(`same${String(index).padStart(4, '0')}same`, 'x')),
    )
    expect(handedOverOf(list(group(...logs)))).toBeGreaterThan(180)
  })

  test('does not open for batches so large that one call would take long', () => {
    expect(Kernel.open(kernelOptions({ maxBatchBytes: (16 << 20) + 1 }), 1 << 20)).toBeUndefined()
    expect(Kernel.open(kernelOptions({ maxBatchBytes: 16 << 20 }), 1 << 20)).toBeDefined()
  })

  test('does not open without memory for it', () => {
    expect(Kernel.open(kernelOptions(), 5e9)).toBeUndefined()
  })
})

describe('both engines', () => {
  test('escape what they must wherever it stands in a stride', () => {
    const encoder = encoderWith({ maxBatchBytes: 10_000_000 })
    const characters = [...'"\\\n\u0000\u001f\u0007é语😀']
    const values: string[] = []
    for (let length = 0; length < 40; length++) {
      values.push('x'.repeat(length))
      for (const one of characters) {
        for (let at = 0; at <= length; at++) values.push(`${'x'.repeat(at)}${one}${'x'.repeat(length - at)}`)
      }
    }
    const body = list(group(...values.map((value) => log(content('k', value)))))
    const found = envelopes(encodeAll(encoder, body).text).map(({ event }) => event['k'])
    expect(found).toEqual(values)
  })

  test('find invalid UTF-8 wherever it stands in a stride, and nothing that is not', () => {
    const encoder = encoderWith({ maxBatchBytes: 10_000_000 })
    const sequences = [
      ...['c3a9', 'e8afad', 'ed9fbf', 'ee8080', 'f09f9880', 'f48fbfbf', 'c280', 'e0a080', 'f0908080', 'efbfbf'],
      ...['80', 'bf', 'c3', 'e8af', 'f09f98', 'c080', 'c1bf', 'e09fbf', 'f08fbfbf', 'eda080', 'edbfbf', 'f4908080'],
      ...['f5808080', 'ff', 'fe', 'c3c3a9', 'e8afc3a9', 'f09f98c3a9', 'c3a980', 'e8afad80', 'f09f988080'],
    ].map(hex)
    const values = sequences.flatMap((bytes) =>
      Array.from({ length: 36 }, (_, at) => Buffer.concat([Buffer.alloc(at, 'x'), bytes, Buffer.alloc(36 - at, 'y')])),
    )
    const ending = sequences.flatMap((bytes) =>
      Array.from({ length: 36 }, (_, at) => Buffer.concat([Buffer.alloc(at, 'x'), bytes])),
    )
    const all = [...values, ...ending]
    const found = envelopes(encodeAll(encoder, list(group(...all.map((value) => log(content('k', value)))))).text)
    expect(found.map(({ event }) => event['k'])).toEqual(all.map((value) => value.toString()))
  })

  test('read lengths just below and above each size of varint', () => {
    const sizes = [0, 1, 63, 64, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 255, 256]
    const large = [16_377, 16_378, 16_379, 16_380, 16_383, 16_384, 2_097_140, 2_097_151, 2_097_152]
    const body = list(group(...[...sizes, ...large].map((size) => log(time(size), content('k', 'v'.repeat(size))))))
    const found = envelopes(encodeAll(encoderWith(), body).text)
    expect(found.map(({ event }) => event['k']?.length)).toEqual([...sizes, ...large])
  })

  test('number groups up to the largest cursor there is', () => {
    const encoder = encoderWith()
    for (const firstGroup of [0n, 9n, 99_999_999_999n, 2n ** 63n - 2n, 2n ** 63n - 1n, 2n ** 63n, -5n]) {
      const { text } = encodeAll(encoder, list(group(plain), group(), group(plain)), { ...position, firstGroup })
      expect(envelopes(text).map(idOf)).toEqual([`audit:3:${firstGroup}:0`, `audit:3:${firstGroup + 2n}:0`])
    }
  })

  test('write every time and index in full', () => {
    const seconds = [0, 9, 10, 99, 999_999_999, 1_000_000_000, 1_790_000_000, 1_790_000_001, 4_294_967_295]
    const nanos = [0, 1, 9, 10, 99, 100, 9_999, 10_000, 99_999_999, 123_456_789, 999_999_999, 900_000_009]
    const logs = seconds.flatMap((one) => nanos.map((ns) => log(time(one), timeNs(ns))))
    const { text } = encodeAll(encoderWith(), list(group(...logs, ...logs)))
    const expected = seconds.flatMap((one) => nanos.map((ns) => `${one}.${String(ns).padStart(9, '0')}`))
    const found = text.split('\n').slice(0, -1)
    expect(found.map((line) => line.slice('{"time":'.length, line.indexOf(',')))).toEqual([...expected, ...expected])
    expect(found.map((line) => JSON.parse(line)).map(idOf)).toEqual(
      [...logs, ...logs].map((_, index) => `audit:3:${position.firstGroup}:${index}`),
    )
  })

  test('fill one batch with logs of both, to the byte', { timeout: 60_000 }, () => {
    const odd = log(time(1790000000), content('a', '1'), content('a', '2'), timeNs(5))
    const body = list(group(plain, odd, odd, plain, plain, odd, plain, odd, odd, odd, plain), group(odd, plain))
    const whole = encodeAll(encoderWith(), body)
    const longest = Math.max(...whole.text.split('\n').map((line) => line.length + 1))
    for (let maxBatchBytes = 1; maxBatchBytes < 4 * longest; maxBatchBytes += 23) {
      const encoder = encoderWith({ maxBatchBytes })
      expect(encodeAll(encoder, body).text).toBe(whole.text)
    }
  })
})

test('writes the source type by topic itself', () => {
  const topics = ['waf_access_log', 'sas-vul-log', 'sas-', 'unknown', '']
  const body = list(...topics.map((name) => group(log(time(1)), topic(name))))
  const program = programOf({ maxBatchBytes: 100_000, sourcetype: 'auto' })
  expect(handedOverOf(body, openKernel(), position, program)).toBe(0)
})

const timeFrom = (field: string): Step => ({
  ...{ name: 'time', field: pathOf(field), formats: [{ name: 'iso8601' }, { name: 'epoch' }], zone: 'UTC' },
  onFailure: 'keep',
})
const jsonOf = (field: string): Step => ({
  ...{ name: 'json', fields: [field], into: 'value', required: false, onFailure: 'keep' },
})

test.each<[string, Step[], Partial<Layout>]>([
  ['a host of a tag, and a source of JSON', [], { host: of('{__tag__:a}'), source: of('{k.x}"') }],
  ['a source type by topic where the log has none', [], { sourcetype: of('{nope}', 'auto') }],
  ['a time of JSON', [timeFrom('k.at')], {}],
  ['a time of many digits', [timeFrom('ns')], {}],
  ['texts of the log', [{ name: 'add', values: new Map([['n', templateOf('<{k.x}> {__topic__}')]]) }], {}],
  ['one value as the event', [{ name: 'raw', field: 'k' }], {}],
  ['one value as the event, which is JSON', [jsonOf('k'), { name: 'raw', field: 'k' }], {}],
])('the kernel writes %s itself', (_, shape, layout) => {
  const some = log(
    time(1790000000),
    content('k', '{"at":"2026-12-01T02:03:04.123456789+08:00","x":["a",1]}'),
    content('ns', '1790000000123456789'),
  )
  const body = list(group(some, some, topic('t'), source('s'), tag('a', 'b')))
  const destination = { sink: 'one', maxBatchBytes: 900 }
  const copies = [{ destination, layout: { source: 's', sourcetype: 't', ...layout } }]
  const program = { ...programOf(), shape, routes: [{ name: 'all', continue: false, shape: [], copies }] }
  for (const at of POSITIONS) {
    expect(handedOverOf(body, openKernel(), at, program)).toBe(0)
    expect(compare(body, program, at)).toBe(1)
  }
})

function of(text: string, otherwise?: string) {
  return { template: templateOf(text), ...(otherwise !== undefined && { otherwise }) }
}
