import { copy, same } from './copy.ts'
import { writeDecimal } from './digits.ts'
import { eventAt, eventEnd, idAt, idEnd, nanosAt, seconds } from './envelope.ts'
import {
  foundAt,
  foundEnd,
  foundMember,
  has,
  INSIDE,
  isNothing,
  isTaken,
  memberAt,
  memberCount,
  memberEnd,
  memberKey,
  OWN,
  PARTS,
  readInside,
  readMembers,
  stamp,
  takeMember,
} from './members.ts'
import { endPayload, hasRoom, PAYLOAD } from './payload.ts'
import { isAddress, readAt, readEnd, readSeconds, readTime } from './siem-reading.ts'
import { CEF, clearEndsOddly, endsOddly, LEEF, writeHeaderText, writeValue } from './siem-text.ts'
import { ask, meaning } from './words.ts'

// Events in CEF and LEEF, and the severity of a log, by the tables of products. The host has compiled the tables
// (src/sinks/syslog/tables.ts): lists and records of numbers of 32 bits, and the texts that they point to. What src/sinks/syslog/extension.ts
// says about an event is what leaves; an event that is odd is left to it.

/** Spaces of words, by the host's numbers; the last one with the number of a field. A column has its own. */
const TOPICS: u32 = 2
const LEVELS: u32 = 3
const NEXT_KEYS: u32 = 4
const RULES: u32 = 0x200

const TOPIC_FIELD: u32 = 1

/** A product: its parts by their place. */
const HEAD: usize = 0
const HEAD_LENGTH: usize = 4
/** The content whose JSON holds the fields, or 0. */
const CONTENT: usize = 8
const CONTENT_NODE: usize = 12
/** Lists of: contents with the node of their fields, fields, columns, rules. */
const PART_LIST: usize = 16
const CLASS_LIST: usize = 20
const NAME_LIST: usize = 24
const COLUMN_LIST: usize = 28
const RULE_LIST: usize = 32
/** Fields that a log of this product has, whatever its topic. */
const HAS_LIST: usize = 36
/** Whether the first column is the time. */
const IS_TIMED: usize = 40

/** A column. */
const READING: usize = 0
const SPACE: usize = 4
/** A pair for logs without the field, or 0. */
const ABSENT: usize = 8
/** A pair that is completed with the text. */
const COLUMN_PAIR: usize = 12
/** A text of no more bytes is not too long. */
const MOST: usize = 16
const COLUMN_FIELDS: usize = 20
/** Readings, by the host's numbers. The others are words. */
const TEXT: u32 = 0
const ADDRESS: u32 = 1
const TIME: u32 = 2
const SECONDS: u32 = 3

/** A pair: a key and, if the host has read it, a text; both are written as they are. Then a label. */
const PAIR_KEY: usize = 0
const PAIR_AT: usize = 4
const PAIR_LENGTH: usize = 8
const LABEL_KEY: usize = 12
const LABEL_AT: usize = 16
const LABEL_LENGTH: usize = 20
/** Whether the text is the content's own. */
const IS_OWN: usize = 24

/** A key of a content: number, text with separator and `=`, and the one that follows if it is taken, or 0. */
const KEY: usize = 0
const KEY_AT: usize = 4
const KEY_LENGTH: usize = 8
const NEXT_KEY: usize = 12

/** The meaning of a value that has none. */
const NOTHING: u32 = 1
/** The number of a level is behind it. Above the levels is the one of other words. */
const FIRST_LEVEL: u32 = 1
const MOST_CLASS: usize = 255
const MOST_NAME: usize = 512

const MOST_KEYS: u32 = 16_384
const TAKEN: usize = memory.data(16_384 * 4, 16)
/** Numbers of keys that no content may have. */
const ID_KEY: u32 = 1
const TRUNCATED_KEY: u32 = 2
const TIME_KEY: u32 = 3

