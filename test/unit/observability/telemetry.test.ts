import { describe, expect, test } from 'vitest'
import type { Telemetry } from '../../../src/core/telemetry.ts'
import { PAUSE_REASONS } from '../../../src/core/telemetry.ts'
import { LOGSTORE, shardRef } from '../../support/shard-ref.ts'
import { fault, MANY, observed } from './observed.ts'

const shardLabels = (shard: number) => `{project="p",logstore="l",group="g",shard="${shard}"}`

test('readiness follows what happens: failures of a minute, a delivery, a pull, an idle sink, a released shard', async () => {
  const { telemetry, health, clock } = await observed()
  telemetry.heartbeat(LOGSTORE, 'ok')
  const stalled = () => {
    telemetry.heartbeat(LOGSTORE, 'ok')
    return health.ready().reasons.map((reason) => reason.replace(/ for .*/, ''))
  }
  telemetry.deliveryFailed('splunk_hec', fault('transient', '9'), 1, 70)
  expect(stalled()).toEqual(['nothing was delivered to splunk_hec'])
  telemetry.delivered('splunk_hec', 1)
  expect(stalled()).toEqual([])
  telemetry.deliveryFailed('splunk_hec', fault('ambiguous', 'timeout'), 1, 70)
  telemetry.inFlight(0)
  telemetry.sinkIdle('splunk_hec')
  expect(stalled()).toEqual([])
  telemetry.pullFailed(shardRef(1), fault('transient', 'timeout'), 1, 0)
  telemetry.pullFailed(shardRef(2), fault('transient', 'timeout'), 1, 0)
  clock.pass(60)
  expect(stalled()).toEqual(['nothing was pulled from shard 1', 'nothing was pulled from shard 2'])
  telemetry.pullAnswered(shardRef(1))
  telemetry.shardReleased(shardRef(2), 'lost')
  expect(stalled()).toEqual([])
})

test('readiness says after a minute that an answer does not come, and counts from the last success', async () => {
  const { telemetry, health, clock } = await observed()
  const reasons = () => {
    telemetry.heartbeat(LOGSTORE, 'ok')
    return health.ready().reasons
  }
  const silent = fault('transient', 'no_answer_yet', 'it has not answered yet')
  telemetry.deliveryWaits('splunk_hec', silent, 45)
  telemetry.pullWaits(shardRef(1), silent, 45)
  expect(reasons()).toEqual([])
  clock.pass(15)
  expect(reasons()).toEqual([
    'nothing was delivered to splunk_hec for 60 s: it has not answered yet',
    'nothing was pulled from shard 1 for 60 s: it has not answered yet',
  ])
  telemetry.deliveryFailed('splunk_hec', fault('transient', 'x', 'connection reset'), 1, 60)
  telemetry.deliveryWaits('splunk_hec', silent, 75)
  telemetry.pullAnswered(shardRef(1))
  expect(reasons()).toEqual(['nothing was delivered to splunk_hec for 60 s: connection reset'])
  telemetry.delivered('splunk_hec', 1)
  clock.pass(30)
  telemetry.deliveryFailed('splunk_hec', silent, 2, 105)
  expect(reasons()).toEqual([])
  clock.pass(30)
  expect(reasons()).toEqual(['nothing was delivered to splunk_hec for 60 s: it has not answered yet'])
})

test('a step that fails is told once a minute, with the search that finds its logs', async () => {
  const { telemetry, lines, clock } = await observed()
  const told = () => lines().filter(({ step }) => step !== undefined)
  for (let pull = 0; pull < 5; pull++) telemetry.parseFailed(shardRef(pull), 'web', 'parse', 3)
  telemetry.parseFailed(shardRef(0), 'web', 'json', 1)
  expect(told().map(({ level, msg }) => `${level}: ${msg}`)).toEqual([
    'warn: step parse of web failed on logs of p/l; find them with sls_parse_error::"web/parse"',
    'warn: step json of web failed on logs of p/l; find them with sls_parse_error::"web/json"',
  ])
  clock.pass(61)
  telemetry.parseFailed(shardRef(0), 'web', 'parse', 2)
  expect(told().at(-1)).toMatchObject({ route: 'web', step: 'parse', logs: 2, suppressed: 4 })
})

