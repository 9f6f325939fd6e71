import { describe, expect, test } from 'vitest'
import type { Reading } from '../../../src/consumer/reading.ts'
import { ShardCursors } from '../../../src/consumer/shard-cursors.ts'
import { failure, json, silence } from '../sls/scripted-server.ts'
import { GROUP, SlsDouble } from './sls-double.ts'

/** A shard of ten log groups, a second apart, in a group without checkpoints. */
async function cursorsOf({ remembered, ...chosen }: Partial<Reading> & { remembered?: string } = {}) {
  const sls = await SlsDouble.start()
  sls.join()
  for (let second = 0; second < 10; second++) {
    sls.write(1)
    await sls.clock.advance(1_000)
  }
  const { clock, telemetry } = sls
  const reading = { start: { kind: 'begin' }, expired: 'begin', ...chosen } as const
  const membership = sls.membership()
  const cursors = new ShardCursors({ shard: sls.shard(), membership, reading, remembered, clock, telemetry })
  return {
    ...{ sls, clock, cursors },
    /** The checkpoint at 2 is ours. */
    ours: (checkpoint: string) => checkpoint === sls.cursor(2),
    signal: new AbortController().signal,
    setCheckpoint: (position: number) =>
      sls.logstore.group(GROUP).commit({ shard: 0, checkpoint: sls.cursor(position), force: true }),
    position: (cursor: string) => sls.logstore.shard(0).find(cursor),
    taken: () => sls.recorder.of('shardTaken').map(({ args }) => args),
  }
}

describe('a shard starts', () => {
  test('at its checkpoint, whatever else is known', async () => {
    const { sls, cursors, signal, setCheckpoint, taken } = await cursorsOf({ remembered: 'MTE=' })
    setCheckpoint(4)
    const checkpoint = sls.cursor(4)
    expect(await cursors.start(signal)).toEqual({ cursor: checkpoint, checkpoint, implied: false })
    expect(taken()).toEqual([[sls.shard(), checkpoint, 'checkpoint']])
    expect(sls.of('GetCursor')).toEqual([])
  })

  test('without a checkpoint at the cursor that this process remembers', async () => {
    const { sls, cursors, signal, taken } = await cursorsOf({ remembered: 'MTE=', start: { kind: 'end' } })
    expect(await cursors.start(signal)).toEqual({ cursor: 'MTE=', checkpoint: '', implied: false })
    expect(taken()).toEqual([[sls.shard(), 'MTE=', 'remembered']])
  })

  test('without either at the oldest log', async () => {
    const { sls, cursors, signal, taken } = await cursorsOf()
    expect(await cursors.start(signal)).toEqual({ cursor: sls.cursor(0), checkpoint: '', implied: true })
    expect(taken()).toEqual([[sls.shard(), sls.cursor(0), 'start']])
  })

  test('at the oldest log also with SLS_START=end, because a shard without a checkpoint is younger than the group', async () => {
    const { sls, cursors, signal } = await cursorsOf({ start: { kind: 'end' } })
    expect(await cursors.start(signal)).toMatchObject({ cursor: sls.cursor(0) })
  })

  test('at the first log received at a time', async () => {
    const unixSeconds = Math.floor(Date.UTC(2026, 0, 1) / 1000) + 6
    const { sls, cursors, signal } = await cursorsOf({ start: { kind: 'time', unixSeconds } })
    expect(await cursors.start(signal)).toMatchObject({ cursor: sls.cursor(6), implied: true })
  })

  test('after retries while the service fails', async () => {
    const { sls, clock, cursors, signal } = await cursorsOf()
    sls.script('GetCheckPoint', failure(500, 'InternalServerError'), json([{ shard: 0 }]))
    sls.script('GetCursor', failure(503, 'ServerBusy', 'busy', { 'retry-after': '30' }))
    const started = cursors.start(signal)
    await clock.advance(29_000)
    expect(sls.of('GetCheckPoint').length).toBe(3)
    expect(sls.of('GetCursor').length).toBe(1)
    await clock.advance(2_000)
    expect(await started).toMatchObject({ cursor: sls.cursor(0) })
    expect(sls.recorder.of('pullFailed').map(({ args }) => args[2])).toEqual([1, 2, 1])
  })

  test('after a pause that says what to do, for a configuration fault', async () => {
    const { sls, clock, cursors, signal } = await cursorsOf()
    sls.rule('GetCheckPoint', failure(401, 'Unauthorized'))
    const started = cursors.start(signal)
    await clock.advance(60_000)
    const key = { reason: 'sls_configuration', scope: { of: 'start', shard: sls.shard() } }
    expect(sls.recorder.of('paused')[0]?.args).toMatchObject([key, { code: 'Unauthorized' }])
    const times = sls.of('GetCheckPoint').map(({ at }) => at)
    expect(Math.max(...times.slice(1).map((at, index) => at - (times[index] as number)))).toBeLessThanOrEqual(15_000)
    expect(sls.recorder.of('resumed')).toEqual([])
    sls.rule('GetCheckPoint')
    await clock.advance(15_000)
    await started
    expect(sls.recorder.of('resumed')[0]?.args).toEqual([key])
  })

  test('never, if the shard is gone', async () => {
    const { sls, cursors, signal } = await cursorsOf()
    sls.script('GetCursor', failure(404, 'ShardNotExist'))
    await expect(cursors.start(signal)).rejects.toMatchObject({ reaction: 'shard_gone' })
  })

  test('never, once it is given up, also while the service hangs and between two attempts', async () => {
    const { sls, clock, cursors } = await cursorsOf()
    const reason = new Error('given up')
    for (const reply of [silence, failure(500, 'InternalServerError')]) {
      const stop = new AbortController()
      sls.script('GetCheckPoint', reply)
      const rejected = expect(cursors.start(stop.signal)).rejects.toBe(reason)
      await clock.settle()
      stop.abort(reason)
      await rejected
    }
  })
})

