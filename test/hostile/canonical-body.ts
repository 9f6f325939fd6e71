import * as wire from '../unit/pipeline/wire.ts'

interface Field {
  number: number
  type: number
  /** Length-delimited and fixed values. */
  bytes: Buffer
  /** Varints, modulo 2^64. */
  value: bigint
}

/**
 * A LogGroupList read by the letter of the protobuf encoding and of the message's schema, slowly, and written again with nothing
 * in it but known fields, each in its usual place; `undefined` if any of it is malformed. Unknown fields, and known ones
 * with another wire type, are passed over; of a repeated single field the last counts; numbers are cut to 32 bits.
 */
export function canonicalBody(body: Buffer): Buffer | undefined {
  try {
    return wire.list(...known(body, 1).map(({ bytes }) => canonicalGroup(bytes)))
  } catch (error) {
    if (error instanceof Malformed) return undefined
    throw error
  }
}

function canonicalGroup(group: Buffer): Buffer {
  const tags = known(group, 6).map(({ bytes }) => wire.bytesField(6, canonicalPair(bytes)))
  const topic = known(group, 3).at(-1)
  const source = known(group, 4).at(-1)
  return wire.group(
    ...known(group, 1).map(({ bytes }) => canonicalLog(bytes)),
    ...(topic ? [wire.topic(topic.bytes)] : []),
    ...(source ? [wire.source(source.bytes)] : []),
    ...tags,
  )
}

function canonicalLog(log: Buffer): Buffer {
  const fields = fieldsOf(log)
  const time = fields.filter(({ number, type }) => number === 1 && type === 0).at(-1)
  const nanos = fields.filter(({ number, type }) => number === 4 && type === 5).at(-1)
  return wire.log(
    ...(time ? [wire.time(time.value & 0xffff_ffffn)] : []),
    ...known(log, 2).map(({ bytes }) => wire.bytesField(2, canonicalPair(bytes))),
    ...(nanos ? [wire.timeNs(nanos.bytes.readUInt32LE())] : []),
  )
}

function canonicalPair(pair: Buffer): Buffer {
  return wire.pair(known(pair, 1).at(-1)?.bytes ?? '', known(pair, 2).at(-1)?.bytes ?? '')
}

/** The length-delimited fields of one number. */
function known(message: Buffer, wanted: number): Field[] {
  return fieldsOf(message).filter(({ number, type }) => number === wanted && type === 2)
}

class Malformed extends Error {}

function fieldsOf(message: Buffer): Field[] {
  const reader = { bytes: message, at: 0 }
  const fields: Field[] = []
  while (reader.at < message.length) {
    const field = nextField(reader, 0)
    if (field.type === GROUP_END) throw new Malformed()
    fields.push(field)
  }
  return fields
}

interface Reader {
  bytes: Buffer
  at: number
}

const GROUP_END = 4
const DEEPEST = 100

function nextField(reader: Reader, depth: number): Field {
  const tag = varint(reader)
  const number = Number(tag >> 3n)
  const type = Number(tag & 7n)
  if (tag > 0xffff_ffffn || number === 0) throw new Malformed()
  const field = { number, type, bytes: Buffer.alloc(0), value: 0n }
  if (type === 0) return { ...field, value: varint(reader) }
  if (type === 1) return { ...field, bytes: take(reader, 8) }
  if (type === 2) return { ...field, bytes: take(reader, varint(reader)) }
  if (type === 5) return { ...field, bytes: take(reader, 4) }
  if (type === GROUP_END) return field
  if (type !== 3 || depth === DEEPEST) throw new Malformed()
  let inner = nextField(reader, depth + 1)
  while (inner.type !== GROUP_END) inner = nextField(reader, depth + 1)
  if (inner.number !== number) throw new Malformed()
  return field
}

function varint(reader: Reader): bigint {
  let value = 0n
  for (let index = 0; index < 10; index++) {
    const [byte] = take(reader, 1)
    value |= BigInt((byte as number) & 0x7f) << BigInt(7 * index)
    if ((byte as number) < 0x80) return value
  }
  throw new Malformed()
}

function take(reader: Reader, length: number | bigint): Buffer {
  const end = BigInt(reader.at) + BigInt(length)
  if (end > BigInt(reader.bytes.length)) throw new Malformed()
  const bytes = reader.bytes.subarray(reader.at, Number(end))
  reader.at = Number(end)
  return bytes
}