test('a pull that hung for a minute makes the replica unready when it fails', async () => {
  const { health, telemetry } = await observed()
  telemetry.heartbeat(LOGSTORE, 'ok')
  telemetry.pullFailed(shardRef(3), fault('transient', 'timeout', 'no answer'), 1, 60)
  expect(health.ready().reasons).toEqual(['nothing was pulled from shard 3 for 60 s: no answer'])
})

test('/readyz counts the shards that cannot be read beyond the first twenty', async () => {
  const { health, telemetry } = await observed()
  telemetry.heartbeat(LOGSTORE, 'ok')
  for (let shard = 0; shard < 300; shard++) telemetry.pullFailed(shardRef(shard), fault('transient', '500'), 1, 60)
  const { reasons } = health.ready()
  expect(reasons).toHaveLength(21)
  expect(reasons.at(-2)).toBe('nothing was pulled from shard 19 for 60 s: it said no')
  expect(reasons.at(-1)).toBe('280 more like these')
})

describe('counting', () => {
  test('each method counts in the metric of the contract', async () => {
    const { telemetry, samples } = await observed()
    telemetry.heartbeat(LOGSTORE, 'ok')
    telemetry.heartbeat(LOGSTORE, 'rejected', fault('lease', 'NotExistConsumerWithBody'))
    telemetry.rebalanced(LOGSTORE, { taken: [1], givenUp: [] })
    telemetry.pulled(shardRef(1), 10, 1000)
    telemetry.pulled(shardRef(1), 5, 500)
    telemetry.filtered(shardRef(0), 'topic', 4)
    telemetry.parseFailed(shardRef(0), 'default', 'json', 3)
    telemetry.reloaded('invalid')
    telemetry.delivered('splunk_hec', 7)
    telemetry.deadLettered('splunk_hec', '6', 2)
    telemetry.checkpointCommitted(shardRef(1), 'MQ==')
    telemetry.checkpointFailed(shardRef(1), fault('transient', 'InternalServerError'))
    telemetry.cursorExpired(shardRef(1), { expired: 'MQ==', resumedAt: 'Mg==', lostGroupsEstimate: 12 })
    telemetry.inFlight(123)
    telemetry.slsRequest('PullLogs', 200, 'ok', 0.1)
    telemetry.slsRequest('PullLogs', 'error', 'ECONNRESET', 0.1)
    telemetry.sinkRequest('splunk_hec', 503, '9', 0.2)
    telemetry.acknowledged('splunk_hec', 3)
    telemetry.outcomeUnknown('splunk_hec', fault('ambiguous', 'timeout'))
    telemetry.resent('splunk_hec', 'ack_timeout', 50)
    expect(await samples('heartbeats_total')).toMatchObject({
      '{project="p",logstore="l",group="g",result="ok"}': 1,
      '{project="p",logstore="l",group="g",result="rejected"}': 1,
    })
    expect(await samples('rebalances_total')).toEqual({ '{project="p",logstore="l"}': 1 })
    expect(await samples('logs_read_total')).toEqual({ '{project="p",logstore="l"}': 15 })
    expect(await samples('raw_bytes_read_total')).toEqual({ '{project="p",logstore="l"}': 1500 })
    expect(await samples('logs_filtered_total')).toEqual({ '{project="p",logstore="l",reason="topic"}': 4 })
    expect(await samples('parse_failures_total')).toEqual({
      '{project="p",logstore="l",route="default",step="json"}': 3,
    })
    expect(await samples('config_reloads_total')).toEqual({
      '{result="done"}': 0,
      '{result="invalid"}': 1,
      '{result="needs_restart"}': 0,
    })
    expect(await samples('events_delivered_total')).toEqual({ '{sink="splunk_hec"}': 7 })
    expect(await samples('events_dead_lettered_total')).toMatchObject({ '{reason="6"}': 2, '{reason="12"}': 0 })
    expect(await samples('checkpoint_commits_total')).toMatchObject({
      '{project="p",logstore="l",group="g",result="ok"}': 1,
      '{project="p",logstore="l",group="g",result="failed"}': 1,
    })
    expect(await samples('expired_cursor_total')).toEqual({ '{project="p",logstore="l"}': 1 })
    expect(await samples('expired_cursor_lost_log_groups_total')).toEqual({ '{project="p",logstore="l"}': 12 })
    expect(await samples('in_flight_bytes')).toEqual({ '': 123 })
    expect(await samples('sls_requests_total')).toEqual({
      '{api="PullLogs",status="200",code="ok"}': 1,
      '{api="PullLogs",status="error",code="ECONNRESET"}': 1,
    })
    expect(await samples('hec_requests_total')).toEqual({ '{status="503",code="9"}': 1 })
    expect(await samples('hec_request_seconds_sum')).toEqual({ '': 0.2 })
    expect(await samples('hec_ack_seconds_sum')).toEqual({ '': 3 })
    expect(await samples('hec_ambiguous_total')).toEqual({ '': 1 })
    expect(await samples('hec_resends_total')).toMatchObject({ '{reason="ack_timeout"}': 1 })
  })

  test('a server that invents codes cannot make series without bound', async () => {
    const { telemetry, samples } = await observed('silent')
    for (let i = 0; i < 500; i++) telemetry.slsRequest('PullLogs', 400, `Code${i}`, 0)
    telemetry.slsRequest('PullLogs', 400, 'Code1', 0)
    telemetry.sinkRequest('splunk_hec', 400, `"}\n${'x'.repeat(500)}`, 0)
    const sls = await samples('sls_requests_total')
    expect(Object.keys(sls).length).toBeLessThan(250)
    expect(Object.values(sls).reduce((sum, value) => sum + value, 0)).toBe(501)
    expect(sls['{api="PullLogs",status="400",code="Code1"}']).toBe(2)
    expect(Object.keys(await samples('hec_requests_total'))[0]).toMatch(/^\{status="400",code="[\w.:-]{1,64}"\}$/)
  })
})

