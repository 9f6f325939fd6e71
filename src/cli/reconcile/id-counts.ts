import { hash } from 'node:crypto'
import type { Counts } from './comparison.ts'

/** A slot has three words: 64 bits of the id's hash, and its count. */
const SLOT_WORDS = 3

/**
 * Counts by id, for more ids than memory could hold as text: 12 bytes a slot, at most two thirds of the slots used. With n
 * ids, a look-up takes an id for another one with probability n / 2⁶⁴, which is negligible for any file.
 */
export class IdCounts implements Counts {
  size = 0
  #slots = new Uint32Array(SLOT_WORDS << 10)

  add(id: string, count = 1): void {
    const [low, high] = digest(id)
    this.#add(low, high, count)
    if (this.size * 3 > (this.#slots.length / SLOT_WORDS) * 2) this.#grow()
  }

  of(id: string): number {
    const [low, high] = digest(id)
    return this.#slots[this.#find(low, high) + 2] as number
  }

  #add(low: number, high: number, count: number): void {
    const at = this.#find(low, high)
    if (this.#slots[at + 2] === 0) this.size++
    this.#slots.set([low, high, (this.#slots[at + 2] as number) + count], at)
  }

  /** The slot of this digest, or the free slot that it would take. */
  #find(low: number, high: number): number {
    const slots = this.#slots
    const mask = slots.length / SLOT_WORDS - 1
    for (let slot = low & mask; ; slot = (slot + 1) & mask) {
      const at = slot * SLOT_WORDS
      if (slots[at + 2] === 0 || (slots[at] === low && slots[at + 1] === high)) return at
    }
  }

  #grow(): void {
    const old = this.#slots
    this.#slots = new Uint32Array(old.length * 2)
    this.size = 0
    for (let at = 0; at < old.length; at += SLOT_WORDS) {
      const count = old[at + 2] as number
      if (count > 0) this.#add(old[at] as number, old[at + 1] as number, count)
    }
  }
}

function digest(id: string): [number, number] {
  const bytes = hash('sha1', id, 'buffer')
  return [bytes.readUInt32LE(0), bytes.readUInt32LE(4)]
}
