/** Waiting for a state that changes by events in this process: whoever changes it notifies, whoever waits looks again. */
export class Condition {
  readonly #waiting = new Set<() => void>()

  notify(): void {
    for (const wake of [...this.#waiting]) wake()
  }

  /** Resolves once `met()`; rejects with the signal's reason when that is aborted first. */
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
