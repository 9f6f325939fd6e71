import { at, bump, set } from './table.ts'

// Prefix codes of deflate (RFC 1951, 3.2.2): canonical, of limited length, sent as lengths alone.

/** Most symbols in one code of deflate, and its longest code. */
const MAX_SYMBOLS = 286
const MAX_LENGTH: usize = 15

/** The symbols that occur, the rarest first: the count above SYMBOL_BITS, the symbol below. */
const SORTED: usize = memory.data(MAX_SYMBOLS * 4, 16)
const SYMBOL_BITS: u32 = 9
const SYMBOL: u32 = (1 << SYMBOL_BITS) - 1
/** The inner nodes of the tree in the order they are made: first the count of all symbols below, later the depth. */
const NODES: usize = memory.data(MAX_SYMBOLS * 4, 16)
/** The inner node above each symbol of SORTED, and above each inner node. */
const ABOVE_SYMBOLS: usize = memory.data(MAX_SYMBOLS * 4, 16)
const ABOVE_NODES: usize = memory.data(MAX_SYMBOLS * 4, 16)
/** Number of codes of each length, and the next code of each. */
const COUNTS: usize = memory.data(16 * 4, 16)
const NEXT: usize = memory.data(16 * 4, 16)

/**
 * Makes a code for `symbols` symbols from their counts, 32 bits each and below 2 ** 23. A code has 32 bits: its length from
 * bit 24 on, 0 for a symbol that does not occur, and below it the code, whose lowest bit is sent first. None is longer than
 * `longest`. At least two symbols get a code, since some readers refuse a code with one.
 */
export function makeCode(frequencies: usize, symbols: usize, longest: usize, codes: usize): void {
  const used = sort(frequencies, symbols)
  measure(used, longest)
  limit(longest)
  memory.fill(codes, 0, symbols << 2)
  let length = longest
  for (let i: usize = 0; i < used; i++) {
    while (at(COUNTS, length) === 0) length--
    set(COUNTS, length, at(COUNTS, length) - 1)
    set(codes, <usize>(at(SORTED, i) & SYMBOL), (<u32>length) << 24)
  }
  assign(codes, symbols)
}

/** Fills SORTED and returns the number of symbols. */
function sort(frequencies: usize, symbols: usize): usize {
  let used: usize = 0
  for (let symbol: usize = 0; symbol < symbols; symbol++) {
    const frequency = at(frequencies, symbol)
    if (frequency !== 0) set(SORTED, used++, (frequency << SYMBOL_BITS) | <u32>symbol)
  }
  for (let symbol: usize = 0; used < 2; symbol++) {
    if (at(frequencies, symbol) === 0) set(SORTED, used++, (1 << SYMBOL_BITS) | <u32>symbol)
  }
  for (let gap: usize = 121; gap > 0; gap /= 3) {
    for (let i = gap; i < used; i++) {
      const moved = at(SORTED, i)
      let to = i
      for (; to >= gap && at(SORTED, to - gap) > moved; to -= gap) set(SORTED, to, at(SORTED, to - gap))
      set(SORTED, to, moved)
    }
  }
  return used
}

/** Builds Huffman's tree and keeps COUNTS: the symbols at each depth. Deeper ones than `longest` count there. */
function measure(used: usize, longest: usize): void {
  const inner = used - 1
  let symbol: usize = 0
  let node: usize = 0
  for (let made: usize = 0; made < inner; made++) {
    let sum: u32 = 0
    // Both queues are in order, so the two rarest are at their heads.
    for (let child = 0; child < 2; child++) {
      if (symbol < used && (node === made || at(SORTED, symbol) >>> SYMBOL_BITS <= at(NODES, node))) {
        sum += at(SORTED, symbol) >>> SYMBOL_BITS
        set(ABOVE_SYMBOLS, symbol++, <u32>made)
      } else {
        sum += at(NODES, node)
        set(ABOVE_NODES, node++, <u32>made)
      }
    }
    set(NODES, made, sum)
  }
  set(NODES, inner - 1, 0)
  for (let i = inner - 1; i > 0; i--) set(NODES, i - 1, at(NODES, <usize>at(ABOVE_NODES, i - 1)) + 1)
  memory.fill(COUNTS, 0, 16 * 4)
  for (let i: usize = 0; i < used; i++) bump(COUNTS, min(<usize>at(NODES, <usize>at(ABOVE_SYMBOLS, i)) + 1, longest))
}

/**
 * Symbols that were moved up to `longest` take more room than there is. Each step frees one place: a symbol of the longest
 * moves beside a shorter one, which moves one down.
 */
function limit(longest: usize): void {
  let taken: usize = 0
  for (let length: usize = 1; length <= longest; length++) taken += (<usize>at(COUNTS, length)) << (longest - length)
  for (; taken > (<usize>1) << longest; taken--) {
    let length = longest - 1
    while (at(COUNTS, length) === 0) length--
    set(COUNTS, longest, at(COUNTS, longest) - 1)
    set(COUNTS, length, at(COUNTS, length) - 1)
    set(COUNTS, length + 1, at(COUNTS, length + 1) + 2)
  }
}

/** Makes the codes from their lengths. Codes of one length count up, and each length begins where the one before ended. */
function assign(codes: usize, symbols: usize): void {
  memory.fill(COUNTS, 0, 16 * 4)
  for (let symbol: usize = 0; symbol < symbols; symbol++) bump(COUNTS, <usize>(at(codes, symbol) >>> 24))
  set(COUNTS, 0, 0)
  set(NEXT, 0, 0)
  for (let length: usize = 1; length <= MAX_LENGTH; length++) {
    set(NEXT, length, (at(NEXT, length - 1) + at(COUNTS, length - 1)) << 1)
  }
  // Handing out a code changes NEXT, so all beginnings must be known before.
  for (let symbol: usize = 0; symbol < symbols; symbol++) {
    const length = <usize>(at(codes, symbol) >>> 24)
    if (length === 0) continue
    set(codes, symbol, ((<u32>length) << 24) | (mirrored(at(NEXT, length)) >>> (32 - <u32>length)))
    bump(NEXT, length)
  }
}

function mirrored(word: u32): u32 {
  word = ((word >>> 1) & 0x55555555) | ((word & 0x55555555) << 1)
  word = ((word >>> 2) & 0x33333333) | ((word & 0x33333333) << 2)
  word = ((word >>> 4) & 0x0f0f0f0f) | ((word & 0x0f0f0f0f) << 4)
  return bswap<u32>(word)
}
