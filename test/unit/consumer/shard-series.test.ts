import { describe, expect, test } from 'vitest'
import type { ShardRef } from '../../../src/core/shard.ts'
import type { ShardState } from '../../../src/core/telemetry.ts'
import { failure } from '../sls/scripted-server.ts'
import { entitledTo, groupMember, HEARTBEAT } from './group-member.ts'
import { SlsDouble } from './sls-double.ts'
import { takenShard } from './taken-shard.ts'

/** What the recorded calls leave of each shard's series: `leased`, `released`, or nothing. */
function seriesOf(sls: SlsDouble): Record<number, 'leased' | 'released'> {
  const series: Record<number, 'leased' | 'released'> = {}
  const ended = new Set<number>()
  for (const { name, args } of sls.recorder.calls) {
    const { shard } = (args[0] ?? {}) as ShardRef
    if (name === 'shardLeased') {
      ended.delete(shard)
      series[shard] = 'leased'
    }
    if (name === 'shardEnded') {
      if (series[shard] === 'leased') ended.add(shard)
      delete series[shard]
    }
    if (name === 'shardReleased' && !ended.delete(shard)) series[shard] = 'released'
  }
  return series
}

/** A running group of one replica that has delivered everything. */
async function caughtUp(shards: number) {
  const member = await groupMember({ shards, written: 2, fetchIntervalMs: 1_000 })
  member.deliveries.acknowledging = true
  await member.clock.advance(30_000)
  return member
}

describe('the series of a shard', () => {
  test('begin with its lease, and its lag grows while its start is not told', async () => {
    const sls = await SlsDouble.start()
    sls.join()
    sls.rule('GetCheckPoint', failure(500, 'InternalServerError'))
    const { clock, consumer } = await takenShard({ sls })
    const states = () => sls.recorder.of('shardState').map(({ args }) => args[1])
    expect(sls.recorder.of('shardLeased').length).toBe(1)
    expect(states()).toEqual([{ lagSeconds: 1, checkpointAgeSeconds: 0 }])
    await clock.advance(60_000)
    expect(sls.recorder.of('shardTaken')).toEqual([])
    expect(states().at(-1)).toEqual({ lagSeconds: 60, checkpointAgeSeconds: 60 })
    sls.rule('GetCheckPoint')
    await clock.advance(30_000)
    expect(sls.recorder.of('shardTaken').length).toBe(1)
    consumer.drain()
    await clock.settle()
  })

  test('show a growing lag while pulls and cursors fail and heartbeats do not', async () => {
    const { sls, clock } = await caughtUp(1)
    expect(sls.recorder.of('shardState').at(-1)?.args[1]).toMatchObject({ lagSeconds: 0 })
    for (const api of ['PullLogs', 'GetCursor', 'GetCursorTime'] as const) sls.rule(api, failure(503, 'ServerBusy'))
    sls.write(1)
    await clock.advance(300_000)
    // Whenever the service works again, it is asked again within 15 s.
    const asked = sls.of('PullLogs').map(({ at }) => at)
    expect(Math.max(...asked.slice(1).map((at, index) => at - (asked[index] as number)))).toBeLessThanOrEqual(15_001)
    const [, state] = sls.recorder.of('shardState').at(-1)?.args ?? []
    const { lagSeconds } = state as ShardState
    expect(lagSeconds).toBeGreaterThan(290)
    expect(lagSeconds).toBeLessThan(310)
  })

  test('go when a split shard was read to its end, while it is still held', async () => {
    const { sls, clock } = await caughtUp(1)
    sls.logstore.split(0)
    await clock.advance(5_000)
    expect(sls.recorder.of('shardReleased')).toEqual([])
    expect(seriesOf(sls)[0]).toBeUndefined()
    await clock.advance(60_000)
    expect(sls.recorder.of('shardReleased').length).toBe(1)
    expect(seriesOf(sls)).toEqual({ 1: 'leased', 2: 'leased' })
  })

  test('go when both parents of a merge were read to their end', async () => {
    const { sls, clock } = await caughtUp(2)
    sls.logstore.merge(0)
    await clock.advance(90_000)
    expect(seriesOf(sls)).toEqual({ 2: 'leased' })
  })

  test('stay, and count again, when the end of a finished shard moves', async () => {
    const { sls, clock } = await caughtUp(1)
    const end = sls.logstore.shard(0)
    sls.rule(HEARTBEAT, entitledTo(0))
    sls.logstore.seal(0)
    await clock.advance(3_000)
    expect(seriesOf(sls)).toEqual({})
    sls.rule('GetCursor', (response) => {
      response.end(JSON.stringify({ cursor: end.cursorAt(end.end + 1) }))
    })
    await clock.advance(16_000)
    expect(seriesOf(sls)).toEqual({ 0: 'leased' })
  })

  test('go when the service has deleted the shard', async () => {
    const { sls, clock } = await caughtUp(1)
    sls.rule('PullLogs', failure(404, 'ShardNotExist'))
    sls.rule(HEARTBEAT, entitledTo())
    await clock.advance(5_000)
    expect(sls.recorder.of('shardReleased').map(({ args }) => args[1])).toEqual(['lost'])
    expect(seriesOf(sls)).toEqual({})
  })

  test('say that it is not held after a hand-over, until its next owner has read it to its end', async () => {
    const { sls, clock } = await caughtUp(1)
    sls.rule(HEARTBEAT, entitledTo())
    await clock.advance(20_000)
    expect(seriesOf(sls)).toEqual({ 0: 'released' })
    await clock.advance(120_000)
    expect(seriesOf(sls)).toEqual({ 0: 'released' })
    sls.logstore.seal(0)
    await clock.advance(60_000)
    // Its checkpoint is at the end already.
    expect(seriesOf(sls)).toEqual({})
  })

  test('say so while logs of it are unread, also when it is read-only', async () => {
    const { sls, clock } = await caughtUp(1)
    sls.rule(HEARTBEAT, entitledTo())
    await clock.advance(20_000)
    sls.write(1)
    sls.logstore.seal(0)
    await clock.advance(120_000)
    expect(seriesOf(sls)).toEqual({ 0: 'released' })
  })

  test('go after a hand-over when the shard is deleted', async () => {
    const { sls, clock } = await caughtUp(1)
    sls.rule(HEARTBEAT, entitledTo())
    await clock.advance(20_000)
    sls.rule('ListShards', async (response, asked) => {
      await asked.handle()
      response.end('[]')
    })
    await clock.advance(60_000)
    expect(seriesOf(sls)).toEqual({})
  })
})
