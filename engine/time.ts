import {
  TIME_OFFSET,
  TIME_OPERAND,
  TIME_READS_APACHE,
  TIME_READS_EPOCH,
  TIME_READS_ISO8601,
  TIME_READS_SYSLOG,
  TIME_SIZE,
  TIME_ZONE,
  ZONE_CHANGES,
  ZONE_IS_STEADY,
} from '../src/pipeline/wasm/memory-layout.ts'
import { PLACE, word } from './layout.ts'
import { find, from, isList, isReshaped, to } from './operands.ts'
import { isUnsure } from './tests.ts'

// Times in the texts of a log, as src/pipeline/reference/time.ts reads them. Whatever is not surely a time is the host's.

const ZERO: u32 = 0x30
const LONGEST_EPOCH: usize = 64
const LONGEST: usize = 64
const DAY: i64 = 86_400
/** A day after the beginning of 2000, and a day before the end of 2037. */
const FIRST_STEADY: i64 = 946_771_200
const LAST_STEADY: i64 = 2_145_830_400

/** The last time that was found. */
export let timeSeconds: u32 = 0
export let timeNanos: u32 = 0

/** When Log Service says that the log was written. */
let written: i64 = 0
/** Of the row. */
let zone: usize = ZONE_CHANGES
let offset: i64 = 0

/** Begins with this time, which stays where the log has no other, of a log that was written in the second `writtenAt`. */
export function beginTime(seconds: u32, nanos: u32, writtenAt: u32): void {
  timeSeconds = seconds
  timeNanos = nanos
  written = <i64>writtenAt
}

/** Reads the times of these rows, the last of which counts. False when the host must. */
export function readTimes(rows: usize, count: usize): bool {
  let row = rows
  for (let left = count; left > 0; left--) {
    if (find(word(row, TIME_OPERAND))) {
      if (isList || isReshaped) return false
      zone = word(row, TIME_ZONE)
      offset = <i64>(<i32>word(row, TIME_OFFSET))
      const isRead =
        (word(row, TIME_READS_ISO8601) !== 0 && readIso8601()) ||
        (word(row, TIME_READS_EPOCH) !== 0 && readEpoch()) ||
        (word(row, TIME_READS_APACHE) !== 0 && readApache()) ||
        (word(row, TIME_READS_SYSLOG) !== 0 && readSyslog())
      if (!isRead) return false
    }
    row += PLACE * TIME_SIZE
  }
  return !isUnsure()
}

let at: usize = 0
let end: usize = 0
/** The number that `takeNumber` took. */
let number: u32 = 0

/** Exactly `digits` digits, at most nine. */
function takeNumber(digits: usize): bool {
  if (end - at < digits) return false
  number = 0
  for (let left = digits; left > 0; left--) {
    const digit = <u32>load<u8>(at) - ZERO
    if (digit > 9) return false
    number = number * 10 + digit
    at++
  }
  return true
}

function take(one: u32): bool {
  if (at >= end || <u32>load<u8>(at) !== one) return false
  at++
  return true
}

/** Digits, at least one. The first nine are the nanoseconds; the rest is cut off. */
function takeFraction(): bool {
  const start = at
  let nanos: u32 = 0
  let places = 0
  while (at < end) {
    const digit = <u32>load<u8>(at) - ZERO
    if (digit > 9) break
    if (places < 9) {
      nanos = nanos * 10 + digit
      places++
    }
    at++
  }
  for (; places < 9; places++) nanos *= 10
  number = nanos
  return at > start
}

/** Seconds, milliseconds, microseconds or nanoseconds, by the number of digits. */
function readEpoch(): bool {
  at = from
  end = to
  if (end - at > LONGEST_EPOCH || end - at < 10) return false
  let seconds: u64 = 0
  if (!takeNumber(5)) return false
  seconds = <u64>number * 100_000
  if (!takeNumber(5)) return false
  seconds += number
  let nanos: u32 = 0
  let unit: u32 = 1_000_000_000
  while (unit > 1 && at < end && <u32>load<u8>(at) - ZERO < 10) {
    if (!takeNumber(3)) return false
    unit /= 1000
    nanos += number * unit
  }
  if (take(0x2e)) {
    if (!takeFraction()) return false
    // The remainder of a second, of a millisecond, and so on.
    nanos += number / (1_000_000_000 / unit)
  }
  if (at !== end || seconds > <u64>u32.MAX_VALUE) return false
  timeSeconds = <u32>seconds
  timeNanos = nanos
  return true
}

/** `2026-12-01T02:03:04.123456789+08:00`; `t` or a blank between, a comma, no fraction, `Z`, no zone. */
function readIso8601(): bool {
  at = from
  end = to
  if (end - at > LONGEST || !takeNumber(4) || !take(0x2d)) return false
  const year = number
  if (!takeNumber(2) || !take(0x2d)) return false
  const month = number
  if (!takeNumber(2) || !(take(0x54) || take(0x74) || take(0x20))) return false
  const day = number
  if (!takeClock()) return false
  let nanos: u32 = 0
  if (take(0x2e) || take(0x2c)) {
    if (!takeFraction()) return false
    nanos = number
  }
  take(0x20)
  if (!hasDay(year, month, day)) return false
  const local = daysUntil(year, month, day) * DAY + clock
  if (at === end) return setLocal(local, nanos)
  return takeOffset() && set(local - told, nanos)
}

