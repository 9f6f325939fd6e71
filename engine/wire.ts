// Fields of protobuf messages. The answer to rare but legal ones (numbers with more bytes than they need, groups) may be
// "malformed": the host then reads the whole body itself.

export const LOG_GROUPS: u32 = 0x0a
export const LOGS: u32 = 0x0a
export const TOPIC: u32 = 0x1a
export const SOURCE: u32 = 0x22
export const LOG_TAGS: u32 = 0x32
export const TIME: u32 = 0x08
export const CONTENTS: u32 = 0x12
export const TIME_NS: u32 = 0x25
export const KEY: u32 = 0x0a
export const VALUE: u32 = 0x12

const VARINT: u32 = 0
const FIXED64: u32 = 1
const BYTES: u32 = 2
const FIXED32: u32 = 5
const MAX_VARINT_BYTES = 10

/** The last field that `passField` passed: its number and wire type, and its value `[fieldStart, fieldEnd)`. */
export let tag: u32 = 0
export let fieldStart: usize = 0
export let fieldEnd: usize = 0

let small: u32 = 0

/** Passes over the field at `at`. Returns the place behind it, or 0 when it is malformed or reaches past `end`. */
export function passField(at: usize, end: usize): usize {
  let number = <u32>load<u8>(at)
  at++
  if (number >= 0x80) {
    at = passSmall(at - 1, end)
    if (at === 0) return 0
    number = small
  }
  if (number < 8) return 0
  tag = number
  const type = number & 7
  if (type === BYTES) {
    at = passSmall(at, end)
    if (at === 0 || <usize>small > end - at) return 0
    fieldStart = at
    fieldEnd = at + <usize>small
    return fieldEnd
  }
  fieldStart = at
  if (type === VARINT) at = passVarint(at, end)
  else if (type === FIXED32) at = end - at < 4 ? 0 : at + 4
  else if (type === FIXED64) at = end - at < 8 ? 0 : at + 8
  else return 0
  fieldEnd = at
  return at
}

/** A tag or a length. */
function passSmall(at: usize, end: usize): usize {
  let value: u32 = 0
  for (let shift = 0; at < end && shift < 28; shift += 7) {
    const byte = <u32>load<u8>(at++)
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) {
      small = value
      return at
    }
  }
  return 0
}

function passVarint(at: usize, end: usize): usize {
  for (let index = 0; at < end && index < MAX_VARINT_BYTES; index++) if (load<u8>(at++) < 0x80) return at
  return 0
}

/** Low 32 bits of a well-formed varint. */
export function uint32(at: usize): u32 {
  let value: u32 = 0
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = <u32>load<u8>(at++)
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) break
  }
  return value
}
