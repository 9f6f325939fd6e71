import { describe, expect, test } from 'vitest'
import { statusPage } from '../../../src/observability/status-page.ts'
import { fault, MANY, observed } from './observed.ts'

const [trail, web, webArchive] = MANY.logstores.map(({ ref }) => ref) as [Ref, Ref, Ref]
type Ref = (typeof MANY.logstores)[number]['ref']

/** A replica that reads three logstores for two sinks, and has joined all groups. */
async function joined() {
  const it = await observed('debug', { ends: MANY })
  for (const { ref } of MANY.logstores) it.telemetry.heartbeat(ref, 'ok')
  return it
}

const ofSink = (sink: string) => ({ reason: 'hec_configuration', scope: { of: 'sink', sink } }) as const

describe('with several logstores and sinks', () => {
  test('/readyz names the sink that waits, and the metric has it', async () => {
    const { telemetry, health, samples } = await joined()
    telemetry.paused(ofSink('splunk'), fault('configuration', '4', 'Invalid token', 'fix it'))
    expect(health.ready().reasons).toEqual(['paused: hec_configuration, sink splunk: Invalid token (fix it)'])
    expect(await samples('paused')).toMatchObject({
      '{reason="hec_configuration",sink="splunk"}': 1,
      '{reason="file_not_written",sink="archive"}': 0,
      '{reason="sls_configuration",sink=""}': 0,
    })
  })

  test('the pause of one sink does not end with that of another', async () => {
    const { telemetry, samples } = await observed('info', {
      ends: { ...MANY, sinks: ['a', 'b'].map((name) => ({ name, type: 'splunk_hec' })) },
    })
    for (const sink of ['a', 'b']) telemetry.paused(ofSink(sink), fault('configuration', '4'))
    telemetry.resumed(ofSink('a'))
    expect(await samples('paused')).toMatchObject({
      '{reason="hec_configuration",sink="a"}': 0,
      '{reason="hec_configuration",sink="b"}': 1,
    })
  })

  test('the pause of a sink does not end with that of the events which a step refused', async () => {
    const { telemetry, health, samples } = await joined()
    const unwritable = fault('configuration', 'dead_letter', 'the disk is full')
    const [ofSteps, own] = (['refused', 'sink'] as const).map(
      (of) => ({ reason: 'dead_letter', scope: { of, sink: 'splunk' } }) as const,
    )
    for (const key of [ofSteps, own]) if (key) telemetry.paused(key, unwritable)
    if (ofSteps) telemetry.resumed(ofSteps)
    expect(health.ready().reasons).toEqual(['paused: dead_letter, sink splunk: the disk is full'])
    expect(await samples('paused')).toMatchObject({ '{reason="dead_letter",sink="splunk"}': 1 })
    if (own) telemetry.resumed(own)
    expect(await samples('paused')).toMatchObject({ '{reason="dead_letter",sink="splunk"}': 0 })
  })

  test('/readyz names the logstore of a shard that waits, and of a group without heartbeats', async () => {
    const { telemetry, health, clock } = await joined()
    const key = { reason: 'corrupt_data', scope: { of: 'pull', shard: { ...trail, shard: 3 } } } as const
    telemetry.paused(key, fault('configuration', 'lz4', 'bad block'))
    expect(health.ready().reasons).toEqual(['paused: corrupt_data, shard 3 of audit/actiontrail: bad block'])
    telemetry.resumed(key)
    clock.pass(20)
    expect(health.ready().reasons).toEqual([
      'no heartbeat has succeeded for 20 s; the timeout of the consumer group of web/access (source web) is 15 s',
    ])
  })

  test('one that has not joined keeps the replica unready, with its name', async () => {
    const { telemetry, health } = await observed('info', { ends: MANY })
    for (const ref of [web, webArchive]) telemetry.heartbeat(ref, 'ok')
    expect(health.ready().reasons).toEqual(['has not joined the consumer group of audit/actiontrail yet'])
  })

  test('two sources of one logstore have series of their own, by consumer group', async () => {
    const { telemetry, samples } = await joined()
    for (const [ref, lagSeconds] of [[web, 1] as const, [webArchive, 900] as const]) {
      telemetry.shardLeased({ ...ref, shard: 0 })
      telemetry.shardState({ ...ref, shard: 0 }, { lagSeconds, checkpointAgeSeconds: 0 })
    }
    expect(await samples('shard_lag_seconds')).toEqual({
      '{project="web",logstore="access",group="siem",shard="0"}': 1,
      '{project="web",logstore="access",group="archive",shard="0"}': 900,
    })
  })

  test('lines of the log name logstore and sink', async () => {
    const { telemetry, lines } = await joined()
    telemetry.shardTaken({ ...trail, shard: 3 }, 'MQ==', 'checkpoint')
    telemetry.deliveryFailed('splunk', fault('transient', '9', 'busy'), 1, 0)
    telemetry.deliveryFailed('archive', fault('transient', '9', 'busy'), 1, 0)
    expect(lines().map(({ msg }) => msg)).toEqual([
      'joined the consumer group of audit/actiontrail',
      'joined the consumer group of web/access (source web)',
      'joined the consumer group of web/access (source web-archive)',
      'took shard 3 of audit/actiontrail',
      'delivery failed (sink splunk): busy',
      'delivery failed (sink archive): busy',
    ])
    expect(lines()[3]).toMatchObject({ source: 'trail', project: 'audit', logstore: 'actiontrail', shard: 3 })
  })

  test('the status lists all shards and sinks with their names, and what each group says', async () => {
    const it = await joined()
    it.group.shards = [{ shard: 0, status: 'readwrite', consumer: 'other', committedAt: undefined }]
    it.telemetry.shardLeased({ ...web, shard: 0 })
    it.telemetry.delivered('archive', 50)
    it.telemetry.deadLettered('splunk', '6', 2)
    it.clock.pass(10)
    const status = await it.status.freshSnapshot()
    expect(it.group.of).toEqual([trail, web, webArchive])
    expect(status.shards.map(({ source, shard, held }) => [source, shard, held])).toEqual([
      ['trail', 0, false],
      ['web', 0, true],
      ['web-archive', 0, false],
    ])
    expect(status.sinks).toEqual([
      { name: 'splunk', type: 'splunk_hec', state: 'ok', deliveredPerSecond: 0, deadLettered: 2 },
      { name: 'archive', type: 'file', state: 'ok', deliveredPerSecond: 5, deadLettered: 0 },
      { name: 'qradar', type: 'syslog', confirmedBy: 'none: UDP', state: 'ok', deliveredPerSecond: 0, deadLettered: 0 },
    ])
    expect(status.about.logstores).toHaveLength(3)
    const page = statusPage(status)
    for (const text of [
      'audit/actiontrail, web/access</b> in group <b>siem',
      '>web/access (web-archive)',
      '<td>splunk',
      '<th>confirmation',
      '<td>none: UDP',
    ]) {
      expect(page).toContain(text)
    }
  })

  test('the status says which group could not be asked', async () => {
    const it = await joined()
    it.group.problem = fault('transient', 'timeout', 'no answer')
    expect((await it.status.freshSnapshot()).groupProblem).toBe(
      'audit/actiontrail: no answer; web/access: no answer; web/access: no answer',
    )
  })
})
