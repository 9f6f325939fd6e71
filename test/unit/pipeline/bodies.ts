import fc from 'fast-check'
import type { Field } from './wire.ts'
import {
  bytesField,
  fixed32Field,
  fixed64Field,
  group,
  groupField,
  list,
  log,
  longVarint,
  pair,
  source,
  time,
  timeNs,
  topic,
  varintField,
} from './wire.ts'

type Arbitrary<T> = fc.Arbitrary<T>

const encoded = (strings: Arbitrary<string>): Arbitrary<Buffer> => strings.map((string) => Buffer.from(string))
const oneOf = (...strings: string[]): Arbitrary<Buffer> => encoded(fc.constantFrom(...strings))
const atMostOne = <T>(one: Arbitrary<T>): Arbitrary<T[]> => fc.array(one, { maxLength: 1 })
const rarely = <T>(one: Arbitrary<T>): Arbitrary<T[]> =>
  fc.array(one, { maxLength: 2 }).chain((some) => fc.constantFrom<T[]>([], [], [], some))

/** Characters that the escaper must tell apart: the escaped ones, their neighbours, and every length of UTF-8. */
const MARKED = [...'aaaaaa"\\\b\t\n\f\r\u0000\u0001\u001f !#[]\u007fé语😀\u2028\ufeff\ufffd']
/** An encoded surrogate, cut sequences, overlong, beyond U+10FFFF, and lone bytes. */
const NOT_UTF8 = ['eda080', 'eda0bdedb880', 'f09f98', '61e282', 'c0af', 'f4908080', '2200ed', '80', 'ff', 'feff']

const values: Arbitrary<Uint8Array> = fc.oneof(
  { weight: 4, arbitrary: encoded(fc.string()) },
  { weight: 2, arbitrary: encoded(fc.string({ unit: 'binary', maxLength: 30 })) },
  { weight: 3, arbitrary: encoded(fc.string({ unit: fc.constantFrom(...MARKED) })) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 12 }) },
  { weight: 1, arbitrary: fc.constantFrom(...NOT_UTF8).map((hex) => Buffer.from(hex, 'hex')) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.integer({ min: 100, max: 20_000 }), fc.constantFrom('a', '\0', '"', '\\', 'é'))
      .map(([length, unit]) => Buffer.alloc(length, unit)),
  },
)

const keys: Arbitrary<Uint8Array> = fc.oneof(
  {
    weight: 8,
    arbitrary: oneOf(
      ...['', 'a', 'b', '1', '10', '0', '-1', 'key', 'eventName', 'requestId', 'абв', 'q"\\\n', '__time__'],
      // The same first and last four bytes and length.
      ...['abcd1wxyz', 'abcd2wxyz', 'wxyz1abcd'],
    ),
  },
  {
    weight: 1,
    arbitrary: oneOf(
      ...['__topic__', '__source__', '__tag__:a', '__tag__:', '__proto__', 'toString'],
      ...['k'.repeat(127), 'k'.repeat(128), 'k'.repeat(129)],
    ),
  },
  { weight: 1, arbitrary: values.filter((value) => value.length < 300) },
)

const unknownField: Arbitrary<Field> = fc.constantFrom(
  varintField(7, 2n ** 64n - 1n),
  fixed64Field(9),
  fixed32Field(15, 7),
  bytesField(200, 'later'),
  bytesField(536870911, 'the last number there is'),
  groupField(16, varintField(1, 1), groupField(2, bytesField(1, 'x')), fixed32Field(3, 1)),
)

const mostlyInOrder = (fields: Arbitrary<Field[]>): Arbitrary<Field[]> =>
  fields.chain((some) => {
    const anyOrder = fc.shuffledSubarray(some, { minLength: some.length, maxLength: some.length })
    return fc.oneof({ weight: 3, arbitrary: fc.constant(some) }, { weight: 1, arbitrary: anyOrder })
  })

