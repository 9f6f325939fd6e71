import { describe, expect, test } from 'vitest'
import type { Step } from '../../../src/routing/step.ts'
import { encodeLogGroup, encodeLogGroupList } from '../../../src/sls/log-group.ts'
import { countsOf, expectedEvents } from '../../support/event-oracle.ts'
import { defaults, encodeAll, encoderWith, envelopes, idOf, position } from './encode-all.ts'
import type { Field } from './wire.ts'
import {
  bytesField,
  content,
  fixed32Field,
  fixed64Field,
  group,
  groupField,
  list,
  log,
  pair,
  source,
  tag,
  time,
  timeNs,
  topic,
  varintField,
} from './wire.ts'

const one = (...fields: Field[]): string => encodeAll(encoderWith(), list(group(log(...fields)))).text
const eventOf = (text: string): string => text.slice(text.indexOf('"event":') + 8, text.indexOf(',"fields":'))
const timeOf = (text: string): string => text.slice('{"time":'.length, text.indexOf(','))
const hex = (bytes: string): Buffer => Buffer.from(bytes, 'hex')

describe('the envelope', () => {
  test('is one line of exactly the keys HEC knows', () => {
    const body = encodeLogGroupList([
      encodeLogGroup({
        topic: 'actiontrail_audit_event',
        source: '10.0.0.1',
        machineUuid: 'not emitted',
        tags: [['__hostname__', 'web-1']],
        logs: [
          {
            time: 1790000000,
            timeNs: 42,
            contents: [
              ['eventName', 'RunInstances'],
              ['n', '1'],
            ],
          },
        ],
      }),
    ])
    expect(encodeAll(encoderWith(), body).text).toBe(
      '{"time":1790000000.000000042,"host":"10.0.0.1","source":"sls://p/audit","sourcetype":"aliyun:sls",' +
        '"event":{"__topic__":"actiontrail_audit_event","__source__":"10.0.0.1","__tag__:__hostname__":"web-1",' +
        '"eventName":"RunInstances","n":"1"},"fields":{"sls_event_id":"audit:3:1447299606896632356:0"}}\n',
    )
  })

  test('has the index only when one is set, after the sourcetype', () => {
    const encoder = encoderWith({ index: 'main' })
    const { text } = encodeAll(encoder, list(group(log(time(1)))))
    expect(text).toContain('"sourcetype":"aliyun:sls","index":"main","event":{')
    expect(one(time(1))).not.toContain('index')
  })

  test('takes the host from the group literally, also when it is empty or not UTF-8', () => {
    const host = (...fields: Field[]) =>
      envelopes(encodeAll(encoderWith(), list(group(log(time(1)), ...fields))).text)[0]?.host
    expect(host(source('10.0.0.1'))).toBe('10.0.0.1')
    expect(host(source(''))).toBe('')
    expect(host()).toBe('')
    expect(host(source(hex('61ff62')))).toBe('a\ufffdb')
  })

  test('prefers the configured host, and leaves __source__ as it is', () => {
    const { text } = encodeAll(encoderWith({ host: 'a"b' }), list(group(log(time(1)), source('10.0.0.1'))))
    expect(text).toContain('"host":"a\\"b",')
    expect(text).toContain('"__source__":"10.0.0.1"')
  })

  test('escapes what the configuration puts into it', () => {
    const encoder = encoderWith({ source: 'a"\\\n', sourcetype: 'b"', index: 'c"', idScope: 'd"' })
    const [envelope] = envelopes(encodeAll(encoder, list(group(log(time(1))))).text)
    expect(envelope).toMatchObject({ source: 'a"\\\n', sourcetype: 'b"', index: 'c"' })
    expect(idOf(envelope)).toMatch(/^d":3:/)
  })
})

describe('time', () => {
  test.each<[string, Field[], string]>([
    ['has nine zeros without nanoseconds', [time(1790000000)], '1790000000.000000000'],
    ['keeps nanoseconds a double could not', [time(1790000000), timeNs(123456789)], '1790000000.123456789'],
    ['pads small nanoseconds', [time(1790000000), timeNs(7)], '1790000000.000000007'],
    ['pads nothing before the point', [time(5), timeNs(999999999)], '5.999999999'],
    ['is 0 when missing', [], '0.000000000'],
    ['goes to the end of uint32', [time(4294967295)], '4294967295.000000000'],
    ['is written in full from 2^31 on', [time(2147483648)], '2147483648.000000000'],
    ['keeps zeros in the middle', [time(4000000001)], '4000000001.000000000'],
    ['carries nanoseconds that are a second and more', [time(10), timeNs(1000000000)], '11.000000000'],
    ['carries beyond uint32', [time(4294967295), timeNs(4294967295)], '4294967299.294967295'],
    ['takes the low 32 bits of a longer varint', [time(2n ** 64n - 1n)], '4294967295.000000000'],
    ['takes the last of several', [time(1), time(2), timeNs(3), timeNs(4)], '2.000000004'],
    ['may stand behind the contents', [content('a', 'b'), timeNs(1), time(9)], '9.000000001'],
  ])('%s', (_, fields, expected) => expect(timeOf(one(...fields))).toBe(expected))

  test('is not taken from a value that ends like a nanosecond field', () => {
    expect(timeOf(one(time(9), content('a', '%abcd')))).toBe('9.000000000')
  })
})

describe('the event', () => {
  test.each<[string, Field[], string]>([
    ['has topic and source even when the group has none', [], '{"__topic__":"","__source__":""}'],
    [
      'keeps keys that look like integers in place',
      [content('b', '1'), content('10', '2'), content('2', '3')],
      '{"__topic__":"","__source__":"","b":"1","10":"2","2":"3"}',
    ],
    [
      'gives a repeated key its last value and its first place',
      [content('a', '1'), content('b', '2'), content('a', '3')],
      '{"__topic__":"","__source__":"","a":"3","b":"2"}',
    ],
    [
      'lets contents override topic and source',
      [content('__source__', 's'), content('x', '1'), content('__topic__', 't')],
      '{"__topic__":"t","__source__":"s","x":"1"}',
    ],
    [
      'keeps __proto__ as a key like any other',
      [content('__proto__', '1')],
      '{"__topic__":"","__source__":"","__proto__":"1"}',
    ],
    ['has empty keys and values', [content('', ''), content('a', '')], '{"__topic__":"","__source__":"","":"","a":""}'],
    [
      'takes a missing key or value as empty',
      [bytesField(2, bytesField(1, 'k')), bytesField(2, bytesField(2, 'v'))],
      '{"__topic__":"","__source__":"","k":"","":"v"}',
    ],
    [
      'takes the last of several keys and values',
      [bytesField(2, Buffer.concat([pair('a', 'b'), pair('c', 'd')]))],
      '{"__topic__":"","__source__":"","c":"d"}',
    ],
    [
      'reads a value that stands before its key',
      [bytesField(2, Buffer.concat([bytesField(2, 'v'), bytesField(1, 'k')]))],
      '{"__topic__":"","__source__":"","k":"v"}',
    ],
    [
      'sees two invalid keys as the one they decode to',
      [content(hex('61ff'), '1'), content(hex('61fe'), '2')],
      '{"__topic__":"","__source__":"","a\ufffd":"2"}',
    ],
  ])('%s', (_, fields, expected) => expect(eventOf(one(...fields))).toBe(expected))

  test('lets contents override tags, and a later tag an earlier one', () => {
    const body = list(
      group(
        log(content('__tag__:a', 'content')),
        log(content('plain', '1')),
        tag('a', '1'),
        tag('b', '2'),
        tag('a', '3'),
      ),
    )
    expect(encodeAll(encoderWith(), body).text.split('\n').slice(0, 2).map(eventOf)).toEqual([
      '{"__topic__":"","__source__":"","__tag__:a":"content","__tag__:b":"2"}',
      '{"__topic__":"","__source__":"","__tag__:a":"3","__tag__:b":"2","plain":"1"}',
    ])
  })

  test('finds a repeated key also where the logs before had the same keys without it', () => {
    const plain = log(content('aa', '1'), content('bb', '2'), content('cc', '3'))
    const repeated = log(content('aa', '1'), content('bb', '2'), content('aa', '9'))
    const events = encodeAll(encoderWith(), list(group(plain, repeated, plain)))
      .text.split('\n')
      .map(eventOf)
    expect(events[1]).toBe('{"__topic__":"","__source__":"","aa":"9","bb":"2"}')
    expect(events[2]).toBe(events[0])
  })

  test('does not carry anything over from the group before', () => {
    const body = list(
      group(log(content('a', '1')), topic('t'), source('s'), tag('k', 'v')),
      group(log(content('a', '1'))),
    )
    expect(envelopes(encodeAll(encoderWith(), body).text)[1]).toMatchObject({
      host: '',
      event: { __topic__: '', __source__: '', a: '1' },
    })
  })
})

describe('strings', () => {
  const ascii = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code))

  test.each([0, 1, 2, 3, 4, 5, 7, 8])('escape every ASCII character as JSON.stringify does, %i bytes in', (offset) => {
    const values = ascii.map((character) => `${'x'.repeat(offset)}${character}`)
    const contents = values.flatMap((value, index) => [
      content(`k${index}`, value),
      content(`l${index}`, `${value}yyyyy`),
    ])
    const expected = values.map(
      (value, index) => `"k${index}":${JSON.stringify(value)},"l${index}":${JSON.stringify(`${value}yyyyy`)}`,
    )
    expect(eventOf(one(...contents))).toBe(`{"__topic__":"","__source__":"",${expected.join(',')}}`)
  })

  test.each([
    ['runs of quotes', '"'.repeat(4099)],
    ['runs of control characters', '\u0001\n'.repeat(500)],
    ['emoji and Chinese', '用户😀登录é'],
    ['line separators, BOM and noncharacters', '\ufeff\u2028\u2029\uffff\ufeff'],
    ['DEL', '\u007f'],
  ])('keep %s', (_, value) => {
    expect(eventOf(one(content(value.slice(0, 20), value)))).toBe(
      `{"__topic__":"","__source__":"",${JSON.stringify(value.slice(0, 20))}:${JSON.stringify(value)}}`,
    )
  })

  test.each(['ff', 'eda080', 'eda0bdedb880', 'f09f98', 'e282', 'c0af', 'f4908080', '80', 'c3', 'efbbbfff'])(
    'replace the invalid bytes %s as a decoder does, in values, keys, topic, source and tags',
    (bytes) => {
      const invalid = Buffer.concat([Buffer.from('a"'), hex(bytes), Buffer.from('b')])
      const body = list(
        group(
          log(content(invalid, invalid), content('é', 'é')),
          topic(invalid),
          source(invalid),
          tag(invalid, invalid),
        ),
      )
      const decoded = new TextDecoder('utf-8', { ignoreBOM: true }).decode(invalid)
      expect(envelopes(encodeAll(encoderWith(), body).text)[0]).toMatchObject({
        host: decoded,
        event: { __topic__: decoded, __source__: decoded, [`__tag__:${decoded}`]: decoded, [decoded]: decoded, é: 'é' },
      })
    },
  )

  test('keep a value that ends where the body ends', () => {
    for (let length = 0; length < 12; length++) {
      const value = '\n'.padEnd(length, 'x').slice(0, length)
      expect(envelopes(one(content('k', value)))[0]).toMatchObject({ event: { k: value } })
    }
  })
})

