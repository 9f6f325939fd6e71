import { same } from './copy.ts'
import {
  clearSpace,
  forgetTexts,
  hasEscapes,
  hasSpace,
  passColon,
  passText,
  passValue,
  readText,
  skipSpace,
  textAt,
  textEnd,
  textIs,
} from './json.ts'
import { ask, known, meaning } from './words.ts'

// The members of an event, and the fields in those that are JSON, as src/sinks/syslog/fields.ts finds them. A field is a path that
// the tables of products name; the host has numbered them. What is odd is left to the host: names with escapes or twice in one
// object, and JSON that is broken or nested in strings.

const QUOTE: u32 = 0x22
const COMMA: u32 = 0x2c
const COLON: u32 = 0x3a
const QUOTE_AND_COLON: u32 = 0x3a22
const OPEN_ARRAY: u32 = 0x5b
const CLOSE_ARRAY: u32 = 0x5d
const OPEN_OBJECT: u32 = 0x7b
const CLOSE_OBJECT: u32 = 0x7d

/** Spaces of words. The meaning of a name is the address of a record. */
const NAMES: u32 = 1
/** A record: stamp, field, key, the name itself, and the record of the name that followed it last. */
const NAME_FIELD: usize = 4
const NAME_KEY: usize = 8
const NAME_AT: usize = 12
const NAME_LENGTH: usize = 16
const NAME_NEXT: usize = 20
/** In place of a record before the first name. */
const BEFORE_FIRST: usize = memory.data(24, 16)
/** This and the number of a node of the tree of paths: a step from it. Its meaning is the number of the next node, and of a field above it. */
const STEPS: u32 = 0x100
/** A name that only the host understands. */
const ODD_FIELD: u32 = 0xffff
const MOST_FIELDS: u32 = 256

const MOST_MEMBERS: usize = 512
/** Record of its name, text from and to, whether a column took it unchanged. */
const MEMBER_BYTES: usize = 16
const MEMBERS: usize = memory.data(512 * 16, 16)
export let memberCount: usize = 0

/** Of each field: stamp, text from and to, and the member that is all of it, counted from 1. First those that are members. */
const FIELD_BYTES: usize = 16
const FIELDS: usize = memory.data(3 * 256 * 16, 16)
/** The sets of fields. */
export const OWN: usize = 0
/** In the content that may hold all fields of a product. */
export const INSIDE: usize = 256 * 16
/** In contents that are the first steps of paths. */
export const PARTS: usize = 2 * 256 * 16
const NODES: usize = memory.data(2 * 256 * 4, 16)
/** The first element of an array. */
const FIRST: usize = memory.data<u8>([0x30, 0, 0, 0, 0, 0, 0, 0], 16)

/** Marks what belongs to the event that is being read. */
export let stamp: u32 = 0
/** By the host's number: asks it to forget all words, and with them all stamps. */
const ALL_WORDS: u32 = 6

// The text that was found last, and the member that is all of it, or 0.
export let foundAt: usize = 0
export let foundEnd: usize = 0
export let foundMember: usize = 0

/** Forgets the events that were read. */
export function forgetEvents(): void {
  stamp = 0
  store<u32>(BEFORE_FIRST, 0, NAME_NEXT)
  memory.fill(FIELDS, 0, 3 * 256 * 16)
  memory.fill(NODES, 0, 2 * 256 * 4)
}