const oddPairs: Arbitrary<Buffer> = mostlyInOrder(
  fc
    .tuple(fc.array(keys, { maxLength: 2 }), fc.array(values, { maxLength: 2 }), rarely(unknownField))
    .map(([some, others, unknown]) => [
      ...some.map((key) => bytesField(1, key)),
      ...others.map((value) => bytesField(2, value)),
      ...unknown,
    ]),
).map((fields) => Buffer.concat(fields))

/** Lengths with more bytes than they need, which is legal. */
const longPairs: Arbitrary<Buffer> = fc
  .tuple(keys, values, fc.integer({ min: 2, max: 5 }))
  .map(([key, value, size]) =>
    Buffer.concat([
      Buffer.of(0x0a),
      longVarint(key.length, size),
      key,
      Buffer.of(0x12),
      longVarint(value.length, size),
      value,
    ]),
  )

const usualPairs: Arbitrary<Buffer> = fc.tuple(keys, values).map(([key, value]) => pair(key, value))

const pairs: Arbitrary<Buffer> = fc.oneof(
  { weight: 8, arbitrary: usualPairs },
  { weight: 1, arbitrary: oddPairs },
  { weight: 1, arbitrary: longPairs },
)

const nanos = fc.oneof(fc.constantFrom(0, 1, 999_999_999, 1_000_000_000, 0xffffffff), fc.nat(999_999_999))

const anyLog: Arbitrary<Field> = mostlyInOrder(
  fc
    .tuple(
      atMostOne(fc.nat(0xffffffff)),
      rarely(fc.nat(9)),
      fc.array(pairs, { maxLength: 8 }),
      atMostOne(nanos),
      rarely(unknownField),
    )
    .map(([times, more, contents, ns, unknown]) => [
      ...[...times, ...more].map(time),
      ...contents.map((bytes) => bytesField(2, bytes)),
      ...ns.map(timeNs),
      ...unknown,
    ]),
).map((fields) => log(...fields))

/** Logs with the same keys in the same order, with a few exceptions. */
const similarLogs: Arbitrary<Field[]> = fc
  .uniqueArray(keys, { maxLength: 6, selector: (key) => Buffer.from(key).toString() })
  .chain((shape) =>
    fc.array(
      fc
        .tuple(
          fc.nat(0xffffffff),
          fc.tuple(...shape.map((key) => values.map((value) => pair(key, value)))),
          fc.constantFrom(-1, -1, -1, 0, 2, 5),
          fc.oneof(
            { weight: 5, arbitrary: fc.constant([]) },
            { weight: 1, arbitrary: fc.array(pairs, { maxLength: 2 }) },
          ),
        )
        .map(([seconds, contents, without, more]) =>
          log(
            time(seconds),
            ...[...contents.filter((_, index) => index !== without), ...more].map((bytes) => bytesField(2, bytes)),
          ),
        ),
      { maxLength: 5 },
    ),
  )

const groups: Arbitrary<Field> = mostlyInOrder(
  fc
    .tuple(
      fc.oneof(fc.array(anyLog, { maxLength: 6 }), similarLogs),
      atMostOne(
        fc.oneof(oneOf('audit', 'audi', 'auditx', '', 'waf_access_log', 'sas-', 'sas-"vul"', 'drds_audit_log'), values),
      ),
      atMostOne(fc.oneof(oneOf('10.0.0.1'), values)),
      fc.array(pairs, { maxLength: 3 }),
      rarely(unknownField),
    )
    .map(([logs, topics, sources, tags, unknown]) => [
      ...logs,
      ...topics.map(topic),
      ...sources.map(source),
      bytesField(5, 'machine'),
      ...tags.map((bytes) => bytesField(6, bytes)),
      bytesField(2, 'reserved'),
      ...unknown,
    ]),
).map((fields) => group(...fields))

/** Bodies of a pull from any writer, all of them valid protobuf. */
export const bodies: Arbitrary<Buffer> = mostlyInOrder(
  fc.tuple(fc.array(groups, { maxLength: 4 }), rarely(unknownField)).map(([some, unknown]) => [...some, ...unknown]),
).map((fields) => list(...fields))
