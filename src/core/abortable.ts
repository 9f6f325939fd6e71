/**
 * Waits for `promise`, but no longer than until `signal` is aborted (then rejects with its reason). What the promise
 * does afterwards is nobody's concern any more, so a late rejection of it is not an unhandled one.
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