let format: u32 = 0
/** Texts, by the host: ` key=` of the time and the severity; ` slsEventId=`. */
let timeKeyAt: usize = 0
let timeKeyLength: usize = 0
let severityKeyAt: usize = 0
let severityKeyLength: usize = 0
let idKeyAt: usize = 0
let idKeyLength: usize = 0
/** Fields of a level, and severities by level: of syslog, and of the format. */
let levelList: usize = 0
let severityList: usize = 0

export function configureSiem(
  kind: u32,
  timeKey: usize,
  timeLength: usize,
  severityKey: usize,
  severityLength: usize,
  idKey: usize,
  idLength: usize,
  levels: usize,
  severities: usize,
): void {
  format = kind
  timeKeyAt = timeKey
  timeKeyLength = timeLength
  severityKeyAt = severityKey
  severityKeyLength = severityLength
  idKeyAt = idKey
  idKeyLength = idLength
  levelList = levels
  severityList = severities
}

/** Forgets the events that were read. */
export function forgetKeys(): void {
  memory.fill(TAKEN, 0, <usize>MOST_KEYS * 4)
}

/** The key that follows another one, which the host was asked for. */
export function setNextKey(key: usize, next: usize): void {
  store<u32>(key, <u32>next, NEXT_KEY)
}

let product: usize = 0
/** 0–7. */
export let syslogSeverity: u32 = 0
let severity: u32 = 0

// The class of an event, and its name.
let classAt: usize = 0
let classEnd: usize = 0
let nameAt: usize = 0
let nameEnd: usize = 0
/** `log` */
const NO_TOPIC: usize = memory.data<u8>([0x6c, 0x6f, 0x67, 0, 0, 0, 0, 0], 16)

/** Reads the event that was cut last, and decides its product and severity. False where it is the host's, or a word is asked for. */
export function readKind(): bool {
  return readMembers(eventAt, eventEnd) && decideProduct() && decideSeverity()
}

let insideIsRead: bool = false

/** The first product with the topic, or with the fields, counts. */
function decideProduct(): bool {
  insideIsRead = false
  const hasTopic = has(OWN, TOPIC_FIELD)
  let candidates = <usize>meaning(TOPICS, hasTopic ? foundAt : NO_TOPIC, hasTopic ? foundEnd - foundAt : 0)
  if (candidates === 0) return false
  for (let left = load<u32>(candidates); left > 0; left--) {
    product = <usize>load<u32>(candidates, 4)
    const hasItsTopic = load<u32>(candidates, 8) !== 0
    if (!readContent()) return false
    if (hasItsTopic || hasAll(<usize>load<u32>(product, HAS_LIST))) return readParts()
    candidates += 8
  }
  return false
}

/** Reads the content whose JSON may hold the fields of the product, once. */
function readContent(): bool {
  const content = load<u32>(product, CONTENT)
  if (content === 0 || insideIsRead) return true
  insideIsRead = true
  return readInside(INSIDE, content, load<u32>(product, CONTENT_NODE))
}

function hasAll(list: usize): bool {
  for (let left = load<u32>(list); left > 0; left--) {
    list += 4
    if (!find(load<u32>(list))) return false
  }
  return true
}

function readParts(): bool {
  let part = <usize>load<u32>(product, PART_LIST)
  for (let left = load<u32>(part); left > 0; left--) {
    if (!readInside(PARTS, load<u32>(part, 4), load<u32>(part, 8))) return false
    part += 8
  }
  return true
}

/** Finds a field of the product. */
function find(field: u32): bool {
  if (load<u32>(product, CONTENT) !== 0 && has(INSIDE, field)) return !isNothing()
  if (has(OWN, field) || has(PARTS, field)) return !isNothing()
  return false
}

/** Finds the first of the fields in a list that the log has. */
function findAny(list: usize): bool {
  for (let left = load<u32>(list); left > 0; left--) {
    list += 4
    if (find(load<u32>(list))) return true
  }
  return false
}