describe('keys', () => {
  const check = (body: Buffer, encoder = encoderWith()) => {
    const expected = Buffer.concat(expectedEvents(defaults, body, position).events).toString()
    expect(encodeAll(encoder, body).text).toBe(expected)
  }

  test('far more than the kernel remembers come out right, and so do the usual ones afterwards', {
    timeout: 60_000,
  }, () => {
    const encoder = encoderWith()
    for (let round = 0; round < 6; round++) {
      const logs = Array.from({ length: 200 }, (_, index) =>
        log(
          content('usual', 'u'),
          ...Array.from({ length: 5 }, (_, key) => content(`key-${round}-${index}-${key}`, 'v')),
        ),
      )
      check(list(group(...logs)), encoder)
    }
  })

  test('that differ only in the middle are different keys', () => {
    const names = Array.from({ length: 40 }, (_, index) => `same${String(index).padStart(5, '0')}same`)
    check(
      list(
        group(
          log(...names.map((name) => content(name, name))),
          log(...names.reverse().map((name) => content(name, name))),
        ),
      ),
    )
  })

  test('by the thousand in one log come out in order', () => {
    check(list(group(log(...Array.from({ length: 3000 }, (_, index) => content(`k${index}`, `${index}`))))))
  })

  test('of any length come out whole', () => {
    const lengths = [1, 2, 3, 4, 5, 7, 8, 9, 127, 128, 129, 300, 20_000]
    check(list(group(...[0, 1].map(() => log(...lengths.map((length) => content('k'.repeat(length), 'v')))))))
  })

  test('are read right after a length of three bytes that looks like the log before', () => {
    // Read as two bytes, the length 8a 80 0a would leave its last byte as the start of a pair with the key of log one.
    const key = Buffer.from(`${'x'.repeat(9)}\u0012..\u007f`.padEnd(65, 'z'))
    key.set([0x12, 0xfb, 0x7f], 9)
    const head = Buffer.concat([bytesField(1, key)])
    const size = 0x8a - 0x80 + (10 << 14)
    const value = Buffer.alloc(size - head.length - 4, 'v')
    const message = Buffer.concat([head, bytesField(2, value)])
    expect(bytesField(2, message).subarray(1, 4)).toEqual(hex('8a800a'))
    check(list(group(log(content(`A${'x'.repeat(9)}`, '1')), log(bytesField(2, message)))))
  })
})

