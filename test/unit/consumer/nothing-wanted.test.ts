import { expect, test } from 'vitest'
import { NothingWanted } from '../../../src/consumer/nothing-wanted.ts'
import { NO_TELEMETRY } from '../../../src/core/telemetry.ts'
import { encodeLogGroup, encodeLogGroupList } from '../../../src/sls/log-group.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { LOGSTORE } from '../../support/shard-ref.ts'

function watched() {
  const warnings: Array<{ message: string; details: Record<string, unknown> | undefined }> = []
  const clock = new ManualClock()
  const notice = (_: string, message: string, details?: Record<string, unknown>) =>
    void warnings.push({ message, details })
  const nothingWanted = new NothingWanted({ logstore: LOGSTORE, clock, telemetry: { ...NO_TELEMETRY, notice } })
  const pull = (topics: readonly string[], logs: number, dropped = topics.length * logs): void => {
    const body = encodeLogGroupList(
      topics.map((topic) =>
        encodeLogGroup({ topic, logs: Array.from({ length: logs }, () => ({ time: 1, contents: [['a', 'b']] })) }),
      ),
    )
    nothingWanted.pulled(body, { logs: topics.length * logs, filtered: new Map([['topic', dropped]]) })
  }
  return { warnings, clock, pull }
}

test('1,000 logs of which none is wanted are one warning with their topics, escaped', () => {
  const { warnings, pull } = watched()
  pull(['audit', 'a\u001b'], 499)
  expect(warnings).toEqual([])
  pull([''], 2)
  pull(['audit'], 5000)
  expect(warnings).toMatchObject([
    {
      message: expect.stringMatching(/took none of its 1000 logs.*FILTER_TOPICS/),
      details: { logs: 1000, topics: ['audit 499', 'a\\u001b 499', '"" 2'] },
    },
  ])
})

test('ten minutes with logs of which none is wanted are a warning, and without logs they are none', async () => {
  const { warnings, clock, pull } = watched()
  await clock.advance(20 * 60_000)
  pull(['audit'], 1)
  expect(warnings).toEqual([])
  await clock.advance(10 * 60_000)
  pull(['audit'], 1)
  expect(warnings).toHaveLength(1)
})

test('after one wanted log there is no warning', () => {
  const { warnings, pull } = watched()
  pull(['audit'], 10, 9)
  pull(['audit'], 5000)
  expect(warnings).toEqual([])
})

test('more than 100 topics are counted together as other', () => {
  const { warnings, pull } = watched()
  pull(
    Array.from({ length: 250 }, (_, n) => `t${n}`),
    4,
  )
  expect(warnings).toMatchObject([{ details: { topics: { length: 101, 100: 'other 600' } } }])
})
