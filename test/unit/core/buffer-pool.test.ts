import fc from 'fast-check'
import { expect, onTestFinished, test, vi } from 'vitest'
import { BufferPool } from '../../../src/core/buffer-pool.ts'

const KB = 1024
const MB = KB * KB

test('a buffer that was given back serves the next request of about its size', () => {
  fc.assert(
    fc.property(fc.oneof(fc.integer({ min: 0, max: 200 * KB }), fc.integer({ min: 0, max: 20 * MB })), (size) => {
      const pool = new BufferPool(32 * MB, 4 / 3)
      const first = pool.take(size)
      pool.give(first)
      const next = pool.take(size)
      expect(next.length).toBe(size)
      if (pool.keptBytes === 0 && next.buffer === first.buffer) return
      expect(pool.keptBytes).toBe(0)
      expect(size).toBeLessThan(64 * KB)
    }),
  )
})

test('small buffers are not kept', () => {
  const pool = new BufferPool(32 * MB)
  for (let i = 0; i < 1_000; i++) pool.give(pool.take(i % 300))
  for (let i = 0; i < 1_000; i++) pool.give(pool.take(5 * KB + 10 * i))
  expect(pool.keptBytes).toBe(0)
})

test('two buffers in use do not share memory, and no more than the limit is kept', () => {
  const pool = new BufferPool(3 * MB)
  const out = [1, 2, 3, 4].map(() => pool.take(MB))
  expect(new Set(out.map(({ buffer }) => buffer)).size).toBe(4)
  for (const buffer of out) pool.give(buffer)
  expect(pool.keptBytes).toBe(3 * MB)
})

test('a buffer that is much too large for a request is not used for it', () => {
  const pool = new BufferPool(32 * MB)
  const large = pool.take(10 * MB)
  pool.give(large)
  expect(pool.take(MB).buffer).not.toBe(large.buffer)
  expect(pool.take(8 * MB).buffer).toBe(large.buffer)
})

test('a size in use is found, however many buffers of an unused size were given back', () => {
  const pool = new BufferPool(8 * MB, 4 / 3)
  const rare = Array.from({ length: 20 }, () => pool.take(500 * KB))
  const usual = pool.take(MB)
  for (const buffer of rare) pool.give(buffer)
  pool.give(usual)
  for (let i = 0; i < 50; i++) {
    const again = pool.take(MB)
    expect(again.buffer).toBe(usual.buffer)
    pool.give(again)
    pool.give(pool.take(300 * KB + i))
  }
  expect(pool.keptBytes).toBeLessThanOrEqual(8 * MB)
})

test('a buffer that was not used for a while is released, also without another call', () => {
  vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  const pool = new BufferPool(32 * MB)
  const burst = Array.from({ length: 20 }, () => pool.take(MB))
  for (const buffer of burst) pool.give(buffer)
  for (let second = 0; second < 9; second++) {
    vi.advanceTimersByTime(1000)
    pool.give(pool.take(MB))
  }
  expect(pool.keptBytes).toBe(20 * MB)
  vi.advanceTimersByTime(2000)
  expect(pool.keptBytes).toBe(MB)
  vi.advanceTimersByTime(20_000)
  expect(pool.keptBytes).toBe(0)
  expect(vi.getTimerCount()).toBe(0)
})
