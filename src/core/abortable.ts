/**
 * Waits for `promise` until `signal` is aborted, then rejects with the signal's reason. A rejection of the promise that
 * comes later is not an unhandled one.
 */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => reject(signal.reason)
    if (signal.aborted) aborted()
    else signal.addEventListener('abort', aborted, { once: true })
    const over = (): void => signal.removeEventListener('abort', aborted)
    promise.finally(over).then(resolve, reject)
  })
}
