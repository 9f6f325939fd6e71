import { describe, expect, test } from 'vitest'
import { ByteBudget } from '../../../src/consumer/byte-budget.ts'

const never = new AbortController().signal

async function settledNow(promise: Promise<unknown>): Promise<boolean> {
  return Promise.race([promise.then(() => true), new Promise<boolean>((resolve) => setImmediate(() => resolve(false)))])
}

describe('byte budget', () => {
  test('bodies take at most half, so that batches made of them can leave', async () => {
    const budget = new ByteBudget(100)
    const first = await budget.reservePull(30, never)
    const second = budget.reservePull(30, never)
    expect(await settledNow(second)).toBe(false)
    first.release()
    await second
    expect(budget.used).toBe(30)
  })

  test('a batch waits until it fits, and its bytes are free once it is settled', async () => {
    const budget = new ByteBudget(100)
    const settled = await budget.admitBatch(80, never)
    const second = budget.admitBatch(30, never)
    expect(await settledNow(second)).toBe(false)
    settled()
    await second
    expect(budget.used).toBe(30)
  })

  test('of many waiting batches only as many pass as fit', async () => {
    const budget = new ByteBudget(100)
    const settled = await budget.admitBatch(100, never)
    const waiting = Array.from({ length: 10 }, () => budget.admitBatch(40, never))
    settled()
    await new Promise(setImmediate)
    expect(budget.used).toBe(80)
    expect(await Promise.all(waiting.slice(0, 3).map(settledNow))).toEqual([true, true, false])
  })

  test('a batch larger than the whole budget passes, but only alone', async () => {
    const budget = new ByteBudget(100)
    const small = await budget.reservePull(1, never)
    const large = budget.reservePull(500, never)
    expect(await settledNow(large)).toBe(false)
    small.release()
    await large
    expect(await settledNow(budget.reservePull(1, never))).toBe(false)
    const batch = await budget.admitBatch(300, never)
    expect(await settledNow(budget.admitBatch(1, never))).toBe(false)
    batch()
  })

  test('bodies that use up their share never block a first batch', async () => {
    const budget = new ByteBudget(10)
    await budget.reservePull(500, never)
    await budget.admitBatch(400, never)
    expect(budget.used).toBe(900)
  })

  test('pulls wait in line: a small one does not overtake a large one', async () => {
    const budget = new ByteBudget(100)
    const first = await budget.reservePull(50, never)
    const large = budget.reservePull(45, never)
    const small = budget.reservePull(5, never)
    expect(await settledNow(small)).toBe(false)
    first.release()
    await Promise.all([large, small])
    expect(budget.used).toBe(50)
  })

  test('growing succeeds only within the share, or when nothing else is in flight', async () => {
    const budget = new ByteBudget(100)
    const one = await budget.reservePull(20, never)
    const two = await budget.reservePull(20, never)
    expect(one.tryGrow(40)).toBe(false)
    expect(budget.used).toBe(40)
    two.release()
    expect(one.tryGrow(700)).toBe(true)
    expect(budget.used).toBe(700)
  })

  test('an aborted wait leaves the queue, and those behind it go on', async () => {
    const budget = new ByteBudget(100)
    await budget.reservePull(45, never)
    const stop = new AbortController()
    const large = budget.reservePull(50, stop.signal)
    const small = budget.reservePull(5, never)
    stop.abort(new Error('stop'))
    await expect(large).rejects.toThrow('stop')
    await small
    expect(budget.used).toBe(50)
  })

  test('bytes that are only reserved do not count as in flight', async () => {
    let inFlight = -1
    const budget = new ByteBudget(100, (bytes) => {
      inFlight = bytes
    })
    const pull = await budget.reservePull(30, never)
    expect(inFlight).toBe(0)
    pull.tryGrow(20)
    expect(inFlight).toBe(20)
    const settled = await budget.admitBatch(25, never)
    pull.release()
    expect(inFlight).toBe(25)
    settled()
    expect(inFlight).toBe(0)
  })

  test('releasing twice counts once', async () => {
    const budget = new ByteBudget(100)
    const held = await budget.reservePull(50, never)
    held.release()
    held.release()
    expect(budget.used).toBe(0)
  })
})
