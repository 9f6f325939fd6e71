import { expect, test } from 'vitest'
import { takenShard } from './taken-shard.ts'

test('a read-only shard that an earlier commit of its end has closed is finished, not lost', async () => {
  const { sls, clock, consumer, deliveries, lease, outcome } = await takenShard({ written: 1 })
  deliveries.acknowledging = true
  await clock.advance(5_000)
  sls.logstore.seal(0)
  // Refused: the shard is closed, and no consumer holds it.
  await clock.advance(10_000)
  expect(sls.of('ConsumerGroupUpdateCheckPoint').length).toBe(2)
  expect(sls.commits()).toEqual([1])
  expect(lease.signal.aborted).toBe(false)
  expect(sls.recorder.of('checkpointFailed')).toEqual([])
  expect(sls.recorder.of('leaseLost')).toEqual([])
  consumer.drain()
  await clock.settle()
  expect(outcome()).toBe('drained')
})
