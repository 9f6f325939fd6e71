import { describe, expect, test } from 'vitest'
import type { StartAtEnd } from '../../../src/consumer/consumer-group.ts'
import { ensureConsumerGroup } from '../../../src/consumer/consumer-group.ts'
import { failure, json } from '../sls/scripted-server.ts'
import type { Reply } from './sls-double.ts'
import { CONSUMER, GROUP, lostAnswer, SlsDouble } from './sls-double.ts'

const settings = { name: GROUP, timeoutSeconds: 60, inOrder: true }

async function ensuring({ startAtEnd, shards = 2 }: { startAtEnd?: StartAtEnd; shards?: number } = {}) {
  const sls = await SlsDouble.start({ shards })
  const { clock, telemetry } = sls
  const membership = sls.membership({ group: settings })
  const stop = new AbortController()
  return {
    ...{ sls, clock, stop },
    ensure: () => ensureConsumerGroup(membership, startAtEnd, { clock, telemetry, signal: stop.signal }),
    group: () => sls.logstore.group(GROUP),
    asked: () => sls.requests.map(({ api }) => api),
  }
}

describe('the consumer group', () => {
  test('is created with our timeout and order', async () => {
    const { ensure, group, asked } = await ensuring()
    await ensure()
    expect(group()).toMatchObject({ timeoutSeconds: 60, order: true })
    expect(asked()).toEqual(['CreateConsumerGroup'])
  })

  test('is changed only when its timeout or order differs', async () => {
    const { sls, ensure, group, asked } = await ensuring()
    sls.logstore.createGroup({ name: 'another', timeoutSeconds: 5, order: false })
    sls.logstore.createGroup({ name: GROUP, timeoutSeconds: 60, order: true })
    await ensure()
    expect(asked()).not.toContain('UpdateConsumerGroup')
    group().update({ timeoutSeconds: 10 })
    await ensure()
    group().update({ order: false })
    await ensure()
    expect(group()).toMatchObject({ timeoutSeconds: 60, order: true })
    expect(sls.logstore.group('another')).toMatchObject({ timeoutSeconds: 5, order: false })
  })

  test('is retried until it exists, however often that fails', async () => {
    const { sls, clock, ensure, group } = await ensuring()
    sls.script('CreateConsumerGroup', failure(500, 'InternalServerError'), lostAnswer)
    sls.script('ListConsumerGroup', failure(503, 'ServerBusy'))
    const made = ensure()
    await clock.advance(10_000)
    await made
    expect(group().timeoutSeconds).toBe(60)
  })

  test('with a configuration fault is probed at most 15 s apart, reported once, and resumes by itself', async () => {
    const { sls, clock, ensure } = await ensuring()
    sls.rule('CreateConsumerGroup', failure(400, 'ConsumerGroupQuotaExceed'))
    const made = ensure()
    await clock.advance(120_000)
    const times = sls.of('CreateConsumerGroup').map(({ at }) => at)
    expect(times.length).toBeGreaterThan(7)
    expect(times.length).toBeLessThan(14)
    const key = { reason: 'sls_configuration', scope: { of: 'group', logstore: sls.ref } }
    expect(sls.recorder.of('paused')[0]?.args).toMatchObject([key, { advice: expect.stringContaining('SLS_CG') }])
    sls.rule('CreateConsumerGroup')
    await clock.advance(15_000)
    await made
    expect(sls.recorder.of('resumed').map(({ args }) => args[0])).toEqual([key])
  })

  test('is no longer retried once the worker stops', async () => {
    const { sls, clock, ensure, stop } = await ensuring()
    sls.rule('CreateConsumerGroup', failure(500, 'InternalServerError'))
    const reason = new Error('stopped')
    const rejected = expect(ensure()).rejects.toBe(reason)
    await clock.advance(5_000)
    stop.abort(reason)
    await rejected
  })
})

describe('a group that starts at the end', () => {
  const nothing = { consumer: CONSUMER, remembered: new Map<number, string>() }

  test('gets the end of every shard as its checkpoint, at once', async () => {
    const { sls, ensure, asked } = await ensuring({ startAtEnd: nothing })
    sls.write(3, { shard: 0 })
    sls.write(5, { shard: 1 })
    await ensure()
    expect([sls.checkpoint(0), sls.checkpoint(1)]).toEqual([3, 5])
    expect(sls.emulator.commits).toMatchObject([{ force: true }, { force: true }])
    expect(asked()).not.toContain('ConsumerGroupHeartBeat')
  })

  test('that has any checkpoint has already started', async () => {
    const { sls, ensure, group } = await ensuring({ startAtEnd: nothing })
    sls.write(3, { shard: 0 })
    sls.createGroup()
    group().commit({ shard: 1, checkpoint: sls.cursor(0, 1), force: true })
    await ensure()
    expect([sls.checkpoint(0), sls.checkpoint(1)]).toEqual([undefined, 0])
    expect(sls.of('ConsumerGroupUpdateCheckPoint').length).toBe(0)
  })

  test('and was deleted starts where this process was, and elsewhere at the end', async () => {
    const remembered = new Map<number, string>()
    const { sls, ensure } = await ensuring({ startAtEnd: { remembered } })
    sls.write(3, { shard: 0 })
    sls.write(5, { shard: 1 })
    remembered.set(1, sls.cursor(2, 1))
    await ensure()
    expect([sls.checkpoint(0), sls.checkpoint(1)]).toEqual([3, 2])
  })

  test.for(['GetCursor', 'ConsumerGroupUpdateCheckPoint'] as const)(
    'starts there in every shard, also when %s failed half way and time has passed',
    async (api) => {
      const { sls, clock, ensure } = await ensuring({ startAtEnd: nothing, shards: 3 })
      for (const shard of [0, 1, 2]) sls.write(3, { shard })
      const answered: Reply = (_, asked) => asked.pass()
      const failed = failure(500, 'InternalServerError')
      sls.script(api, answered, failed, failed)
      const made = ensure()
      await clock.settle()
      if (api !== 'GetCursor') for (const shard of [0, 1, 2]) sls.write(1, { shard })
      await clock.advance(10_000)
      await made
      expect([0, 1, 2].map((shard) => sls.checkpoint(shard))).toEqual([3, 3, 3])
    },
  )

  test('does not start before the end of each shard is known', async () => {
    const { sls, clock, ensure } = await ensuring({ startAtEnd: nothing })
    sls.rule('GetCursor', failure(500, 'InternalServerError'))
    let made = false
    void ensure().then(() => {
      made = true
    })
    await clock.advance(60_000)
    expect(made).toBe(false)
    sls.rule('GetCursor', json({ cursor: '' }))
    await clock.advance(60_000)
    expect(made).toBe(false)
    sls.rule('GetCursor')
    await clock.advance(15_000)
    expect(made).toBe(true)
  })
})
