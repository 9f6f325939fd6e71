/** Copies `length` bytes and returns the new position. Reads and writes up to 15 bytes too many. */
export function copy(to: usize, from: usize, length: usize): usize {
  const end = to + length
  while (to < end) {
    v128.store(to, v128.load(from))
    to += 16
    from += 16
  }
  return end
}

/** Whether the bytes at both places are the same. Reads up to 15 bytes past either. */
export function same(one: usize, other: usize, length: usize): bool {
  let left = length
  while (left >= 16) {
    if (i8x16.bitmask(i8x16.eq(v128.load(one), v128.load(other))) !== 0xffff) return false
    one += 16
    other += 16
    left -= 16
  }
  return (~i8x16.bitmask(i8x16.eq(v128.load(one), v128.load(other))) & ((1 << (<i32>left)) - 1)) === 0
}
