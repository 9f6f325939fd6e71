import {
  KEY_COUNT,
  KEY_FRAMED,
  KEY_SIZE,
  KEY_WIRE,
  KEYS,
  NODE_COUNT,
  NODE_OP,
  NODE_OPERAND,
  NODE_SIZE,
  NODES,
  OP_STOP,
  OPERAND_LOG,
} from '../src/pipeline/wasm/memory-layout.ts'
import { copy, same } from './copy.ts'
import { clearHighBytes, highBytes, MAX_ESCAPED, writeEscaped } from './escape.ts'
import { PLACE, program, setWord, word } from './layout.ts'
import { isUtf8 } from './utf8.ts'
import { KEY } from './wire.ts'

// Keys seen so far, each with its JSON from the value before it to its own value: `","key":"`. Logs of one logstore share a few
// dozen keys, so each key is escaped once and then found by its bytes.

/** Log Service allows keys up to 128 bytes (SLS protocol: limits). From 128 on the length of a key takes two bytes. */
const MAX_KEY: usize = 127
const MAX_KEYS: u32 = 2048
const SLOT_BITS = 12
const SLOTS_MASK: u32 = (1 << SLOT_BITS) - 1
/** Keys chosen to collide cost at most this many comparisons. */
const MAX_PROBES = 8

// An entry of 64 bytes per key: one cache line.
const ENTRY: usize = 64
/** Length of the key on the wire, with a byte of tag and a byte of length before it. */
const FRAMED: usize = 0
/** Number of the last event with this key. */
const EVENT: usize = 4
/** The key that followed it in that event: most logs have the keys of the log before them, in the same order. */
const FOLLOWER: usize = 8
const PIECE: usize = 12
const PIECE_LENGTH: usize = 16
/** Address of a copy of the key on the wire. */
const WIRE: usize = 20
/** Set for a key that the log group puts into every event: the same key in a log overrides it. */
const RESERVED: usize = 24
/** One bit for each of the first sixteen bytes on the wire that belong to the key, and those bytes. */
const MASK: usize = 28
const FIRST_BYTES: usize = 32
/** Place and end of the key's value in the log that was read last, if the log has the key. */
const VALUE_START: usize = 48
const VALUE_STOP: usize = 52
/** Number of the last line that made a content of this key. */
const LINE: usize = 56

const ENTRIES: usize = memory.data(64 * 2049, 64)
const SLOTS: usize = memory.data(4 << SLOT_BITS, 16)
const ARENA: usize = memory.data(256 * 1024, 16)
const ARENA_END: usize = ARENA + 256 * 1024

const TOPIC_KEY: usize = memory.data<u8>([0x5f, 0x5f, 0x74, 0x6f, 0x70, 0x69, 0x63, 0x5f, 0x5f], 16)
const SOURCE_KEY: usize = memory.data<u8>([0x5f, 0x5f, 0x73, 0x6f, 0x75, 0x72, 0x63, 0x65, 0x5f, 0x5f], 16)
/** `__tag__:` as a number. */
const TAG_PREFIX: u64 = ((<u64>0x3a5f5f67) << 32) | 0x61745f5f

let event: u32 = 0
let size: u32 = 0
let turnedAway: u32 = 0
let arenaUsed: usize = ARENA
/** The last key taken. The first entry stands for the beginning of an event. */
let last: usize = ENTRIES

/** Makes every key new again for `takeKey`. */
export function beginEvent(): void {
  event++
  last = ENTRIES
  // The number wraps after 2^32 events. A table full of unused keys would leave every log with a new key to the host for ever.
  if (event === 0 || turnedAway > MAX_KEYS) renew()
}

/** Forgets what is older than this event. */
function renew(): void {
  event = 1
  forgetFound()
  resetKeys()
}

/**
 * The entry of the key at `wire` (its tag, length and bytes) if the key is new in this event; 0 for a duplicate and for a key
 * that the table cannot keep. The key must end at `end` or before.
 */
