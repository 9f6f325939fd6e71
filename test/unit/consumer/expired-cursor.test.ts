import { describe, expect, test } from 'vitest'
import { failure, silence } from '../sls/scripted-server.ts'
import { GROUP, SlsDouble } from './sls-double.ts'
import { takenShard } from './taken-shard.ts'

/** A shard of ten log groups, committed at 1, of which the first six have expired. */
async function expiredShard(expired: 'begin' | 'fail', options: { commitIntervalMs?: number; answer?: 'oldest' } = {}) {
  const { answer, ...rest } = options
  const sls = await SlsDouble.start({ ...(answer && { expiredCursor: answer }) })
  sls.join()
  sls.write(10)
  const setCheckpoint = (position: number, consumer = ''): void =>
    sls.logstore.group(GROUP).commit({ shard: 0, checkpoint: sls.cursor(position), consumer, force: true })
  setCheckpoint(1)
  sls.logstore.shard(0).expireBefore(6)
  const taken = await takenShard({ sls, expired, delivered: 1, ...rest })
  await taken.clock.settle()
  return { ...taken, setCheckpoint }
}

describe('a cursor that has expired, with SLS_EXPIRED_CURSOR=begin', () => {
  test('is followed by the oldest log retained, which is reported, and the checkpoint follows', async () => {
    const { sls, clock, deliveries } = await expiredShard('begin')
    expect(deliveries.seen).toEqual(['0:6:0', '0:7:0', '0:8:0', '0:9:0'])
    expect(sls.recorder.of('cursorExpired').map(({ args }) => args[1])).toMatchObject([{ lostGroupsEstimate: 5 }])
    const pause = { reason: 'expired_cursor', scope: { of: 'pull', shard: sls.shard() } }
    expect(sls.recorder.of('paused').map(({ args }) => args[0])).toEqual([pause])
    expect(sls.recorder.of('resumed').map(({ args }) => args[0])).toContainEqual(pause)
    await clock.advance(3_000)
    expect(sls.commits()).toEqual([6])
    deliveries.ack()
    await clock.advance(3_000)
    expect(sls.commits()).toEqual([6, 10])
  })

  test('moves the checkpoint only when earlier pulls are settled', async () => {
    const { sls, clock, deliveries, mark } = await takenShard({ written: 2, fetchCount: 1 })
    await clock.settle()
    sls.write(6)
    sls.logstore.shard(0).expireBefore(5)
    await clock.advance(4_000)
    expect(deliveries.positions()).toEqual([0, 1, 5, 6, 7])
    deliveries.ack(0, 5, 6, 7)
    await clock.advance(3_000)
    expect(mark()).toBe(1)
    expect(sls.commits()).toEqual([1])
    deliveries.ack(1)
    await clock.advance(3_000)
    expect(sls.commits()).toEqual([1, 8])
  })

  test('is noticed also if the service answers from a later cursor instead of refusing it', async () => {
    const { sls, deliveries } = await expiredShard('begin', { answer: 'oldest' })
    expect(deliveries.seen).toEqual(['0:6:0', '0:7:0', '0:8:0', '0:9:0'])
    expect(sls.recorder.of('cursorExpired').length).toBe(1)
  })

  test('does not lose what is settled when the shard is drained before the oldest cursor is known', async () => {
    const { sls, clock, consumer, deliveries, outcome } = await takenShard({ written: 2, commitIntervalMs: 60_000 })
    await clock.settle()
    deliveries.ack()
    sls.rule('PullLogs', failure(400, 'InvalidCursor'))
    sls.rule('GetCursor', silence)
    await clock.advance(5_000)
    consumer.drain()
    await clock.settle()
    expect(outcome()).toBe('drained')
    expect(sls.commits()).toEqual([2])
  })

  test('that is refused again and again is retried with backoff', async () => {
    const { sls, clock, deliveries, pulls } = await takenShard({ written: 1 })
    sls.rule('PullLogs', failure(400, 'InvalidCursor'))
    await clock.advance(120_000)
    expect(pulls()).toBeGreaterThan(5)
    expect(pulls()).toBeLessThan(30)
    sls.rule('PullLogs')
    await clock.advance(30_000)
    expect(deliveries.seen).toEqual(['0:0:0'])
  })
})

