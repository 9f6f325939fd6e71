import { Fault } from '../core/errors.ts'

/** Wire types that carry a value; 3 and 4 bracket a (deprecated) group and are only ever skipped. */
export const VARINT = 0
const FIXED64 = 1
export const BYTES = 2
const GROUP_START = 3
const GROUP_END = 4
export const FIXED32 = 5

const MAX_VARINT_BYTES = 10
const MAX_GROUP_DEPTH = 100
const TWO_32 = 2 ** 32

/**
 * Walks one protobuf message. Every read is checked against `end`, so any bytes end in a value or in a `transient`
 * Fault `corrupt_log_group`, never in a RangeError or a read outside the message.
 */
export class MessageReader {
  readonly #bytes: Buffer
  readonly #end: number
  #at: number
  #high = 0
  /** Number and wire type of the field `next` stopped at. */
  field = 0
  wire = 0

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
  }

  /** Where the next field begins, once the value of the current one is read or skipped. */
  get at(): number {
    return this.#at
  }

  /** Moves to the next field; false at the end of the message. The field's value must then be read or skipped. */
  next(): boolean {
    if (this.#at >= this.#end) return false
    const tag = this.#small()
    this.field = tag >>> 3
    this.wire = tag & 7
    if (this.field === 0) throw corrupt('field number 0')
    return true
  }

  /** Low 32 bits of a varint: what every SDK makes of a longer one in a `uint32` field. */
  uint32(): number {
    let low = 0
    this.#high = 0
    for (let index = 0; index < MAX_VARINT_BYTES; index++) {
      if (this.#at >= this.#end) throw corrupt('varint runs past the end')
      const byte = this.#bytes[this.#at++] as number
      const bits = byte & 0x7f
      if (index < 4) low |= bits << (7 * index)
      else if (index === 4) {
        low |= bits << 28
        this.#high |= bits >>> 4
      } else this.#high |= bits
      if (byte < 0x80) return low >>> 0
    }
    throw corrupt('varint longer than 10 bytes')
  }

  fixed32(): number {
    const at = this.#advance(4)
    return this.#bytes.readUInt32LE(at)
  }

  /** A length-delimited value, as a view. */
  bytes(): Buffer {
    const length = this.#small()
    const start = this.#advance(length)
    return this.#bytes.subarray(start, start + length)
  }

  /** Passes over the value of the current field, whatever its wire type. */
  skip(): void {
    if (this.wire !== GROUP_START) {
      this.#skipValue(this.wire)
      return
    }
    const open = [this.field]
    while (open.length > 0) {
      if (open.length > MAX_GROUP_DEPTH) throw corrupt('groups nested too deep')
      const tag = this.#small()
      const field = tag >>> 3
      const wire = tag & 7
      if (field === 0) throw corrupt('field number 0')
      if (wire === GROUP_START) open.push(field)
      else if (wire !== GROUP_END) this.#skipValue(wire)
      else if (open.pop() !== field) throw corrupt('group closed by another field')
    }
  }

  #skipValue(wire: number): void {
    switch (wire) {
      case VARINT:
        this.uint32()
        return
      case FIXED64:
        this.#advance(8)
        return
      case BYTES:
        this.#advance(this.#small())
        return
      case FIXED32:
        this.#advance(4)
        return
      default:
        throw corrupt(`unexpected wire type ${wire}`)
    }
  }

  /** A tag or a length: these have 32 bits, and taking the low bits of a larger one would misread all that follows. */
  #small(): number {
    const value = this.uint32()
    if (this.#high !== 0) throw corrupt('tag or length over 32 bits')
    return value
  }

  #advance(length: number): number {
    const start = this.#at
    if (length > this.#end - start) throw corrupt('value runs past the end')
    this.#at = start + length
    return start
  }
}

/** Fails for numbers that are not whole or not within 0 … 2^53 - 1: a caller's mistake, not bad data. */
export function encodeVarint(value: number): Buffer {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not an unsigned integer: ${value}`)
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  bytes.push(rest)
  return Buffer.from(bytes)
}

export function encodeFixed32(value: number): Buffer {
  if (!Number.isInteger(value) || value < 0 || value >= TWO_32) throw new RangeError(`not a uint32: ${value}`)
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32LE(value)
  return bytes
}

export function corrupt(what: string): Fault {
  return new Fault('transient', `the log group is not valid protobuf: ${what}`, { code: 'corrupt_log_group' })
}
