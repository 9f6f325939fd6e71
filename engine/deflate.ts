import { BLOCK, beginBlock, beginOutput, endOutput, noteRepetition, SHORTEST, writeBlock } from './deflate-block.ts'

// Compresses what a sink sends (RFC 1951). Log events repeat one another in long stretches, which zlib looks for with more
// care than they need: here only the last place where the same five bytes stood is looked at.

/** A repetition reaches back this far at most. */
const WINDOW: usize = 32_768
const HASH_BITS: u64 = 15
/** The last place of any five bytes, by their hash: as an address, or 0. */
const PLACES: usize = memory.data(4 << (<i32>HASH_BITS), 64)
/** 2 ** 64 divided by the golden ratio, and odd. */
const SPREAD: u64 = ((<u64>0x9e3779b1) << 32) | 0x85ebca87
const HASHED: usize = 5
/** After this many bytes without a repetition, in powers of two, every second one is looked at, and so on. */
const PATIENCE: usize = 6

/** Where memory begins that is not used here. */
export function freeFrom(): usize {
  return __heap_base
}

/**
 * Begins a body whose deflated form is written to `to`. That may be an eighth longer, since nine bits would do for every symbol,
 * and a KB for the codes of each BLOCK. (The worst that was found: 87 bytes a BLOCK.) Up to 8 bytes are read and written
 * past either end. The body must begin above WINDOW: place 0 is then too far back for anything to repeat it.
 */
export function begin(to: usize): void {
  memory.fill(PLACES, 0, 4 << (<usize>HASH_BITS))
  beginOutput(to)
}

/** Deflates the BLOCKs of `[from, end)` from `start` on up to `pause` or behind it. Returns where to go on; at last `end`. */
export function deflate(from: usize, start: usize, pause: usize, end: usize): usize {
  do {
    const stop = min(start + BLOCK, end)
    beginBlock()
    writeBlock(start, noteRepetitions(from, start, stop, end), stop, stop === end)
    start = stop
  } while (start < min(pause, end))
  return start
}

/** The end of what was written. */
export function finish(): usize {
  return endOutput()
}

/** Of the bytes in `[start, stop)`, from where on none is repeated. */
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
    // Two of the places that were passed over, or what follows would never be found from inside of a repetition.
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

/** How many bytes are the same at both, of which HASHED are known to be, up to `stop`. */
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
