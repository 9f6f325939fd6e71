import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Fault } from '../../../src/core/errors.ts'
import { expectedEvents } from '../../support/event-oracle.ts'
import { bodies } from './bodies.ts'
import { defaults, encodeAll, encoderWith, position } from './encode-all.ts'
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
  varint,
} from './wire.ts'

const encoder = encoderWith({ maxBatchBytes: 2_000 })

/** The text, or `undefined` when the body was refused as it should be. Any other exception passes through. */
function textOrFault(body: Buffer): string | undefined {
  try {
    return encodeAll(encoder, body)
      .batches.map((batch) => batch.bytes.toString('latin1'))
      .join('')
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    expect(error).toMatchObject({ kind: 'transient', code: 'corrupt_log_group' })
    return undefined
  }
}

const expectRefused = (body: Buffer): void => expect(textOrFault(body)).toBeUndefined()

const good = list(
  group(
    log(time(1790000000), content('eventName', 'x'.repeat(200)), content('z', '"é"'), timeNs(5)),
    log(time(1790000001), content('eventName', 'y'), content('z', '')),
    topic('audit'),
    source('10.0.0.1'),
    tag('host', 'h'),
  ),
  group(log(time(1), content('eventName', 'x')), topic('t')),
)

describe('damaged bodies', () => {
  test('are refused wherever they are cut but between log groups', () => {
    const firstGroup = 1 + 2 + (good.readUInt8(1) % 128) + 128 * good.readUInt8(2)
    for (let length = 1; length < good.length; length++) {
      if (length === firstGroup) expect(textOrFault(good.subarray(0, length))).toBeDefined()
      else expectRefused(good.subarray(0, length))
    }
  })

  test('are refused wherever they are cut also when what follows in memory would complete them', () => {
    const memory = Buffer.concat([good, good])
    expectRefused(memory.subarray(0, good.length - 1))
    expectRefused(memory.subarray(0, good.length + 1))
  })

  test.each([0xff, 0x7f, 0x80, 0x00])('give a Fault or events for the byte %i anywhere', (byte) => {
    for (let index = 0; index < good.length; index++) {
      const body = Buffer.from(good)
      body[index] = byte
      textOrFault(body)
    }
  })

  test('with random changes are refused, or come out as the bytes now say', () => {
    const change = fc.tuple(fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 8, 0x0a, 0x12, 0x25, 0x80, 0xff)))
    let refused = 0
    const property = fc.property(
      bodies,
      fc.array(fc.array(change, { maxLength: 3 }), { maxLength: 20 }),
      (body, rounds) => {
        for (const changes of rounds) {
          const damaged = Buffer.from(body)
          if (body.length > 0) for (const [at, byte] of changes) damaged[at % body.length] = byte
          const text = textOrFault(damaged)
          if (text === undefined) refused++
          // The oracle also decodes parts that the encoder does not read.
          const expected = oracleText(damaged)
          if (text === undefined || expected !== undefined) expect(text).toBe(expected)
        }
      },
    )
    // Repeats only on an overloaded machine.
    for (let box = 0; box < 5 && refused <= 5; box++) {
      fc.assert(property, { numRuns: 1_000_000, interruptAfterTimeLimit: 1500 })
    }
    expect(refused).toBeGreaterThan(5)
  })

  test('of random bytes are refused or read, never more', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void textOrFault(Buffer.from(bytes)))
    fc.assert(property, { numRuns: 1_000_000, interruptAfterTimeLimit: 500 })
  })
})

function oracleText(body: Buffer): string | undefined {
  try {
    return Buffer.concat(expectedEvents(defaults, body, position).events).toString('latin1')
  } catch {
    return undefined
  }
}

