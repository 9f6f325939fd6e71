import { expect, test } from 'vitest'
import { watchEventLoop } from '../../../src/observability/event-loop.ts'

test('work that blocks the event loop shows as its delay', async () => {
  const { promise: blocked, resolve } = Promise.withResolvers<void>()
  const seconds: number[] = []
  const end = watchEventLoop((late) => {
    seconds.push(late)
    // The timer fired once. It is due again in 20 ms, and this work takes ten times as long.
    if (seconds.length === 1) for (const until = performance.now() + 200; performance.now() < until; );
    else resolve()
  })
  const alive = setInterval(() => {}, 1_000)
  await blocked
  end()
  clearInterval(alive)
  expect(Math.max(...seconds)).toBeGreaterThan(0.1)
})
