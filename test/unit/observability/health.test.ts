import { expect, test } from 'vitest'
import { Health } from '../../../src/observability/health.ts'
import { Names } from '../../../src/observability/names.ts'
import { Pauses } from '../../../src/observability/pauses.ts'
import { LOGSTORE, shardRef } from '../../support/shard-ref.ts'
import { fault, HandClock, ONE } from './observed.ts'

function health(ends = ONE) {
  const clock = new HandClock()
  const names = new Names(ends)
  const pauses = new Pauses({ clock, names })
  return { clock, pauses, health: new Health({ clock, names, pauses, logstores: ends.logstores }) }
}

test('a replica is ready once its first heartbeat has succeeded', () => {
  const { health: it } = health()
  expect(it.ready().ready).toBe(false)
  expect(it.ready().reasons).toHaveLength(1)
  it.heartbeatSucceeded(LOGSTORE)
  expect(it.ready()).toEqual({ ready: true, reasons: [] })
})

test('without a successful heartbeat for longer than the group timeout it is not ready, until one succeeds', () => {
  const { health: it, clock } = health()
  it.heartbeatSucceeded(LOGSTORE)
  clock.pass(60)
  expect(it.ready().ready).toBe(true)
  clock.pass(1)
  expect(it.ready().ready).toBe(false)
  expect(it.ready().reasons.join()).toContain('61 s')
  it.heartbeatSucceeded(LOGSTORE)
  expect(it.ready().ready).toBe(true)
})

test('while it stops it is not ready, although heartbeats succeed', () => {
  const { health: it } = health()
  it.stopping()
  it.heartbeatSucceeded(LOGSTORE)
  expect(it.ready()).toEqual({ ready: false, reasons: ['stopping'] })
})

test('every pause is a reason of one line with its latest fault', () => {
  const { health: it, pauses } = health()
  it.heartbeatSucceeded(LOGSTORE)
  pauses.set(
    { reason: 'hec_configuration', scope: { of: 'sink', sink: 'splunk_hec' } },
    fault('configuration', '4', 'Invalid token'),
  )
  pauses.set(
    { reason: 'hec_configuration', scope: { of: 'sink', sink: 'splunk_hec' } },
    fault('configuration', '7', 'Incorrect\nindex', 'fix it'),
  )
  pauses.set(
    { reason: 'corrupt_data', scope: { of: 'pull', shard: shardRef(3) } },
    fault('configuration', 'lz4', 'bad block'),
  )
  const { reasons } = it.ready()
  expect(reasons).toHaveLength(2)
  expect(reasons[0]).toMatch(/^.*hec_configuration.*sink.*Incorrect index.*fix it.*$/)
  expect(reasons[1]).toMatch(/^.*corrupt_data.*shard 3.*bad block.*$/)
})

const SINK = ['sink', 'splunk_hec', 'nothing was delivered to splunk_hec'] as const

test.each(['transient', 'ambiguous', 'configuration'] as const)(
  'a sink to which nothing could be delivered for a minute is a reason, also when the fault is %s',
  (kind) => {
    const { health: it, clock } = health()
    it.heartbeatSucceeded(LOGSTORE)
    for (let second = 0; second < 60; second += 10) {
      it.stalls.failed(...SINK, fault(kind, '9', 'Server is busy', 'wait'), 0)
      expect(it.ready().ready).toBe(true)
      clock.pass(10)
    }
    expect(it.ready().reasons).toEqual(['nothing was delivered to splunk_hec for 60 s: Server is busy (wait)'])
    it.stalls.failed(...SINK, fault(kind, '9', 'Server is busy'), 0)
    expect(it.ready().ready).toBe(false)
    it.stalls.ended('sink', 'splunk_hec')
    expect(it.ready().ready).toBe(true)
    it.stalls.failed(...SINK, fault(kind, '9', 'Server is busy'), 0)
    expect(it.ready().ready).toBe(true)
  },
)

test('a request that hung for more than a minute counts from its beginning', () => {
  const { health: it } = health()
  it.heartbeatSucceeded(LOGSTORE)
  it.stalls.failed(...SINK, fault('ambiguous', 'timeout', 'no answer'), 120)
  expect(it.ready().reasons.join()).toContain('for 120 s')
})

test('without a log that waits, a sink that failed last is no reason', () => {
  const { health: it, clock } = health()
  it.heartbeatSucceeded(LOGSTORE)
  it.stalls.failed(...SINK, fault('transient', '9'), 0)
  it.stalls.failed('pull', 'a/1', 'nothing was pulled from shard 1', fault('transient', 'timeout', 'no answer'), 0)
  clock.pass(120)
  it.heartbeatSucceeded(LOGSTORE)
  expect(it.ready().reasons).toHaveLength(2)
  it.stalls.ended('sink', 'splunk_hec')
  expect(it.ready().reasons).toEqual(['nothing was pulled from shard 1 for 120 s: no answer'])
})

test('a lack of descriptors is a reason after seconds, since it does not pass by itself', () => {
  const { health: it, clock } = health()
  it.heartbeatSucceeded(LOGSTORE)
  it.stalls.failed(...SINK, fault('transient', 'EMFILE', 'too many open files: raise ulimit -n'), 0)
  it.stalls.failed('pull', 'a/1', 'nothing was pulled from shard 1', fault('transient', 'emfile', 'too many'), 0)
  expect(it.ready().ready).toBe(true)
  clock.pass(5)
  expect(it.ready().reasons).toHaveLength(2)
  expect(it.ready().reasons[0]).toContain('too many open files: raise ulimit -n')
})

test('without a heartbeat the reason says why the last one failed', () => {
  const { health: it, clock } = health()
  it.heartbeatFailed(LOGSTORE, fault('transient', 'emfile', 'too many open files'))
  expect(it.ready().reasons).toEqual(['has not joined the consumer group yet: too many open files'])
  it.heartbeatSucceeded(LOGSTORE)
  it.heartbeatFailed(LOGSTORE, fault('transient', 'timeout', 'no answer'))
  expect(it.ready().ready).toBe(true)
  clock.pass(61)
  expect(it.ready().reasons.join()).toMatch(/no heartbeat has succeeded for 61 s.*: no answer$/)
})