/** Reads the members of the object `[from, end)`. False where it is the host's, or a word is asked for. */
export function readMembers(from: usize, end: usize): bool {
  if (stamp === u32.MAX_VALUE) {
    ask(ALL_WORDS, from, 0)
    return false
  }
  stamp++
  memberCount = 0
  forgetTexts()
  let at = from + 1
  let before = BEFORE_FIRST
  if (<u32>load<u8>(from) !== OPEN_OBJECT) return false
  if (<u32>load<u8>(at) === CLOSE_OBJECT) return at + 1 === end
  while (memberCount < MOST_MEMBERS) {
    if (<u32>load<u8>(at) !== QUOTE) return false
    // Neighbours mostly have the same names in the same order.
    let record = <usize>load<u32>(before, NAME_NEXT)
    const length = <usize>load<u32>(record, NAME_LENGTH)
    if (
      record === 0 ||
      <u32>load<u16>(at + 1 + length) !== QUOTE_AND_COLON ||
      !same(at + 1, <usize>load<u32>(record, NAME_AT), length)
    ) {
      record = readName(at, end)
      if (record === 0) return false
      store<u32>(before, <u32>record, NAME_NEXT)
    }
    if (load<u32>(record) === stamp) return false
    store<u32>(record, stamp)
    before = record
    at = readValue(at + <usize>load<u32>(record, NAME_LENGTH) + 3, end)
    if (at === 0) return false
    const member = MEMBERS + memberCount++ * MEMBER_BYTES
    store<u32>(member, <u32>record)
    store<u32>(member, <u32>textAt, 4)
    store<u32>(member, <u32>textEnd, 8)
    store<u32>(member, 0, 12)
    const field = load<u32>(record, NAME_FIELD)
    if (field === ODD_FIELD) return false
    if (field !== 0) put(OWN, field, <u32>memberCount)
    const next = <u32>load<u8>(at++)
    if (next !== COMMA) return next === CLOSE_OBJECT && at === end
  }
  return false
}

/** Reads the name whose quote is at `at`, with its colon, and returns its record. */
function readName(at: usize, end: usize): usize {
  const behind = passText(at, end)
  if (behind === 0 || hasEscapes || <u32>load<u8>(behind) !== COLON) return 0
  return <usize>meaning(NAMES, at + 1, behind - at - 2)
}

/** Reads a string, or another value as it stands, and returns the place behind it. */
function readValue(from: usize, end: usize): usize {
  if (<u32>load<u8>(from) === QUOTE) return readText(from, end)
  const at = passValue(from, end)
  textIs(from, at)
  return at
}

function memberRecord(index: usize): usize {
  return <usize>load<u32>(MEMBERS + index * MEMBER_BYTES)
}

/** The key of a content of its name. */
export function memberKey(index: usize): usize {
  return <usize>load<u32>(memberRecord(index), NAME_KEY)
}

export function memberName(index: usize): usize {
  return <usize>load<u32>(memberRecord(index), NAME_AT)
}

export function memberNameLength(index: usize): usize {
  return <usize>load<u32>(memberRecord(index), NAME_LENGTH)
}

export function memberAt(index: usize): usize {
  return <usize>load<u32>(MEMBERS + index * MEMBER_BYTES, 4)
}

export function memberEnd(index: usize): usize {
  return <usize>load<u32>(MEMBERS + index * MEMBER_BYTES, 8)
}

export function isTaken(index: usize): bool {
  return load<u32>(MEMBERS + index * MEMBER_BYTES, 12) !== 0
}

/** `member`: counted from 1. */
export function takeMember(member: usize): void {
  store<u32>(MEMBERS + (member - 1) * MEMBER_BYTES, 1, 12)
}

/** Notes the text that was read last. False if the field has one already. */
function put(set: usize, field: u32, member: u32): bool {
  const place = FIELDS + set + <usize>field * FIELD_BYTES
  if (load<u32>(place) === stamp) return false
  store<u32>(place, stamp)
  store<u32>(place, <u32>textAt, 4)
  store<u32>(place, <u32>textEnd, 8)
  store<u32>(place, member, 12)
  return true
}

/** Finds the text of a field in a set. */
export function has(set: usize, field: u32): bool {
  const place = FIELDS + set + <usize>field * FIELD_BYTES
  if (load<u32>(place) !== stamp) return false
  foundAt = <usize>load<u32>(place, 4)
  foundEnd = <usize>load<u32>(place, 8)
  foundMember = <usize>load<u32>(place, 12)
  return true
}

