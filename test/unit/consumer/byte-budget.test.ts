import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { PullReservation } from '../../../src/consumer/byte-budget.ts'
import { ByteBudget } from '../../../src/consumer/byte-budget.ts'

const never = new AbortController().signal

interface Step {
  readonly sinks: readonly string[]
  readonly bytes: number
}

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
    const budget = new ByteBudget(100, {
      changed: (bytes) => {
        inFlight = bytes
      },
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

describe('with several sinks', () => {
  const [BROKEN, HEALTHY] = ['broken', 'healthy']
  const both = { sinks: [BROKEN, HEALTHY] }
  const likely = (...sinks: string[]) => new Set(sinks)

  /** As many batches as pass; nothing of them settles. */
  async function fill(budget: ByteBudget, sink: string, bytes: number): Promise<void> {
    while (await settledNow(budget.admitBatch(bytes, never, sink)));
  }

  test('one that takes nothing holds its own share and the common one, and no more', async () => {
    const budget = new ByteBudget(90, both)
    await fill(budget, BROKEN, 5)
    expect(budget.used).toBe(60)
  })

  test('the others go on: what they pull and what they send finds their share free', async () => {
    const budget = new ByteBudget(90, both)
    await fill(budget, BROKEN, 5)
    for (let turn = 0; turn < 20; turn++) {
      const pull = await budget.reservePull(budget.pullLimit, never, likely(HEALTHY))
      const batch = await budget.admitBatch(8, never, HEALTHY)
      pull.release()
      batch()
    }
    expect(budget.used).toBe(60)
  })

  test('a pull for two sinks goes on although a third takes nothing', async () => {
    const budget = new ByteBudget(120, { sinks: [BROKEN, HEALTHY, 'another'] })
    await fill(budget, BROKEN, 5)
    expect(await settledNow(budget.reservePull(5, never, likely(BROKEN)))).toBe(false)
    for (let turn = 0; turn < 20; turn++) {
      const pull = await budget.reservePull(budget.pullLimit, never, likely(HEALTHY, 'another'))
      const batches = [HEALTHY, 'another'].map((sink) => budget.tryAdmit(5, sink))
      for (const settle of batches) settle?.()
      expect(batches).not.toContain(undefined)
      pull.release()
    }
  })

  test('a pull that may be for a full sink goes on in the share of another, and must not wait there for the full one', async () => {
    const budget = new ByteBudget(90, both)
    await fill(budget, BROKEN, 5)
    const pull = await budget.reservePull(5, never, likely(BROKEN, HEALTHY))
    expect(budget.tryAdmit(5, BROKEN)).toBe(undefined)
    expect(pull.mayWaitFor(BROKEN)).toBe(false)
    expect(pull.mayWaitFor(HEALTHY)).toBe(true)
    pull.release()
    expect(budget.used).toBe(60)
  })

  test('bodies of all sinks together are bounded', async () => {
    for (const sinks of [['a'], ['a', 'b'], ['a', 'b', 'c']]) {
      const budget = new ByteBudget(900, { sinks })
      expect(budget.bodiesLimit).toBeLessThanOrEqual(675)
      for (const likelySinks of [...sinks.map((sink) => new Set([sink])), new Set(sinks)])
        while (await settledNow(budget.reservePull(25, never, likelySinks)));
      expect(budget.used).toBe(budget.bodiesLimit)
    }
  })

  test('they wait in a line of their own', async () => {
    const budget = new ByteBudget(90, both)
    await budget.reservePull(budget.pullLimit, never, likely(BROKEN))
    const waiting = budget.reservePull(budget.pullLimit, never, likely(BROKEN))
    expect(await settledNow(budget.reservePull(budget.pullLimit, never, likely(HEALTHY)))).toBe(true)
    expect(await settledNow(waiting)).toBe(false)
  })

  test('a pull that unexpectedly waits for another sink does so in the common share, if it has room', async () => {
    const budget = new ByteBudget(120, both)
    const taken = await budget.admitBatch(50, never, BROKEN)
    const pull = await budget.reservePull(25, never, likely(HEALTHY))
    expect(budget.tryAdmit(60, BROKEN)).toBe(undefined)
    expect(pull.mayWaitFor(BROKEN)).toBe(true)
    const batch = budget.admitBatch(60, never, BROKEN)
    expect(await settledNow(batch)).toBe(false)
    expect(await settledNow(budget.reservePull(budget.pullLimit, never, likely(HEALTHY)))).toBe(true)
    taken()
    await batch
    expect([pull.waited]).toEqual([true])
  })

  test('all of them together stay below the limit, whatever comes', async () => {
    const sinks = ['a', 'b']
    const often = <T>(weight: number, value: T) => ({ weight, arbitrary: fc.constant(value) })
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            what: fc.oneof(
              often(3, 'pull'),
              often(2, 'grow'),
              often(5, 'batch'),
              often(5, 'batch of a pull'),
              often(1, 'settle'),
            ),
            sinks: fc.subarray(sinks, { minLength: 1 }),
            // A pull may have 30, and leaves 10 of the share of its sink to a first batch.
            bytes: fc.integer({ min: 1, max: 30 }),
          }),
          { minLength: 40, maxLength: 80, size: 'max' },
        ),
        async (steps) => {
          const budget = new ByteBudget(120, { sinks })
          const held: Array<() => void> = []
          const pulls: PullReservation[] = []
          const take = {
            pull: ({ bytes, sinks }: Step) =>
              budget.reservePull(bytes, never, new Set(sinks)).then((pull) => {
                pulls.push(pull)
                held.push(() => {
                  pulls.splice(pulls.indexOf(pull), 1)
                  pull.release()
                })
              }),
            batch: async ({ bytes, sinks: [sink = ''] }: Step, pull?: PullReservation) => {
              const size = Math.ceil(bytes / 3)
              const settle = budget.tryAdmit(size, sink)
              if (settle !== undefined) held.push(settle)
              else if (pull?.mayWaitFor(sink) ?? true) held.push(await budget.admitBatch(size, never, sink))
            },
          }
          for (const step of steps) {
            if (step.what === 'settle') held.shift()?.()
            else if (step.what === 'grow') pulls.at(-1)?.tryGrow(step.bytes)
            else if (step.what === 'pull') void take.pull(step)
            else void take.batch(step, step.what === 'batch' ? undefined : pulls.at(-1))
            await new Promise(setImmediate)
            expect(budget.used).toBeLessThanOrEqual(120)
          }
          // Whatever waits comes to its turn.
          while (held.length > 0) {
            held.shift()?.()
            await new Promise(setImmediate)
          }
          expect(budget.used).toBe(0)
        },
      ),
      { numRuns: 100 },
    )
  })
})
