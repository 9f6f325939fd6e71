import { expect, test } from 'vitest'
import { TopicsSeen } from '../../../src/consumer/topics-seen.ts'
import { NO_TELEMETRY } from '../../../src/core/telemetry.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { LOGSTORE } from '../../support/shard-ref.ts'
import { position } from '../pipeline/encode-all.ts'

test('each pull is looked at until there are many in a second', async () => {
  const clock = new ManualClock()
  const sizes: number[] = []
  const topics = (body: Buffer) => {
    sizes.push(body.length)
    return new Map([['t', { logs: 1, dropped: 0 }]])
  }
  let told = 0
  const topicsSeen = new TopicsSeen({
    ...{ logstore: LOGSTORE, clock, encoder: { topics } },
    telemetry: { ...NO_TELEMETRY, topicsSeen: () => void told++ },
  })
  for (const size of [0, 100, 1_000_000, 65_536, 100, 2_000_000]) topicsSeen.pulled(Buffer.alloc(size), position)
  await clock.advance(1_000)
  topicsSeen.pulled(Buffer.alloc(2_000_000), position)
  expect(sizes).toEqual([100, 1_000_000, 65_536, 2_000_000])
  expect(told).toBe(4)
})
