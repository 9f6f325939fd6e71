import { HASHED, SHARD } from '../src/pipeline/wasm/memory-layout.ts'
import { copy } from './copy.ts'
import { digest } from './digest.ts'
import { writeDecimal } from './digits.ts'
import { walk } from './layout.ts'

// Ids of logs whose groups have no position: a hash of what the log says. What is hashed, and how each part is framed, is said
// in src/pipeline/reference/content-hash.ts.

/** Logs that might need more room than this are left to the host. */
const FRAMES_BYTES: usize = 2 << 20
const FRAMES: usize = memory.data(2 << 20, 16)
/** The contents are framed from here on. Before them go the group's hash and the framed time, whose length is known last. */
export const CONTENTS_FRAMES: usize = FRAMES + 64
const HASH_BYTES: usize = 32
const GROUP_HASH: usize = memory.data(32, 16)
const LOG_HASH: usize = memory.data(32, 16)
/** The time as text. It is copied from its end backwards, so there is room before it. */
const TIME: usize = memory.data(96, 16) + 32
const ZERO: u32 = 0x30
const LENGTH_BYTES: usize = 4
const DIGITS: usize = memory.data<u8>(
  [0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66], // 0123456789abcdef
  16,
)

export function isHashed(): bool {
  return walk(HASHED) !== 0
}

/** Whether the contents of a log of `length` bytes can be framed. */
export function canFrame(length: usize): bool {
  // Key and value of a pair take six bytes or more on the wire besides themselves, and eight here.
  return length + length / 3 + 128 <= FRAMES_BYTES
}

/** Adds a part behind its length; the new position. */
export function frame(at: usize, from: usize, to: usize): usize {
  store<u32>(at, <u32>(to - from))
  return copy(at + LENGTH_BYTES, from, to - from)
}

/** Where the parts of a group go, behind the first one. */
export function beginGroupHash(): usize {
  const end = writeDecimal(FRAMES + LENGTH_BYTES, walk(SHARD))
  store<u32>(FRAMES, <u32>(end - FRAMES - LENGTH_BYTES))
  return end
}

export function endGroupHash(end: usize): void {
  digest(FRAMES, end, GROUP_HASH)
}

/**
 * Writes the hash of the log in 32 digits; the new position. Its contents are framed up to `end`. Its seconds stand as text,
 * with a point behind them, in `[seconds, secondsEnd)`, and its nanoseconds in nine digits at `nanos`.
 */
export function writeLogHash(out: usize, end: usize, seconds: usize, secondsEnd: usize, nanos: usize): usize {
  let zeros: usize = 0
  while (zeros < 8 && load<u8>(nanos + zeros) === ZERO) zeros++
  const point = copy(TIME, seconds, secondsEnd - seconds)
  const timeEnd = copy(point, nanos + zeros, 9 - zeros)
  v128.store(CONTENTS_FRAMES - 32, v128.load(timeEnd - 32))
  v128.store(CONTENTS_FRAMES - 16, v128.load(timeEnd - 16))
  const length = timeEnd - TIME
  const time = CONTENTS_FRAMES - length - LENGTH_BYTES
  store<u32>(time, <u32>length)
  const start = time - HASH_BYTES
  v128.store(start, v128.load(GROUP_HASH))
  v128.store(start + 16, v128.load(GROUP_HASH + 16))
  digest(start, end, LOG_HASH)
  return writeHex(out, v128.load(LOG_HASH))
}

function writeHex(out: usize, bytes: v128): usize {
  const digits = v128.load(DIGITS)
  const high = v128.swizzle(digits, i8x16.shr_u(bytes, 4))
  const low = v128.swizzle(digits, v128.and(bytes, i8x16.splat(0x0f)))
  v128.store(out, v128.shuffle<i8>(high, low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23))
  v128.store(out + 16, v128.shuffle<i8>(high, low, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31))
  return out + 32
}
