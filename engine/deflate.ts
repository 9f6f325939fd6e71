import { BLOCK, beginBlock, beginOutput, endOutput, noteRepetition, SHORTEST, writeBlock } from './deflate-block.ts'

// Compresses request bodies (RFC 1951). Log events repeat one another in long stretches. zlib searches more places than they
// need; this matcher looks only at the last place with the same five bytes.

/** Farthest distance of a repetition. */
const WINDOW: usize = 32_768
const HASH_BITS: u64 = 15
/** Address of the last place of five bytes, by their hash; 0 for none. */
const PLACES: usize = memory.data(4 << (<i32>HASH_BITS), 64)
/** 2 ** 64 divided by the golden ratio, rounded to an odd number. */
const SPREAD: u64 = ((<u64>0x9e3779b1) << 32) | 0x85ebca87
const HASHED: usize = 5
/** After 2 ** this many bytes without a repetition the search tries every second byte, and so on. */
const PATIENCE: usize = 6

/** Where free memory begins. */
export function freeFrom(): usize {
  return __heap_base
}

/**
 * Begins a body and writes its deflated form to `to`. That form needs at most an eighth more room than the body (nine bits do
 * for every symbol), and a KB for the codes of each BLOCK (87 bytes were the most found). Up to 8 bytes are read and written
 * past either end. The body must begin above WINDOW, so that place 0 is too far back to be repeated.
 */
export function begin(to: usize): void {
  memory.fill(PLACES, 0, 4 << (<usize>HASH_BITS))
  beginOutput(to)
}

/** Deflates the BLOCKs of `[from, end)` from `start` to `pause` or a little further. Returns where to go on, at last `end`. */
export function deflate(from: usize, start: usize, pause: usize, end: usize): usize {
  do {
    const stop = min(start + BLOCK, end)
    beginBlock()
    writeBlock(start, noteRepetitions(from, start, stop, end), stop, stop === end)
    start = stop
  } while (start < min(pause, end))
  return start
}

/** End of the output. */
export function finish(): usize {
  return endOutput()
}

/** Notes the bytes in `[start, stop)`. Returns the beginning of the rest, in which nothing is repeated. */
function noteRepetitions(from: usize, start: usize, stop: usize, end: usize): usize {
  let literals = start
  let next = start
  while (next < stop && next + 8 <= end) {
    const bytes = load<u64>(next)
    const place = placeOf(bytes)
    let earlier = <usize>load<u32>(place)
    store<u32>(place, <u32>next)
    if (next - earlier > WINDOW || !sameStart(load<u64>(earlier), bytes)) {
      next += 1 + ((next - literals) >> PATIENCE)
      continue
    }
    let length = sameLength(next, earlier, stop)
    if (length < SHORTEST) break
    while (next > literals && earlier > from && load<u8>(next - 1) === load<u8>(earlier - 1)) {
      next--
      earlier--
      length++
    }
    noteRepetition(literals, next, length, next - earlier)
    // Notes two places inside the repetition, so that later bytes can repeat from there.
    remember(next + 2, end)
    next += length
    remember(next - 2, end)
    literals = next
  }
  return literals
}

function placeOf(bytes: u64): usize {
  return PLACES + ((<usize>(((bytes << (64 - 8 * HASHED)) * SPREAD) >> (64 - HASH_BITS))) << 2)
}

function sameStart(one: u64, other: u64): bool {
  return (one ^ other) << (64 - 8 * HASHED) === 0
}

/** How many bytes are the same at both places, up to `stop`. The first HASHED are known to be. */
function sameLength(one: usize, other: usize, stop: usize): usize {
  const limit = stop - one
  for (let length = HASHED; length < limit; length += 8) {
    const difference = load<u64>(one + length) ^ load<u64>(other + length)
    if (difference !== 0) return min(length + <usize>(ctz(difference) >> 3), limit)
  }
  return limit
}

function remember(address: usize, end: usize): void {
  if (address + 8 <= end) store<u32>(placeOf(load<u64>(address)), <u32>address)
}
