import fc from 'fast-check'
import protobuf from 'protobufjs'
import { describe, expect, test } from 'vitest'
import { Fault } from '../../../src/core/errors.ts'
import type { LogGroupInput } from '../../../src/sls/log-group.ts'
import {
  countLogGroups,
  decodeLogGroup,
  encodeLogGroup,
  encodeLogGroupList,
  splitLogGroupList,
} from '../../../src/sls/log-group.ts'

// The official schema with values as bytes, as the Python SDK's "Raw" variant writes them.
const { root } = protobuf.parse(
  `syntax = "proto2";
  message Log {
    required uint32 Time = 1;
    message Content { required bytes Key = 1; required bytes Value = 2; }
    repeated Content Contents = 2;
    optional fixed32 Time_ns = 4;
  }
  message LogTag { required string Key = 1; required string Value = 2; }
  message LogGroup {
    repeated Log Logs = 1;
    optional string Reserved = 2;
    optional string Topic = 3;
    optional string Source = 4;
    optional string MachineUUID = 5;
    repeated LogTag LogTags = 6;
  }
  message LogGroupList { repeated LogGroup LogGroups = 1; }`,
  { keepCase: true },
)
const oracle = (name: string) => root.lookupType(name)

interface OracleGroup {
  Topic?: string
  Source?: string
  MachineUUID?: string
  LogTags: Array<{ Key: string; Value: string }>
  Logs: Array<{ Time: number; Time_ns?: number; Contents: Array<{ Key: Uint8Array; Value: Uint8Array }> }>
}

const BOX = { numRuns: 2000, interruptAfterTimeLimit: 1000, markInterruptAsFailure: false }

const text = fc.string({ unit: 'binary', maxLength: 20 })
const bytes = fc.uint8Array({ maxLength: 40 })
const groupInput: fc.Arbitrary<LogGroupInput> = fc.record(
  {
    topic: text,
    source: text,
    machineUuid: text,
    tags: fc.array(fc.tuple(text, text), { maxLength: 3 }),
    logs: fc.array(
      fc.record(
        {
          time: fc.nat(0xffffffff),
          timeNs: fc.nat(999_999_999),
          contents: fc.array(fc.tuple(fc.oneof(text, bytes), fc.oneof(text, bytes)), { maxLength: 4 }),
        },
        { requiredKeys: ['time', 'contents'] },
      ),
      { maxLength: 4 },
    ),
  },
  { requiredKeys: ['logs'] },
)

/** What the oracle reads, in our words. */
function seenByOracle(encoded: Uint8Array) {
  const group = oracle('LogGroup').decode(encoded) as unknown as OracleGroup
  return {
    topic: group.Topic ?? '',
    source: group.Source ?? '',
    machineUuid: group.MachineUUID ?? '',
    tags: group.LogTags.map(({ Key, Value }) => [Key, Value]),
    logs: group.Logs.map((log) => ({
      time: log.Time,
      timeNs: Object.hasOwn(log, 'Time_ns') ? log.Time_ns : undefined,
      contents: log.Contents.map(({ Key, Value }) => [Buffer.from(Key), Buffer.from(Value)]),
    })),
  }
}

/** A field no version of the schema has, in any wire type, one of them a group within a group. */
const unknownField = fc
  .tuple(
    fc.integer({ min: 7, max: 5000 }),
    fc.constantFrom(0, 1, 2, 3, 5),
    fc.uint8Array({ minLength: 8, maxLength: 8 }),
  )
  .map(([field, wire, payload]) => {
    const tag = (number: number, type: number) => varint(number * 8 + type)
    const value = [
      Buffer.from([...Array.from(payload, (byte) => byte | 0x80), 1]),
      Buffer.from(payload),
      Buffer.concat([varint(payload.length), payload]),
      Buffer.concat([tag(9, 3), tag(1, 0), varint(7), tag(9, 4), tag(2, 2), varint(8), payload, tag(field, 4)]),
      Buffer.alloc(0),
      Buffer.from(payload.subarray(0, 4)),
    ][wire] as Buffer
    return Buffer.concat([tag(field, wire), value])
  })

function varint(value: number): Buffer {
  const out: number[] = []
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128)
  return Buffer.from([...out, rest])
}

