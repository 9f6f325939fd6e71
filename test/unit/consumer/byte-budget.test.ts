import { describe, expect, test } from 'vitest'
import { ByteBudget } from '../../../src/consumer/byte-budget.ts'

const never = new AbortController().signal

async function settledNow(promise: Promise<unknown>): Promise<boolean> {
  return Promise.race([promise.then(() => true), new Promise<boolean>((resolve) => setImmediate(() => resolve(false)))])
}

describe('byte budget', () => {
  test('a request that does not fit waits until bytes are released', async () => {
    const budget = new ByteBudget(100)
    const first = await budget.reserve(80, never)
    const second = budget.reserve(30, never)
    expect(await settledNow(second)).toBe(false)
    first.resize(60)
    expect((await second).bytes).toBe(30)
    expect(budget.used).toBe(90)
  })

  test('something larger than the whole budget passes, but only alone', async () => {
    const budget = new ByteBudget(100)
    const small = await budget.reserve(1, never)
    const large = budget.reserve(500, never)
    expect(await settledNow(large)).toBe(false)
    small.release()
    expect((await large).bytes).toBe(500)
    expect(await settledNow(budget.reserve(1, never))).toBe(false)
  })

  test('first come, first served: a small request does not overtake a waiting large one', async () => {
    const budget = new ByteBudget(100)
    const first = await budget.reserve(90, never)
    const large = budget.reserve(50, never)
    const small = budget.reserve(5, never)
    expect(await settledNow(small)).toBe(false)
    first.release()
    await Promise.all([large, small])
    expect(budget.used).toBe(55)
  })

  test('growing succeeds only within the limit, or when nothing else is in flight', async () => {
    const budget = new ByteBudget(100)
    const one = await budget.reserve(40, never)
    const two = await budget.reserve(40, never)
    expect(one.tryGrow(70)).toBe(false)
    expect(one.bytes).toBe(40)
    two.release()
    expect(one.tryGrow(700)).toBe(true)
    expect(budget.used).toBe(700)
  })

  test('an aborted wait leaves the queue and lets those behind it go', async () => {
    const budget = new ByteBudget(100)
    await budget.reserve(90, never)
    const stop = new AbortController()
    const large = budget.reserve(50, stop.signal)
    const small = budget.reserve(5, never)
    stop.abort(new Error('stop'))
    await expect(large).rejects.toThrow('stop')
    expect((await small).bytes).toBe(5)
  })

  test('releasing twice counts once', async () => {
    const budget = new ByteBudget(100)
    const held = await budget.reserve(50, never)
    held.release()
    held.release()
    expect(budget.used).toBe(0)
  })
})