describe('shard gauges', () => {
  test('show lag and checkpoint age of a held shard', async () => {
    const { telemetry, samples } = await observed()
    telemetry.shardLeased(shardRef(3))
    expect(await samples('shard_leased')).toEqual({ [shardLabels(3)]: 1 })
    telemetry.shardState(shardRef(3), { lagSeconds: 42, checkpointAgeSeconds: 5 })
    expect(await samples('shard_lag_seconds')).toEqual({ [shardLabels(3)]: 42 })
    expect(await samples('shard_checkpoint_age_seconds')).toEqual({ [shardLabels(3)]: 5 })
  })

  test.each(['drained', 'lost'] as const)('of a shard released as %s do not linger', async (how) => {
    const { telemetry, samples } = await observed()
    for (const shard of [3, 4]) {
      telemetry.shardLeased(shardRef(shard))
      telemetry.shardTaken(shardRef(shard), 'MQ==', 'start')
      telemetry.shardState(shardRef(shard), { lagSeconds: 42, checkpointAgeSeconds: 5 })
    }
    telemetry.shardReleased(shardRef(3), how)
    telemetry.shardState(shardRef(3), { lagSeconds: 42, checkpointAgeSeconds: 5 })
    expect(await samples('shard_lag_seconds')).toEqual({ [shardLabels(4)]: 42 })
    expect(await samples('shard_checkpoint_age_seconds')).toEqual({ [shardLabels(4)]: 5 })
    expect(await samples('shard_leased')).toEqual({ [shardLabels(3)]: 0, [shardLabels(4)]: 1 })
  })
})