export function takeKey(wire: usize, end: usize): usize {
  let entry = <usize>load<u32>(last + FOLLOWER)
  // The expected key, and a short one, is by far the most frequent.
  const mask = load<i32>(entry + MASK)
  const equal = i8x16.bitmask(i8x16.eq(v128.load(entry + FIRST_BYTES), v128.load(wire)))
  if (entry === 0 || (equal & mask) !== mask || (load<u32>(entry + FRAMED) > 16 && !isKey(entry, wire))) {
    entry = find(wire, end)
    if (entry === 0 || load<u32>(entry + RESERVED) !== 0) return 0
    store<u32>(last + FOLLOWER, <u32>entry)
  }
  if (load<u32>(entry + EVENT) === event) return 0
  store<u32>(entry + EVENT, event)
  last = entry
  return entry
}

/** Notes where the value of the key just taken is. */
export function noteValue(entry: usize, from: usize, to: usize): void {
  store<u32>(entry + VALUE_START, <u32>from)
  store<u32>(entry + VALUE_STOP, <u32>to)
}

/** The entry of a key at `wire` that may be in no log; 0 where `takeKey` has none. */
export function entryOf(wire: usize, end: usize): usize {
  const entry = find(wire, end)
  return entry === 0 || load<u32>(entry + RESERVED) !== 0 ? 0 : entry
}

/** Whether this line has made a content of the key. From now on it has. */
export function isOfLine(entry: usize, line: u32): bool {
  if (load<u32>(entry + LINE) === line) return true
  store<u32>(entry + LINE, line)
  return false
}

/** Gives the log that was read another content, or another value to one that it has. */
export function putValue(entry: usize, from: usize, to: usize): void {
  if (!hasKey(entry)) {
    store<u32>(last + FOLLOWER, <u32>entry)
    store<u32>(entry + EVENT, event)
    last = entry
  }
  noteValue(entry, from, to)
}

export function valueStart(entry: usize): usize {
  return <usize>load<u32>(entry + VALUE_START)
}

export function valueStop(entry: usize): usize {
  return <usize>load<u32>(entry + VALUE_STOP)
}

/** The first key of the log that was read last; 0 if it has none. */
export function firstKey(): usize {
  return nextKey(ENTRIES)
}

/** The key behind this one; 0 behind the last. */
export function nextKey(entry: usize): usize {
  return entry === last ? 0 : <usize>load<u32>(entry + FOLLOWER)
}

/** The entry of a key of the program. */
export function programKey(number: usize): usize {
  return ENTRIES + (number + 1) * ENTRY
}

/** Number of the program's key that an entry is. Entries of other keys have higher ones. */
export function numberOfKey(entry: usize): usize {
  return (entry - ENTRIES) / ENTRY - 1
}

/** From the end of the value before the key to the beginning of its own: `","key":"`. */
export function keyPiece(entry: usize): usize {
  return <usize>load<u32>(entry + PIECE)
}

export function keyPieceLength(entry: usize): usize {
  return <usize>load<u32>(entry + PIECE_LENGTH)
}

/** Tells the log that was read last from those before it. Never 0. */
export function logNumber(): u32 {
  return event
}

/** Whether the log that was read last has the key. */
export function hasKey(entry: usize): bool {
  return load<u32>(entry + EVENT) === event
}

/** Length of the key with its tag and length. */
export function framedLength(entry: usize): usize {
  return <usize>load<u32>(entry + FRAMED)
}

/** Address of the key on the wire, its tag and length included. */
export function wireKey(entry: usize): usize {
  return <usize>load<u32>(entry + WIRE)
}

export function writeKey(entry: usize, out: usize): usize {
  const piece = <usize>load<u32>(entry + PIECE)
  const length = <usize>load<u32>(entry + PIECE_LENGTH)
  v128.store(out, v128.load(piece))
  v128.store(out + 16, v128.load(piece + 16))
  if (length > 32) copy(out + 32, piece + 32, length - 32)
  return out + length
}

function isKey(entry: usize, wire: usize): bool {
  const mask = load<i32>(entry + MASK)
  const equal = i8x16.bitmask(i8x16.eq(v128.load(entry + FIRST_BYTES), v128.load(wire)))
  if ((equal & mask) !== mask) return false
  const length = <usize>load<u32>(entry + FRAMED)
  return length <= 16 || same(<usize>load<u32>(entry + WIRE) + 16, wire + 16, length - 16)
}

