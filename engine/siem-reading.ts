import { writeDecimal } from './digits.ts'

// Reads the values that are nearly all different, as src/sinks/syslog/readings.ts does. Where these functions return false, the
// value is a word for the host.

const ZERO: u32 = 0x30
const READ: usize = memory.data(64, 16)

// The text of the value that was read last.
export const readAt: usize = READ
export let readEnd: usize = READ

/** Whether it is an IPv4 address, its numbers without leading zeros. */
export function isAddress(from: usize, to: usize): bool {
  if (to - from > 15) return false
  let at = from
  for (let part = 0; part < 4; part++) {
    const start = at
    let value: u32 = 0
    while (at < to && <u32>load<u8>(at) - ZERO < 10) value = value * 10 + (<u32>load<u8>(at++) - ZERO)
    const length = at - start
    if (length === 0 || length > 3 || value > 255 || (length > 1 && <u32>load<u8>(start) === ZERO)) return false
    if (part < 3 && (at >= to || <u32>load<u8>(at++) !== 0x2e)) return false
  }
  return at === to
}

/** A time in milliseconds. */
export function readTime(from: usize, to: usize): bool {
  const length = to - from
  if (length === 10 || length === 13 || length === 16) {
    let digits: usize = 0
    while (digits < length && <u32>load<u8>(from + digits) - ZERO < 10) digits++
    if (digits === length) {
      v128.store(READ, v128.load(from))
      if (length === 10) {
        store<u16>(READ + 10, 0x3030)
        store<u8>(READ + 12, 0x30)
      }
      readEnd = READ + 13
      return true
    }
  }
  return readDate(from, to)
}

/** ISO 8601 with a zone, from 1970 on: `2026-12-01T02:03:04.123+08:00`. */
function readDate(from: usize, to: usize): bool {
  if (to - from < 20) return false
  const year = digitsAt(from, 4)
  const month = digitsAt(from + 5, 2)
  const day = digitsAt(from + 8, 2)
  const hour = digitsAt(from + 11, 2)
  const minute = digitsAt(from + 14, 2)
  const second = digitsAt(from + 17, 2)
  const marks =
    <u32>load<u8>(from + 4) === 0x2d &&
    <u32>load<u8>(from + 7) === 0x2d &&
    <u32>load<u8>(from + 10) === 0x54 &&
    <u32>load<u8>(from + 13) === 0x3a &&
    <u32>load<u8>(from + 16) === 0x3a
  if (!marks || year < 1971 || month < 1 || month > 12 || day < 1 || day > daysOf(month, year)) return false
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return false
  let at = from + 19
  let thousandths: i64 = 0
  if (<u32>load<u8>(at) === 0x2e) {
    const start = ++at
    while (at < to && <u32>load<u8>(at) - ZERO < 10) {
      if (at - start < 3) thousandths = thousandths * 10 + <i64>(<u32>load<u8>(at) - ZERO)
      at++
    }
    if (at === start || at - start > 9) return false
    for (let digits = at - start; digits < 3; digits++) thousandths *= 10
  }
  const offset = minutesOf(at, to)
  if (offset === ODD) return false
  const days = daysTo(<i64>year, <i64>month) + <i64>day - 1
  const seconds = (days * 24 + <i64>hour) * 3600 + <i64>minute * 60 + <i64>second - offset * 60
  readEnd = writeDecimal(READ, <u64>(seconds * 1000 + thousandths))
  return true
}

/** Days of a month; the last ones of some leap years are the host's. */
function daysOf(month: i32, year: i32): i32 {
  if (month === 2) return year % 4 === 0 && year % 100 !== 0 ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

const ODD: i64 = i64.MIN_VALUE

/** The minutes by which the zone at the end of a time is ahead. */
function minutesOf(at: usize, to: usize): i64 {
  if (to - at === 1) return <u32>load<u8>(at) === 0x5a ? 0 : ODD
  const sign = <u32>load<u8>(at)
  if (to - at !== 6 || <u32>load<u8>(at + 3) !== 0x3a || (sign !== 0x2b && sign !== 0x2d)) return ODD
  const hours = digitsAt(at + 1, 2)
  const minutes = digitsAt(at + 4, 2)
  if (hours < 0 || hours > 14 || minutes < 0 || minutes > 59) return ODD
  const all = <i64>(hours * 60 + minutes)
  return sign === 0x2b ? all : -all
}

/** Days from 1970 to the first of a month. Years begin with March, so that a leap day is their last. */
function daysTo(year: i64, month: i64): i64 {
  const years = month > 2 ? year : year - 1
  const months = month > 2 ? month - 3 : month + 9
  return years * 365 + years / 4 - years / 100 + years / 400 + (153 * months + 2) / 5 - 719_468
}

/** So many digits; -1 if one is none. */
function digitsAt(from: usize, count: usize): i32 {
  let value: i32 = 0
  for (let index: usize = 0; index < count; index++) {
    const digit = <u32>load<u8>(from + index) - ZERO
    if (digit > 9) return -1
    value = value * 10 + <i32>digit
  }
  return value
}

/** Seconds with up to three decimals, in milliseconds. */
export function readSeconds(from: usize, to: usize): bool {
  let at = from
  let value: u64 = 0
  while (at < to && <u32>load<u8>(at) - ZERO < 10) value = value * 10 + (<u32>load<u8>(at++) - ZERO)
  if (at === from || at - from > 9) return false
  let decimals: usize = 0
  if (at < to && <u32>load<u8>(at) === 0x2e) {
    at++
    for (; at < to && <u32>load<u8>(at) - ZERO < 10; decimals++) value = value * 10 + (<u32>load<u8>(at++) - ZERO)
    if (decimals === 0) return false
  }
  if (at !== to || decimals > 3) return false
  for (; decimals < 3; decimals++) value *= 10
  readEnd = writeDecimal(READ, value)
  return true
}