describe('length bombs', () => {
  const huge = [128, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 2, 2 ** 40]

  test.each(huge)('a length of %i is refused at every level', (length) => {
    const bomb = Buffer.concat([Buffer.of(0x0a), varint(length), Buffer.from('ab')])
    const contentBomb = Buffer.concat([Buffer.of(0x12), varint(length), Buffer.from('ab')])
    expectRefused(bomb)
    expectRefused(list(group(bomb)))
    expectRefused(list(group(log(contentBomb))))
    expectRefused(list(group(log(bytesField(2, bomb)))))
    expectRefused(list(group(log(bytesField(2, Buffer.concat([pair('k', 'v'), contentBomb]))))))
    expectRefused(list(group(log(), bytesField(6, bomb))))
  })

  test('lengths may reach to the end of their message, not further', () => {
    const key = Buffer.concat([Buffer.of(0x0a, 4), Buffer.from('kkkk'), Buffer.of(0x12)])
    const usual = log(content('kkkk', 'v'))
    for (const length of [2, 3, 20, 0x7f, 0x80, 0xff]) {
      const overlong = log(bytesField(2, Buffer.concat([key, Buffer.of(length, 0x61)])))
      expectRefused(list(group(overlong, usual, usual, topic('t'.repeat(300)))))
      expectRefused(list(group(usual, overlong, usual, topic('t'.repeat(300)))))
    }
  })

  test.each([3, 130, 20_000])(
    'no message of %i bytes reaches into what follows it, however well that would fit',
    (size) => {
      // Two bytes that are a field of the message around: the topic of a group, a content of a log.
      for (const [inner, field] of [
        [content('k', `${'v'.repeat(size)}\u001a\u0000`), 1],
        [pair('k', `${'v'.repeat(size)}\u0012\u0000`), 2],
      ] as const) {
        const cut = Buffer.concat([bytesField(field, inner.subarray(0, -2)), inner.subarray(-2)])
        const overlapped = field === 1 ? cut : log(cut)
        expectRefused(list(group(overlapped)))
        expectRefused(list(group(log(content('k', 'v')), overlapped, log(content('k', 'v')))))
      }
    },
  )

  test('endless varints are refused', () => {
    const endless = Buffer.alloc(40, 0x80)
    expectRefused(endless)
    expectRefused(list(group(log(Buffer.concat([Buffer.of(0x08), endless])))))
    expectRefused(Buffer.concat([Buffer.of(0x0a), longVarint(2, 11), Buffer.from('ab')]))
    expect(textOrFault(Buffer.concat([Buffer.of(0x0a), longVarint(2, 10), log()]))).toBeDefined()
  })
})

describe('malformed fields', () => {
  test.each([
    ['field number 0', Buffer.of(0x02, 0x00)],
    ['a reserved wire type', Buffer.of(0x0e)],
    ['a group that is closed but never opened', Buffer.of(0x0c)],
    ['a group that is never closed', Buffer.of(0x7b, 0x08, 0x01)],
    ['a group closed by another number', Buffer.of(0x7b, 0x74)],
    ['a tag over 32 bits', Buffer.concat([varint(2n ** 32n + 0x0an), Buffer.of(0)])],
    ['fixed32 cut short', Buffer.of(0x25, 1, 2, 3)],
    ['fixed64 cut short', Buffer.of(0x79, 1, 2, 3, 4, 5, 6, 7)],
  ])('%s is refused at every level', (_, field) => {
    expectRefused(field)
    expectRefused(list(group(field)))
    expectRefused(list(group(log(field))))
    expectRefused(list(group(log(bytesField(2, field)))))
    expectRefused(list(group(log(content('a', 'b'), content('a', 'c'), bytesField(2, field)))))
    expectRefused(list(group(log(), bytesField(6, field))))
  })

  test('groups may be nested a hundred deep, not deeper', () => {
    const nested = (depth: number): Buffer => (depth === 0 ? Buffer.alloc(0) : groupField(15, nested(depth - 1)))
    expect(textOrFault(nested(100))).toBeDefined()
    expectRefused(nested(101))
    expectRefused(Buffer.alloc(1_000_000, 0x7b))
  })
})
