/** Everything in the kernel's memory is moved in strides, so a few bytes past the end of a slot may be read and written. */
const SLACK = 64

interface Slot {
  at: number
  end: number
}

/** Pieces of one stretch of memory, given out from its start, so that no more of it is ever resident than was in use. */
export class Slots {
  readonly #start: number
  readonly #end: number
  /** In the order of their places. */
  readonly #used: Slot[] = []

  constructor(start: number, end: number) {
    this.#start = start
    this.#end = end
  }

  /** The place of `size` bytes; `undefined` when there is no such room. */
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

  /** Gives back what `take` returned. */
  give(at: number): void {
    const index = this.#used.findIndex((slot) => slot.at === at)
    if (index !== -1) this.#used.splice(index, 1)
  }
}
