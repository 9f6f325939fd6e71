/** The kernel moves bytes in strides, so it may read and write a few bytes past the end of a slot. */
export const SLACK = 64

interface Slot {
  at: number
  end: number
}

/** Gives out pieces of one stretch of memory, from its start on, so that only memory that was in use becomes resident. */
export class Slots {
  readonly #start: number
  readonly #end: number
  /** Sorted by place. */
  readonly #used: Slot[] = []

  constructor(start: number, end: number) {
    this.#start = start
    this.#end = end
  }

  /** The place of `size` bytes; `undefined` when there is no room. */
  take(size: number): number | undefined {
    const length = Math.ceil((size + SLACK) / SLACK) * SLACK
    let at = this.#start
    let index = 0
    for (; index < this.#used.length; index++) {
      const next = this.#used[index] as Slot
      if (next.at - at >= length) break
      at = next.end
    }
    if (this.#end - at < length) return undefined
    this.#used.splice(index, 0, { at, end: at + length })
    return at
  }

  /** Gives back a place of `take`. */
  give(at: number): void {
    const index = this.#used.findIndex((slot) => slot.at === at)
    if (index !== -1) this.#used.splice(index, 1)
  }
}
