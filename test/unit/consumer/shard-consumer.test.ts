import { describe, expect, test } from 'vitest'
import { ByteBudget } from '../../../src/consumer/byte-budget.ts'
import type { Batch } from '../../../src/core/batch.ts'
import { failure, raw } from '../sls/scripted-server.ts'
import { GROUP, SlsDouble } from './sls-double.ts'
import { oneLogABatch, takenShard } from './taken-shard.ts'

const COMMIT = 'ConsumerGroupUpdateCheckPoint'

describe('the checkpoint of a shard', () => {
  test('follows acknowledgements in whatever order they come, and never passes a missing one', async () => {
    const { sls, clock, deliveries, mark } = await takenShard({ written: 4, fetchCount: 1 })
    await clock.advance(3_000)
    expect(deliveries.positions()).toEqual([0, 1, 2, 3])
    for (const [position, reached] of [
      [2, 0],
      [1, 0],
      [0, 3],
      [3, 4],
    ] as const) {
      deliveries.ack(position)
      await clock.advance(3_000)
      expect(mark()).toBe(reached)
    }
    expect(sls.commits()).toEqual([3, 4])
  })

  test('passes a pull only when all of its batches are acknowledged', async () => {
    const { sls, clock, deliveries, mark } = await takenShard({ written: 2, logs: 3 })
    await clock.settle()
    expect(deliveries.positions()).toEqual([0, 0, 0, 1, 1, 1])
    for (const log of [2, 0, 1, 1, 0]) {
      deliveries.pending.find((delivery) => delivery.log === log)?.ack()
      await clock.advance(3_000)
      expect(mark()).toBe(0)
    }
    deliveries.ack()
    await clock.advance(3_000)
    expect(sls.commits()).toEqual([2])
  })

  test('does not move while a pull is still being handed over, although all batches so far are acknowledged', async () => {
    const { sls, clock, deliveries, mark } = await takenShard({ written: 1, logs: 2, budget: new ByteBudget(400) })
    await clock.settle()
    expect(deliveries.seen).toEqual(['0:0:0'])
    deliveries.ack()
    await clock.advance(3_000)
    expect(deliveries.seen).toEqual(['0:0:0', '0:0:1'])
    expect(mark()).toBe(0)
    expect(sls.commits()).toEqual([])
  })

  test('passes filtered logs at once', async () => {
    const { sls, clock, deliveries } = await takenShard()
    sls.write(3, { topic: 'noise' })
    await clock.advance(4_000)
    expect(deliveries.seen).toEqual([])
    expect(sls.commits()).toEqual([3])
  })

  test('waits for an earlier delivery even if all later logs are filtered', async () => {
    const { sls, clock, deliveries } = await takenShard({ written: 1 })
    await clock.settle()
    sls.write(3, { topic: 'noise' })
    await clock.advance(6_000)
    expect(sls.commits()).toEqual([])
    deliveries.ack()
    await clock.advance(3_000)
    expect(sls.commits()).toEqual([4])
  })

  test('is written on its interval, once for each cursor', async () => {
    const { sls, clock, deliveries } = await takenShard({ written: 1 })
    deliveries.acknowledging = true
    await clock.advance(2_999)
    expect(sls.of(COMMIT).length).toBe(0)
    await clock.advance(60_000)
    expect(sls.commits()).toEqual([1])
  })

  test('is not written for a start at which the next owner starts as well', async () => {
    const { sls, clock, consumer, run } = await takenShard()
    await clock.advance(10_000)
    consumer.drain()
    expect(await run).toBe('drained')
    expect(sls.of(COMMIT).length).toBe(0)
  })

  test('is written for a start that only this process remembers', async () => {
    const sls = await SlsDouble.start()
    sls.join()
    sls.write(3)
    const { clock, deliveries } = await takenShard({ sls, remembered: sls.cursor(2), delivered: 2 })
    await clock.advance(3_000)
    expect(sls.commits()).toEqual([2])
    expect(deliveries.seen).toEqual(['0:2:0'])
  })

  test('that could not be written is written again, and reading goes on meanwhile', async () => {
    const { sls, clock, deliveries } = await takenShard({ written: 1 })
    deliveries.acknowledging = true
    sls.script(COMMIT, failure(500, 'InternalServerError'), failure(500, 'InternalServerError'))
    await clock.advance(4_000)
    sls.write(1)
    await clock.advance(6_000)
    expect(deliveries.seen).toEqual(['0:0:0', '0:1:0'])
    expect(sls.of(COMMIT).length).toBe(3)
    expect(sls.commits()).toEqual([2])
  })
})