/** The first rule that holds. */
function decideSeverity(): bool {
  let rule = <usize>load<u32>(product, RULE_LIST)
  for (let left = load<u32>(rule); left > 0; left--) {
    rule += 4
    // Severities of syslog and of the format, the number of conditions; of each the field, its bit, and whether nothing has it.
    const begin = rule
    let holds = true
    rule += 8
    for (let conditions = load<u32>(begin, 8); conditions > 0; conditions--) {
      if (holds) {
        const field = load<u32>(rule, 4)
        if (find(field)) {
          const bits = meaning(RULES + field, foundAt, foundEnd - foundAt)
          if (bits === 0) return false
          holds = (bits & load<u32>(rule, 8)) !== 0
        } else holds = load<u32>(rule, 12) !== 0
      }
      rule += 12
    }
    if (holds) {
      syslogSeverity = load<u32>(begin)
      severity = load<u32>(begin, 4)
      return true
    }
  }
  let level = severityList
  if (findAny(levelList)) {
    const value = meaning(LEVELS, foundAt, foundEnd - foundAt)
    if (value === 0) return false
    level += <usize>(value - FIRST_LEVEL) * 8
  } else level += 64
  syslogSeverity = load<u32>(level)
  severity = load<u32>(level, 4)
  return true
}

/** Writes the event that was read to PAYLOAD. False where it is the host's, or a word is asked for. */
export function writeEvent(): bool {
  clearEndsOddly()
  if (!findNames()) return false
  let out = copy(PAYLOAD, <usize>load<u32>(product, HEAD), <usize>load<u32>(product, HEAD_LENGTH))
  out = writeHeaderText(out, classAt, classEnd, format)
  store<u8>(out++, 0x7c)
  if (format === CEF) {
    out = writeHeaderText(out, nameAt, nameEnd, format)
    store<u8>(out++, 0x7c)
    out = writeDecimal(out, severity)
    store<u8>(out++, 0x7c)
  }
  take(ID_KEY)
  take(TRUNCATED_KEY)
  out = writeColumns(out)
  if (out === 0) return false
  if (format === LEEF) {
    out = copy(out, severityKeyAt, severityKeyLength)
    out = writeDecimal(out, severity)
  }
  out = writeMembers(out)
  if (out === 0 || !hasRoom(out, idEnd - idAt)) return false
  out = copy(out, idKeyAt, idKeyLength)
  endPayload(writeValue(out, idAt, idEnd, format))
  return !endsOddly
}

function findNames(): bool {
  if (findAny(<usize>load<u32>(product, CLASS_LIST))) {
    classAt = foundAt
    classEnd = foundEnd
  } else if (has(OWN, TOPIC_FIELD) && foundAt !== foundEnd) {
    classAt = foundAt
    classEnd = foundEnd
  } else {
    classAt = NO_TOPIC
    classEnd = NO_TOPIC + 3
  }
  nameAt = classAt
  nameEnd = classEnd
  if (findAny(<usize>load<u32>(product, NAME_LIST))) {
    nameAt = foundAt
    nameEnd = foundEnd
  }
  return classEnd - classAt <= MOST_CLASS && nameEnd - nameAt <= MOST_NAME
}

function isFree(key: u32): bool {
  return load<u32>(TAKEN + <usize>key * 4) !== stamp
}

function take(key: u32): void {
  store<u32>(TAKEN + <usize>key * 4, stamp)
}

/** Writes what the product's columns find. The time comes first, from a column or the log itself. */
function writeColumns(start: usize): usize {
  let out = start
  let column = <usize>load<u32>(product, COLUMN_LIST)
  let left = load<u32>(column)
  if (load<u32>(product, IS_TIMED) !== 0) {
    column += 4
    left--
    out = writeColumn(out, <usize>load<u32>(column))
    if (out === 0) return 0
  }
  if (isFree(TIME_KEY)) out = writeLogTime(out)
  for (; left > 0 && out !== 0; left--) {
    column += 4
    out = writeColumn(out, <usize>load<u32>(column))
  }
  return out
}

