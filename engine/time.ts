import {
  TIME_IS_UTC,
  TIME_OPERAND,
  TIME_READS_EPOCH,
  TIME_READS_ISO8601,
  TIME_SIZE,
} from '../src/pipeline/wasm/memory-layout.ts'
import { PLACE, word } from './layout.ts'
import { find, from, isList, isReshaped, to } from './operands.ts'
import { isUnsure } from './tests.ts'

// Times in the texts of a log, as src/pipeline/reference/time.ts reads them. Whatever is not surely a time is the host's.

const ZERO: u32 = 0x30
const LONGEST_EPOCH: usize = 64
const LONGEST: usize = 64
const DAY: i64 = 86_400

/** The last time that was found. */
export let timeSeconds: u32 = 0
export let timeNanos: u32 = 0

/** Begins with this time, which stays where the log has no other. */
export function beginTime(seconds: u32, nanos: u32): void {
  timeSeconds = seconds
  timeNanos = nanos
}

/** Reads the times of these rows, the last of which counts. False when the host must. */
export function readTimes(rows: usize, count: usize): bool {
  let row = rows
  for (let left = count; left > 0; left--) {
    if (find(word(row, TIME_OPERAND))) {
      if (isList || isReshaped) return false
      const isRead =
        (word(row, TIME_READS_ISO8601) !== 0 && readIso8601(word(row, TIME_IS_UTC) !== 0)) ||
        (word(row, TIME_READS_EPOCH) !== 0 && readEpoch())
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

/** `2026-12-01T02:03:04.123456789+08:00`; `t` or a blank between, a comma, no fraction, `Z`, no zone where that is UTC. */
function readIso8601(isUtc: bool): bool {
  at = from
  end = to
  if (end - at > LONGEST || !takeNumber(4) || !take(0x2d)) return false
  const year = number
  if (!takeNumber(2) || !take(0x2d)) return false
  const month = number
  if (!takeNumber(2) || !(take(0x54) || take(0x74) || take(0x20))) return false
  const day = number
  if (!takeNumber(2) || !take(0x3a)) return false
  const hour = number
  if (!takeNumber(2) || !take(0x3a)) return false
  const minute = number
  if (!takeNumber(2)) return false
  const second = number
  let nanos: u32 = 0
  if (take(0x2e) || take(0x2c)) {
    if (!takeFraction()) return false
    nanos = number
  }
  take(0x20)
  let zone: i64 = 0
  if (at === end) {
    if (!isUtc) return false
  } else if (!take(0x5a) && !take(0x7a)) {
    const isWest = take(0x2d)
    if (!isWest && !take(0x2b)) return false
    if (!takeNumber(2) || number > 23) return false
    zone = <i64>number * 3600
    if (at < end) {
      take(0x3a)
      if (!takeNumber(2) || number > 59) return false
      zone += <i64>number * 60
    }
    if (isWest) zone = -zone
  }
  // A leap second is 60.
  if (at !== end || hour > 23 || minute > 59 || second > 60 || !hasDay(year, month, day)) return false
  const seconds = daysUntil(year, month, day) * DAY + <i64>(hour * 3600 + minute * 60 + second) - zone
  if (seconds < 0 || seconds > <i64>u32.MAX_VALUE) return false
  timeSeconds = <u32>seconds
  timeNanos = nanos
  return true
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