function bytesField(field: number, value: Uint8Array): Buffer {
  return Buffer.concat([varint(field * 8 + 2), varint(value.length), value])
}

/** Runs a parser over bytes that may be anything: a result or a `corrupt_log_group` Fault, nothing else. */
function survives(parse: () => unknown): void {
  try {
    parse()
  } catch (error) {
    expect(error).toBeInstanceOf(Fault)
    expect(error).toMatchObject({ kind: 'transient', code: 'corrupt_log_group' })
  }
}

describe('encoding', () => {
  test('writes the bytes the official SDK writes', () => {
    const group = encodeLogGroup({
      topic: '',
      source: '10.230.201.117',
      logs: [{ time: 1405409656, contents: [['TestKey', 'TestContent']] }],
    })
    expect(group.toString('hex')).toBe(
      '0a1e08f8b2939e0512160a07546573744b6579120b54657374436f6e74656e741a00220e31302e3233302e3230312e313137',
    )
  })

  test('nanoseconds are a fixed32 in field 4', () => {
    const group = encodeLogGroup({ logs: [{ time: 1, timeNs: 5, contents: [] }] })
    expect(group.toString('hex')).toBe('0a0708012505000000')
  })

  test('any group reads the same with protobufjs', () => {
    fc.assert(
      fc.property(groupInput, (input) => {
        const toBuffer = (value: string | Uint8Array) => Buffer.from(value as string)
        expect(seenByOracle(encodeLogGroup(input))).toEqual({
          topic: input.topic ?? '',
          source: input.source ?? '',
          machineUuid: input.machineUuid ?? '',
          tags: input.tags ?? [],
          logs: input.logs.map((log) => ({
            time: log.time,
            timeNs: log.timeNs,
            contents: log.contents.map(([key, value]) => [toBuffer(key), toBuffer(value)]),
          })),
        })
      }),
      BOX,
    )
  })

  test.each([-1, 1.5, Number.NaN])('a time of %s is the caller’s mistake', (time) => {
    expect(() => encodeLogGroup({ logs: [{ time, contents: [] }] })).toThrow(RangeError)
  })
})

