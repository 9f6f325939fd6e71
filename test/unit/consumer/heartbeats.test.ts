import { EventEmitter, once } from 'node:events'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Heartbeats } from '../../../src/consumer/heartbeats.ts'
import { failure, json, silence } from '../sls/scripted-server.ts'
import { GROUP, lostAnswer, SlsDouble } from './sls-double.ts'

const HEARTBEAT = 'ConsumerGroupHeartBeat'
const refused = failure(500, 'InternalServerError')

/** Heartbeats of a process that holds the shards of each answer and lets go of those it loses. */
async function beating({ intervalMs = 20_000, timeoutMs = 60_000 } = {}) {
  const sls = await SlsDouble.start({ shards: 2 })
  sls.createGroup()
  const { clock } = sls
  const group = { name: GROUP, timeoutSeconds: timeoutMs / 1000, inOrder: false }
  const stop = new AbortController()
  const lost: Array<{ reason: string; at: number }> = []
  const events = new EventEmitter()
  const answers: number[][] = []
  const lossesBefore: number[] = []
  let held: number[] = []
  let createGroup = async (): Promise<void> => sls.createGroup()
  const heartbeats = new Heartbeats({
    membership: sls.membership({ group, heartbeatMs: intervalMs }),
    ...{ clock, telemetry: sls.telemetry },
    reported: () => held,
    answered: (shards) => {
      answers.push(shards)
      lossesBefore.push(lost.length)
      held = shards
      events.emit('answered')
    },
    lost: (reason) => {
      lost.push({ reason, at: clock.monotonic() })
      held = []
    },
    groupMissing: () => createGroup(),
  })
  const run = heartbeats.run(stop.signal)
  onTestFinished(async () => {
    stop.abort()
    await run
  })
  return {
    ...{ sls, clock, heartbeats, events, lost, answers, lossesBefore, stop, run },
    sent: () => sls.of(HEARTBEAT).map(({ at }) => at),
    reported: () => sls.of(HEARTBEAT).map((asked) => asked.json()),
    onGroupMissing: (create: () => Promise<void>) => {
      createGroup = create
    },
  }
}