describe('the series of a shard of which nothing is left to read', () => {
  test('go at once, also while it is still held, and its release brings none back', async () => {
    const { telemetry, samples } = await observed()
    const series = async () =>
      Object.keys(await samples('shard_leased')).concat(Object.keys(await samples('shard_lag_seconds')))
    telemetry.shardLeased(shardRef(3))
    telemetry.shardState(shardRef(3), { lagSeconds: 0, checkpointAgeSeconds: 5 })
    telemetry.shardEnded(shardRef(3))
    expect(await series()).toEqual([])
    telemetry.shardState(shardRef(3), { lagSeconds: 0, checkpointAgeSeconds: 10 })
    telemetry.shardReleased(shardRef(3), 'drained')
    expect(await series()).toEqual([])
    expect(await samples('shard_checkpoint_age_seconds')).toEqual({})
  })

  test('go at the replica that held it before, too', async () => {
    const { telemetry, samples } = await observed()
    telemetry.shardLeased(shardRef(3))
    telemetry.shardReleased(shardRef(3), 'drained')
    expect(await samples('shard_leased')).toEqual({ [shardLabels(3)]: 0 })
    telemetry.shardEnded(shardRef(3))
    expect(await samples('shard_leased')).toEqual({})
  })

  test('come back when its end moves, or it is leased again', async () => {
    const { telemetry, samples } = await observed()
    telemetry.shardLeased(shardRef(3))
    telemetry.shardEnded(shardRef(3))
    telemetry.shardLeased(shardRef(3))
    telemetry.shardState(shardRef(3), { lagSeconds: 7, checkpointAgeSeconds: 10 })
    expect(await samples('shard_leased')).toEqual({ [shardLabels(3)]: 1 })
    expect(await samples('shard_lag_seconds')).toEqual({ [shardLabels(3)]: 7 })
    telemetry.shardReleased(shardRef(3), 'lost')
    expect(await samples('shard_leased')).toEqual({ [shardLabels(3)]: 0 })
  })
})

describe('warnings about retries', () => {
  test('come at once, then at most every 30 s with a count of those left out', async () => {
    const { telemetry, clock, lines } = await observed()
    for (let i = 0; i < 30; i++) {
      telemetry.deliveryFailed('splunk_hec', fault('transient', '9', 'server is busy'), i, 0)
      clock.pass(2)
    }
    const warnings = lines()
    expect(warnings).toHaveLength(2)
    expect(warnings[0]).toMatchObject({ level: 'warn', fault: { kind: 'transient', code: '9' }, attempt: 0 })
    expect(warnings[0]).not.toHaveProperty('suppressed')
    expect(warnings[0]?.msg).toContain('server is busy')
    expect(warnings[1]).toMatchObject({ suppressed: 14 })
  })

  test('with another text, code or kind do not hold each other back', async () => {
    const { telemetry, lines } = await observed()
    telemetry.deliveryFailed('splunk_hec', fault('transient', '9'), 1, 0)
    telemetry.deliveryFailed('splunk_hec', fault('transient', '8'), 1, 0)
    telemetry.deliveryFailed('splunk_hec', fault('ambiguous', '9'), 1, 0)
    telemetry.pullFailed(shardRef(1), fault('transient', '9'), 1, 0)
    expect(lines()).toHaveLength(4)
  })

  test('are all counted, with or without a line', async () => {
    const { telemetry, samples } = await observed()
    for (let i = 0; i < 5; i++) telemetry.outcomeUnknown('splunk_hec', fault('ambiguous', 'timeout'))
    expect(await samples('hec_ambiguous_total')).toEqual({ '': 5 })
  })
})

