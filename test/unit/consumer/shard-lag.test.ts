import { describe, expect, test } from 'vitest'
import { ShardLag } from '../../../src/consumer/shard-lag.ts'
import { Fault } from '../../../src/core/errors.ts'
import { failure } from '../sls/scripted-server.ts'
import { SlsDouble } from './sls-double.ts'

/** A shard with log groups received at 0, 10 and 20 s. The time is 20 s. */
async function lagging() {
  const sls = await SlsDouble.start()
  for (const seconds of [10, 10, 0]) {
    sls.write(1)
    await sls.clock.advance(seconds * 1000)
  }
  const { client, clock } = sls
  const lag = new ShardLag({ shard: sls.shard(), client, clock })
  const { signal } = new AbortController()
  return { sls, clock, lag, secondsAt: (position: number) => lag.seconds(sls.cursor(position), signal) }
}

describe('the lag of a shard', () => {
  test('is the age of the oldest log not acknowledged, counted from when the service received it', async () => {
    const { clock, secondsAt } = await lagging()
    expect(await secondsAt(0)).toBe(20)
    expect(await secondsAt(1)).toBe(10)
    await clock.advance(5_000)
    expect(await secondsAt(1)).toBe(15)
  })

  test('is 0 at the end of the shard', async () => {
    const { clock, secondsAt } = await lagging()
    expect(await secondsAt(3)).toBe(0)
    await clock.advance(3_600_000)
    expect(await secondsAt(3)).toBe(0)
  })

  test('is 0 at an end that was seen just now, without asking the service', async () => {
    const { sls, clock, lag, secondsAt } = await lagging()
    lag.sawEnd(sls.cursor(3))
    await clock.advance(10_000)
    expect(await secondsAt(3)).toBe(0)
    expect(sls.requests).toEqual([])
  })

  test('counts again when logs came after an end seen long ago', async () => {
    const { sls, clock, lag, secondsAt } = await lagging()
    lag.sawEnd(sls.cursor(3))
    sls.write(1)
    await clock.advance(11_000)
    expect(await secondsAt(3)).toBe(11)
  })

  test('is by the service’s clock', async () => {
    const { sls, clock, lag, secondsAt } = await lagging()
    const serverTime = clock.wall()
    clock.setWallAhead(-3_600_000)
    lag.sawServerTime(serverTime)
    lag.sawServerTime(undefined)
    expect(await secondsAt(1)).toBe(10)
    clock.setWallAhead(0)
    lag.sawServerTime(serverTime - 30_000)
    expect(await secondsAt(1)).toBe(0)
    expect(sls.of('GetCursorTime').length).toBe(1)
  })

  test('asks for a mark once', async () => {
    const { sls, secondsAt } = await lagging()
    for (let time = 0; time < 3; time++) await secondsAt(0)
    await secondsAt(1)
    expect(sls.of('GetCursorTime').map(({ query }) => query['cursor'])).toEqual([sls.cursor(0), sls.cursor(1)])
    expect(sls.of('GetCursor').length).toBe(1)
  })

  test('is unknown before the service has answered, and grows when it no longer answers', async () => {
    const { sls, clock, secondsAt } = await lagging()
    sls.rule('GetCursorTime', failure(500, 'InternalServerError'))
    sls.rule('GetCursor', failure(500, 'InternalServerError'))
    expect(await secondsAt(0)).toBeUndefined()
    sls.rule('GetCursorTime')
    expect(await secondsAt(0)).toBe(20)
    sls.rule('GetCursorTime', failure(500, 'InternalServerError'))
    await clock.advance(7_000)
    expect(await secondsAt(1)).toBe(27)
  })

  test('is not asked for once the shard is given up', async () => {
    const { sls, lag } = await lagging()
    const reason = new Error('given up')
    await expect(lag.seconds(sls.cursor(0), AbortSignal.abort(reason))).rejects.toBe(reason)
  })

  test('is unknown when the lease ends during a question, and nothing more is asked', async () => {
    const { sls, lag } = await lagging()
    const lease = new AbortController()
    sls.rule('GetCursor', () => lease.abort(new Fault('lease', 'the lease ended', { code: 'lease_lost' })))
    const calls: string[] = []
    sls.onAnswer = (api) => calls.push(api)
    expect(await lag.seconds(sls.cursor(0), lease.signal)).toBeUndefined()
    expect(calls).toEqual(['GetCursor'])
  })
})