/** Whether the text that was found stands for nothing, as Log Service's products write it. */
export function isNothing(): bool {
  const length = foundEnd - foundAt
  if (length === 0) return true
  if (length === 1) return load<u8>(foundAt) === 0x2d
  return length === 4 && load<u32>(foundAt) === 0x6c6c756e // null
}

/** Finds the fields in a content that may be JSON; its fields begin at this node. False where it is the host's. */
export function readInside(set: usize, content: u32, node: u32): bool {
  if (!has(OWN, content) || foundAt === foundEnd) return true
  const from = foundAt
  const end = foundEnd
  const first = <u32>load<u8>(from)
  // Elements of a list have no names.
  if (first !== OPEN_OBJECT && (set === INSIDE || first !== OPEN_ARRAY)) return true
  clearSpace()
  const at = first === OPEN_OBJECT ? readObject(set, node, from, end) : readArray(set, node, from, end)
  return at !== 0 && skipSpace(at, end) === end
}

/** Reads the fields of the object at `from`, and returns the place behind it. */
function readObject(set: usize, node: u32, from: usize, end: usize): usize {
  const seen = NODES + <usize>((set === PARTS ? MOST_FIELDS : 0) + node) * 4
  if (load<u32>(seen) === stamp) return 0
  store<u32>(seen, stamp)
  let at = skipSpace(from + 1, end)
  if (at < end && <u32>load<u8>(at) === CLOSE_OBJECT) return at + 1
  while (at < end && <u32>load<u8>(at) === QUOTE) {
    const behind = passText(at, end)
    if (behind === 0 || hasEscapes) return 0
    const step = known(STEPS + node, at + 1, behind - at - 2)
    at = passColon(behind, end)
    if (at === 0) return 0
    at = step === 0 ? passValue(at, end) : readStep(set, step, at, end)
    if (at === 0) return 0
    at = skipSpace(at, end)
    if (at >= end) return 0
    const next = <u32>load<u8>(at++)
    if (next !== COMMA) return next === CLOSE_OBJECT ? at : 0
    at = skipSpace(at, end)
  }
  return 0
}

/** Only the first element may be a field, if it is a string. */
function readArray(set: usize, node: u32, from: usize, end: usize): usize {
  let at = skipSpace(from + 1, end)
  if (at < end && <u32>load<u8>(at) === CLOSE_ARRAY) return at + 1
  let step = known(STEPS + node, FIRST, 1)
  while (at < end) {
    if (step !== 0 && <u32>load<u8>(at) !== QUOTE) return 0
    at = step === 0 ? passValue(at, end) : readStep(set, step, at, end)
    if (at === 0) return 0
    step = 0
    at = skipSpace(at, end)
    if (at >= end) return 0
    const next = <u32>load<u8>(at++)
    if (next !== COMMA) return next === CLOSE_ARRAY ? at : 0
    at = skipSpace(at, end)
  }
  return 0
}

/** Reads a value that is a field, or has fields in it. */
function readStep(set: usize, step: u32, from: usize, end: usize): usize {
  const node = step & 0xffff
  const field = step >>> 16
  const first = <u32>load<u8>(from)
  let at: usize = 0
  if (first === QUOTE) {
    at = readText(from, end)
    if (at === 0) return 0
    // It may be JSON in a string.
    if (node !== 0 && textAt !== textEnd && isOpening(<u32>load<u8>(textAt))) return 0
  } else {
    if (node !== 0 && first === OPEN_OBJECT) at = readObject(set, node, from, end)
    else if (node !== 0 && first === OPEN_ARRAY) at = readArray(set, node, from, end)
    else at = passValue(from, end)
    // The host leaves white space out.
    if (at === 0 || (field !== 0 && hasSpace && isOpening(first))) return 0
    textIs(from, at)
  }
  return field === 0 || put(set, field, 0) ? at : 0
}

function isOpening(one: u32): bool {
  return one === OPEN_OBJECT || one === OPEN_ARRAY
}