describe('reading a shard', () => {
  test('goes on at once while there is more, and pauses at the end', async () => {
    const { sls, clock, pulls } = await takenShard({ written: 3, fetchCount: 1 })
    await clock.advance(999)
    expect(pulls()).toBe(3)
    expect(sls.of('ListShards').length).toBe(0)
    await clock.advance(1)
    expect(pulls()).toBe(4)
    sls.write(1)
    await clock.advance(1_000)
    expect(sls.of('PullLogs').map(({ query }) => query['cursor'])).toEqual(
      [0, 1, 2, 3, 3].map((position) => sls.cursor(position)),
    )
  })

  test('counts an empty answer whose cursor has moved as progress', async () => {
    const { sls, clock } = await takenShard({ query: '* | where n = 1' })
    sls.write(8, { topic: 'noise' })
    const scanned = (position: number) =>
      raw('', 200, { 'x-log-cursor': sls.cursor(position), 'x-log-count': '0', 'x-log-bodyrawsize': '0' })
    sls.script('PullLogs', scanned(3), scanned(8))
    sls.rule('PullLogs', scanned(8))
    await clock.advance(3_000)
    expect(
      sls
        .of('PullLogs')
        .slice(0, 3)
        .map(({ query, at }) => [query['cursor'], at]),
    ).toEqual([
      [sls.cursor(0), 0],
      [sls.cursor(3), 0],
      [sls.cursor(8), 0],
    ])
    expect(sls.commits()).toEqual([8])
  })

  test('waits while several batches wait for their first request', async () => {
    const { clock, deliveries, pulls } = await takenShard({ written: 9, fetchCount: 1 })
    deliveries.starting = false
    await clock.advance(60_000)
    expect(pulls()).toBe(3)
    deliveries.pending[1]?.start()
    await clock.settle()
    expect(pulls()).toBe(4)
    deliveries.pending[0]?.ack()
    await clock.settle()
    expect(pulls()).toBe(5)
  })

  test('stops 512 pulls past one that does not settle', async () => {
    const { clock, deliveries, pulls } = await takenShard({ written: 600, fetchCount: 1 })
    await clock.settle()
    expect(pulls()).toBe(512)
    deliveries.ack(0, 1)
    await clock.settle()
    expect(pulls()).toBe(514)
    deliveries.ack(300, 400)
    await clock.settle()
    expect(pulls()).toBe(514)
  }, 60_000)

  test('gives back the memory of a batch only when it is delivered', async () => {
    const recycled: Batch[] = []
    const sls = await SlsDouble.start()
    sls.join()
    const encoder = oneLogABatch()
    const { clock, deliveries, lease } = await takenShard({
      ...{ sls, written: 2 },
      encoder: {
        sinks: encoder.sinks,
        begin: () => encoder.begin(),
        topics: (body, at) => encoder.topics(body, at),
        encode: (body, at) => encoder.encode(body, at),
        recycle: (batch) => void recycled.push(batch),
      },
    })
    await clock.settle()
    const [first] = deliveries.pending
    deliveries.ack(0)
    lease.lose('gone')
    await clock.settle()
    expect(recycled).toEqual([first?.batch])
  })

  test('asks for a log group that is too large for the budget only once more, when there is room', async () => {
    const budget = new ByteBudget(100)
    const settled = await budget.admitBatch(40, new AbortController().signal)
    const { clock, deliveries, pulls } = await takenShard({ written: 1, logs: 4, budget })
    await clock.advance(10_000)
    expect(pulls()).toBe(1)
    settled()
    await clock.settle()
    expect(deliveries.seen).toEqual(['0:0:0'])
    expect(pulls()).toBe(2)
  })

  test('reports its lag, and at once when it has caught up', async () => {
    const { sls, clock, deliveries } = await takenShard({ written: 1 })
    await clock.advance(5_000)
    expect(sls.recorder.of('shardState').at(-1)?.args).toEqual([
      sls.shard(),
      { lagSeconds: 5, checkpointAgeSeconds: 5 },
    ])
    deliveries.ack()
    await clock.advance(1_000)
    expect(sls.recorder.of('shardState').at(-1)?.args[1]).toMatchObject({ lagSeconds: 0 })
  })
})

describe('a foreign checkpoint', () => {
  test('is noticed and repaired, also on a shard that needed no checkpoint of its own', async () => {
    const { sls, clock, consumer } = await takenShard({ written: 2 })
    await clock.advance(3_000)
    const seen = { checkpoint: sls.cursor(2), consumer: 'zombie' }
    sls.logstore.group(GROUP).commit({ shard: 0, ...seen, force: true })
    consumer.verifyCheckpoint(seen, consumer.commitChanges)
    await clock.advance(3_000)
    expect(sls.recorder.of('checkpointForeign').length).toBe(1)
    expect(sls.checkpoint()).toBe(0)
  })

  test('is ignored before the start is known', async () => {
    const { sls, clock, consumer } = await takenShard()
    const start = sls.hold('GetCheckPoint')
    expect(consumer.commitChanges).toBe(-1)
    consumer.verifyCheckpoint({ checkpoint: sls.cursor(0), consumer: 'zombie' }, -1)
    await start.release()
    await clock.settle()
    expect(sls.recorder.of('checkpointForeign')).toEqual([])
  })
})
