import { BYTES, corrupt, FIXED32, FIXED64, GROUP_END, GROUP_START, VARINT } from '../../sls/protobuf.ts'

const MAX_VARINT_BYTES = 10
const MAX_GROUP_DEPTH = 100

/**
 * Hops over the fields of one protobuf message by their lengths, without making an object of anything. Every read is
 * checked, so any bytes end in a value or in a `transient` Fault `corrupt_log_group`.
 *
 * The accepted wire format is that of `MessageReader`, which decodes the same messages for tools and the emulator.
 */
export class FieldCursor {
  readonly #bytes: Buffer
  #at = 0
  #end = 0
  /** Field number and wire type of the current field as they stand on the wire: `number * 8 + type`. */
  tag = 0
  /** The current value is `bytes[start, stop)`; of a length-delimited one that is its payload. */
  start = 0
  stop = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** Where the next field begins. */
  get at(): number {
    return this.#at
  }

  /** Places the cursor before the first field of the message in `bytes[start, end)`. */
  open(start: number, end: number): void {
    this.#at = start
    this.#end = end
  }

  /** Moves to the next field; false at the end of the message. */
  next(): boolean {
    if (this.#at >= this.#end) return false
    const tag = this.#small()
    if (tag < 8) throw corrupt('field number 0')
    this.tag = tag
    if ((tag & 7) === BYTES) {
      const length = this.#small()
      this.start = this.#at
      this.#advance(length)
    } else {
      this.start = this.#at
      if ((tag & 7) === GROUP_START) this.#passGroup(tag >>> 3)
      else this.#passValue(tag & 7)
    }
    this.stop = this.#at
    return true
  }

  /** Low 32 bits of the current varint: what every SDK makes of a longer one in a `uint32` field. */
  uint32(): number {
    let value = 0
    const last = Math.min(this.stop, this.start + 5)
    for (let at = this.start, shift = 0; at < last; at++, shift += 7) {
      value |= ((this.#bytes[at] as number) & 0x7f) << shift
    }
    return value >>> 0
  }

  fixed32(): number {
    return this.#bytes.readUInt32LE(this.start)
  }

  /** A tag or a length. Almost all take one byte. */
  #small(): number {
    const at = this.#at
    if (at < this.#end) {
      const byte = this.#bytes[at] as number
      if (byte < 0x80) {
        this.#at = at + 1
        return byte
      }
    }
    return this.#longSmall()
  }

  /** One over 32 bits is refused: taking its low bits would misread all that follows. */
  #longSmall(): number {
    const start = this.#at
    this.#passVarint()
    let value = 0
    for (let at = this.#at - 1; at >= start; at--) value = value * 0x80 + ((this.#bytes[at] as number) & 0x7f)
    if (value > 0xffffffff) throw corrupt('tag or length over 32 bits')
    return value
  }

  #passVarint(): void {
    const last = Math.min(this.#end, this.#at + MAX_VARINT_BYTES)
    while (this.#at < last) if ((this.#bytes[this.#at++] as number) < 0x80) return
    throw corrupt(last === this.#end ? 'varint runs past the end' : 'varint longer than 10 bytes')
  }

  #passValue(type: number): void {
    if (type === VARINT) this.#passVarint()
    else if (type === FIXED64) this.#advance(8)
    else if (type === BYTES) this.#advance(this.#small())
    else if (type === FIXED32) this.#advance(4)
    else throw corrupt(`unexpected wire type ${type}`)
  }

  #passGroup(field: number): void {
    const open = [field]
    while (open.length > 0) {
      if (open.length > MAX_GROUP_DEPTH) throw corrupt('groups nested too deep')
      const tag = this.#small()
      if (tag < 8) throw corrupt('field number 0')
      const type = tag & 7
      if (type === GROUP_START) open.push(tag >>> 3)
      else if (type !== GROUP_END) this.#passValue(type)
      else if (open.pop() !== tag >>> 3) throw corrupt('group closed by another field')
    }
  }

  #advance(length: number): void {
    if (length > this.#end - this.#at) throw corrupt('value runs past the end')
    this.#at += length
  }
}
