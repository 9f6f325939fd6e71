import { abortable } from '../../src/core/abortable.ts'

/** Lets tests wait without polling: a double or a scenario notifies when something happened, and whoever waits looks again. */
export class Happenings {
  readonly #describe: () => string
  #next = Promise.withResolvers<void>()

  /** `describe` adds to the error of a wait that took too long. */
  constructor(describe: () => string = () => '') {
    this.#describe = describe
  }

  readonly notify = (): void => {
    const happened = this.#next
    this.#next = Promise.withResolvers()
    happened.resolve()
  }

  /** Looks at once and after each happening. Resolves with what `look` gave as soon as that is not false or undefined. */
  async until<T>(look: () => T | Promise<T>, withinMs = 9_000): Promise<Exclude<Awaited<T>, false | undefined>> {
    const limit = AbortSignal.timeout(withinMs)
    for (;;) {
      const next = this.#next.promise
      const found = await look()
      if (found !== false && found !== undefined) return found as Exclude<Awaited<T>, false | undefined>
      await abortable(next, limit).catch(() => {
        throw new Error(`not within ${withinMs} ms: ${look}\n${this.#describe()}`)
      })
    }
  }
}
