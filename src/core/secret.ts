import { inspect } from 'node:util'

const MASK = '[secret]'

/** A value that cannot be printed by accident: string conversion, JSON, inspect and structured logging all show a mask. */
export class Secret {
  readonly #value: string
  /** As it is, and as JSON spells it: some proxies show the request they refuse. */
  readonly #spellings: ReadonlySet<string>

  constructor(value: string) {
    const inJson = JSON.stringify(value).slice(1, -1)
    this.#value = value
    this.#spellings = new Set([value, inJson, inJson.replaceAll('/', '\\/')])
  }

  /** The only way to the value. Call it where the bytes go on the wire, nowhere else. */
  reveal(): string {
    return this.#value
  }

  /** `text` without the value, however it is spelled. */
  hiddenIn(text: string): string {
    let shown = text
    for (const spelling of this.#spellings) shown = shown.replaceAll(spelling, MASK)
    return shown
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
