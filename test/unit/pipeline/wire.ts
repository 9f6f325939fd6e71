/** One field on the wire. Made by hand, so that tests can write bytes that no codec would. */
export type Field = Buffer

export function varint(value: bigint | number): Buffer {
  const bytes: number[] = []
  let rest = BigInt(value)
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  bytes.push(Number(rest))
  return Buffer.from(bytes)
}

/** The same number in `size` bytes. */
export function longVarint(value: number, size: number): Buffer {
  const bytes = Buffer.alloc(Math.max(size, varint(value).length), 0x80)
  let rest = value
  for (let index = 0; index < bytes.length; index++, rest = Math.floor(rest / 0x80)) {
    bytes[index] = (rest % 0x80) | (index < bytes.length - 1 ? 0x80 : 0)
  }
  return bytes
}

export function bytesField(number: number, value: string | Uint8Array): Field {
  const bytes = Buffer.from(value as Uint8Array)
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes])
}

export function varintField(number: number, value: bigint | number): Field {
  return Buffer.concat([varint(number * 8), varint(value)])
}

export function fixed32Field(number: number, value: number): Field {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return Buffer.concat([varint(number * 8 + 5), bytes])
}

export function fixed64Field(number: number): Field {
  return Buffer.concat([varint(number * 8 + 1), Buffer.from('12345678')])
}

export function groupField(number: number, ...fields: Field[]): Field {
  return Buffer.concat([varint(number * 8 + 3), ...fields, varint(number * 8 + 4)])
}

export function pair(key: string | Uint8Array, value: string | Uint8Array): Buffer {
  return Buffer.concat([bytesField(1, key), bytesField(2, value)])
}

export const time = (seconds: bigint | number): Field => varintField(1, seconds)
export const timeNs = (nanos: number): Field => fixed32Field(4, nanos)
export const content = (key: string | Uint8Array, value: string | Uint8Array): Field => bytesField(2, pair(key, value))
export const log = (...fields: Field[]): Field => bytesField(1, Buffer.concat(fields))
export const topic = (value: string | Uint8Array): Field => bytesField(3, value)
export const source = (value: string | Uint8Array): Field => bytesField(4, value)
export const tag = (key: string | Uint8Array, value: string | Uint8Array): Field => bytesField(6, pair(key, value))
export const group = (...fields: Field[]): Field => bytesField(1, Buffer.concat(fields))
export const list = (...groups: Field[]): Buffer => Buffer.concat(groups)