describe('a server that makes the bridge say much', () => {
  test('by shards that come and go gets some lines of each kind, and a count of the others', async () => {
    const { telemetry, clock, lines } = await observed()
    for (let shard = 0; shard < 9_000; shard++) {
      telemetry.rebalanced(LOGSTORE, { taken: [shard], givenUp: [] })
      telemetry.shardLeased(shardRef(shard))
      telemetry.shardTaken(shardRef(shard), 'MQ==', 'start')
      telemetry.leaseLost(shardRef(shard), 'word of the service')
      telemetry.shardReleased(shardRef(shard), 'lost')
    }
    expect(lines()).toHaveLength(400)
    clock.pass(61)
    telemetry.heartbeat(LOGSTORE, 'ok')
    telemetry.heartbeat(LOGSTORE, 'ok')
    const counts = lines().filter(({ suppressed }) => suppressed !== undefined)
    expect(counts.map(({ level, kind, suppressed }) => [level, kind, suppressed])).toEqual([
      ['info', 'info: reassigned', 8_900],
      ['info', 'info: took', 8_900],
      ['warn', 'warn: lost', 8_900],
      ['info', 'info: released', 8_900],
    ])
    telemetry.shardLeased(shardRef(1))
    telemetry.shardTaken(shardRef(1), 'MQ==', 'start')
    expect(lines().at(-1)?.msg).toContain('took')
  })

  test.each([
    ['codes', (t: Telemetry, n: number) => t.pullFailed(shardRef(1), fault('transient', `Code${n}`), n, 0)],
    ['reasons to refuse events', (t: Telemetry, n: number) => t.deadLettered('splunk_hec', `reason ${n}`, 1)],
    ['notices', (t: Telemetry, n: number) => t.notice('warn', `shard ${n} no longer exists`)],
    [
      'pauses that change',
      (t: Telemetry, n: number) =>
        t.paused({ reason: 'corrupt_data', scope: { of: 'pull', shard: shardRef(n) } }, fault('configuration', `${n}`)),
    ],
    [
      'pauses that end',
      (t: Telemetry, n: number) => {
        const key = { reason: 'hec_configuration', scope: { of: 'sink', sink: 'splunk_hec' } } as const
        t.paused(key, fault('configuration', `${n}`))
        t.resumed(key)
      },
    ],
  ])('by ever other %s gets a hundred lines of a kind', async (_, happens) => {
    const { telemetry, lines } = await observed()
    for (let n = 0; n < 2_000; n++) happens(telemetry, n)
    expect(lines().length).toBeGreaterThanOrEqual(100)
    expect(lines().length).toBeLessThanOrEqual(200)
  })

  test('names the first shards of a long list', async () => {
    const { telemetry, lines } = await observed()
    telemetry.rebalanced(LOGSTORE, { taken: Array.from({ length: 9_000 }, (_, shard) => shard), givenUp: [7] })
    expect(lines()[0]).toMatchObject({ taken: expect.arrayContaining([0, 'and 8900 more']), givenUp: [7] })
    expect(lines()[0]?.['taken']).toHaveLength(101)
  })
})

test('an endpoint that is paused by itself is a warning that names it and a gauge at 1; its end is a line', async () => {
  const { telemetry, clock, lines, samples } = await observed()
  const [good, bad] = ['https://a:8088', 'https://b:8088']
  telemetry.endpoint('splunk_hec', good, undefined)
  telemetry.endpoint('splunk_hec', bad, undefined)
  expect(lines()).toEqual([])
  telemetry.endpoint('splunk_hec', bad, fault('configuration', '1', 'Token disabled', 'enable it'))
  expect(await samples('endpoint_paused')).toEqual({
    [`{sink="splunk_hec",endpoint="${good}"}`]: 0,
    [`{sink="splunk_hec",endpoint="${bad}"}`]: 1,
  })
  clock.pass(40)
  telemetry.endpoint('splunk_hec', bad, undefined)
  expect(lines().map(({ level, msg }) => [level, msg])).toEqual([
    ['warn', `endpoint ${bad} is paused: Token disabled`],
    ['info', `endpoint ${bad} takes events again after 40 s`],
  ])
  expect(await samples('endpoint_paused')).toMatchObject({ [`{sink="splunk_hec",endpoint="${bad}"}`]: 0 })
})