describe('unknown fields', () => {
  test('are skipped at every level, whatever their type, as are known numbers with another type', () => {
    const unknown = [
      varintField(9, 2n ** 63n),
      fixed64Field(10),
      fixed32Field(11, 1),
      bytesField(1000, 'x'),
      groupField(12, varintField(1, 1), groupField(13), bytesField(2, 'y')),
    ]
    const body = list(
      ...unknown,
      varintField(1, 5),
      group(
        ...unknown,
        varintField(3, 1),
        fixed32Field(4, 1),
        log(
          ...unknown,
          bytesField(1, 'time?'),
          varintField(2, 7),
          varintField(4, 7),
          bytesField(2, Buffer.concat([...unknown, pair('k', 'v'), varintField(1, 1)])),
          time(7),
        ),
        topic('t'),
        bytesField(6, Buffer.concat([...unknown, pair('tag', 'x')])),
      ),
      ...unknown,
    )
    const { text } = encodeAll(encoderWith(), body)
    expect(timeOf(text)).toBe('7.000000000')
    expect(eventOf(text)).toBe('{"__topic__":"t","__source__":"","__tag__:tag":"x","k":"v"}')
  })
})

describe('what the environment chooses for events', () => {
  test('sourcetype auto is by topic, for each log group', () => {
    const groups = ['waf_access_log', '', 'sas-vul-log'].map((name) => group(log(time(1)), topic(name)))
    const lines = encodeAll(encoderWith({ sourcetype: 'auto', index: 'main' }), list(...groups)).text.split('\n')
    const of = (line = ''): string => line.slice(line.indexOf('"sourcetype"'), line.indexOf(',"event"'))
    expect(lines.slice(0, 3).map(of)).toEqual([
      '"sourcetype":"aliyun:waf","index":"main"',
      '"sourcetype":"aliyun:sls","index":"main"',
      '"sourcetype":"aliyun:sas:vul-log","index":"main"',
    ])
  })

  test('reserved keys are renamed, so that no log passes for another’s', () => {
    const contents = [content('__topic__', 'fake'), content('__tag__:x', 'fake'), content('__content__:a', 'as it is')]
    const body = list(group(log(...contents), topic('t'), source('s'), tag('x', '1')))
    expect(eventOf(encodeAll(encoderWith({ reservedKeys: 'rename' }), body).text)).toBe(
      '{"__topic__":"t","__source__":"s","__tag__:x":"1","__content__:__topic__":"fake",' +
        '"__content__:__tag__:x":"fake","__content__:a":"as it is"}',
    )
  })

  test.each(['override', 'rename'] as const)('logs with reserved keys are counted: %s', (reservedKeys) => {
    const forged = [content('__source__', 'x'), content('__tag__:x', 'y'), content(`__tag__:${'k'.repeat(200)}`, 'z')]
    const logs = [
      ...forged.map((one) => log(one)),
      log(...forged),
      log(content('a', '1')),
      log(content('__topic', 'u')),
    ]
    const groups = [group(...logs, topic('t')), group(log(content('__topic__', 'u')), topic('not wanted'))]
    const encoder = encoderWith({ reservedKeys, topics: ['t'], maxBatchBytes: 400 })
    expect(encodeAll(encoder, list(...groups)).counts.reservedKeys).toBe(4)
  })

  test('contents that are JSON are sent as JSON', () => {
    const shape: Step[] = [{ name: 'json', fields: ['a'], into: 'value', required: false, onFailure: 'keep' }]
    const body = list(group(log(content('a', '{ "n": 1e400 }'), content('b', '{}'))), group(log(content('a', '{"cut'))))
    expect(encodeAll(encoderWith({ shape }), body).text.split('\n').slice(0, 2).map(eventOf)).toEqual([
      '{"__topic__":"","__source__":"","a":{"n":1e400},"b":"{}"}',
      '{"__topic__":"","__source__":"","a":"{\\"cut"}',
    ])
  })
})

