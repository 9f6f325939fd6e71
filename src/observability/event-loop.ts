/** A shorter interval would cost more, a longer one would miss delays. */
const EVERY_MS = 20

/**
 * Reports the delay of the event loop: how late a timer of 20 ms fires, in seconds. Heartbeats, acknowledgements and the
 * admin server wait as long. Returns a function that ends it. (`perf_hooks`, which prom-client uses, adds its own interval to
 * every value.)
 */
export function watchEventLoop(late: (seconds: number) => void): () => void {
  let due = performance.now() + EVERY_MS
  const timer = setInterval(() => {
    const now = performance.now()
    late(Math.max(0, now - due) / 1000)
    due = now + EVERY_MS
  }, EVERY_MS)
  timer.unref()
  return () => clearInterval(timer)
}
