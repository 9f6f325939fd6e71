import { makeCode } from './prefix-code.ts'
import { at, bump } from './table.ts'

// One block of deflate with its own codes (RFC 1951, 3.2.7), in two steps. The first notes and counts the symbols. The second
// makes the codes and writes the block.

/** Most bytes of input in one block. Fewer make poorer codes; with more the codes follow changes too late. */
export const BLOCK: usize = 1 << 17
/** Shortest repetition that is noted. Deflate's own limit is 3. */
export const SHORTEST: usize = 4
const LONGEST: usize = 258
/** The length of a repetition is sent as its difference from this. */
const BASE_LENGTH: usize = 3

const END_OF_BLOCK: usize = 256
const FIRST_LENGTH: usize = 257
const LITERALS: usize = 286
const DISTANCES: usize = 30
const COUNTS: usize = memory.data(286 * 4, 16)
const DISTANCE_COUNTS: usize = memory.data(30 * 4, 16)
const CODES: usize = memory.data(286 * 4, 16)
const DISTANCE_CODES: usize = memory.data(30 * 4, 16)
/** For each length above BASE_LENGTH: its symbol above FIRST_LENGTH, and the code with the extra bits. */
const LENGTH_SYMBOLS: usize = memory.data(256, 16)
const LENGTH_CODES: usize = memory.data(256 * 4, 16)
let lengthsAreKnown: bool = false

/** An entry: 32 bits for the number of literals before it, 16 for its length less BASE_LENGTH, 16 for its distance less 1. */
const REPETITIONS: usize = memory.data(<i32>(8 * (BLOCK / SHORTEST + 1)), 64)
const REPETITION: usize = 8
let noted: usize = REPETITIONS

// The lengths of both codes, as runs, which have a code too.
const RUN_SYMBOLS: usize = 19
const RUN_ORDER: usize = memory.data<u8>([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15])
const REPEAT: u32 = 16
const ZEROS: u32 = 17
const MORE_ZEROS: u32 = 18
const RUN_COUNTS: usize = memory.data(19 * 4, 16)
const RUN_CODES: usize = memory.data(19 * 4, 16)
const RUNS: usize = memory.data((286 + 30) * 2, 16)
let runs: usize = RUNS

// Bits that do not fill a byte yet, the lowest first.
let out: usize = 0
let bits: u64 = 0
let bitCount: u64 = 0

export function beginOutput(to: usize): void {
  out = to
  bits = 0
  bitCount = 0
}

/** End of the output, with the last byte filled up. */
export function endOutput(): usize {
  if (bitCount > 0) store<u8>(out++, <u8>bits)
  return out
}

export function beginBlock(): void {
  memory.fill(COUNTS, 0, LITERALS << 2)
  memory.fill(DISTANCE_COUNTS, 0, DISTANCES << 2)
  noted = REPETITIONS
  if (!lengthsAreKnown) listLengths()
}

/** Notes the bytes in `[from, to)` as literals, then a repetition of `length` bytes from `distance` before. */
export function noteRepetition(from: usize, to: usize, length: usize, distance: usize): void {
  countLiterals(from, to)
  let literals = <u32>(to - from)
  const symbol = distanceSymbol(<u32>distance - 1)
  while (length > 0) {
    let part = min(length, LONGEST)
    // The rest must be long enough for a repetition.
    if (part < length && length - part < SHORTEST) part -= SHORTEST
    store<u32>(noted, literals)
    store<u16>(noted + 4, <u16>(part - BASE_LENGTH))
    store<u16>(noted + 6, <u16>(distance - 1))
    noted += REPETITION
    bump(COUNTS, FIRST_LENGTH + <usize>load<u8>(LENGTH_SYMBOLS + (part - BASE_LENGTH)))
    bump(DISTANCE_COUNTS, symbol)
    literals = 0
    length -= part
  }
}

/** Writes the block that begins at `from`: all that was noted, and the bytes in `[rest, to)` as literals. */
export function writeBlock(from: usize, rest: usize, to: usize, last: bool): void {
  countLiterals(rest, to)
  bump(COUNTS, END_OF_BLOCK)
  makeCode(COUNTS, LITERALS, 15, CODES)
  makeCode(DISTANCE_COUNTS, DISTANCES, 15, DISTANCE_CODES)
  writeCodes(last)
  writeContents(from, to)
}

function countLiterals(from: usize, to: usize): void {
  for (; from < to; from++) bump(COUNTS, <usize>load<u8>(from))
}

/** Four symbols of lengths, or eight at first, have the same number of extra bits. The longest length has none. */
function listLengths(): void {
  let length = LENGTH_SYMBOLS
  for (let symbol: u32 = 0; symbol < 28; symbol++) {
    for (let i: u32 = 0; i < (<u32>1) << extraBits(symbol); i++) store<u8>(length++, <u8>symbol)
  }
  store<u8>(LENGTH_SYMBOLS + LONGEST - BASE_LENGTH, 28)
  lengthsAreKnown = true
}

function extraBits(lengthSymbol: u32): u32 {
  return lengthSymbol < 8 || lengthSymbol === 28 ? 0 : (lengthSymbol >>> 2) - 1
}

/** Symbol of a distance less 1: two symbols for each power of two, and the extra bits that its size needs. */
function distanceSymbol(distance: u32): usize {
  if (distance < 4) return <usize>distance
  const power = 31 - clz(distance)
  return <usize>((power << 1) | ((distance >>> (power - 1)) & 1))
}

