import {
  HOST,
  MESSAGE,
  MSGID,
  PID,
  PRIORITY,
  PROGRAM_NAME,
  SYSLOG_TIMESTAMP,
} from '../src/pipeline/wasm/memory-layout.ts'
import {
  addToName,
  at,
  BLANK,
  beginName,
  byteAt,
  CLOSE_BRACKET,
  COLON,
  DASH,
  end,
  entryOfName,
  isDigit,
  isTold,
  OPEN_BRACKET,
  put,
  putAt,
  putTaken,
  skip,
  take,
  takeBytes,
  takeDigits,
  takenStart,
  takenStop,
  takeQuoted,
  takeRest,
  takeWord,
} from './line.ts'

// Lines of syslog, as src/pipeline/lines/syslog.ts reads them. Whatever is not surely such a line is the host's.

const LESS: u32 = 0x3c
const GREATER: u32 = 0x3e
const ONE: u32 = 0x31
const DOT: u32 = 0x2e
const PLUS: u32 = 0x2b
const CAPITAL_T: u32 = 0x54
const CAPITAL_Z: u32 = 0x5a
const BACKSLASH: u32 = 0x5c
const EQUALS: u32 = 0x3d
const QUOTE: u32 = 0x22
const LONGEST_DATA_NAME: usize = 32
/** `sd.` */
const SD: usize = memory.data<u8>([0x73, 0x64, 0x2e], 16)
/** The reference looks no further than 512 characters for the name of a program. */
const LONGEST_HEAD: usize = 256

/** False when the host must read the line. */
export function readSyslog(): bool {
  // `<165>1 `
  if (byteAt(0) !== LESS) return readSyslog3164()
  let digits: usize = 1
  while (digits < 4 && isDigit(byteAt(digits))) digits++
  const isNew = byteAt(digits) === GREATER && byteAt(digits + 1) === ONE && byteAt(digits + 2) === BLANK
  return isNew ? readSyslog5424() : readSyslog3164()
}

/** `<38>Jul  5 09:30:00 web-1 sshd[42]: message`. The priority and the program may be absent. */
export function readSyslog3164(): bool {
  if (byteAt(0) === LESS && !takePriority()) return false
  const length = byteAt(0) - 0x41 < 26 ? lengthOfDate() : lengthOfIso8601()
  if (length === 0 || byteAt(length) !== BLANK) return false
  takeBytes(length)
  putTaken(SYSLOG_TIMESTAMP)
  skip(1)
  if (!takeWord()) return false
  putTaken(HOST)
  take(BLANK)
  if (!readProgram()) return false
  takeRest()
  putTaken(MESSAGE)
  return true
}

/** `<165>1 2003-10-11T22:14:15.003Z host app 42 ID47 [sd@1 key="value"] message`. A `-` is no field. */
export function readSyslog5424(): bool {
  if (!takePriority() || !take(ONE) || !take(BLANK)) return false
  if (!takeField(SYSLOG_TIMESTAMP) || !takeField(HOST) || !takeField(PROGRAM_NAME)) return false
  if (!takeField(PID) || !takeField(MSGID)) return false
  if (!(take(DASH) || readStructuredData()) || !(take(BLANK) || at === end)) return false
  const hasByteOrderMark = byteAt(0) === 0xef && byteAt(1) === 0xbb && byteAt(2) === 0xbf
  if (hasByteOrderMark) skip(3)
  takeRest()
  putTaken(MESSAGE)
  return true
}

/** `sd.ID.NAME` by its value. Of equal names the first counts. False for values with a backslash, too. */
function readStructuredData(): bool {
  do {
    if (!take(OPEN_BRACKET) || !takeDataName()) return false
    const id = takenStart
    const idEnd = takenStop
    while (take(BLANK)) {
      if (!takeDataName()) return false
      beginName()
      if (!addToName(SD, SD + 3) || !addToName(id, idEnd)) return false
      if (!addToName(SD + 2, SD + 3) || !addToName(takenStart, takenStop)) return false
      const entry = entryOfName()
      if (entry === 0 || !take(EQUALS) || !takeQuoted()) return false
      if (hasBackslash(takenStart, takenStop)) return false
      if (!isTold(entry)) putAt(entry, takenStart, takenStop)
    }
    if (!take(CLOSE_BRACKET)) return false
  } while (byteAt(0) === OPEN_BRACKET)
  return true
}

/** Takes a name of structured data. False also for one of which only the host knows where it ends. */
function takeDataName(): bool {
  let length: usize = 0
  while (length <= LONGEST_DATA_NAME) {
    const one = byteAt(length)
    if (one >= 0x80) return false
    const isEnd = one === BLANK || one - 0x09 < 5 || one === EQUALS || one === CLOSE_BRACKET || one === QUOTE
    if (isEnd || at + length >= end) break
    length++
  }
  takeBytes(length)
  return length > 0 && length <= LONGEST_DATA_NAME
}

