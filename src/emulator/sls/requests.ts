export interface RequestCount {
  /** `unknown` for a request that is none of the service's. */
  api: string
  /** 0 if no answer was sent. */
  status: number
  /** `ok`, the error code, or what happened instead of an answer: `cut`, `hang`. */
  code: string
  count: number
}

/** Requests answered, by API, status and code. */
export class RequestCounts {
  readonly #counts = new Map<string, RequestCount>()

  add(api: string, status: number, code: string): void {
    const key = `${api} ${status} ${code}`
    const entry = this.#counts.get(key) ?? { api, status, code, count: 0 }
    entry.count += 1
    this.#counts.set(key, entry)
  }

  list(): RequestCount[] {
    return [...this.#counts.values()].map((entry) => ({ ...entry }))
  }
}
