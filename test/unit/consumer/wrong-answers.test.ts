import { expect, test } from 'vitest'
import type { Fault } from '../../../src/core/errors.ts'
import { cursorNumber, cursorOf } from '../../../src/sls/cursor.ts'
import { json } from '../sls/scripted-server.ts'
import type { Asked, Reply } from './sls-double.ts'
import { takenShard } from './taken-shard.ts'

test('a shard that is wrongly listed as read-only is read on: one wrong answer does not stop it for good', async () => {
  const { sls, clock, deliveries } = await takenShard({ written: 1 })
  deliveries.acknowledging = true
  const shard = { shardID: 0, status: 'readonly', inclusiveBeginKey: '00', exclusiveEndKey: 'ff', createTime: 1 }
  sls.script('ListShards', json([shard]))
  await clock.advance(5_000)
  expect(sls.recorder.of('notice').map(({ args }) => args[1])).toEqual(['shard 0 is read-only and was read to its end'])
  sls.write(2)
  await clock.advance(20_000)
  expect(deliveries.seen).toEqual(['0:0:0', '0:1:0', '0:2:0'])
  expect(sls.commits().at(-1)).toBe(3)
})

test('a service that sends more log groups than asked for, too large to be read, is retried with backoff', async () => {
  const { sls, clock } = await takenShard({ written: 1 })
  await clock.settle()
  // More than half of the budget of one MiB.
  const tooLarge: Reply = (response, { query }) => {
    const next = cursorOf((cursorNumber(String(query['cursor'])) as bigint) + 5n)
    const headers = { 'x-log-cursor': next, 'x-log-count': '5', 'x-log-bodyrawsize': '600000' }
    response.writeHead(200, headers).end(Buffer.alloc(1_000))
  }
  sls.rule('PullLogs', tooLarge)
  await clock.advance(2_000)
  const faults = sls.recorder.of('pullFailed').map(({ args }) => args[1] as Fault)
  expect(faults[0]).toMatchObject({ kind: 'transient', code: 'corrupt_response' })
  expect(faults[0]?.message).toContain('5 log groups came')
  expect(sls.of('PullLogs').length).toBeLessThan(12)
  // The shard is paused, as for a service that sends broken bodies.
  await clock.advance(20_000)
  expect(sls.recorder.of('paused').map(({ args }) => args[0])).toContainEqual({
    reason: 'corrupt_data',
    scope: { of: 'pull', shard: sls.shard() },
  })
})

test('a pull that is not answered is told of long before it fails', async () => {
  const { sls, clock } = await takenShard({ written: 1 })
  await clock.settle()
  sls.rule('PullLogs', () => {})
  await clock.advance(40_000)
  const [, fault, seconds] = sls.recorder.of('pullWaits').at(-1)?.args ?? []
  expect((fault as Fault).code).toBe('no_answer_yet')
  expect(seconds).toBeGreaterThanOrEqual(30)
})

/** The emulator's answer to a pull with the cursor that `next` makes of the one that was asked for. */
function withCursor(next: (asked: string) => string, more: Record<string, string> = {}): Reply {
  return async (response, asked: Asked) => {
    const { status, headers, body } = await asked.handle()
    const names = headers.filter((_, i) => i % 2 === 0)
    const given = Object.fromEntries(names.map((name, i) => [name.toLowerCase(), headers[i * 2 + 1] as string]))
    response.writeHead(status, { ...given, 'x-log-cursor': next(String(asked.query['cursor'])), ...more }).end(body)
  }
}

test.each<[string, Reply]>([
  ['does not move', withCursor((asked) => asked, { 'x-log-end-of-cursor': '0' })],
  ['goes back', withCursor((asked) => cursorOf((cursorNumber(asked) as bigint) - 1n))],
])(
  'logs that come with a cursor that %s are a corrupt answer: no copies leave, the shard pauses and recovers',
  async (_, reply) => {
    const { sls, clock, deliveries } = await takenShard({ written: 3 })
    deliveries.acknowledging = true
    sls.rule('PullLogs', reply)
    await clock.advance(30_000)
    expect(deliveries.seen).toEqual([])
    expect(sls.of('PullLogs').length).toBeLessThan(12)
    const pause = { reason: 'corrupt_data', scope: { of: 'pull', shard: sls.shard() } }
    const [[key, fault] = []] = sls.recorder.of('paused').map(({ args }) => args)
    expect(key).toEqual(pause)
    expect((fault as Fault).message).toContain('x-log-cursor')
    sls.rule('PullLogs')
    await clock.advance(16_000)
    expect(sls.recorder.of('resumed').map(({ args }) => args[0])).toContainEqual(pause)
    expect(deliveries.seen).toEqual(['0:0:0', '0:1:0', '0:2:0'])
  },
)

test('a pull that brings nothing and does not move is the end, although the service says that it is not', async () => {
  const { sls, clock } = await takenShard()
  sls.rule(
    'PullLogs',
    withCursor((asked) => asked, { 'x-log-end-of-cursor': '0' }),
  )
  await clock.advance(10_000)
  // Once in a fetch interval, which is a second.
  expect(sls.of('PullLogs').length).toBeLessThan(13)
})
