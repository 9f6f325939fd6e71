import { describe, expect, test } from 'vitest'
import { statusPage } from '../../../src/observability/status-page.ts'
import { LOGSTORE } from '../../support/shard-ref.ts'
import { fault, MANY, observed } from './observed.ts'

const topics = (...logs: Array<[topic: string, logs: number, dropped: number]>) =>
  new Map(logs.map(([topic, logs, dropped]) => [topic, { logs, dropped }]))

describe('the topics of the status', () => {
  test('are counted for each source: logs, and those that are wanted and dropped', async () => {
    const [trail, web] = MANY.logstores.map(({ ref }) => ref) as [typeof LOGSTORE, typeof LOGSTORE]
    const { telemetry, status } = await observed('info', { ends: MANY })
    telemetry.topicsSeen(trail, topics(['audit', 5, 0], ['noise', 7, 7]))
    telemetry.topicsSeen(web, topics(['', 3, 1]))
    telemetry.topicsSeen(trail, topics(['audit', 5, 0]))
    expect(status.snapshot().topics).toEqual([
      { source: 'trail', topic: 'audit', logs: 10, wanted: 10, dropped: 0 },
      { source: 'trail', topic: 'noise', logs: 7, wanted: 0, dropped: 7 },
      { source: 'web', topic: '', logs: 3, wanted: 2, dropped: 1 },
    ])
    const page = statusPage(status.snapshot())
    expect(page).toMatch(/<td class="owner">trail<td class="owner">audit\n<td class="time">10<td class="time">10<td/)
    expect(page).toContain('<td class="owner">web<td class="owner">&quot;&quot;')
  })

  test('beyond a hundred are one, and none of them is markup or a command of a terminal', async () => {
    const { telemetry, status } = await observed()
    for (let n = 0; n < 300; n++) telemetry.topicsSeen(LOGSTORE, topics([`t${n}`, 2, 1]))
    telemetry.topicsSeen(LOGSTORE, topics(['t5', 9, 0]))
    const shown = status.snapshot().topics
    expect(shown).toHaveLength(101)
    expect(shown[0]).toMatchObject({ topic: 't5', logs: 11 })
    expect(shown[100]).toEqual({ source: LOGSTORE.source, topic: null, logs: 400, wanted: 200, dropped: 200 })
    const other = await observed()
    other.telemetry.topicsSeen(LOGSTORE, topics([`<img>\u001b[2J${'x'.repeat(5_000)}`, 1, 0]))
    expect(other.status.snapshot().topics[0]?.topic).toMatch(/^<img>\\u001b\[2Jx{80,}$/)
    expect(statusPage(other.status.snapshot())).toContain('&lt;img&gt;\\u001b[2Jxx')
  })
})

test('the state of each sink says what it waits for', async () => {
  const { telemetry, status, clock } = await observed('info', { ends: MANY })
  const states = (): string[] => status.snapshot().sinks.map(({ state }) => state)
  expect(states()).toEqual(['ok', 'ok', 'ok'])
  const paused = { reason: 'hec_configuration', scope: { of: 'sink', sink: 'splunk' } } as const
  telemetry.paused(paused, fault('configuration', '4', 'Invalid token'))
  telemetry.deliveryFailed('qradar', fault('transient', 'ECONNREFUSED'), 1, 0)
  clock.pass(61)
  expect(states()).toEqual(['paused: hec_configuration', 'ok', 'nothing is delivered'])
  expect(statusPage(status.snapshot())).toContain('<td class="bad">paused: hec_configuration')
  telemetry.resumed(paused)
  telemetry.delivered('qradar', 1)
  telemetry.endpoint('splunk', 'https://a:8088', fault('configuration', '1', 'Token disabled'))
  expect(states()).toEqual(['ok, 1 endpoint paused', 'ok', 'ok'])
})
