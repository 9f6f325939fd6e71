import fc from 'fast-check'
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
  time,
  timeNs,
  topic,
  varintField,
} from './wire.ts'

const anyOf = (...strings: string[]): fc.Arbitrary<Uint8Array> =>
  fc.constantFrom(...strings).map((string) => Buffer.from(string))

/** Text as it comes, and bytes that are not text. */
const values: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 4, arbitrary: fc.string().map((string) => Buffer.from(string)) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 30 }).map((string) => Buffer.from(string)) },
  {
    weight: 2,
    arbitrary: fc
      .string({
        unit: fc.constantFrom(
          'a',
          '"',
          '\\',
          '\n',
          '\u0001',
          '\u001f',
          ' ',
          '\u007f',
          '!',
          '#',
          'é',
          '语',
          '😀',
          '\u2028',
          '\ufeff',
        ),
      })
      .map((string) => Buffer.from(string)),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 12 }) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('eda080', 'f09f98', 'c0af', 'ff', '61e282', 'f4908080', '2200ed', '80')
      .map((hex) => Buffer.from(hex, 'hex')),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.integer({ min: 100, max: 20_000 }), fc.constantFrom(0x61, 0x00, 0x22, 0xe9, 0x5c))
      .map(([length, byte]) => Buffer.alloc(length, byte)),
  },
)

const keys: fc.Arbitrary<Uint8Array> = fc.oneof(
  {
    weight: 6,
    arbitrary: anyOf(
      '',
      'a',
      'b',
      '1',
      '10',
      '0',
      '-1',
      'key',
      'eventName',
      'requestId',
      'abcd1wxyz',
      'abcd2wxyz',
      'абв',
      'q"\\\n',
    ),
  },
  {
    weight: 1,
    arbitrary: anyOf(
      '__topic__',
      '__source__',
      '__tag__:h',
      '__tag__:',
      '__time__',
      '__proto__',
      'toString',
      'k'.repeat(128),
      'k'.repeat(129),
    ),
  },
  { weight: 1, arbitrary: values.filter((value) => value.length < 300) },
)

const unknownField: fc.Arbitrary<Field> = fc.constantFrom(
  varintField(7, 2n ** 64n - 1n),
  fixed64Field(9),
  fixed32Field(15, 7),
  bytesField(200, 'later'),
  bytesField(536870911, 'last number there is'),
  groupField(16, varintField(1, 1), groupField(2, bytesField(1, 'x')), fixed32Field(3, 1)),
)

const rarely = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.array(arbitrary, { maxLength: 2 }).chain((some) => fc.constantFrom<T[]>([], [], [], some))

const shuffled = (fields: Field[]): fc.Arbitrary<Field[]> =>
  fc.shuffledSubarray(fields, { minLength: fields.length, maxLength: fields.length })

const inAnyOrder = (fields: fc.Arbitrary<Field[]>): fc.Arbitrary<Field[]> =>
  fields.chain((list) =>
    fc.oneof({ weight: 3, arbitrary: fc.constant(list) }, { weight: 1, arbitrary: shuffled(list) }),
  )

const pairs: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(keys, values).map(([key, value]) => pair(key, value)) },
  {
    weight: 1,
    arbitrary: inAnyOrder(
      fc
        .tuple(fc.array(keys, { maxLength: 2 }), fc.array(values, { maxLength: 2 }), rarely(unknownField))
        .map(([some, others, unknown]) => [
          ...some.map((key) => bytesField(1, key)),
          ...others.map((value) => bytesField(2, value)),
          ...unknown,
        ]),
    ).map((fields) => Buffer.concat(fields)),
  },
)

const logs: fc.Arbitrary<Field> = inAnyOrder(
  fc
    .tuple(
      rarely(fc.nat(0xffffffff)).chain((more) => fc.nat(0xffffffff).map((one) => [one, ...more])),
      fc.array(fc.oneof(fc.constantFrom(0, 1, 999_999_999, 1_000_000_000, 0xffffffff), fc.nat(999_999_999)), {
        maxLength: 1,
      }),
      fc.array(pairs, { maxLength: 8 }),
      rarely(unknownField),
    )
    .map(([times, nanos, contents, unknown]) => [
      ...times.map(time),
      ...contents.map((bytes) => bytesField(2, bytes)),
      ...nanos.map(timeNs),
      ...unknown,
    ]),
).map((fields) => log(...fields))

const groups: fc.Arbitrary<Field> = inAnyOrder(
  fc
    .tuple(
      fc.array(logs, { maxLength: 6 }),
      fc.array(fc.oneof(anyOf('audit', 'audi', 'auditx', ''), values), { maxLength: 1 }),
      fc.array(fc.oneof(anyOf('10.0.0.1'), values), { maxLength: 1 }),
      fc.array(pairs, { maxLength: 3 }),
      rarely(unknownField),
    )
    .map(([some, topics, sources, tags, unknown]) => [
      ...some,
      ...topics.map(topic),
      ...sources.map(source),
      bytesField(5, 'machine'),
      ...tags.map((bytes) => bytesField(6, bytes)),
      bytesField(2, 'reserved'),
      ...unknown,
    ]),
).map((fields) => group(...fields))

/** Bodies of a pull as any writer may have made them, all of them valid protobuf. */
export const bodies: fc.Arbitrary<Buffer> = inAnyOrder(
  fc.tuple(fc.array(groups, { maxLength: 4 }), rarely(unknownField)).map(([some, unknown]) => [...some, ...unknown]),
).map((fields) => list(...fields))
