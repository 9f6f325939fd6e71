import {
  DECIMAL_DIGIT_COUNT,
  DECIMAL_DIGITS,
  DECIMAL_IS_NEGATIVE,
  DECIMAL_POINT,
} from '../src/pipeline/wasm/memory-layout.ts'
import { writeDecimal } from './digits.ts'
import { word } from './layout.ts'

// Numbers exactly as they are written, as in src/routing/decimal.ts: ± 0.digits × 10^point.

const ZERO: u32 = 0x30
const MINUS: u32 = 0x2d
const PLUS: u32 = 0x2b
const POINT: u32 = 0x2e
const LETTER_X: u32 = 0x78
/** Longer numbers are left to the host. */
const MAX_LENGTH: usize = 256
const MAX_HEX_DIGITS: usize = 16
/** An exponent beyond this is taken for this. */
const LARGEST_EXPONENT: i64 = 1_000_000_000_000

const DIGITS: usize = memory.data(256 + 32, 16)

let negative: bool = false
let first: usize = 0
let final: usize = 0
let point: i64 = 0

/** Set when only the host can tell. The caller clears it. */
export let decimalIsUnsure: bool = false

export function clearDecimal(): void {
  decimalIsUnsure = false
}

/** Whether `[from, to)` is a number. */
export function readDecimal(from: usize, to: usize): bool {
  if (to - from > MAX_LENGTH) {
    decimalIsUnsure = true
    return false
  }
  if (to - from > 2 && load<u8>(from) === ZERO && load<u8>(from + 1) === LETTER_X) return readHexadecimal(from + 2, to)
  let at = from
  negative = at < to && load<u8>(at) === MINUS
  if (at < to && (negative || load<u8>(at) === PLUS)) at++
  let out = DIGITS
  const whole = at
  while (at < to && isDigit(at)) store<u8>(out++, load<u8>(at++))
  const wholeDigits = at - whole
  if (wholeDigits === 0) return false
  if (at < to && load<u8>(at) === POINT) {
    const fraction = ++at
    while (at < to && isDigit(at)) store<u8>(out++, load<u8>(at++))
    if (at === fraction) return false
  }
  let exponent: i64 = 0
  if (at < to) {
    if ((<u32>load<u8>(at) | 0x20) !== 0x65) return false
    at++
    const isLess = at < to && load<u8>(at) === MINUS
    if (at < to && (isLess || load<u8>(at) === PLUS)) at++
    const digits = at
    while (at < to && isDigit(at)) {
      if (exponent < LARGEST_EXPONENT) exponent = exponent * 10 + <i64>(<u32>load<u8>(at) - ZERO)
      at++
    }
    if (at === digits || at < to) return false
    if (exponent > LARGEST_EXPONENT) exponent = LARGEST_EXPONENT
    if (isLess) exponent = -exponent
  }
  normalize(out, <i64>wholeDigits + exponent)
  return true
}

function readHexadecimal(from: usize, to: usize): bool {
  let at = from
  // One digit must stay.
  while (at + 1 < to && load<u8>(at) === ZERO) at++
  if (to - at > MAX_HEX_DIGITS) return false
  let value: u64 = 0
  for (; at < to; at++) {
    const one = <u32>load<u8>(at)
    const small = one | 0x20
    if (one - ZERO < 10) value = (value << 4) | (one - ZERO)
    else if (small - 0x61 < 6) value = (value << 4) | (small - 0x57)
    else return false
  }
  negative = false
  const end = writeDecimal(DIGITS, value)
  normalize(end, <i64>(end - DIGITS))
  return true
}

function isDigit(at: usize): bool {
  return <u32>load<u8>(at) - ZERO < 10
}

/** Takes away zeros at both ends of the digits. */
function normalize(end: usize, before: i64): void {
  first = DIGITS
  final = end
  while (first < final && load<u8>(first) === ZERO) first++
  while (first < final && load<u8>(final - 1) === ZERO) final--
  point = before - <i64>(first - DIGITS)
  if (first === final) {
    point = 0
    negative = false
  }
}

/** Less than 0 if the number that was read is less than the one at this address, more than 0 if it is more. */
export function compareDecimal(other: usize): i32 {
  const count = final - first
  const otherCount = word(other, DECIMAL_DIGIT_COUNT)
  const sign = count === 0 ? 0 : negative ? -1 : 1
  const otherSign = otherCount === 0 ? 0 : word(other, DECIMAL_IS_NEGATIVE) !== 0 ? -1 : 1
  if (sign !== otherSign) return sign - otherSign
  const magnitude = compareMagnitude(other, count, otherCount)
  return negative ? -magnitude : magnitude
}

function compareMagnitude(other: usize, count: usize, otherCount: usize): i32 {
  const otherPoint = <i64>(<i32>word(other, DECIMAL_POINT))
  if (point !== otherPoint) return point < otherPoint ? -1 : 1
  const digits = word(other, DECIMAL_DIGITS)
  const shared = count < otherCount ? count : otherCount
  for (let index: usize = 0; index < shared; index++) {
    const difference = <i32>load<u8>(first + index) - <i32>load<u8>(digits + index)
    if (difference !== 0) return difference
  }
  return <i32>count - <i32>otherCount
}
