import { copy, same } from './copy.ts'

// Words that the host has taught: what a name, a topic or a value of a log means. Nothing of that is decided here. A word that
// is not known is asked for, and the event is begun again once the host has taught it.

const PLACES: u32 = 16_384
/** Hash (0: free), value, address of the text, space and length of the text. */
const PLACE_BYTES: usize = 16
const TABLE: usize = memory.data(16_384 * 16, 16)
/** A word is looked for, and put, in so many places from its own on. */
const MOST_PROBES: u32 = 32
const LONGEST_WORD: usize = 255

const KEPT_BYTES: usize = 1024 * 1024
const KEPT: usize = memory.data(1024 * 1024 + 64, 16)
let keptEnd: usize = KEPT

const HANDED_BYTES: usize = 8 * 1024
const HANDED: usize = memory.data(8 * 1024 + 64, 16)

let askedSpace: u32 = 0
let askedAt: usize = 0
let askedLength: usize = 0

/** Where the host puts bytes for `keep` and `learn`. */
export function handedAt(): usize {
  return HANDED
}

/** Keeps this many bytes that were handed over. Returns their address, or 0 if there is no room. */
export function keep(length: usize): usize {
  if (length > HANDED_BYTES || length + 16 > KEPT_BYTES - (keptEnd - KEPT)) return 0
  const at = keptEnd
  copy(at, HANDED, length)
  keptEnd = (at + length + 3) & ~(<usize>3)
  return at
}

/** The value of the word that was handed over, never 0. False if there is no room for it. */
export function learn(space: u32, length: usize, value: u32): bool {
  const hash = hashOf(space, HANDED, length)
  for (let probe: u32 = 0; probe < MOST_PROBES; probe++) {
    const place = TABLE + <usize>((hash + probe) & (PLACES - 1)) * PLACE_BYTES
    if (load<u32>(place) !== 0) continue
    const text = keep(length)
    if (text === 0) return false
    store<u32>(place, hash)
    store<u32>(place, value, 4)
    store<u32>(place, <u32>text, 8)
    store<u32>(place, space | ((<u32>length) << 16), 12)
    return true
  }
  return false
}

/** Forgets all words and all that was kept. */
export function forgetWords(): void {
  memory.fill(TABLE, 0, <usize>PLACES * PLACE_BYTES)
  keptEnd = KEPT
  askedSpace = 0
}

/** The space of the word that is asked for; 0 if none is. */
export function spaceAsked(): u32 {
  return askedSpace
}

export function wordAsked(): usize {
  return askedAt
}

export function lengthAsked(): usize {
  return askedLength
}

export function askNothing(): void {
  askedSpace = 0
}

export function ask(space: u32, at: usize, length: usize): void {
  askedSpace = space
  askedAt = at
  askedLength = length
}

/** The value of a word. 0 if it is not known: then it is asked for, unless it is too long. */
export function meaning(space: u32, at: usize, length: usize): u32 {
  const value = known(space, at, length)
  if (value === 0 && length <= LONGEST_WORD) ask(space, at, length)
  return value
}

/** The value of a word, or 0. */
export function known(space: u32, at: usize, length: usize): u32 {
  if (length > LONGEST_WORD) return 0
  const hash = hashOf(space, at, length)
  const key = space | ((<u32>length) << 16)
  for (let probe: u32 = 0; probe < MOST_PROBES; probe++) {
    const place = TABLE + <usize>((hash + probe) & (PLACES - 1)) * PLACE_BYTES
    const found = load<u32>(place)
    if (found === 0) return 0
    if (found === hash && load<u32>(place, 12) === key && same(<usize>load<u32>(place, 8), at, length)) {
      return load<u32>(place, 4)
    }
  }
  return 0
}

/** Never 0. Reads up to 7 bytes past the word. */
function hashOf(space: u32, at: usize, length: usize): u32 {
  let hash: u64 = <u64>(space | ((<u32>length) << 16)) * 0x9e3779b97f4a7
  let left = length
  while (left >= 8) {
    hash = mixed(hash ^ load<u64>(at))
    at += 8
    left -= 8
  }
  if (left > 0) hash = mixed(hash ^ (load<u64>(at) & (((<u64>1) << ((<u64>left) << 3)) - 1)))
  return <u32>(hash >>> 32) | 1
}

function mixed(value: u64): u64 {
  const product = value * 0xc4ceb9fe1a85f
  return product ^ (product >>> 29)
}
