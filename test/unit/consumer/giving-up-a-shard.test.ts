import { describe, expect, test } from 'vitest'
import { ByteBudget } from '../../../src/consumer/byte-budget.ts'
import { NO_TELEMETRY } from '../../../src/core/telemetry.ts'
import { failure, silence } from '../sls/scripted-server.ts'
import { lostAnswer, SlsDouble } from './sls-double.ts'
import { takenShard } from './taken-shard.ts'

const COMMIT = 'ConsumerGroupUpdateCheckPoint'

describe('a shard that is drained', () => {
  test('is read no further, and is drained when everything pulled is delivered and committed', async () => {
    const { sls, clock, consumer, deliveries, outcome, pulls } = await takenShard({ written: 3 })
    await clock.settle()
    consumer.drain()
    sls.write(5)
    await clock.advance(120_000)
    expect(pulls()).toBe(1)
    expect(outcome()).toBeUndefined()
    deliveries.ack(2, 0)
    await clock.advance(120_000)
    expect(outcome()).toBeUndefined()
    expect(sls.commits()).toEqual([])
    deliveries.ack(1)
    await clock.settle()
    expect(outcome()).toBe('drained')
    expect(sls.commits()).toEqual([3])
    expect(sls.recorder.of('shardReleased').map(({ args }) => args)).toEqual([[sls.shard(), 'drained']])
  })

  test('still writes its checkpoint and reports its state while it waits', async () => {
    const { sls, clock, consumer, deliveries } = await takenShard({ written: 2, fetchCount: 1 })
    await clock.settle()
    consumer.drain()
    deliveries.ack(0)
    await clock.advance(3_000)
    expect(sls.commits()).toEqual([1])
    await clock.advance(7_000)
    expect(sls.recorder.of('shardState').at(-1)?.args[1]).toMatchObject({ lagSeconds: 10 })
  })

  test('finishes a pull of which a part has left, because half a pull could never be committed', async () => {
    const { sls, clock, consumer, deliveries, outcome } = await takenShard({
      ...{ written: 3, budget: new ByteBudget(400) },
    })
    await clock.settle()
    expect(deliveries.seen).toEqual(['0:0:0'])
    consumer.drain()
    for (const position of [0, 1, 2]) {
      expect(outcome()).toBeUndefined()
      deliveries.ack(position)
      await clock.settle()
    }
    expect(deliveries.seen).toEqual(['0:0:0', '0:1:0', '0:2:0'])
    expect(outcome()).toBe('drained')
    expect(sls.commits()).toEqual([3])
  })

  test('drops a pull that was not answered yet', async () => {
    const { sls, clock, consumer, deliveries, outcome } = await takenShard()
    const pull = sls.hold('PullLogs')
    sls.write(3)
    await clock.settle()
    consumer.drain()
    await clock.settle()
    expect(outcome()).toBe('drained')
    await pull.release()
    await clock.settle()
    expect(deliveries.seen).toEqual([])
    expect(sls.of(COMMIT).length).toBe(0)
  })

  test.for([
    ['while the service hangs', silence],
    ['between two attempts', failure(500, 'InternalServerError')],
  ] as const)('before its start is known (%s) reads and commits nothing', async ([, reply]) => {
    const sls = await SlsDouble.start()
    sls.join()
    sls.script('GetCheckPoint', reply)
    const { clock, consumer, outcome } = await takenShard({ sls })
    await clock.settle()
    consumer.drain()
    await clock.settle()
    expect(outcome()).toBe('drained')
    expect(sls.of('PullLogs')).toEqual([])
    expect(sls.of(COMMIT).length).toBe(0)
    expect(consumer.mark).toBeUndefined()
  })

  test('does not wait: not at the end, not after a fault, not for the byte budget', async () => {
    const budget = new ByteBudget(100)
    await budget.admitBatch(100, new AbortController().signal)
    for (const options of [{ fetchIntervalMs: 3_600_000 }, { budget }]) {
      const { clock, consumer, outcome } = await takenShard(options)
      await clock.settle()
      consumer.drain()
      await clock.settle()
      expect(outcome()).toBe('drained')
    }
    const { sls, clock, consumer, outcome } = await takenShard()
    sls.rule('PullLogs', failure(401, 'Unauthorized'))
    await clock.advance(20_000)
    consumer.drain()
    await clock.settle()
    expect(outcome()).toBe('drained')
    const resumed = sls.recorder.of('resumed').map(({ args }) => args[0])
    expect(resumed).toContainEqual({ reason: 'sls_configuration', scope: { of: 'pull', shard: sls.shard() } })
  })

  test('is drained only when its checkpoint is committed', async () => {
    const { sls, clock, consumer, deliveries, outcome } = await takenShard({ written: 1 })
    await clock.settle()
    sls.rule(COMMIT, failure(500, 'InternalServerError'))
    consumer.drain()
    deliveries.ack()
    await clock.advance(30_000)
    expect(outcome()).toBeUndefined()
    expect(sls.of(COMMIT).length).toBeGreaterThan(20)
    sls.rule(COMMIT)
    await clock.advance(500)
    expect(outcome()).toBe('drained')
    expect(sls.commits()).toEqual([1])
  })

  test('waits for a commit under way, and then commits what settled meanwhile', async () => {
    const { sls, clock, consumer, deliveries, outcome } = await takenShard({ written: 2, fetchCount: 1 })
    await clock.settle()
    const slow = sls.hold(COMMIT)
    deliveries.ack(0)
    await clock.advance(3_000)
    consumer.drain()
    deliveries.ack(1)
    await clock.settle()
    expect(outcome()).toBeUndefined()
    await slow.release()
    await clock.settle()
    expect(outcome()).toBe('drained')
    expect(sls.commits()).toEqual([1, 2])
  })

  test('commits again a checkpoint whose answer was lost', async () => {
    const { sls, clock, consumer, deliveries, outcome } = await takenShard({ written: 1 })
    await clock.settle()
    consumer.drain()
    sls.script(COMMIT, lostAnswer)
    deliveries.ack()
    await clock.advance(500)
    expect(outcome()).toBe('drained')
    expect(sls.commits()).toEqual([1, 1])
  })
})