describe('heartbeats', () => {
  test('are sent at once and then on their interval, and report every shard still worked on', async () => {
    const { clock, answers, sent, reported } = await beating()
    await clock.advance(40_000)
    expect(sent()).toEqual([0, 20_000, 40_000])
    expect(reported()).toEqual([[], [0, 1], [0, 1]])
    expect(answers).toEqual(Array(3).fill([0, 1]))
  })

  test('renew the lease from the time they were sent, however late the answer comes', async () => {
    const { sls, clock, heartbeats } = await beating()
    const slow = sls.hold(HEARTBEAT, 'answering')
    await clock.advance(7_000)
    await slow.release()
    await clock.settle()
    expect(heartbeats.renewedUntil()).toBe(60_000)
    await clock.advance(20_000)
    expect(heartbeats.renewedUntil()).toBe(27_000 + 60_000)
  })

  test('that fail are sent again before the interval is over, and renew nothing', async () => {
    const { sls, clock, heartbeats, sent, lost } = await beating()
    await clock.settle()
    sls.script(HEARTBEAT, refused, refused, refused)
    await clock.advance(25_000)
    expect(sent().length).toBe(5)
    expect(sent().slice(0, 2)).toEqual([0, 20_000])
    expect(heartbeats.renewedUntil()).toBe((sent().at(-1) as number) + 60_000)
    expect(lost).toEqual([])
    expect(sls.recorder.of('heartbeat').map(({ args }) => args[1])).toEqual(['ok', 'failed', 'failed', 'failed', 'ok'])
  })

  test('that all fail end the lease once, a group timeout after the last successful one was sent', async () => {
    const { sls, clock, heartbeats, lost, reported } = await beating()
    await clock.advance(20_000)
    sls.rule(HEARTBEAT, refused)
    await clock.advance(59_999)
    expect(lost).toEqual([])
    await clock.advance(1)
    expect(lost).toEqual([{ reason: 'no heartbeat succeeded for 60 s', at: 80_000 }])
    expect(heartbeats.renewedUntil()).toBe(Number.NEGATIVE_INFINITY)
    await clock.advance(120_000)
    expect(lost.length).toBe(1)
    sls.rule(HEARTBEAT)
    const before = reported().length
    await clock.advance(40_000)
    expect(reported().slice(before, before + 2)).toEqual([[], [0, 1]])
  })

  test('whose answers get lost do not count, although they reached the service', async () => {
    const { sls, clock, lost } = await beating()
    await clock.settle()
    sls.rule(HEARTBEAT, lostAnswer)
    await clock.advance(60_000)
    expect(lost).toEqual([{ reason: expect.any(String), at: 60_000 }])
  })

  test('end the lease while one of them still hangs', async () => {
    const { sls, clock, lost, sent } = await beating()
    await clock.settle()
    sls.script(HEARTBEAT, silence)
    await clock.advance(59_999)
    expect(sent()).toEqual([0, 20_000])
    expect(lost).toEqual([])
    await clock.advance(1)
    expect(lost).toEqual([{ reason: 'no heartbeat succeeded for 60 s', at: 60_000 }])
  })

  test('that hang are given up after an interval and sent again', async () => {
    const { sls, clock, sent, heartbeats } = await beating({ intervalMs: 100, timeoutMs: 1_000 })
    await clock.settle()
    sls.script(HEARTBEAT, silence)
    await clock.advance(100)
    await sls.recorder.first('heartbeat', ({ args }) => args[1] === 'failed')
    expect(sls.recorder.of('heartbeat').at(-1)?.args[2]).toMatchObject({ code: 'timeout' })
    await clock.advance(100)
    await expect.poll(() => heartbeats.renewedUntil()).toBeGreaterThan(1_100)
    expect(sent().length).toBeGreaterThanOrEqual(3)
  })

  test('answered after the lease has ended begin a new lease', async () => {
    const { sls, clock, lost, answers, heartbeats } = await beating()
    await clock.settle()
    const slow = sls.hold(HEARTBEAT, 'answering')
    await clock.advance(65_000)
    expect(lost.length).toBe(1)
    expect(answers.length).toBe(1)
    await slow.release()
    await clock.settle()
    expect(answers.length).toBe(2)
    expect(heartbeats.renewedUntil()).toBe(20_000 + 60_000)
  })

  test('answered after a freeze longer than the lease end it before they are obeyed', async () => {
    const { sls, clock, events, lost, answers, lossesBefore } = await beating()
    await clock.settle()
    const slow = sls.hold(HEARTBEAT, 'answering')
    await clock.advance(20_000)
    clock.freeze(60_000)
    // As if the answer were the first to be noticed.
    const obeyed = once(events, 'answered')
    await slow.release()
    await obeyed
    expect(answers.length).toBe(2)
    expect(lossesBefore).toEqual([0, 1])
    expect(lost.length).toBe(1)
  })

  test('claim nothing after a freeze that was longer than the lease', async () => {
    const { clock, heartbeats, lost, reported } = await beating()
    await clock.settle()
    clock.freeze(60_000)
    // As if its timer were the first to run.
    heartbeats.poke()
    await clock.settle()
    expect(lost.length).toBe(1)
    expect(reported()).toEqual([[], []])
  })

  test('do not depend on the wall clock', async () => {
    const { clock, lost, sent } = await beating()
    await clock.settle()
    clock.setWallAhead(-86_400_000)
    await clock.advance(20_000)
    clock.setWallAhead(86_400_000)
    await clock.advance(19_999)
    expect(sent()).toEqual([0, 20_000])
    expect(lost).toEqual([])
  })

  test('that are refused because the service forgot us end every lease at once, and join again without waiting', async () => {
    const { sls, clock, lost, answers, reported, sent } = await beating()
    await clock.settle()
    sls.script(HEARTBEAT, failure(400, 'NotExistConsumerWithBody'))
    await clock.advance(20_000)
    expect(lost).toEqual([{ reason: expect.stringMatching(/no longer knows this consumer/), at: 20_000 }])
    expect(sent()).toEqual([0, 20_000, 20_000])
    expect(reported()).toEqual([[], [0, 1], []])
    expect(answers.at(-1)).toEqual([0, 1])
    expect(sls.recorder.of('heartbeat').map(({ args }) => args[1])).toEqual(['ok', 'rejected', 'ok'])
  })

  test('that are refused again and again wait in between', async () => {
    const { sls, clock, sent } = await beating()
    sls.rule(HEARTBEAT, failure(400, 'NotExistConsumerWithBody'))
    await clock.advance(20_000)
    expect(sent().length).toBeGreaterThan(3)
    expect(sent().length).toBeLessThan(20)
  })

  test('that find no group end every lease, and none is sent until the group exists again', async () => {
    const { sls, clock, lost, sent, reported, onGroupMissing } = await beating()
    await clock.settle()
    const made = Promise.withResolvers<void>()
    onGroupMissing(() => made.promise)
    sls.logstore.deleteGroup(GROUP)
    await clock.advance(50_000)
    expect(lost).toEqual([{ reason: 'the consumer group was deleted', at: 20_000 }])
    expect(sent()).toEqual([0, 20_000])
    sls.createGroup()
    made.resolve()
    await clock.settle()
    expect(sent()).toEqual([0, 20_000, 50_000])
    expect(reported().at(-1)).toEqual([])
    expect(lost.length).toBe(1)
  })

  test('that are poked are sent now, and the interval counts from there', async () => {
    const { clock, heartbeats, sent } = await beating()
    await clock.advance(5_000)
    heartbeats.poke()
    await clock.advance(20_000)
    expect(sent()).toEqual([0, 5_000, 25_000])
  })

  test('that are poked while one is under way are followed by another', async () => {
    const { sls, clock, heartbeats, sent } = await beating()
    const slow = sls.hold(HEARTBEAT)
    await clock.advance(3_000)
    heartbeats.poke()
    await clock.settle()
    expect(sent()).toEqual([0])
    await slow.release()
    await clock.settle()
    expect(sent()).toEqual([0, 3_000])
  })

  test('with a configuration fault pause, probe at most 15 s apart, and resume', async () => {
    const { sls, clock, sent, lost } = await beating()
    await clock.settle()
    sls.rule(HEARTBEAT, failure(401, 'Unauthorized'))
    await clock.advance(50_000)
    expect(sent()).toEqual([0, 20_000, 35_000, 50_000])
    const [[key, fault] = []] = sls.recorder.of('paused').map(({ args }) => args)
    expect(key).toEqual({ reason: 'sls_configuration', scope: { of: 'group', logstore: sls.ref } })
    expect(fault).toMatchObject({ kind: 'configuration', code: 'Unauthorized' })
    await clock.advance(10_000)
    expect(lost).toEqual([{ reason: expect.any(String), at: 60_000 }])
    sls.rule(HEARTBEAT)
    const resumed = sls.recorder.of('resumed').length
    await clock.advance(5_000)
    expect(
      sls.recorder
        .of('resumed')
        .slice(resumed)
        .map(({ args }) => args[0]),
    ).toEqual([key])
  })

  test('with a Retry-After longer than the lease are sent again within the interval', async () => {
    const { sls, clock, sent, lost } = await beating()
    await clock.settle()
    sls.script(HEARTBEAT, failure(503, 'ServerBusy', 'busy', { 'retry-after': '3600' }))
    await clock.advance(60_000)
    expect(sent()).toEqual([0, 20_000, 40_000, 60_000])
    expect(lost).toEqual([])
  })

  test('with a short Retry-After wait that long', async () => {
    const { sls, clock, sent } = await beating()
    await clock.settle()
    sls.script(HEARTBEAT, failure(503, 'ServerBusy', 'busy', { 'retry-after': '9' }))
    await clock.advance(30_000)
    expect(sent()).toEqual([0, 20_000, 29_000])
  })

  test('end when they are stopped, also while one hangs, and lose no lease by it', async () => {
    const { sls, clock, stop, run, lost, sent } = await beating()
    await clock.settle()
    sls.script(HEARTBEAT, silence)
    await clock.advance(20_000)
    stop.abort()
    await run
    await clock.advance(100_000)
    expect(sent()).toEqual([0, 20_000])
    expect(lost).toEqual([])
    expect(sls.recorder.of('heartbeat').map(({ args }) => args[1])).toEqual(['ok'])
  })

  test('whose answer is no list of shards fail, and take no shard away', async () => {
    const { sls, clock, answers, lost } = await beating()
    await clock.settle()
    sls.script(HEARTBEAT, json({ shards: [] }), json(['0']), json(null))
    await clock.advance(25_000)
    expect(answers).toEqual([
      [0, 1],
      [0, 1],
    ])
    expect(lost).toEqual([])
  })

  test('do not swallow a bug of their callbacks', async () => {
    const sls = await SlsDouble.start()
    sls.createGroup()
    const stop = new AbortController()
    const bug = new TypeError('a bug')
    const heartbeats = new Heartbeats({
      ...{ membership: sls.membership(), clock: sls.clock, telemetry: sls.telemetry },
      ...{ reported: () => [], lost: () => {}, groupMissing: async () => {} },
      answered: () => {
        throw bug
      },
    })
    const run = heartbeats.run(stop.signal)
    await expect(run).rejects.toBe(bug)
    stop.abort()
  })
})
