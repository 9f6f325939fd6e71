/** Often enough that what keeps others waiting for long is rarely missed, seldom enough to cost nothing. */
const EVERY_MS = 20

/**
 * Tells how late (seconds) a timer rings that should ring every 20 ms: as late are heartbeats, acks and the admin server.
 * Returns what ends it. (The delay of `perf_hooks`, which prom-client shows too, has its own interval in every value.)
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
