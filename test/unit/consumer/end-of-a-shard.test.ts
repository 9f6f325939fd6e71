import { describe, expect, test } from 'vitest'
import { failure } from '../sls/scripted-server.ts'
import type { Reply } from './sls-double.ts'
import { GROUP } from './sls-double.ts'
import { takenShard } from './taken-shard.ts'

const COMMIT = 'ConsumerGroupUpdateCheckPoint'

describe('a read-only shard', () => {
  test('is committed at its end when everything is settled, and then held without pulls', async () => {
    const { sls, clock, deliveries, outcome, pulls } = await takenShard({ written: 2 })
    sls.logstore.split(0)
    await clock.advance(2_000)
    expect(sls.commits()).toEqual([])
    deliveries.ack(1)
    await clock.advance(10_000)
    expect(sls.commits()).toEqual([])
    deliveries.ack(0)
    await clock.settle()
    expect(sls.commits()).toEqual([2])
    const before = pulls()
    await clock.advance(120_000)
    expect(pulls()).toBe(before)
    expect(sls.commits()).toEqual([2])
    expect(outcome()).toBeUndefined()
  })

  test('is drained when the service takes it away', async () => {
    const { sls, clock, consumer, outcome } = await takenShard()
    sls.logstore.split(0)
    await clock.advance(2_000)
    consumer.drain()
    await clock.settle()
    expect(outcome()).toBe('drained')
    expect(sls.commits()).toEqual([0])
  })

  test('is committed at its end also if its checkpoint was already there before the split', async () => {
    const { sls, clock, deliveries, outcome } = await takenShard({ written: 1 })
    deliveries.acknowledging = true
    await clock.advance(5_000)
    expect(sls.commits()).toEqual([1])
    sls.logstore.seal(0)
    await clock.advance(10_000)
    // The emulator closed the shard with the first commit and refuses the second as not ours. That is no lost lease.
    expect(sls.of(COMMIT).map((asked) => asked.json())).toEqual(Array(2).fill({ shard: 0, checkpoint: sls.cursor(1) }))
    expect(outcome()).toBeUndefined()
  })

  test('is committed at its end also if it was always empty', async () => {
    const { sls, clock } = await takenShard()
    sls.logstore.split(0)
    await clock.advance(2_000)
    expect(sls.commits()).toEqual([0])
  })

  test('whose end was not committed is committed again until it is', async () => {
    const { sls, clock, lease } = await takenShard()
    sls.logstore.split(0)
    sls.rule(COMMIT, failure(500, 'InternalServerError'))
    await clock.advance(20_000)
    expect(sls.of(COMMIT).length).toBeGreaterThan(10)
    sls.rule(COMMIT)
    await clock.advance(1_000)
    expect(sls.commits()).toEqual([0])
    expect(lease.signal.aborted).toBe(false)
  })

  test('is read on when more was written between the last pull and the split', async () => {
    const { sls, clock, deliveries } = await takenShard({ written: 1 })
    deliveries.acknowledging = true
    const look = sls.hold('ListShards', 'answering')
    await clock.advance(1_000)
    sls.write(2)
    sls.logstore.split(0)
    await look.release()
    await clock.advance(10_000)
    expect(deliveries.seen).toEqual(['0:0:0', '0:1:0', '0:2:0'])
    expect(sls.commits().at(-1)).toBe(3)
    // The shard is known to be read-only now, but the answer to the pull is older.
    expect(sls.logstore.group(GROUP).allocations()[0]).toMatchObject({ state: 'O' })
  })

  test('is found later when the service does not answer at first', async () => {
    const { sls, clock } = await takenShard()
    sls.logstore.split(0)
    sls.script('ListShards', failure(500, 'InternalServerError'), failure(401, 'Unauthorized'))
    const answered: Reply = (_, asked) => asked.pass()
    // The first two calls ask for the start and for the lag.
    sls.script('GetCursor', answered, answered, failure(500, 'InternalServerError'))
    await clock.advance(2_000)
    expect(sls.commits()).toEqual([])
    // Two failures of ListShards, each with its wait.
    await clock.advance(8_000)
    expect(sls.commits()).toEqual([0])
  })

  test('that is drained while the service fails to answer is drained all the same', async () => {
    const { sls, clock, consumer, outcome } = await takenShard()
    await clock.settle()
    sls.logstore.split(0)
    sls.script('GetCursor', failure(500, 'InternalServerError'))
    sls.onAnswer = (api) => {
      if (api === 'GetCursor') consumer.drain()
    }
    await clock.advance(5_000)
    expect(outcome()).toBe('drained')
  })
})

describe('a shard that is gone', () => {
  test('is let go when everything pulled of it is delivered', async () => {
    const { sls, clock, deliveries, lease, outcome } = await takenShard({ written: 2 })
    await clock.settle()
    sls.rule('PullLogs', failure(404, 'ShardNotExist'))
    await clock.advance(60_000)
    expect(outcome()).toBeUndefined()
    expect(deliveries.pending.length).toBe(2)
    expect(sls.recorder.of('notice').map(({ args }) => args[0])).toEqual(['warn'])
    deliveries.ack()
    await clock.settle()
    expect(outcome()).toBe('lost')
    expect(lease.signal.aborted).toBe(true)
  })

  test('is let go at once when its commit finds it gone', async () => {
    const { sls, clock, deliveries, outcome } = await takenShard({ written: 2, fetchCount: 1 })
    await clock.settle()
    deliveries.ack(0)
    sls.rule(COMMIT, failure(404, 'ShardNotExist'))
    await clock.advance(3_000)
    expect(outcome()).toBe('lost')
  })

  test('while it is drained still delivers what was pulled', async () => {
    const { sls, clock, consumer, deliveries, outcome } = await takenShard({ written: 1 })
    await clock.settle()
    sls.rule('PullLogs', failure(404, 'ShardNotExist'))
    await clock.advance(2_000)
    consumer.drain()
    await clock.settle()
    expect(outcome()).toBeUndefined()
    deliveries.ack()
    await clock.settle()
    expect(outcome()).toBe('lost')
  })
})