describe('the last commit before a deadline', () => {
  test('writes what is settled, although deliveries are under way', async () => {
    const { sls, clock, consumer, deliveries, outcome } = await takenShard({ written: 3, fetchCount: 1 })
    await clock.settle()
    consumer.drain()
    deliveries.ack(0, 2)
    await clock.settle()
    await consumer.commitSettled()
    expect(sls.commits()).toEqual([1])
    expect(outcome()).toBeUndefined()
  })

  test('writes nothing before the start is known, and nothing once the lease is lost', async () => {
    const sls = await SlsDouble.start()
    sls.join()
    const start = sls.hold('GetCheckPoint')
    const { clock, consumer, deliveries, lease } = await takenShard({ sls, written: 1 })
    await consumer.commitSettled()
    await start.release()
    await clock.settle()
    deliveries.ack()
    lease.lose('gone')
    await consumer.commitSettled()
    expect(sls.of(COMMIT).length).toBe(0)
  })

  test('is not sent when the lease is over by the clock', async () => {
    const { sls, clock, consumer, deliveries, endLeaseByTheClock, run } = await takenShard({ written: 1 })
    await clock.settle()
    deliveries.ack()
    await clock.settle()
    endLeaseByTheClock()
    await consumer.commitSettled()
    expect(await run).toBe('lost')
    expect(sls.of(COMMIT).length).toBe(0)
  })
})

