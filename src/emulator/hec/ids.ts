/**
 * How often each event id was seen, for runs too long to keep the ids: a 64-bit hash per distinct id in an open
 * hash table (8 bytes an entry, at most two thirds full). Two different ids are taken for one with probability
 * n² / 2⁶⁵: 3 in a million for ten million ids.
 */
export class IdCounter {
  unique = 0
  duplicates = 0
  #low = new Uint32Array(1 << 10)
  #high = new Uint32Array(1 << 10)

  /** Counts the id spelled by `bytes[start, end)`. */
  add(bytes: Buffer, start: number, end: number): void {
    let low = 0x811c9dc5
    let high = 0x9e3779b9
    for (let i = start; i < end; i += 1) {
      const byte = bytes[i] as number
      low = Math.imul(low ^ byte, 0x01000193)
      high = Math.imul(high ^ (byte + i - start), 0x85ebca6b)
      high ^= high >>> 15
    }
    low = mix(low ^ (high >>> 7))
    high = mix(high)
    // An all-zero entry means "empty".
    if (low === 0 && high === 0) high = 1
    if (this.#insert(low, high)) this.unique += 1
    else this.duplicates += 1
    if (this.unique * 3 > this.#low.length * 2) this.#grow()
  }

  clear(): void {
    this.unique = this.duplicates = 0
    this.#low = new Uint32Array(1 << 10)
    this.#high = new Uint32Array(1 << 10)
  }

  #insert(low: number, high: number): boolean {
    const lows = this.#low
    const highs = this.#high
    const mask = lows.length - 1
    let slot = low & mask
    while (lows[slot] !== 0 || highs[slot] !== 0) {
      if (lows[slot] === low && highs[slot] === high) return false
      slot = (slot + 1) & mask
    }
    lows[slot] = low
    highs[slot] = high
    return true
  }

  #grow(): void {
    const lows = this.#low
    const highs = this.#high
    this.#low = new Uint32Array(lows.length * 2)
    this.#high = new Uint32Array(lows.length * 2)
    for (let i = 0; i < lows.length; i += 1) {
      if (lows[i] !== 0 || highs[i] !== 0) this.#insert(lows[i] as number, highs[i] as number)
    }
  }
}

/** The finalizer of MurmurHash3: every input bit reaches every output bit. */
function mix(value: number): number {
  let h = value
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
