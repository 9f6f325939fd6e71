import { HASHED, SHARD } from '../src/pipeline/wasm/memory-layout.ts'
import { copy } from './copy.ts'
import { digest } from './digest.ts'
import { writeDecimal } from './digits.ts'
import { walk } from './layout.ts'

// Ids of logs whose groups have no position: a hash of the contents. src/pipeline/reference/content-hash.ts defines the
// parts that are hashed, and their frames.

/** Logs that might need more room than this are handed over to the host. */
const FRAMES_BYTES: usize = 2 << 20
const FRAMES: usize = memory.data(2 << 20, 16)
/** Frames of the contents begin here. The group's hash and the time go before them, since the time's length is known last. */
export const CONTENTS_FRAMES: usize = FRAMES + 64
const HASH_BYTES: usize = 32
const GROUP_HASH: usize = memory.data(32, 16)
const LOG_HASH: usize = memory.data(32, 16)
/** The time as text. The 32 bytes before its end are copied, so it needs room before it. */
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
  // Besides key and value, a pair has at least six bytes on the wire, and eight here.
  return length + length / 3 + 128 <= FRAMES_BYTES
}

/** Writes the length of a part, then the part, and returns the new position. */
export function frame(at: usize, from: usize, to: usize): usize {
  store<u32>(at, <u32>(to - from))
  return copy(at + LENGTH_BYTES, from, to - from)
}

/** Frames the shard. The caller frames the group's topic, source and tags from the returned position on. */
export function beginGroupHash(): usize {
  const end = writeDecimal(FRAMES + LENGTH_BYTES, walk(SHARD))
  store<u32>(FRAMES, <u32>(end - FRAMES - LENGTH_BYTES))
  return end
}

export function endGroupHash(end: usize): void {
  digest(FRAMES, end, GROUP_HASH)
}

/**
 * Writes the log's hash in 32 digits and returns the new position. The frames of the contents end at `end`. The seconds and a
 * point are the text `[seconds, secondsEnd)`, and nine digits of nanoseconds stand at `nanos`.
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
