import { INFLATED, PAUSED, REFUSED } from '../src/pipeline/wasm/memory-layout.ts'

const MIN_MATCH: usize = 4

/** Byte i of a row is i % offset: the source of each byte of a stride in a match with that offset, below 16. */
const REPEATED: usize = memory.data<u8>(
  [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0,
    1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1,
    2, 3, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 0, 1, 2, 3, 4,
    5, 6, 0, 1, 2, 3, 4, 5, 6, 0, 1, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2,
    3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 1, 2, 3, 4, 0, 1,
    2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 1, 2, 0, 1, 2, 3, 4, 5, 6,
    7, 8, 9, 10, 11, 12, 13, 0, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0,
  ],
  16,
)

let pausedFrom: usize = 0
let pausedTo: usize = 0

export function inflatePausedFrom(): usize {
  return pausedFrom
}

export function inflatePausedTo(): usize {
  return pausedTo
}

/**
 * Inflates the rest of a raw LZ4 block, `[from, fromEnd)`, to exactly `[to, toEnd)`. The inflated beginning lies in
 * `[start, to)`. Stops between two sequences once it reaches `pause`. Reads and writes up to 32 bytes past either end.
 */
export function inflate(from: usize, fromEnd: usize, start: usize, to: usize, toEnd: usize, pause: usize): i32 {
  while (from < fromEnd) {
    if (to >= pause) {
      pausedFrom = from
      pausedTo = to
      return PAUSED
    }
    const token = <usize>load<u8>(from++)
    let length = token >> 4
    if (length === 15) {
      // Ends as soon as the length is too large, so it cannot overflow.
      let more: usize = 255
      while (more === 255) {
        if (from >= fromEnd || length > toEnd - to) return REFUSED
        more = <usize>load<u8>(from++)
        length += more
      }
    }
    if (length > fromEnd - from || length > toEnd - to) return REFUSED
    v128.store(to, v128.load(from))
    for (let done: usize = 16; done < length; done += 16) v128.store(to + done, v128.load(from + done))
    from += length
    to += length
    if (from === fromEnd) return to === toEnd ? INFLATED : REFUSED

    if (fromEnd - from < 2) return REFUSED
    const offset = <usize>load<u16>(from)
    from += 2
    if (offset === 0 || offset > to - start) return REFUSED
    length = token & 15
    if (length === 15) {
      let more: usize = 255
      while (more === 255) {
        if (from >= fromEnd || length > toEnd - to) return REFUSED
        more = <usize>load<u8>(from++)
        length += more
      }
    }
    length += MIN_MATCH
    if (length > toEnd - to) return REFUSED
    const source = to - offset
    const stop = to + length
    if (offset >= 16) {
      v128.store(to, v128.load(source))
      for (let done: usize = 16; done < length; done += 16) v128.store(to + done, v128.load(source + done))
    } else {
      const stride = v128.swizzle(v128.load(source), v128.load(REPEATED + (offset << 4)))
      const step: usize = 16 - (<usize>16 % offset)
      do {
        v128.store(to, stride)
        to += step
      } while (to < stop)
    }
    to = stop
  }
  return REFUSED
}