describe('selection', () => {
  const body = list(
    group(log(time(1)), log(time(2)), topic('audit')),
    group(log(time(3)), topic('audit2')),
    group(log(time(4)), topic('Audit')),
    group(log(time(5))),
    group(topic('audit')),
    group(log(time(6)), topic('other'), topic('waf-审计')),
  )

  test('delivers groups whose topic is wanted, byte for byte, and counts the logs of the others', () => {
    const { text, counts } = encodeAll(encoderWith({ topics: ['audit', 'waf-审计'] }), body)
    expect(envelopes(text).map(idOf)).toEqual([
      'audit:3:1447299606896632356:0',
      'audit:3:1447299606896632356:1',
      'audit:3:1447299606896632361:0',
    ])
    expect(counts).toEqual(countsOf(6, 3))
  })

  test.each([
    [['aud*'], 3],
    [['audit*'], 3],
    [['audit2*'], 1],
    [['audit22*'], 0],
    [['*'], 6],
    [[''], 1],
    [['', 'A*'], 2],
    [['waf-*'], 1],
  ])('topics %j are those of %i logs', (topics, wanted) => {
    const { counts } = encodeAll(encoderWith({ topics }), body)
    expect(counts).toEqual(countsOf(6, 6 - wanted))
  })

  test('wants everything when no topics are named', () => {
    const { counts } = encodeAll(encoderWith(), body)
    expect(counts).toEqual(countsOf(6, 0))
  })

  test('makes no batch when nothing is wanted', () => {
    const { batches, counts } = encodeAll(encoderWith({ topics: ['none'] }), body)
    expect(batches).toEqual([])
    expect(counts).toEqual(countsOf(6, 6))
  })

  test('does not look into unwanted logs', () => {
    const { counts } = encodeAll(
      encoderWith({ topics: ['none'] }),
      list(group(bytesField(1, hex('ffffffff')), topic('x'))),
    )
    expect(counts).toEqual(countsOf(1, 1))
  })
})