describe('decoding', () => {
  test('reads what protobufjs reads, with unknown fields anywhere and known ones in any order', () => {
    const pieces = fc.record({
      extra: unknownField,
      groups: fc.array(groupInput, { maxLength: 3 }),
      seed: fc.array(fc.nat(), { minLength: 8, maxLength: 8 }),
    })
    fc.assert(
      fc.property(pieces, ({ extra, groups, seed }) => {
        const log = Buffer.concat([extra, Buffer.from('08051a0378797a', 'hex'), extra, Buffer.from('0807', 'hex')])
        const parts = [extra, bytesField(1, log), extra, ...groups.map((group) => encodeLogGroup(group))]
        const shuffled = parts
          .map((part, index) => ({ part, rank: seed[index % seed.length] as number }))
          .toSorted((left, right) => left.rank - right.rank)
        const encoded = Buffer.concat(shuffled.map(({ part }) => part))
        expect(decodeLogGroup(encoded)).toEqual(seenByOracle(encoded))
      }),
      BOX,
    )
  })

  test('the last of several topics, times and values wins', () => {
    const content = Buffer.concat([
      bytesField(1, Buffer.from('k')),
      bytesField(2, Buffer.from('old')),
      bytesField(2, Buffer.from('new')),
    ])
    const log = Buffer.concat([varint(8), varint(1), bytesField(2, content), varint(8), varint(2)])
    const group = Buffer.concat([
      bytesField(3, Buffer.from('old')),
      bytesField(1, log),
      bytesField(3, Buffer.from('new')),
    ])
    expect(decodeLogGroup(group)).toMatchObject({
      topic: 'new',
      logs: [{ time: 2, contents: [[Buffer.from('k'), Buffer.from('new')]] }],
    })
  })

  test('a time beyond 32 bits keeps its low 32 bits', () => {
    const negative = Buffer.from('08ffffffffffffffffff01', 'hex')
    expect(decodeLogGroup(bytesField(1, negative)).logs[0]?.time).toBe(0xffffffff)
    const beyond = Buffer.from('088180808010', 'hex')
    expect(decodeLogGroup(bytesField(1, beyond)).logs[0]?.time).toBe(1)
  })

  test('a known number with another wire type is an unknown field', () => {
    const log = Buffer.from('0801' + '2007' + '10aa01' + '0d01020304', 'hex')
    const group = Buffer.concat([bytesField(1, log), Buffer.from('1807', 'hex'), Buffer.from('0807', 'hex')])
    expect(decodeLogGroup(group)).toMatchObject({ topic: '', logs: [{ time: 1, timeNs: undefined, contents: [] }] })
  })

  test('groups within groups are skipped', () => {
    const nested = Buffer.from('3b'.repeat(50) + '3c'.repeat(50), 'hex')
    expect(decodeLogGroup(Buffer.concat([nested, bytesField(3, Buffer.from('audit'))])).topic).toBe('audit')
  })

  test('values that are not UTF-8 come back byte for byte', () => {
    const value = Buffer.from([0xff, 0x00, 0xfe])
    const group = encodeLogGroup({ logs: [{ time: 1, contents: [['k', value]] }] })
    expect(decodeLogGroup(group).logs[0]?.contents[0]?.[1]).toEqual(value)
  })

  test.each<[name: string, hex: string]>([
    ['field number 0', '02'],
    ['a varint of 11 bytes', '08ffffffffffffffffffff01'],
    ['a varint that is cut', '08ff'],
    ['a length past the end', '1a05aa'],
    ['a length over 32 bits', '1a8180808010aa'],
    ['a fixed32 that is cut', '2d010203'],
    ['a fixed64 that is cut', '39010203'],
    ['a group that stays open', '3b0801'],
    ['a group closed by another', '3b44'],
    ['a group closed but never opened', '3c'],
    ['groups nested deeper than official parsers go', '3b'.repeat(5000) + '3c'.repeat(5000)],
    ['wire type 6', '3e'],
    ['a log without time', '0a00'],
    ['a tag without value', '32030a016b'],
  ])('refuses %s', (_name, hex) => {
    expect(() => decodeLogGroup(Buffer.from(hex, 'hex'))).toThrow(
      expect.objectContaining({ name: 'Fault', kind: 'transient', code: 'corrupt_log_group' }),
    )
  })

  test('any bytes end in a result or a Fault', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (random) => {
        const input = Buffer.from(random)
        survives(() => decodeLogGroup(input))
        survives(() => splitLogGroupList(input))
      }),
      BOX,
    )
  })

  test('any change to a valid group ends in a result or a Fault', () => {
    fc.assert(
      fc.property(groupInput, fc.nat(), fc.nat(255), fc.nat(), (input, at, byte, cut) => {
        const encoded = encodeLogGroup(input)
        if (encoded.length === 0) return
        encoded[at % encoded.length] = byte
        survives(() => decodeLogGroup(encoded))
        survives(() => decodeLogGroup(encoded.subarray(0, cut % encoded.length)))
      }),
      BOX,
    )
  })
})

describe('lists', () => {
  test('groups come back from a list as they went in, and as protobufjs reads them', () => {
    fc.assert(
      fc.property(fc.array(groupInput, { maxLength: 5 }), unknownField, (inputs, extra) => {
        const groups = inputs.map((input) => encodeLogGroup(input))
        const list = encodeLogGroupList(groups)
        expect(splitLogGroupList(list)).toEqual(groups)
        expect(countLogGroups(list)).toBe(groups.length)
        const read = oracle('LogGroupList').decode(list) as unknown as { LogGroups: unknown[] }
        expect(read.LogGroups).toHaveLength(groups.length)
        expect(splitLogGroupList(Buffer.concat([extra, list, extra]))).toEqual(groups)
      }),
      BOX,
    )
  })

  test('groups are views of the list', () => {
    const list = encodeLogGroupList([Buffer.from('0a020801', 'hex')])
    expect(splitLogGroupList(list)[0]?.buffer).toBe(list.buffer)
  })

  test('a list that is cut is refused', () => {
    const list = encodeLogGroupList([encodeLogGroup({ topic: 'audit', logs: [] })])
    for (let length = 1; length < list.length; length++) {
      const cut = list.subarray(0, length)
      expect(() => splitLogGroupList(cut)).toThrow(Fault)
      expect(() => countLogGroups(cut)).toThrow(Fault)
    }
  })
})