describe('a cursor that has expired, with SLS_EXPIRED_CURSOR=fail', () => {
  test('stops reading until an operator sets the checkpoint, and reading goes on there', async () => {
    const { sls, clock, deliveries, setCheckpoint } = await expiredShard('fail')
    await clock.advance(120_000)
    expect(deliveries.seen).toEqual([])
    expect(
      sls.recorder.of('resumed').filter(({ args }) => (args[0] as { reason: string }).reason === 'expired_cursor'),
    ).toEqual([])
    setCheckpoint(8)
    deliveries.deliveredBefore = 8
    await clock.advance(5_000)
    expect(deliveries.seen).toEqual(['0:8:0', '0:9:0'])
    expect(sls.recorder.of('resumed').map(({ args }) => args[0])).toContainEqual({
      ...{ reason: 'expired_cursor', scope: { of: 'pull', shard: sls.shard() } },
    })
    deliveries.ack()
    await clock.advance(3_000)
    expect(sls.checkpoint()).toBe(10)
  })

  test('takes also a checkpoint that the operator set before the first look at it', async () => {
    const { sls, clock, deliveries } = await takenShard({ written: 2, expired: 'fail' })
    await clock.settle()
    sls.write(8)
    sls.logstore.shard(0).expireBefore(6)
    deliveries.deliveredBefore = 8
    sls.onAnswer = (_, code) => {
      const checkpoint = sls.cursor(8)
      if (code === 'InvalidCursor') sls.logstore.group(GROUP).commit({ shard: 0, checkpoint, force: true })
    }
    await clock.advance(10_000)
    expect(deliveries.positions()).toEqual([0, 1, 8, 9])
  })

  test('neither commits nor repairs until an operator sets the checkpoint', async () => {
    const { sls, clock, consumer, deliveries, setCheckpoint } = await takenShardThatExpires()
    deliveries.ack()
    await clock.advance(60_000)
    expect(sls.commits()).toEqual([])
    setCheckpoint(8)
    consumer.verifyCheckpoint({ checkpoint: sls.cursor(8), consumer: '' }, consumer.commitChanges)
    expect(sls.recorder.of('checkpointForeign')).toEqual([])
    await clock.advance(4_000)
    expect(sls.checkpoint()).toBe(8)
  })

  test('does not take the operator’s checkpoint for a foreign one', async () => {
    const { sls, clock, consumer, setCheckpoint } = await expiredShard('fail', { commitIntervalMs: 60_000 })
    await clock.advance(1_000)
    setCheckpoint(8)
    await clock.advance(5_000)
    consumer.verifyCheckpoint({ checkpoint: sls.cursor(8), consumer: '' }, consumer.commitChanges)
    expect(sls.recorder.of('checkpointForeign')).toEqual([])
  })

  test('can be drained, and leaves the checkpoint as it is', async () => {
    const { sls, clock, consumer, outcome } = await expiredShard('fail')
    await clock.advance(60_000)
    consumer.drain()
    await clock.settle()
    expect(outcome()).toBe('drained')
    expect(sls.commits()).toEqual([])
  })

  test('that is drained right after an operator set the checkpoint keeps it', async () => {
    const { sls, clock, consumer, deliveries, setCheckpoint, outcome } = await takenShardThatExpires()
    deliveries.ack()
    await clock.advance(1_000)
    setCheckpoint(8)
    consumer.drain()
    await clock.settle()
    expect(outcome()).toBe('drained')
    await consumer.commitSettled()
    expect(sls.checkpoint()).toBe(8)
  })

  /** A shard pulled up to 2 with nothing committed. Its oldest log is now at 6. */
  async function takenShardThatExpires() {
    const taken = await takenShard({ written: 2, expired: 'fail', commitIntervalMs: 3_000 })
    const { sls, clock } = taken
    await clock.settle()
    sls.write(8)
    sls.logstore.shard(0).expireBefore(6)
    await clock.advance(1_000)
    const setCheckpoint = (position: number): void =>
      sls.logstore.group(GROUP).commit({ shard: 0, checkpoint: sls.cursor(position), force: true })
    return { ...taken, setCheckpoint }
  }
})
