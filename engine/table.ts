// Tables of 32-bit words.

export function at(table: usize, index: usize): u32 {
  return load<u32>(table + (index << 2))
}

export function set(table: usize, index: usize, value: u32): void {
  store<u32>(table + (index << 2), value)
}

export function bump(table: usize, index: usize): void {
  set(table, index, at(table, index) + 1)
}
