// Validates UTF-8 by looking up each pair of neighbouring bytes in three tables of sixteen (Keiser and Lemire, "Validating
// UTF-8 in less than one instruction per byte"). Each bit stands for one way in which two bytes can be wrong. A bit that all
// three tables set is an error.
const TOO_SHORT: u8 = 1
const TOO_LONG: u8 = 2
const OVERLONG_3: u8 = 4
const TOO_LARGE: u8 = 8
const SURROGATE: u8 = 16
const OVERLONG_2: u8 = 32
/** Two errors that never collide share this bit. */
const OVERLONG_4_OR_HIGHER: u8 = 64
const TWO_CONTINUATIONS: u8 = 128
const ANY: u8 = TOO_SHORT | TOO_LONG | TWO_CONTINUATIONS

/** By the high half of the first byte. */
const FIRST_HIGH: usize = memory.data<u8>(
  [
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TWO_CONTINUATIONS,
    TWO_CONTINUATIONS,
    TWO_CONTINUATIONS,
    TWO_CONTINUATIONS,
    TOO_SHORT | OVERLONG_2,
    TOO_SHORT,
    TOO_SHORT | OVERLONG_3 | SURROGATE,
    TOO_SHORT | TOO_LARGE | OVERLONG_4_OR_HIGHER,
  ],
  16,
)
/** By its low half. */
const FIRST_LOW: usize = memory.data<u8>(
  [
    ANY | OVERLONG_3 | OVERLONG_2 | OVERLONG_4_OR_HIGHER,
    ANY | OVERLONG_2,
    ANY,
    ANY,
    ANY | TOO_LARGE,
    ANY | TOO_LARGE | OVERLONG_4_OR_HIGHER,
    ANY | TOO_LARGE | OVERLONG_4_OR_HIGHER,
    ANY | TOO_LARGE | OVERLONG_4_OR_HIGHER,
    ANY | TOO_LARGE | OVERLONG_4_OR_HIGHER,
    ANY | TOO_LARGE | OVERLONG_4_OR_HIGHER,
    ANY | TOO_LARGE | OVERLONG_4_OR_HIGHER,
    ANY | TOO_LARGE | OVERLONG_4_OR_HIGHER,
    ANY | TOO_LARGE | OVERLONG_4_OR_HIGHER,
    ANY | TOO_LARGE | OVERLONG_4_OR_HIGHER | SURROGATE,
    ANY | TOO_LARGE | OVERLONG_4_OR_HIGHER,
    ANY | TOO_LARGE | OVERLONG_4_OR_HIGHER,
  ],
  16,
)
/** By the high half of the second byte. */
const SECOND_HIGH: usize = memory.data<u8>(
  [
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_LONG | OVERLONG_2 | TWO_CONTINUATIONS | OVERLONG_3 | OVERLONG_4_OR_HIGHER,
    TOO_LONG | OVERLONG_2 | TWO_CONTINUATIONS | OVERLONG_3 | TOO_LARGE,
    TOO_LONG | OVERLONG_2 | TWO_CONTINUATIONS | SURROGATE | TOO_LARGE,
    TOO_LONG | OVERLONG_2 | TWO_CONTINUATIONS | SURROGATE | TOO_LARGE,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
  ],
  16,
)

/** Whether `[from, to)` is UTF-8. Reads up to 16 bytes past its end. */
export function isUtf8(from: usize, to: usize): bool {
  const firstHigh = v128.load(FIRST_HIGH)
  const firstLow = v128.load(FIRST_LOW)
  const secondHigh = v128.load(SECOND_HIGH)
  const half = i8x16.splat(0x0f)
  let before = i8x16.splat(0)
  let errors = i8x16.splat(0)
  // The loop always sees a zero byte past the end, so it finds a character that is cut there.
  for (let at = from; at <= to; at += 16) {
    let bytes = v128.load(at)
    const left = to - at
    if (left < 16) bytes = v128.and(bytes, firstBytes(left))
    if (i8x16.bitmask(v128.or(bytes, before)) !== 0) {
      const first = v128.shuffle<i8>(before, bytes, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30)
      const second = v128.shuffle<i8>(before, bytes, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29)
      const third = v128.shuffle<i8>(before, bytes, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28)
      const wrong = v128.and(
        v128.and(v128.swizzle(firstHigh, i8x16.shr_u(first, 4)), v128.swizzle(firstLow, v128.and(first, half))),
        v128.swizzle(secondHigh, i8x16.shr_u(bytes, 4)),
      )
      // The third and fourth byte of a character must look like two continuations.
      const continued = v128.or(i8x16.sub_sat_u(second, i8x16.splat(0x60)), i8x16.sub_sat_u(third, i8x16.splat(0x70)))
      errors = v128.or(errors, v128.xor(v128.and(continued, i8x16.splat(<i8>0x80)), wrong))
    }
    before = bytes
  }
  return !v128.any_true(errors)
}

/** A mask of the first `count` of sixteen bytes. */
function firstBytes(count: usize): v128 {
  return i8x16.lt_u(i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), i8x16.splat(<i8>count))
}