describe('a pause', () => {
  const sink = { reason: 'hec_configuration', scope: { of: 'sink', sink: 'splunk_hec' } } as const
  const refused = fault('configuration', '4', 'Invalid token', 'set SPLUNK_HEC_TOKEN')

  test('is one error with text and advice, a gauge at 1 and a reason on /readyz', async () => {
    const { telemetry, health, lines, samples } = await observed()
    telemetry.heartbeat(LOGSTORE, 'ok')
    telemetry.paused(sink, refused)
    const errors = lines().filter(({ level }) => level === 'error')
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatchObject({ reason: 'hec_configuration', scope: 'sink', fault: { code: '4', status: 400 } })
    expect(errors[0]?.msg).toContain('Invalid token')
    expect(errors[0]?.msg).toContain('set SPLUNK_HEC_TOKEN')
    expect(await samples('paused')).toMatchObject({
      '{reason="hec_configuration",sink="splunk_hec"}': 1,
      '{reason="dead_letter",sink="splunk_hec"}': 0,
    })
    expect(health.ready().ready).toBe(false)
    expect(health.ready().reasons.join()).toMatch(/hec_configuration.*Invalid token.*set SPLUNK_HEC_TOKEN/)
  })

  test('that lasts is repeated every 5 minutes, and a new code at once', async () => {
    const { telemetry, clock, lines } = await observed()
    for (let minute = 0; minute < 12; minute++) {
      for (let i = 0; i < 4; i++) {
        telemetry.paused(sink, refused)
        clock.pass(15)
      }
    }
    expect(lines()).toHaveLength(3)
    telemetry.paused(sink, fault('configuration', '7', 'Incorrect index'))
    telemetry.paused(sink, fault('configuration', '7', 'Incorrect index'))
    expect(lines()).toHaveLength(4)
    expect(lines()[3]?.msg).toContain('Incorrect index')
  })

  test('that ends is one line, and the replica is ready again', async () => {
    const { telemetry, health, clock, lines, samples } = await observed()
    telemetry.heartbeat(LOGSTORE, 'ok')
    telemetry.paused(sink, refused)
    clock.pass(40)
    telemetry.resumed(sink)
    telemetry.resumed(sink)
    const resumed = lines().filter(({ msg }) => msg.includes('resumed'))
    expect(resumed).toHaveLength(1)
    expect(resumed[0]?.msg).toContain('40 s')
    expect(await samples('paused')).toMatchObject({ '{reason="hec_configuration",sink="splunk_hec"}': 0 })
    expect(health.ready()).toEqual({ ready: true, reasons: [] })
  })

  test('that begins again soon after its end is logged again', async () => {
    const { telemetry, lines } = await observed()
    telemetry.paused(sink, refused)
    telemetry.resumed(sink)
    telemetry.paused(sink, refused)
    expect(lines().filter(({ level }) => level === 'error')).toHaveLength(2)
  })

  test('of one shard does not end with one of another shard', async () => {
    const { telemetry, samples } = await observed()
    telemetry.paused({ reason: 'corrupt_data', scope: { of: 'pull', shard: shardRef(1) } }, refused)
    telemetry.paused({ reason: 'corrupt_data', scope: { of: 'pull', shard: shardRef(2) } }, refused)
    telemetry.resumed({ reason: 'corrupt_data', scope: { of: 'pull', shard: shardRef(1) } })
    expect(await samples('paused')).toMatchObject({ '{reason="corrupt_data",sink=""}': 1 })
  })

  test('of a shard ends with its release, and no other pause does', async () => {
    const { telemetry, health, samples } = await observed()
    telemetry.heartbeat(LOGSTORE, 'ok')
    telemetry.paused({ reason: 'corrupt_data', scope: { of: 'pull', shard: shardRef(1) } }, refused)
    telemetry.paused({ reason: 'sls_configuration', scope: { of: 'checkpoint', shard: shardRef(1) } }, refused)
    telemetry.paused({ reason: 'expired_cursor', scope: { of: 'pull', shard: shardRef(11) } }, refused)
    telemetry.shardReleased(shardRef(1), 'lost')
    expect(await samples('paused')).toMatchObject({
      '{reason="corrupt_data",sink=""}': 0,
      '{reason="sls_configuration",sink=""}': 0,
      '{reason="expired_cursor",sink=""}': 1,
    })
    expect(health.ready().reasons).toHaveLength(1)
  })

  test('has a series for every reason', async () => {
    const { samples } = await observed('info', { ends: MANY })
    const reasons = Object.keys(await samples('paused')).map((labels) => /reason="(\w+)"/.exec(labels)?.[1])
    expect([...new Set(reasons)].sort()).toEqual([...PAUSE_REASONS].sort())
  })
})