describe('a shard whose lease is lost', () => {
  test('stops at once: deliveries are aborted, nothing is committed, nothing is read', async () => {
    const { sls, clock, lease, deliveries, outcome, pulls } = await takenShard({ written: 3, fetchCount: 1 })
    await clock.settle()
    deliveries.ack(0)
    lease.lose('the service gave it away')
    expect(deliveries.pending).toEqual([])
    await clock.settle()
    expect(outcome()).toBe('lost')
    const before = pulls()
    await clock.advance(60_000)
    expect(pulls()).toBe(before)
    expect(sls.of(COMMIT).length).toBe(0)
    expect(sls.recorder.of('leaseLost').map(({ args }) => args)).toEqual([
      [sls.shard(), expect.stringMatching(/gave it away/)],
    ])
    expect(sls.recorder.of('shardReleased').map(({ args }) => args)).toEqual([[sls.shard(), 'lost']])
  })

  test('hands over no further batch of a pull', async () => {
    const { clock, lease, deliveries, outcome } = await takenShard({ written: 3, budget: new ByteBudget(400) })
    await clock.settle()
    lease.lose('gone')
    await clock.settle()
    expect(outcome()).toBe('lost')
    expect(deliveries.seen).toEqual(['0:0:0'])
  })

  test('by the clock, after a freeze, is found lost by the next commit', async () => {
    const { sls, clock, deliveries, outcome, endLeaseByTheClock } = await takenShard({ written: 1 })
    await clock.settle()
    deliveries.ack()
    endLeaseByTheClock()
    await clock.advance(3_000)
    expect(outcome()).toBe('lost')
    expect(sls.of(COMMIT).length).toBe(0)
  })

  test('while it drains is lost, not drained', async () => {
    const { sls, clock, consumer, lease, outcome } = await takenShard({ written: 1 })
    await clock.settle()
    consumer.drain()
    lease.lose('too late')
    await clock.settle()
    expect(outcome()).toBe('lost')
    expect(sls.of(COMMIT).length).toBe(0)
  })

  test('before its start is known is lost, not drained', async () => {
    const sls = await SlsDouble.start()
    sls.join()
    sls.script('GetCheckPoint', silence)
    const { clock, consumer, lease, outcome } = await takenShard({ sls })
    await clock.settle()
    consumer.drain()
    lease.lose('gone')
    await clock.settle()
    expect(outcome()).toBe('lost')
  })

  test.for(['ConsumerNotMatch', 'ConsumerNotExist'])('because its commit was refused (%s)', async (code) => {
    const { sls, clock, deliveries, outcome } = await takenShard({ written: 2, fetchCount: 1 })
    await clock.settle()
    sls.rule(COMMIT, failure(400, code))
    deliveries.ack(0)
    await clock.advance(3_000)
    expect(outcome()).toBe('lost')
    expect(deliveries.pending).toEqual([])
    expect(sls.of(COMMIT).length).toBe(1)
  })

  test('leaves no pause of its checkpoint behind', async () => {
    const { sls, clock, lease, deliveries, outcome } = await takenShard({ written: 1 })
    deliveries.acknowledging = true
    sls.rule(COMMIT, failure(401, 'Unauthorized'))
    await clock.advance(4_000)
    const key = { reason: 'sls_configuration', scope: { of: 'checkpoint', shard: sls.shard() } }
    expect(sls.recorder.of('paused')[0]?.args[0]).toEqual(key)
    lease.lose('gone')
    await clock.settle()
    expect(outcome()).toBe('lost')
    expect(sls.recorder.of('resumed').map(({ args }) => args[0])).toContainEqual(key)
  })
})

describe('a bug', () => {
  const bug = new TypeError('a bug')

  test('in a delivery ends the shard without a commit, and is thrown', async () => {
    const { sls, clock, lease, deliveries, run } = await takenShard({ written: 2, fetchCount: 1 })
    await clock.settle()
    deliveries.ack(0)
    deliveries.pending[0]?.fail(bug)
    await expect(run).rejects.toBe(bug)
    expect(lease.signal.aborted).toBe(true)
    await clock.advance(10_000)
    expect(sls.of(COMMIT).length).toBe(0)
  })

  test('in the encoder does so too', async () => {
    const encode = (): never => {
      throw bug
    }
    const { clock, run } = await takenShard({
      written: 1,
      encoder: {
        sinks: new Set(),
        begin: () => ({ isEmpty: true, add: () => {} }),
        encode,
        topics: () => new Map(),
        recycle: () => {},
      },
    })
    await clock.settle()
    await expect(run).rejects.toBe(bug)
  })

  test('in the telemetry, during a commit, does so too', async () => {
    const checkpointCommitted = (): never => {
      throw bug
    }
    const { clock, deliveries, run } = await takenShard({
      ...{ written: 1, telemetry: { ...NO_TELEMETRY, checkpointCommitted } },
    })
    await clock.settle()
    deliveries.ack()
    await clock.advance(3_000)
    await expect(run).rejects.toBe(bug)
  })

  test('is the one that is thrown, whatever else fails because of it', async () => {
    const { clock, deliveries, run } = await takenShard({ written: 2 })
    await clock.settle()
    const [first, second] = deliveries.pending
    first?.fail(bug)
    second?.fail(new RangeError('a consequence'))
    await expect(run).rejects.toBe(bug)
  })
})
