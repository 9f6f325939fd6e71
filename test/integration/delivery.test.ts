import { describe, expect, test } from 'vitest'
import { Scenario } from '../support/scenario.ts'

describe('one replica', () => {
  test.for([false, true])(
    'delivers every wanted log once and commits behind acknowledgement (indexer ack: %s)',
    async (ack) => {
      const scenario = await Scenario.start({
        sls: { shards: 4 },
        // Slower than the commits, so that a commit ahead of its acknowledgement shows.
        hec: { ack, ackDelayMs: 2_500, faults: [{ times: 0, probability: 0.3, action: { delayMs: 1_500 } }] },
        env: { FILTER_TOPICS: 'audit_log,k8s_audit' },
      })
      await scenario.write(120, { kinds: ['audit', 'access', 'kubernetes'] })
      const replica = scenario.replica()
      await scenario.caughtUp()
      await scenario.write(60, { kinds: ['audit', 'access', 'kubernetes'] })
      await scenario.caughtUp()
      expect(await replica.kill('SIGTERM')).toEqual({ code: 0, signal: null })
      const tally = scenario.tally()
      expect(tally).toEqual({ wanted: 2400, delivered: 2400, deadLettered: 0, duplicated: 0, missing: [] })
      expect(scenario.commitsAhead()).toEqual([])
    },
  )

  test('an event carries nanosecond time, flat contents and the closed set of envelope keys', async () => {
    const scenario = await Scenario.start({ sls: { shards: 1 }, hec: { keep: true } })
    await scenario.write(1, { logsPerGroup: 1 })
    scenario.replica()
    await scenario.caughtUp()
    const [event] = scenario.hec.events
    const { fields, event: log, ...envelope } = event?.envelope ?? {}
    expect(envelope).toMatchObject({
      source: `sls://${scenario.logstore.project}/audit`,
      sourcetype: 'aliyun:sls',
    })
    expect(event?.line).toMatch(/"time":\d{10}\.\d{9},/)
    expect(log).toMatchObject({ __topic__: 'audit_log', serial: '0', event_type: 'ApiCall' })
    expect(Object.keys(fields ?? {})).toEqual(['sls_event_id'])
  })

  test('the environment chooses topics, JSON, reserved keys and source types', async () => {
    const scenario = await Scenario.start({
      sls: { shards: 1 },
      hec: { keep: true },
      env: {
        ...{ FILTER_TOPICS: 'waf_*,""', EVENT_JSON_FIELDS: 'event', EVENT_RESERVED_KEYS: 'rename' },
        SPLUNK_HEC_SOURCETYPE: 'auto',
      },
    })
    const { logstore } = scenario
    logstore.write([{ event: '{ "n": 12345678901234567890 }', __topic__: 'fake' }], { topic: 'waf_access_log' })
    logstore.write([{ event: 'no JSON' }], { topic: '' })
    logstore.write([{ event: '{}' }], { topic: 'oss_access_log' })
    const replica = scenario.replica()
    await scenario.caughtUp()
    const counted = /^sls_bridge_logs_with_reserved_keys_total\{project="[^"]+",logstore="audit"\} 1$/m
    await scenario.eventually(async () => counted.test(await replica.metrics()))
    const lines = scenario.hec.events.map(({ line }) => line)
    expect(lines.map((line) => /"sourcetype":"([^"]*)"/.exec(line)?.[1])).toEqual(['aliyun:waf', 'aliyun:sls'])
    expect(lines[0]).toContain('"event":{"n":12345678901234567890},"__content__:__topic__":"fake"')
    expect(lines[1]).toContain('"event":"no JSON"')
  })

  test('a filter that wants none of 1,000 logs is one warning with the topics', async () => {
    const scenario = await Scenario.start({ sls: { shards: 2 }, env: { FILTER_TOPICS: 'adit_log' } })
    await scenario.write(120, { kinds: ['audit'] })
    const replica = scenario.replica()
    await scenario.caughtUp()
    const warnings = (): typeof replica.lines => replica.lines.filter(({ msg }) => msg.startsWith('nothing of '))
    await scenario.eventually(async () => warnings().length > 0)
    expect(warnings()).toMatchObject([{ topics: expect.arrayContaining([expect.stringMatching(/^audit_log \d+$/)]) }])
  })

  test('metrics and readiness show the delivery', async () => {
    const scenario = await Scenario.start({ sls: { shards: 2 }, env: { FILTER_TOPICS: 'audit_log' } })
    await scenario.write(10, { kinds: ['audit', 'access'] })
    const replica = scenario.replica()
    await scenario.caughtUp()
    expect((await replica.ready()).status).toBe(200)
    const lagOf = (metrics: string) => /^sls_bridge_shard_lag_seconds\{([^}]*shard="0"[^}]*)\} 0$/m.exec(metrics)?.[1]
    await scenario.eventually(async () => lagOf(await replica.metrics()) !== undefined)
    const place = lagOf(await replica.metrics())
    expect(place).toContain(`project="${scenario.logstore.project}"`)
    expect(place).toContain('logstore="audit"')
    const metrics = await replica.metrics()
    expect(metrics).toMatch(/^sls_bridge_logs_read_total(\{[^}]*\})? 200$/m)
    expect(metrics).toMatch(/^sls_bridge_logs_filtered_total\{[^}]*reason="topic"[^}]*\} 100$/m)
    expect(metrics).toMatch(/^sls_bridge_events_delivered_total\{[^}]*\} 100$/m)
    expect(metrics).toMatch(/^sls_bridge_in_flight_bytes(\{[^}]*\})? 0$/m)
  })
})
