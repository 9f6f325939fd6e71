const MOST_COOKIES = 20
/** Node refuses to send other characters in a `Cookie`, and servers refuse a much longer one. */
const SENDABLE = /^[\x21-\x7e][\x20-\x7e]{0,4095}$/

/**
 * Cookies a load balancer sets to keep a channel on one indexer. One jar per channel: acknowledgement state lives in the
 * memory of the node that took the POST.
 */
export class CookieJar {
  readonly #cookies = new Map<string, string>()

  keep(setCookie: string | readonly string[] | undefined): void {
    if (setCookie === undefined) return
    for (const line of typeof setCookie === 'string' ? [setCookie] : setCookie) {
      const pair = (line.split(';', 1)[0] as string).trim()
      const equals = pair.indexOf('=')
      if (equals <= 0 || !SENDABLE.test(pair)) continue
      this.#cookies.set(pair.slice(0, equals).trim(), pair.slice(equals + 1).trim())
      // A balancer that gives each cookie a new name must not make the header grow until it is refused.
      const oldest = this.#cookies.keys().next().value
      if (this.#cookies.size > MOST_COOKIES && oldest !== undefined) this.#cookies.delete(oldest)
    }
  }

  /** Value of the `Cookie` header, or `undefined` while there are none. */
  get header(): string | undefined {
    if (this.#cookies.size === 0) return undefined
    return [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  }
}
