/** Bytes of the bodies under way that a server holds, unless it is told otherwise. */
export const MAX_PENDING_BYTES = 64 * 1024 * 1024

/** The bytes of all bodies that a server holds at once have a limit, however many clients send. */
export class BodyRoom {
  readonly #most: number
  #held = 0

  constructor(most: number) {
    this.#most = most
  }

  /** For the body of one request. */
  share(): BodyShare {
    return new BodyShare((bytes) => {
      if (bytes > 0 && this.#held + bytes > this.#most) return false
      this.#held += bytes
      return true
    })
  }
}

export class BodyShare {
  readonly #add: (bytes: number) => boolean
  #bytes = 0

  constructor(add: (bytes: number) => boolean) {
    this.#add = add
  }

  /** Takes so many bytes more. False if there is no room for them now. */
  take(bytes: number): boolean {
    const fits = this.#add(bytes)
    if (fits) this.#bytes += bytes
    return fits
  }

  /** Gives all of them back. */
  release(): void {
    this.#add(-this.#bytes)
    this.#bytes = 0
  }
}
