const ZERO: u32 = 0x30

/** Writes `value` in decimal and returns the new position. */
export function writeDecimal(out: usize, value: u64): usize {
  let digits: usize = 1
  for (let rest = value; rest >= 10; rest /= 10) digits++
  let rest = value
  for (let at = out + digits; at > out; ) {
    at--
    store<u8>(at, <u8>(ZERO + <u32>(rest % 10)))
    rest /= 10
  }
  return out + digits
}

/** Writes `value` (below 10^9) in nine digits. */
export function writeNineDigits(out: usize, value: u32): void {
  store<u8>(out, <u8>(ZERO + value / 100_000_000))
  writeFourDigits(out + 1, (value / 10_000) % 10_000)
  writeFourDigits(out + 5, value % 10_000)
}

function writeFourDigits(out: usize, value: u32): void {
  const high = value / 100
  const low = value % 100
  // Two pairs of digits, one in each half of a word.
  const halves = high | (low << 16)
  const tens = ((halves * 103) >>> 10) & 0x000f_000f
  store<u32>(out, 0x30303030 + tens + ((halves - tens * 10) << 8))
}