function find(wire: usize, end: usize): usize {
  const length = <usize>load<u8>(wire + 1)
  const key = wire + 2
  if (load<u8>(wire) !== KEY || length > MAX_KEY || key + length > end) return 0
  let slot = hashOf(key, length) >>> (32 - SLOT_BITS)
  for (let probe = 0; probe < MAX_PROBES; probe++) {
    const entry = <usize>load<u32>(SLOTS + ((<usize>slot) << 2))
    if (entry === 0) return insert(slot, key, length)
    if (isKey(entry, wire)) return entry
    slot = (slot + 1) & SLOTS_MASK
  }
  turnedAway++
  return 0
}

function hashOf(key: usize, length: usize): u32 {
  let first: u32
  let final: u32
  if (length >= 4) {
    first = load<u32>(key)
    final = load<u32>(key + length - 4)
  } else {
    first = load<u32>(key) & ((1 << ((<u32>length) << 3)) - 1)
    final = first
  }
  return ((first * 0x9e3779b1) ^ (final * 0x85ebca77) ^ <u32>length) * 0xc2b2ae3d
}

function insert(slot: u32, key: usize, length: usize): usize {
  // Different invalid bytes can decode to the same key, so the bytes of such a key do not identify it.
  if (!isUtf8(key, key + length)) return 0
  // Room for the key on the wire, its longest JSON, and bytes written too many.
  if (size === MAX_KEYS || arenaUsed + length + MAX_ESCAPED * length + 128 > ARENA_END) {
    turnedAway++
    return 0
  }
  const entry = ENTRIES + <usize>++size * ENTRY
  const wire = arenaUsed
  const framed = length + 2
  const piece = copy(wire, key - 2, framed)
  const high = highBytes
  store<u32>(piece, 0x00222c22) // ","
  let end = writeEscaped(piece + 3, key, key + length)
  store<u32>(end, 0x00223a22) // ":"
  end += 3
  if (!high) clearHighBytes()
  store<u32>(entry + FRAMED, <u32>framed)
  store<u32>(entry + EVENT, event - 1)
  store<u32>(entry + FOLLOWER, 0)
  store<u32>(entry + PIECE, <u32>piece)
  store<u32>(entry + PIECE_LENGTH, <u32>(end - piece))
  store<u32>(entry + WIRE, <u32>wire)
  store<u32>(entry + LINE, 0)
  store<u32>(entry + RESERVED, isReserved(key, length) ? 1 : 0)
  store<i32>(entry + MASK, framed < 16 ? (1 << (<i32>framed)) - 1 : 0xffff)
  v128.store(entry + FIRST_BYTES, v128.load(wire))
  store<u32>(SLOTS + ((<usize>slot) << 2), <u32>entry)
  arenaUsed = end + 32
  return entry
}

function isReserved(key: usize, length: usize): bool {
  if (length >= 8 && load<u64>(key) === TAG_PREFIX) return true
  return (length === 9 && same(key, TOPIC_KEY, 9)) || (length === 10 && same(key, SOURCE_KEY, 10))
}

/** Forgets all keys but those of the program, which come first. False when the table cannot hold them. */
export function resetKeys(): bool {
  memory.fill(SLOTS, 0, 4 << SLOT_BITS)
  store<u32>(ENTRIES + FOLLOWER, 0)
  size = 0
  turnedAway = 0
  arenaUsed = ARENA
  const count = program(KEY_COUNT)
  for (let number: usize = 0; number < count; number++) {
    const key = program(KEYS) + number * PLACE * KEY_SIZE
    const wire = word(key, KEY_WIRE)
    if (find(wire, wire + word(key, KEY_FRAMED)) !== programKey(number)) return false
  }
  return true
}

/** Forgets what the program's operands found in earlier logs. */
function forgetFound(): void {
  let node = program(NODES)
  for (let left = program(NODE_COUNT); left > 0; left--) {
    if (word(node, NODE_OP) > <usize>OP_STOP) setWord(word(node, NODE_OPERAND), OPERAND_LOG, 0)
    node += PLACE * NODE_SIZE
  }
}
