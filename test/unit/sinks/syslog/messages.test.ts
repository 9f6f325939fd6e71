import { describe, expect, test } from 'vitest'
import type { Batch } from '../../../../src/core/batch.ts'
import { Framer } from '../../../../src/sinks/syslog/frames.ts'
import type { MessageOptions } from '../../../../src/sinks/syslog/message.ts'
import { envelopes, MESSAGES } from './syslog-bench.ts'

interface Framed {
  readonly text: string
  readonly truncated: number
  readonly tooLong: number[]
}

function framed(batch: Batch, options: Partial<MessageOptions> & { framing?: 'octet' | 'lf' } = {}): Framed {
  const tooLong: number[] = []
  const pieces = [
    ...new Framer({ ...MESSAGES, framing: 'octet', ...options }).pieces(
      batch,
      { from: 0, to: batch.count },
      ({ index }) => tooLong.push(index),
    ),
  ]
  return {
    text: Buffer.concat(pieces.map(({ bytes }) => bytes)).toString(),
    truncated: pieces.reduce((sum, piece) => sum + piece.cut.length, 0),
    tooLong,
  }
}

const one = (event: unknown, more: { host?: string; time?: string; id?: string } = {}): Batch =>
  envelopes([{ id: 'audit:3:170:0', event, ...more }])

describe('a message of RFC 5424', () => {
  test('has its length in bytes, a header, id, topic, source and shard, and the bytes of the event', () => {
    const event = { __topic__: 'audit', __source__: '10.0.0.1', user: '张三' }
    const message = `<14>1 2026-09-21T14:13:20.123456Z prod sls - - [sls@32473 id="audit:3:170:0" topic="audit" source="10.0.0.1" shard="3"] ${JSON.stringify(event)}`
    expect(framed(one(event)).text).toBe(`${Buffer.byteLength(message)} ${message}`)
  })

  test('cuts the time to six digits and does not round it', () => {
    expect(framed(one({}, { time: '1790000000.999999999' })).text).toContain('T14:13:20.999999Z ')
  })

  test('escapes quotes, backslashes and brackets of a value, and nothing else', () => {
    const { text } = framed(one({ __topic__: 'a"b\\c]d=é', __source__: '' }))
    expect(text).toContain(' topic="a\\"b\\\\c\\]d=é" source="" ')
  })

  test.each([
    ['', '-'],
    ['a b', 'a_b'],
    ['web-日本', 'web-__'],
    ['x'.repeat(300), 'x'.repeat(255)],
  ])('the host %j is the HOSTNAME %j', (host, expected) => {
    expect(framed(one({}, { host })).text).toContain(`Z ${expected} sls - - [`)
  })

  test('finds topic and source wherever they stand in the event', () => {
    expect(framed(one({ a: 1, __source__: 's', __topic__: 't' })).text).toContain('topic="t" source="s"')
    expect(framed(one('a raw line')).text).toMatch(/topic="" source="" shard="3"\] "a raw line"$/)
  })

  test('is not led astray by contents that look like parts of an envelope', () => {
    const event = {
      text: ',"event":{},"fields":{"sls_event_id":"forged"}}',
      ',"fields":{': { fields: { sls_event_id: 'x' } },
    }
    const { text } = framed(one(event))
    expect(text).toContain('id="audit:3:170:0"')
    expect(text.endsWith(JSON.stringify(event))).toBe(true)
  })

  test('facility and severity make the priority', () => {
    expect(framed(one({}), { facility: 23, severity: 7 }).text).toContain(' <191>1 ')
  })
})

describe('framing by lines', () => {
  test('ends each message with one, and has none inside', () => {
    const batch = envelopes([{ id: 'a', event: { __topic__: 'x\ny', m: 'l1\nl2\r' } }, { id: 'b' }])
    const { text } = framed(batch, { framing: 'lf' })
    expect(text.split('\n')).toHaveLength(3)
    expect(text).toContain('topic="x y"')
    expect(text).toContain('"m":"l1\\nl2\\r"')
  })

  test('without a header the payload carries the event id', () => {
    expect(framed(one({ a: 'b' }), { header: 'none', framing: 'lf' }).text).toBe(
      '{"a":"b","sls_event_id":"audit:3:170:0"}\n',
    )
    expect(framed(one({}), { header: 'none', framing: 'lf' }).text).toBe('{"sls_event_id":"audit:3:170:0"}\n')
  })
})

