import { describe, expect, test } from 'vitest'
import { ByteBudget } from '../../../src/consumer/byte-budget.ts'
import { SlsDouble } from './sls-double.ts'
import { takenShard } from './taken-shard.ts'
import { twoSinks } from './two-sinks.ts'

const [DOWN, UP] = ['down', 'up']

/**
 * A shard with one log group, whose logs go to these sinks, one a batch. One sink has no room, until `makeRoom`.
 */
async function halfSent(...sinks: string[]) {
  return await readHalf({}, ...sinks)
}

async function readHalf(reading: { query?: string }, ...sinks: string[]) {
  const sls = await SlsDouble.start()
  sls.join()
  sls.write(1, { logs: sinks.length, numbered: true })
  const toDown = sinks.flatMap((sink, log) => (sink === DOWN ? [log] : []))
  const encoder = twoSinks(`log in (${toDown.join(', ')})`, [DOWN, UP])
  const budget = new ByteBudget(9_000, { sinks: [DOWN, UP] })
  const held: Array<() => void> = []
  for (let one = budget.tryAdmit(100, DOWN); one !== undefined; one = budget.tryAdmit(100, DOWN)) held.push(one)
  const full = budget.used
  const taken = await takenShard({ sls, encoder, budget, ...reading })
  await taken.clock.settle()
  const makeRoom = (): void => {
    for (const settle of held.splice(0)) settle()
  }
  return { ...taken, budget, full, makeRoom }
}

describe('a pull with an event for a sink that has no room', () => {
  test('gives its body back, and goes on where it was when there is room', async () => {
    const { deliveries, clock, budget, full, pulls, mark, sls, makeRoom } = await halfSent(UP, DOWN, UP)
    expect(deliveries.seen).toEqual(['0:0:0'])
    deliveries.ack()
    await clock.advance(10_000)
    expect(budget.used, 'neither a body nor a batch waits').toBe(full)
    expect(pulls()).toBe(1)
    makeRoom()
    await clock.settle()
    expect(deliveries.seen).toEqual(['0:0:0', '0:0:1', '0:0:2'])
    expect(pulls()).toBe(2)
    expect(mark()).toBe(0)
    deliveries.ack()
    await clock.advance(3_000)
    expect(sls.commits()).toEqual([1])
    expect(budget.used).toBe(0)
  })

  test('is finished before the shard is given up', async () => {
    const { deliveries, clock, consumer, outcome, sls, makeRoom } = await halfSent(UP, DOWN)
    deliveries.ack()
    consumer.drain()
    await clock.advance(10_000)
    expect(outcome()).toBe(undefined)
    makeRoom()
    await clock.settle()
    deliveries.ack()
    await clock.settle()
    expect(outcome()).toBe('drained')
    expect(sls.commits()).toEqual([1])
    expect(deliveries.seen).toEqual(['0:0:0', '0:0:1'])
  })

  test('is left to the next owner if nothing of it has left', async () => {
    const { deliveries, clock, consumer, outcome, sls } = await halfSent(DOWN, UP)
    consumer.drain()
    await clock.settle()
    expect(outcome()).toBe('drained')
    expect(deliveries.seen).toEqual([])
    expect(sls.commits()).toEqual([])
  })

  test('waits with its body where the service may bring the logs in another order next time', async () => {
    const { deliveries, clock, pulls, sls, budget, makeRoom } = await readHalf({ query: '*' }, UP, DOWN, UP)
    expect(deliveries.seen).toEqual(['0:0:0'])
    deliveries.ack()
    await clock.advance(10_000)
    makeRoom()
    await clock.settle()
    expect(pulls()).toBe(1)
    expect(deliveries.seen).toEqual(['0:0:0', '0:0:1', '0:0:2'])
    deliveries.ack()
    await clock.advance(3_000)
    expect(sls.commits()).toEqual([1])
    expect(budget.used).toBe(0)
  })

  test('does not hold the checkpoint for ever when its rest has expired meanwhile', async () => {
    const { deliveries, clock, sls, makeRoom } = await halfSent(UP, DOWN)
    sls.write(1, { logs: 2, numbered: true })
    sls.logstore.shard(0).expireBefore(1)
    makeRoom()
    await clock.advance(1_000)
    expect(deliveries.seen).toEqual(['0:0:0', '0:1:0', '0:1:1'])
    deliveries.ack()
    await clock.advance(3_000)
    expect(sls.commits().at(-1)).toBe(2)
  })
})