function hasBackslash(from: usize, to: usize): bool {
  for (let one = from; one < to; one++) if (<u32>load<u8>(one) === BACKSLASH) return true
  return false
}

function takePriority(): bool {
  if (!take(LESS) || !takeDigits() || takenStop - takenStart > 3) return false
  let value: u32 = 0
  for (let digit = takenStart; digit < takenStop; digit++) value = value * 10 + <u32>load<u8>(digit) - 0x30
  if (value > 191) return false
  putTaken(PRIORITY)
  return take(GREATER)
}

/** A word and the blank behind it. */
function takeField(field: usize): bool {
  if (!takeWord()) return false
  const isAbsent = takenStop - takenStart === 1 && <u32>load<u8>(takenStart) === DASH
  if (!isAbsent) putTaken(field)
  return take(BLANK)
}

/** Length of `Jul  5 09:30:00` or `Jul 15 09:30:00.123`; 0 if none stands here. */
function lengthOfDate(): usize {
  if (!isSmall(byteAt(1)) || !isSmall(byteAt(2)) || byteAt(3) !== BLANK) return 0
  let length: usize = 4
  if (isDigit(byteAt(4)) && isDigit(byteAt(5))) length = 6
  else {
    if (byteAt(4) === BLANK) length = 5
    if (!isDigit(byteAt(length))) return 0
    length++
  }
  return byteAt(length) === BLANK ? lengthWithTime(length + 1) : 0
}

/** Length of `2026-07-05T09:30:00Z`, also with a fraction and an offset; 0 if none stands here. */
function lengthOfIso8601(): usize {
  if (!areTwoDigits(0) || !areTwoDigits(2) || byteAt(4) !== DASH || !areTwoDigits(5) || byteAt(7) !== DASH) return 0
  if (!areTwoDigits(8) || byteAt(10) !== CAPITAL_T) return 0
  const length = lengthWithTime(11)
  if (length === 0) return 0
  const zone = byteAt(length)
  if (zone === CAPITAL_Z) return length + 1
  const isOffset = (zone === PLUS || zone === DASH) && areTwoDigits(length + 1) && byteAt(length + 3) === COLON
  return isOffset && areTwoDigits(length + 4) ? length + 6 : 0
}

/** With the time that stands so far from here; 0 if none does. */
function lengthWithTime(offset: usize): usize {
  if (!areTwoDigits(offset) || byteAt(offset + 2) !== COLON || !areTwoDigits(offset + 3)) return 0
  if (byteAt(offset + 5) !== COLON || !areTwoDigits(offset + 6)) return 0
  let length = offset + 8
  if (byteAt(length) !== DOT || !isDigit(byteAt(length + 1))) return length
  length += 2
  while (isDigit(byteAt(length))) length++
  return length
}

function areTwoDigits(offset: usize): bool {
  return isDigit(byteAt(offset)) && isDigit(byteAt(offset + 1))
}

function isSmall(one: u32): bool {
  return one - 0x61 < 26
}

/** Makes fields of `sshd[42]: ` or `kernel: `, and passes it. False when only the host can tell whether one stands here. */
function readProgram(): bool {
  let length: usize = 0
  while (length < LONGEST_HEAD) {
    const one = byteAt(length)
    if (length > 0) {
      const pid = one === OPEN_BRACKET ? digitsBehind(length + 1) : 0
      const colon = pid === 0 ? length : length + pid + 2
      const isProgram = (pid === 0 || byteAt(colon - 1) === CLOSE_BRACKET) && isColon(colon)
      if (isProgram) {
        put(PROGRAM_NAME, at, at + length)
        if (pid !== 0) put(PID, at + length + 1, at + length + 1 + pid)
        skip(colon + 1)
        take(BLANK)
        return true
      }
    }
    const isOfName = one - 0x21 < 0x3a || one === BACKSLASH || one - 0x5e < 0x21
    if (!isOfName) return true
    length++
  }
  return false
}

/** Whether a colon stands there, with a blank or the end behind it. */
function isColon(offset: usize): bool {
  return byteAt(offset) === COLON && (at + offset + 1 === end || byteAt(offset + 1) === BLANK)
}

/** How many digits stand there; 0 for more than a head may have. */
function digitsBehind(offset: usize): usize {
  let digits: usize = 0
  while (digits < LONGEST_HEAD && isDigit(byteAt(offset + digits))) digits++
  return digits < LONGEST_HEAD ? digits : 0
}