describe('the log', () => {
  test('has lifecycle at info, and requests below', async () => {
    const { telemetry, lines } = await observed()
    telemetry.slsRequest('PullLogs', 200, 'ok', 0.1)
    telemetry.sinkRequest('splunk_hec', 200, '0', 0.1)
    telemetry.pulled(shardRef(1), 1, 1)
    telemetry.checkpointCommitted(shardRef(1), 'MQ==')
    expect(lines()).toEqual([])
    telemetry.heartbeat(LOGSTORE, 'ok')
    telemetry.heartbeat(LOGSTORE, 'ok')
    telemetry.rebalanced(LOGSTORE, { taken: [1], givenUp: [] })
    telemetry.shardLeased(shardRef(1))
    telemetry.shardTaken(shardRef(1), 'MQ==', 'start')
    telemetry.shardReleased(shardRef(1), 'drained')
    expect(lines().map(({ level }) => level)).toEqual(['info', 'info', 'info', 'info'])
  })

  test('shows when heartbeats fail and when they succeed again', async () => {
    const { telemetry, lines } = await observed()
    telemetry.heartbeat(LOGSTORE, 'ok')
    telemetry.heartbeat(LOGSTORE, 'failed', fault('transient', 'ECONNREFUSED'))
    telemetry.heartbeat(LOGSTORE, 'ok')
    expect(lines().map(({ level, msg }) => `${level} ${msg}`)).toEqual([
      'info joined the consumer group',
      'warn heartbeat failed: it said no',
      'info heartbeats succeed again',
    ])
  })

  test('reports an expired checkpoint and its gap as an error', async () => {
    const { telemetry, lines } = await observed()
    telemetry.cursorExpired(shardRef(3), { expired: 'MQ==', resumedAt: 'OTk=', lostGroupsEstimate: 98 })
    expect(lines()[0]).toMatchObject({ level: 'error', shard: 3, expired: 'MQ==', resumedAt: 'OTk=' })
    expect(lines()[0]?.msg).toContain('98')
  })

  test('distinguishes two replicas with one name from a foreign writer', async () => {
    const { telemetry, lines } = await observed()
    const info = { seen: 'MQ==', expected: 'Mg==', consumer: 'x' }
    telemetry.checkpointForeign(shardRef(1), { ...info, sameName: true })
    telemetry.checkpointForeign(shardRef(1), { ...info, sameName: false })
    expect(lines()[0]?.msg).toContain('SLS_CONSUMER')
    expect(lines()[1]?.msg).not.toContain('SLS_CONSUMER')
  })

  test('a server’s text cannot break a line or write to the terminal', async () => {
    const { telemetry, lines } = await observed()
    telemetry.deliveryFailed('splunk_hec', fault('transient', '9', `a\nb\u001b[2J${'x'.repeat(5000)}`), 1, 0)
    expect(lines()[0]?.msg).toMatch(/^\P{Cc}{1,1100}$/u)
  })
})
