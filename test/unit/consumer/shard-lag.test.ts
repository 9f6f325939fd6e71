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
  const secondsAt = async (position: number): Promise<number> => {
    await lag.look(sls.cursor(position), signal)
    return lag.seconds(sls.cursor(position))
  }
  return { sls, clock, lag, secondsAt }
}

function unanswered(sls: SlsDouble): void {
  for (const api of ['GetCursor', 'GetCursorTime'] as const) sls.rule(api, failure(500, 'InternalServerError'))
}

function answered(sls: SlsDouble): void {
  for (const api of ['GetCursor', 'GetCursorTime'] as const) sls.rule(api)
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

  test('grows from the lease while nothing is told, and is never 0', async () => {
    const { sls, clock, lag, secondsAt } = await lagging()
    unanswered(sls)
    expect(lag.seconds(undefined)).toBe(1)
    expect(await secondsAt(0)).toBe(1)
    await clock.advance(30_000)
    expect(lag.seconds(undefined)).toBe(30)
    expect(await secondsAt(3)).toBe(30)
  })

  test('grows from the last moment at which the mark was the end', async () => {
    const { sls, clock, secondsAt } = await lagging()
    expect(await secondsAt(3)).toBe(0)
    unanswered(sls)
    sls.write(1)
    await clock.advance(15_000)
    expect(await secondsAt(3)).toBe(0)
    await clock.advance(15_000)
    expect(await secondsAt(3)).toBe(30)
    await clock.advance(3_600_000)
    expect(await secondsAt(3)).toBe(3_630)
    answered(sls)
    expect(await secondsAt(4)).toBe(0)
  })

  test('grows while the service takes a question and does not answer it', async () => {
    const { sls, clock, lag, secondsAt } = await lagging()
    expect(await secondsAt(3)).toBe(0)
    sls.rule('GetCursor', () => {})
    void lag.look(sls.cursor(3), new AbortController().signal).catch(() => {})
    await clock.advance(60_000)
    expect(lag.seconds(sls.cursor(3))).toBe(60)
  })

  test('does not count the quiet time before an end that was told', async () => {
    const { sls, clock, secondsAt } = await lagging()
    expect(await secondsAt(1)).toBe(10)
    await clock.advance(86_400_000)
    expect(await secondsAt(3)).toBe(0)
    sls.write(2)
    unanswered(sls)
    await clock.advance(30_000)
    expect(await secondsAt(4)).toBe(30)
  })

  test('grows from what was known of an earlier mark', async () => {
    const { sls, clock, secondsAt } = await lagging()
    expect(await secondsAt(0)).toBe(20)
    unanswered(sls)
    await clock.advance(7_000)
    expect(await secondsAt(0)).toBe(27)
    expect(await secondsAt(1)).toBe(27)
  })

  test('grows although the clock of this machine is set back meanwhile', async () => {
    const { sls, clock, lag, secondsAt } = await lagging()
    lag.sawServerTime(clock.wall())
    expect(await secondsAt(0)).toBe(20)
    unanswered(sls)
    clock.setWallAhead(-3_600_000)
    await clock.advance(40_000)
    expect(await secondsAt(0)).toBe(60)
  })

  test('is not asked for once the shard is given up', async () => {
    const { sls, lag } = await lagging()
    const reason = new Error('given up')
    await expect(lag.look(sls.cursor(0), AbortSignal.abort(reason))).rejects.toBe(reason)
  })

  test('stays as it was when the lease ends during a question, and nothing more is asked', async () => {
    const { sls, lag } = await lagging()
    const lease = new AbortController()
    sls.rule('GetCursor', () => lease.abort(new Fault('lease', 'the lease ended', { code: 'lease_lost' })))
    const calls: string[] = []
    sls.onAnswer = (api) => calls.push(api)
    await lag.look(sls.cursor(0), lease.signal)
    expect(calls).toEqual(['GetCursor'])
  })
})
