/** Lets code wait for a state of this process. Code that changes the state notifies; waiting code then looks again. */
export class Changes {
  readonly #waiting = new Set<() => void>()

  notify(): void {
    for (const wake of [...this.#waiting]) wake()
  }

  /** Resolves once `met()` is true. Rejects with the signal's reason when that is aborted first. */
  async until(met: () => boolean, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    while (!met()) {
      await this.#next(signal)
      signal.throwIfAborted()
    }
  }

  #next(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      this.#waiting.add(wake)
      signal.addEventListener('abort', wake, { once: true })
    })
  }
}
