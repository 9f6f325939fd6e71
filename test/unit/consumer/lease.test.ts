import { describe, expect, test } from 'vitest'
import { ShardLease } from '../../../src/consumer/lease.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { shardRef } from '../../support/shard-ref.ts'

function leaseUntil(renewedUntil: number) {
  const clock = new ManualClock()
  const heartbeats = { renewedUntil }
  const lease = new ShardLease(shardRef(3), () => heartbeats.renewedUntil, clock.monotonic)
  return { clock, heartbeats, lease }
}

describe('the lease of a shard', () => {
  test('is held up to the deadline, and not at it', () => {
    const { clock, lease } = leaseUntil(60_000)
    clock.freeze(59_999)
    lease.assertHeld()
    clock.freeze(1)
    expect(() => lease.assertHeld()).toThrow(expect.objectContaining({ kind: 'lease', code: 'lease_lost' }))
  })

  test('is over by the clock after a freeze, before any timer fires', () => {
    const { clock, lease } = leaseUntil(60_000)
    clock.freeze(3_600_000)
    expect(lease.signal.aborted).toBe(false)
    expect(() => lease.assertHeld()).toThrow(/shard 3 lost/)
    expect(lease.signal.aborted).toBe(true)
    expect(lease.signal.reason).toMatchObject({ kind: 'lease' })
  })

  test('is extended by every heartbeat', () => {
    const { clock, heartbeats, lease } = leaseUntil(60_000)
    clock.freeze(50_000)
    heartbeats.renewedUntil = 110_000
    clock.freeze(50_000)
    lease.assertHeld()
  })

  test('stays lost, whatever later heartbeats renew', () => {
    const { heartbeats, lease } = leaseUntil(60_000)
    lease.lose('the service gave it away')
    heartbeats.renewedUntil = 1_000_000
    expect(() => lease.assertHeld()).toThrow(/gave it away/)
    lease.lose('another reason')
    expect(lease.signal.reason.message).toMatch(/gave it away/)
  })

  test('does not depend on the wall clock', () => {
    const { clock, lease } = leaseUntil(60_000)
    clock.setWallAhead(86_400_000)
    lease.assertHeld()
    clock.setWallAhead(-86_400_000)
    clock.freeze(60_000)
    expect(() => lease.assertHeld()).toThrow(expect.objectContaining({ kind: 'lease' }))
  })
})