function writeCodes(last: bool): void {
  const literals = used(CODES, LITERALS)
  const distances = used(DISTANCE_CODES, DISTANCES)
  collectRuns(literals, distances)
  makeCode(RUN_COUNTS, RUN_SYMBOLS, 7, RUN_CODES)
  let sent = RUN_SYMBOLS
  while (at(RUN_CODES, <usize>load<u8>(RUN_ORDER + sent - 1)) === 0) sent--
  put(last ? 1 : 0, 1)
  put(2, 2)
  put(literals - FIRST_LENGTH, 5)
  put(distances - 1, 5)
  put(sent - 4, 4)
  for (let i: usize = 0; i < sent; i++) put(at(RUN_CODES, <usize>load<u8>(RUN_ORDER + i)) >>> 24, 3)
  for (let run = RUNS; run < runs; run += 2) {
    const symbol = <u32>load<u8>(run)
    const code = at(RUN_CODES, <usize>symbol)
    put(code & 0xffff, code >>> 24)
    if (symbol >= REPEAT) put(<u64>load<u8>(run + 1), symbol === REPEAT ? 2 : symbol === ZEROS ? 3 : 7)
  }
}

/** Number of symbols up to the last one that occurs. */
function used(codes: usize, symbols: usize): usize {
  while (at(codes, symbols - 1) === 0) symbols--
  return symbols
}

/** Writes the lengths of both codes to RUNS: a byte of symbol and a byte of extra bits each. */
function collectRuns(literals: usize, distances: usize): void {
  memory.fill(RUN_COUNTS, 0, RUN_SYMBOLS << 2)
  runs = RUNS
  const all = literals + distances
  for (let i: usize = 0; i < all; ) {
    const length = codeLength(i, literals)
    let run: u32 = 1
    while (i + <usize>run < all && codeLength(i + <usize>run, literals) === length) run++
    i += <usize>run
    if (length !== 0) {
      noteRun(length, 0)
      run--
    }
    while (run >= 3) {
      const part = min(run, length !== 0 ? 6 : 138)
      if (length !== 0) noteRun(REPEAT, part - 3)
      else if (part <= 10) noteRun(ZEROS, part - 3)
      else noteRun(MORE_ZEROS, part - 11)
      run -= part
    }
    for (; run > 0; run--) noteRun(length, 0)
  }
}

function codeLength(index: usize, literals: usize): u32 {
  return (index < literals ? at(CODES, index) : at(DISTANCE_CODES, index - literals)) >>> 24
}

function noteRun(symbol: u32, behind: u32): void {
  bump(RUN_COUNTS, <usize>symbol)
  store<u8>(runs, <u8>symbol)
  store<u8>(runs + 1, <u8>behind)
  runs += 2
}

/** Up to 57 bits. */
function put(value: u64, count: u64): void {
  bits |= value << bitCount
  bitCount += count
  store<u64>(out, bits)
  out += <usize>(bitCount >> 3)
  bits >>= bitCount & 0x38
  bitCount &= 7
}

/**
 * The hot half. `put` is written out here, so that its variables stay in registers. One use takes as many codes as 57 bits
 * hold: three literals of 15 bits, or a length (15 + 5) and a distance (15 + 13).
 */
function writeContents(from: usize, to: usize): void {
  for (let length: usize = 0; length <= LONGEST - BASE_LENGTH; length++) {
    const symbol = <u32>load<u8>(LENGTH_SYMBOLS + length)
    const code = at(CODES, FIRST_LENGTH + <usize>symbol)
    const codeBits = code >>> 24
    const extra = extraBits(symbol)
    const value = (code & 0xffff) | ((<u32>length & ((1 << extra) - 1)) << codeBits)
    store<u32>(LENGTH_CODES + (length << 2), ((codeBits + extra) << 24) | value)
  }
  let written = out
  let held = bits
  let count = bitCount
  let next = from
  for (let repetition = REPETITIONS; repetition <= noted; repetition += REPETITION) {
    const stop = repetition === noted ? to : next + <usize>load<u32>(repetition)
    for (; next + 3 <= stop; next += 3) {
      const one = at(CODES, <usize>load<u8>(next))
      held |= (<u64>(one & 0xffff)) << count
      count += one >>> 24
      const two = at(CODES, <usize>load<u8>(next + 1))
      held |= (<u64>(two & 0xffff)) << count
      count += two >>> 24
      const three = at(CODES, <usize>load<u8>(next + 2))
      held |= (<u64>(three & 0xffff)) << count
      count += three >>> 24
      store<u64>(written, held)
      written += <usize>(count >> 3)
      held >>= count & 0x38
      count &= 7
    }
    for (; next < stop; next++) {
      const one = at(CODES, <usize>load<u8>(next))
      held |= (<u64>(one & 0xffff)) << count
      count += one >>> 24
    }
    store<u64>(written, held)
    written += <usize>(count >> 3)
    held >>= count & 0x38
    count &= 7
    if (repetition === noted) break
    const length = <usize>load<u16>(repetition + 4)
    const lengthCode = at(LENGTH_CODES, length)
    held |= (<u64>(lengthCode & 0xffffff)) << count
    count += lengthCode >>> 24
    const distance = <u32>load<u16>(repetition + 6)
    const symbol = distanceSymbol(distance)
    const distanceCode = at(DISTANCE_CODES, symbol)
    held |= (<u64>(distanceCode & 0xffff)) << count
    count += distanceCode >>> 24
    if (symbol >= 4) {
      const extra = (<u64>symbol >> 1) - 1
      held |= (<u64>distance & (((<u64>1) << extra) - 1)) << count
      count += extra
    }
    store<u64>(written, held)
    written += <usize>(count >> 3)
    held >>= count & 0x38
    count &= 7
    next += length + BASE_LENGTH
  }
  out = written
  bits = held
  bitCount = count
  const end = at(CODES, END_OF_BLOCK)
  put(end & 0xffff, end >>> 24)
}