function writeColumn(out: usize, column: usize): usize {
  if (!findAny(column + COLUMN_FIELDS)) {
    const absent = <usize>load<u32>(column, ABSENT)
    return absent === 0 ? out : writePair(out, absent)
  }
  const reading = load<u32>(column, READING)
  let from = foundAt
  let to = foundEnd
  let isOwn = foundMember !== 0
  if (reading === TIME ? readTime(from, to) : reading === SECONDS && readSeconds(from, to)) {
    if (isOwn) isOwn = readEnd - readAt === to - from && same(readAt, from, to - from)
    from = readAt
    to = readEnd
  } else if (reading !== TEXT && !(reading === ADDRESS && isAddress(from, to))) {
    const pair = <usize>meaning(load<u32>(column, SPACE), from, to - from)
    if (pair <= NOTHING) return pair === NOTHING ? out : 0
    return writePair(out, pair)
  }
  if (to - from > <usize>load<u32>(column, MOST) || !hasRoom(out, to - from)) return 0
  const pair = <usize>load<u32>(column, COLUMN_PAIR)
  const key = load<u32>(pair, PAIR_KEY)
  if (!isFree(key)) return out
  take(key)
  if (isOwn) takeMember(foundMember)
  const at = copy(out, <usize>load<u32>(pair, PAIR_AT), <usize>load<u32>(pair, PAIR_LENGTH))
  const end = writeValue(at, from, to, format)
  return writeLabel(end > at ? end : out, pair)
}

/** Writes a pair whose text the host has read. */
function writePair(out: usize, pair: usize): usize {
  const key = load<u32>(pair, PAIR_KEY)
  const length = <usize>load<u32>(pair, PAIR_LENGTH)
  if (!isFree(key)) return out
  if (!hasRoom(out, length)) return 0
  take(key)
  if (load<u32>(pair, IS_OWN) !== 0 && foundMember !== 0) takeMember(foundMember)
  return writeLabel(copy(out, <usize>load<u32>(pair, PAIR_AT), length), pair)
}

function writeLabel(out: usize, pair: usize): usize {
  const length = <usize>load<u32>(pair, LABEL_LENGTH)
  const key = load<u32>(pair, LABEL_KEY)
  if (length === 0 || !isFree(key)) return out
  take(key)
  return copy(out, <usize>load<u32>(pair, LABEL_AT), length)
}

function writeLogTime(start: usize): usize {
  let out = copy(start, timeKeyAt, timeKeyLength)
  const thousandths = <u64>(<u32>load<u8>(nanosAt) - 0x30) * 100 + <u64>(<u32>load<u8>(nanosAt + 1) - 0x30) * 10
  out = writeDecimal(out, seconds * 1000 + thousandths + <u64>(<u32>load<u8>(nanosAt + 2) - 0x30))
  take(TIME_KEY)
  return out
}

/** Writes the contents that no column has taken unchanged. */
function writeMembers(start: usize): usize {
  let out = start
  for (let index: usize = 0; index < memberCount; index++) {
    const from = memberAt(index)
    const to = memberEnd(index)
    if (from === to || isTaken(index)) continue
    let key = memberKey(index)
    while (!isFree(load<u32>(key, KEY))) {
      const next = <usize>load<u32>(key, NEXT_KEY)
      if (next === 0) {
        ask(NEXT_KEYS, key, 0)
        return 0
      }
      key = next
    }
    take(load<u32>(key, KEY))
    if (!hasRoom(out, to - from)) return 0
    const at = copy(out, <usize>load<u32>(key, KEY_AT), <usize>load<u32>(key, KEY_LENGTH))
    const end = writeValue(at, from, to, format)
    if (end > at) out = end
  }
  return out
}