describe('a cursor that has expired', () => {
  test('goes on at the oldest log retained, and the gap is reported', async () => {
    const { sls, cursors, signal, ours } = await cursorsOf()
    sls.logstore.shard(0).expireBefore(7)
    expect(await cursors.afterExpiry(sls.cursor(2), ours, signal)).toBe(sls.cursor(7))
    expect(sls.recorder.of('cursorExpired').map(({ args }) => args)).toEqual([
      [sls.shard(), { expired: sls.cursor(2), resumedAt: sls.cursor(7), lostGroupsEstimate: 5 }],
    ])
  })

  test('reports an unknown gap and an empty gap as such', async () => {
    const { sls, cursors, signal, ours } = await cursorsOf()
    await cursors.afterExpiry('not a cursor', ours, signal)
    await cursors.afterExpiry(sls.cursor(3), ours, signal)
    expect(sls.recorder.of('cursorExpired').map(({ args }) => args[1])).toMatchObject([
      { lostGroupsEstimate: undefined },
      { lostGroupsEstimate: 0 },
    ])
  })

  test('with SLS_EXPIRED_CURSOR=fail waits until an operator sets another checkpoint, and goes on there', async () => {
    const { sls, clock, cursors, signal, setCheckpoint, ours } = await cursorsOf({ expired: 'fail' })
    setCheckpoint(2)
    let resumedAt: string | undefined
    void cursors.afterExpiry(sls.cursor(2), ours, signal).then((cursor) => {
      resumedAt = cursor
    })
    await clock.advance(60_000)
    setCheckpoint(2)
    await clock.advance(10_000)
    expect(resumedAt).toBeUndefined()
    setCheckpoint(8)
    await clock.advance(5_000)
    expect(resumedAt).toBe(sls.cursor(8))
    expect(sls.recorder.of('cursorExpired')).toEqual([])
    expect(sls.of('GetCursor')).toEqual([])
  })

  test('with SLS_EXPIRED_CURSOR=fail does not go on when the group was created again without checkpoints', async () => {
    const { sls, clock, cursors, signal, setCheckpoint, ours } = await cursorsOf({ expired: 'fail' })
    setCheckpoint(2)
    let resumedAt: string | undefined
    void cursors.afterExpiry(sls.cursor(2), ours, signal).then((cursor) => {
      resumedAt = cursor
    })
    await clock.settle()
    sls.rule('GetCheckPoint', json([{ shard: 0, checkpoint: '', updateTime: 0, consumer: '' }]))
    await clock.advance(60_000)
    expect(resumedAt).toBeUndefined()
    sls.rule('GetCheckPoint', json([]))
    await clock.advance(60_000)
    expect(resumedAt).toBeUndefined()
  })

  test('with SLS_EXPIRED_CURSOR=fail stops waiting when the shard is given up', async () => {
    const { sls, clock, cursors, ours } = await cursorsOf({ expired: 'fail' })
    const stop = new AbortController()
    const reason = new Error('given up')
    const rejected = expect(cursors.afterExpiry(sls.cursor(2), ours, stop.signal)).rejects.toBe(reason)
    await clock.advance(12_000)
    stop.abort(reason)
    await rejected
  })
})
