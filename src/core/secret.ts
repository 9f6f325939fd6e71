import { inspect } from 'node:util'

const MASK = '[secret]'

/** A value that cannot be printed by accident: string conversion, JSON, inspect and structured logging all show a mask. */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  /** The only way to the value. Call it where the bytes go on the wire, nowhere else. */
  reveal(): string {
    return this.#value
  }

  toString(): string {
    return MASK
  }

  toJSON(): string {
    return MASK
  }

  [inspect.custom](): string {
    return MASK
  }
}