describe('a message over the limit', () => {
  const payloadOf = (text: string) =>
    JSON.parse(text.slice(text.indexOf('] ') + 2)) as Record<string, string> & { deep?: unknown }
  const lengthOf = (text: string) => Buffer.byteLength(text.slice(text.indexOf(' ') + 1))

  test('has its longest values shortened, and says how long it would have been', () => {
    const event = { short: 'kept', long: 'x'.repeat(5_000), longer: 'y'.repeat(9_000) }
    const whole = lengthOf(framed(one(event), { maxBytes: 100_000 }).text)
    const { text, truncated } = framed(one(event), { maxBytes: 2_000 })
    expect(truncated).toBe(1)
    expect(lengthOf(text)).toBeLessThanOrEqual(2_000)
    expect(lengthOf(text)).toBeGreaterThan(1_990)
    const payload = payloadOf(text)
    expect(payload).toMatchObject({ short: 'kept', slsTruncated: String(whole) })
    expect(payload['long']?.length).toBe(payload['longer']?.length)
  })

  test('is JSON still wherever it is cut: in escapes, surrogates, UTF-8 and nested values', () => {
    const value = 'a"\\\u0001😀é张\u2028'.repeat(300)
    for (let maxBytes = 700; maxBytes < 760; maxBytes++) {
      const { text } = framed(one({ value, deep: [{ value: JSON.stringify({ value }) }], n: 1 }), { maxBytes })
      const payload = payloadOf(text)
      expect(lengthOf(text)).toBeLessThanOrEqual(maxBytes)
      expect(value.startsWith(payload['value'] ?? 'absent')).toBe(true)
      expect(text).not.toContain('\ufffd')
    }
  })

  test('keeps numbers of nested JSON digit by digit', () => {
    const batch = one({ __topic__: 't', big: 0, long: 'x'.repeat(9_000) })
    const bytes = Buffer.from(batch.bytes.toString().replace('"big":0', '"big":12345678901234567890.10'))
    const ends = new Uint32Array([bytes.length])
    expect(framed({ ...batch, bytes, ends }).text).toContain('"big":12345678901234567890.10')
  })

  test('is not sent if its values are not what is long, or if it may not be shortened', () => {
    const keys = Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`a-rather-long-key-${i}`, 'v']))
    expect(framed(envelopes([{ id: 'a' }, { id: 'b', event: keys }, { id: 'c' }]))).toMatchObject({
      tooLong: [1],
      truncated: 0,
    })
    expect(framed(one({ long: 'x'.repeat(9_000) }), { oversize: 'dead-letter' })).toMatchObject({
      text: '',
      tooLong: [0],
    })
  })
})

describe('a message of RFC 3164', () => {
  test('has the day padded with a space, no year, a tag of letters and digits, and the id in the payload', () => {
    const batch = one({ a: 'b' }, { time: '1788220800.9' })
    const { text } = framed(batch, { header: 'rfc3164', framing: 'lf', appName: 'my-app', timezone: 'Asia/Shanghai' })
    expect(text).toBe('<14>Sep  1 08:00:00 prod myapp: {"a":"b","sls_event_id":"audit:3:170:0"}\n')
  })
})

describe('the payload kv', () => {
  const event = {
    __topic__: 't',
    __source__: 's',
    '__tag__:k': 'v',
    user: 'a=b||c',
    nested: { n: [1, '}'] },
    last: 'x\ny',
  }
  const kv = { format: 'kv', header: 'none', framing: 'lf' } as const

  test('is what the vendor sends: a separator before each key, nothing escaped, on one line', () => {
    expect(framed(one(event), kv).text).toBe(
      '||__topic__=t||__source__=s||__tag__:k=v||user=a=b||c||nested={"n":[1,"}"]}||last=x y||sls_event_id=audit:3:170:0\n',
    )
    expect(framed(one({}), { format: 'kv', kvSeparator: ' ' }).text).toMatch(/\] $/)
  })

  test('has its longest values shortened, never the id', () => {
    const { text, truncated } = framed(one({ ...event, long: '张'.repeat(3_000) }), { ...kv, maxBytes: 1_000 })
    expect(truncated).toBe(1)
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(1_001)
    expect(text).toMatch(/\|\|long=张+\|\|sls_event_id=audit:3:170:0\|\|slsTruncated=9\d\d\d\n$/)
  })
})

describe('the payload raw', () => {
  const raw = { format: 'raw' } as const

  test('is one content as it is; a log without it is JSON', () => {
    expect(framed(one({ content: 'a "line"\nand more' }), raw).text).toMatch(/shard="3"\] a "line" and more$/)
    expect(framed(one({ other: 'x' }), raw).text).toMatch(/shard="3"\] \{"other":"x"\}$/)
  })

  test('is cut between characters, and the structured data says so', () => {
    const { text, truncated } = framed(one({ content: 'é'.repeat(5_000) }), { ...raw, maxBytes: 1_000 })
    expect(truncated).toBe(1)
    expect(text).toMatch(/shard="3" slsTruncated="10\d\d\d"\] é+$/)
  })
})
