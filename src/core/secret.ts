import { inspect } from 'node:util'

const MASK = '[secret]'

/** A value that is not printed by accident: string conversion, JSON, inspect and the logger show a mask. */
export class Secret {
  readonly #value: string
  /** The value, and how JSON spells it: some proxies quote the request that they refuse. */
  readonly #spellings: ReadonlySet<string>

  constructor(value: string) {
    const inJson = JSON.stringify(value).slice(1, -1)
    this.#value = value
    this.#spellings = new Set([value, inJson, inJson.replaceAll('/', '\\/')])
  }

  /** The only way to the value. Call it only where the bytes go on the wire. */
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

/** `text` without the values of any of the secrets. */
export function hiding(secrets: readonly Secret[], text: string): string {
  return secrets.reduce((shown, secret) => secret.hiddenIn(shown), text)
}
