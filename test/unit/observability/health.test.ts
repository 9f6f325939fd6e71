import { expect, test } from 'vitest'
import { Health } from '../../../src/observability/health.ts'
import { Pauses } from '../../../src/observability/pauses.ts'
import { shardRef } from '../../support/shard-ref.ts'
import { fault, HandClock } from './observed.ts'

function health() {
  const clock = new HandClock()
  const pauses = new Pauses(clock)
  return { clock, pauses, health: new Health({ clock, groupTimeoutMs: 60_000, pauses }) }
}

test('a replica is ready once its first heartbeat has succeeded', () => {
  const { health: it } = health()
  expect(it.ready().ready).toBe(false)
  expect(it.ready().reasons).toHaveLength(1)
  it.heartbeatSucceeded()
  expect(it.ready()).toEqual({ ready: true, reasons: [] })
})

test('without a successful heartbeat for longer than the group timeout it is not ready, until one succeeds', () => {
  const { health: it, clock } = health()
  it.heartbeatSucceeded()
  clock.pass(60)
  expect(it.ready().ready).toBe(true)
  clock.pass(1)
  expect(it.ready().ready).toBe(false)
  expect(it.ready().reasons.join()).toContain('61 s')
  it.heartbeatSucceeded()
  expect(it.ready().ready).toBe(true)
})

test('while it stops it is not ready, although heartbeats succeed', () => {
  const { health: it } = health()
  it.stopping()
  it.heartbeatSucceeded()
  expect(it.ready()).toEqual({ ready: false, reasons: ['stopping'] })
})

test('every pause is a reason of one line with its latest fault', () => {
  const { health: it, pauses } = health()
  it.heartbeatSucceeded()
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
