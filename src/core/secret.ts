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

  /** `text` without the value, also as JSON spells it: some proxies show the request they refuse. */
  hiddenIn(text: string): string {
    const inJson = JSON.stringify(this.#value).slice(1, -1)
    const spellings = new Set([this.#value, inJson, inJson.replaceAll('/', '\\/')])
    return [...spellings].reduce((shown, spelling) => shown.replaceAll(spelling, MASK), text)
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
