import { expect, test } from 'vitest'
import type { Fault } from '../../../src/core/errors.ts'
import { json } from '../sls/scripted-server.ts'
import type { Reply } from './sls-double.ts'
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
    const headers = { 'x-log-cursor': String(query['cursor']), 'x-log-count': '5', 'x-log-bodyrawsize': '600000' }
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