/** `10/Oct/2000:13:55:36 -0700` */
function readApache(): bool {
  at = from
  end = to
  if (end - at > LONGEST || !takeNumber(2) || !take(0x2f)) return false
  const day = number
  if (!takeMonth() || !take(0x2f)) return false
  const month = number
  if (!takeNumber(4) || !take(0x3a)) return false
  const year = number
  if (!takeClock() || !take(0x20) || !takeOffset() || !hasDay(year, month, day)) return false
  return set(daysUntil(year, month, day) * DAY + clock - told, 0)
}

/** `Jul  5 09:30:00`, also with a fraction, in the year that brings it nearest to when the log was written. */
function readSyslog(): bool {
  at = from
  end = to
  if (end - at > LONGEST || !takeMonth() || !take(0x20)) return false
  const month = number
  const isPadded = take(0x20)
  if (isPadded || !takeNumber(2)) {
    if (!takeNumber(1)) return false
  }
  const day = number
  if (!take(0x20) || !takeClock()) return false
  let nanos: u32 = 0
  if (take(0x2e)) {
    if (!takeFraction()) return false
    nanos = number
  }
  if (at !== end) return false
  const writtenYear = yearOf(written)
  let nearest: i64 = 0
  let isFound = false
  for (let year = writtenYear - 1; year <= writtenYear + 1; year++) {
    if (!hasDay(year, month, day)) continue
    const local = daysUntil(year, month, day) * DAY + clock
    if (!isFound || distance(local - offset) < distance(nearest - offset)) nearest = local
    isFound = true
  }
  return isFound && setLocal(nearest, nanos)
}

function distance(seconds: i64): i64 {
  return seconds > written ? seconds - written : written - seconds
}

/** Sets a time without a zone. */
function setLocal(local: i64, nanos: u32): bool {
  if (zone === ZONE_CHANGES || (zone === ZONE_IS_STEADY && (local < FIRST_STEADY || local > LAST_STEADY))) return false
  return set(local - offset, nanos)
}

function set(seconds: i64, nanos: u32): bool {
  if (at !== end || seconds < 0 || seconds > <i64>u32.MAX_VALUE) return false
  timeSeconds = <u32>seconds
  timeNanos = nanos
  return true
}

/** The seconds that `takeClock` took. */
let clock: i64 = 0

/** `13:55:36` */
function takeClock(): bool {
  if (!takeNumber(2) || !take(0x3a)) return false
  const hour = number
  if (!takeNumber(2) || !take(0x3a)) return false
  const minute = number
  // A leap second is 60.
  if (!takeNumber(2) || hour > 23 || minute > 59 || number > 60) return false
  clock = <i64>(hour * 3600 + minute * 60 + number)
  return true
}

/** The seconds that `takeOffset` took. */
let told: i64 = 0

/** `Z`, `+0800`, `+08:00` or `+08`. */
function takeOffset(): bool {
  told = 0
  if (take(0x5a) || take(0x7a)) return true
  const isWest = take(0x2d)
  if (!isWest && !take(0x2b)) return false
  if (!takeNumber(2) || number > 23) return false
  told = <i64>number * 3600
  if (at < end) {
    take(0x3a)
    if (!takeNumber(2) || number > 59) return false
    told += <i64>number * 60
  }
  if (isWest) told = -told
  return true
}

/** `jan` to `dec` */
const MONTHS: usize = memory.data<u8>(
  [
    0x6a, 0x61, 0x6e, 0x66, 0x65, 0x62, 0x6d, 0x61, 0x72, 0x61, 0x70, 0x72, 0x6d, 0x61, 0x79, 0x6a, 0x75, 0x6e, 0x6a,
    0x75, 0x6c, 0x61, 0x75, 0x67, 0x73, 0x65, 0x70, 0x6f, 0x63, 0x74, 0x6e, 0x6f, 0x76, 0x64, 0x65, 0x63,
  ],
  16,
)

/** `Oct`, in small letters or not. */
function takeMonth(): bool {
  if (end - at < 3) return false
  const name = <u32>load<u16>(at) | ((<u32>load<u8>(at + 2)) << 16) | 0x202020
  for (let month: u32 = 0; month < 12; month++) {
    const known = MONTHS + month * 3
    if (name !== (<u32>load<u16>(known) | ((<u32>load<u8>(known + 2)) << 16))) continue
    if (!isLetter(0) || !isLetter(1) || !isLetter(2)) return false
    number = month + 1
    at += 3
    return true
  }
  return false
}

/** With the bit for small letters set, some other characters look like letters. */
function isLetter(offset: usize): bool {
  return (<u32>load<u8>(at + offset) & 0x40) !== 0
}

/** The year of a second from 1970 on. */
function yearOf(seconds: i64): u32 {
  const days = seconds / DAY
  let year = <u32>((days * 400) / 146_097) + 1970
  while (daysUntil(year, 1, 1) > days) year--
  while (daysUntil(year + 1, 1, 1) <= days) year++
  return year
}

function hasDay(year: u32, month: u32, day: u32): bool {
  if (year < 1969 || month < 1 || month > 12 || day < 1) return false
  const isLeapYear = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  // Months of 30 days: April, June, September, November.
  const days: u32 = month === 2 ? (isLeapYear ? 29 : 28) : ((0xa50 >>> month) & 1) !== 0 ? 30 : 31
  return day <= days
}

/** Days from 1970. The year is counted from March, so that a leap day is its last. */
function daysUntil(year: u32, month: u32, day: u32): i64 {
  const years = month > 2 ? year : year - 1
  const monthsBefore = month > 2 ? month - 3 : month + 9
  const leapDays = years / 4 - years / 100 + years / 400
  return <i64>(years * 365 + leapDays + (153 * monthsBefore + 2) / 5 + day) - 719_469
}
