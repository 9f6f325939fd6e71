import { describe, expect, test } from 'vitest'
import type { ShardLife } from '../../../src/consumer/shard-life.ts'
import type { SlsApi } from '../../../src/emulator/sls/call.ts'
import { failure, json } from '../sls/scripted-server.ts'
import { changesTold, drawnArrows } from './life-drawing.ts'
import { GROUP, SlsDouble } from './sls-double.ts'
import { takenShard } from './taken-shard.ts'

type Phase = Parameters<ShardLife['enter']>[0]
type Taken = Awaited<ReturnType<typeof takenShard>>

/** The compiler refuses this list when a name is missing or too many. */
const NAMES = {
  ...{ starting: true, pulling: true, waiting: true, paused: true, expired: true },
  ...{ finished: true, gone: true, draining: true, drained: true, lost: true },
} satisfies Record<Phase, true>

/** The call that is held in a phase that would otherwise be over at once. */
const HELD: Partial<Record<string, SlsApi>> = { starting: 'GetCheckPoint', pulling: 'PullLogs' }
const gone = failure(404, 'ShardNotExist')
const closed = { shardID: 0, status: 'readonly', inclusiveBeginKey: '00', exclusiveEndKey: 'ff', createTime: 1 }

/** Brings a shard into a phase and holds it there. `HELD` does so for the first two. */
const into: Record<string, (taken: Taken) => void | Promise<void>> = {
  starting: () => {},
  pulling: () => {},
  waiting: ({ clock }) => clock.settle(),
  paused: ({ sls }) => sls.rule('PullLogs', failure(401, 'Unauthorized')),
  expired: ({ sls }) => sls.rule('PullLogs', failure(400, 'InvalidCursor')),
  finished: ({ sls }) => sls.rule('ListShards', json([closed])),
  gone: async ({ sls, clock }) => {
    sls.write(1)
    await clock.advance(1_000)
    sls.rule('PullLogs', gone)
    await clock.advance(1_000)
  },
  draining: async ({ sls, clock, consumer }) => {
    sls.write(1)
    await clock.advance(1_000)
    consumer.drain()
  },
}

/** Brings a shard from any phase into the next one. */
const onward: Record<string, (taken: Taken) => void | Promise<void>> = {
  pulling: ({ sls, deliveries }) => {
    sls.rule('PullLogs')
    sls.write(1)
    deliveries.deliveredBefore = 1
    sls.logstore.group(GROUP).commit({ shard: 0, checkpoint: sls.cursor(1), force: true })
  },
  waiting: () => {},
  paused: ({ sls }) => sls.rule('PullLogs', failure(401, 'Unauthorized')),
  expired: ({ sls }) => sls.rule('PullLogs', failure(400, 'InvalidCursor')),
  finished: ({ sls }) => void sls.logstore.split(0),
  gone: ({ sls }) => {
    for (const api of ['PullLogs', 'GetCursor', 'GetCheckPoint'] as const) sls.rule(api, gone)
  },
  draining: ({ consumer }) => consumer.drain(),
  drained: ({ consumer, deliveries }) => {
    deliveries.ack()
    consumer.drain()
  },
  lost: ({ lease, deliveries }) => {
    deliveries.ack()
    lease.lose('given away')
  },
}

describe('the drawing of a shard’s life', () => {
  test('has every name of the code, and the code every name of the drawing', () => {
    const drawn = new Set(drawnArrows().flatMap((arrow) => arrow.split(' → ')))
    expect([...drawn].toSorted()).toEqual(Object.keys(NAMES).toSorted())
  })

  test('has each arrow once', () => {
    expect(drawnArrows()).toEqual([...new Set(drawnArrows())])
  })

  // All tests of shards check the reverse: each change of phase is drawn (taken-shard.ts, group-member.ts).
  test.for(drawnArrows())('%s happens', async (arrow) => {
    const [from, to] = arrow.split(' → ') as [string, string]
    const sls = await SlsDouble.start()
    sls.join()
    const held = HELD[from] && sls.hold(HELD[from])
    const taken = await takenShard({ sls, expired: 'fail' })
    await taken.clock.settle()
    await into[from]?.(taken)
    await taken.clock.advance(6_000)
    expect(changesTold(sls.recorder).at(-1) ?? '→ starting').toMatch(new RegExp(`→ ${from}$`))
    await onward[to]?.(taken)
    void held?.release()
    await taken.clock.advance(60_000)
    expect(changesTold(sls.recorder)).toContain(arrow)
  })
})
