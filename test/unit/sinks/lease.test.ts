import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { DeadLetter } from '../../../src/sinks/dead-letter.ts'
import { ACK_POLL_MS, batchOf, LeaseDouble, names, sinkTo, temporaryDirectory } from './delivery-double.ts'
import { answer, cut, json, refuse, startHec } from './hec-double.ts'

/** Longer than any back-off, poll or probe of the sink waits. */
const LONGEST_WAIT_MS = 300_000

describe('a lease that ends stops its batch at once: nothing more is sent, nothing counts as delivered', () => {
  test('before anything began', async () => {
    const hec = await startHec()
    const { deliver } = await sinkTo([hec.url])
    const lease = new LeaseDouble()
    lease.lose()
    await expect(deliver(batchOf(names(2)), lease)).rejects.toMatchObject({ kind: 'lease' })
    expect(hec.posts).toEqual([])
  })

  test('over by the clock without a signal: noticed right before the first byte', async () => {
    const hec = await startHec()
    const { deliver } = await sinkTo([hec.url])
    await deliver(batchOf(['warm'])) // the connection stands
    const lease = new LeaseDouble()
    lease.overdue = true
    let started = 0
    await expect(deliver(batchOf(names(2)), lease, () => started++)).rejects.toMatchObject({ kind: 'lease' })
    expect(hec.indexed).toEqual(['warm'])
    expect(started).toBe(0)
  })

  test('while it waits for a slot', async () => {
    const hec = await startHec()
    const { clock } = hec
    const { deliver } = await sinkTo([hec.url], { clock, concurrency: 1 })
    let release = (): void => {}
    const holding = new Promise<void>((held) => {
      hec.script.push((post, response) => {
        release = () => {
          hec.accept(post)
          json(response, 200, { text: 'Success', code: 0 })
        }
        held()
        return true
      })
    })
    const first = deliver(batchOf(['first']))
    await holding
    const lease = new LeaseDouble()
    const second = deliver(batchOf(['second']), lease)
    await clock.settle()
    lease.lose()
    await expect(second).rejects.toMatchObject({ kind: 'lease' }) // though the slot is still taken
    release()
    await first
    await deliver(batchOf(['third']))
    expect(hec.posts.map(({ ids }) => ids[0])).toEqual(['first', 'third'])
  })

  test('while the request is under way', async () => {
    const hec = await startHec()
    const { clock } = hec
    const { deliver, recorder } = await sinkTo([hec.url], { clock })
    const lease = new LeaseDouble()
    const asked = new Promise<void>((resolve) => {
      hec.script.push(() => {
        resolve()
        return true
      })
    })
    const delivery = deliver(batchOf(names(2)), lease)
    await asked
    lease.lose()
    await expect(delivery).rejects.toMatchObject({ kind: 'lease' })
    expect(recorder.of('outcomeUnknown')).toEqual([])
    expect(recorder.of('sinkRequest').at(-1)?.args.slice(1, 3)).toEqual(['error', 'aborted'])
    await clock.advance(LONGEST_WAIT_MS)
    expect(hec.posts).toHaveLength(1)
  })

  test('while it backs off', async () => {
    const hec = await startHec()
    hec.rule = answer(503, { text: 'busy', code: 9 }, { 'retry-after': '200' })
    const { clock } = hec
    const { deliver, recorder } = await sinkTo([hec.url], { clock })
    const lease = new LeaseDouble()
    const delivery = deliver(batchOf(names(2)), lease)
    await recorder.first('deliveryFailed')
    lease.lose()
    await expect(delivery).rejects.toMatchObject({ kind: 'lease' })
    await clock.advance(LONGEST_WAIT_MS)
    expect(hec.posts).toHaveLength(1)
  })

  test('while it waits for the ack: polling ends', async () => {
    const hec = await startHec({ ack: true })
    hec.acknowledging = false
    const { clock } = hec
    const { deliver, recorder } = await sinkTo([hec.url], { clock })
    const lease = new LeaseDouble()
    const delivery = deliver(batchOf(names(2)), lease)
    await hec.posted(1)
    await clock.advance(3 * ACK_POLL_MS)
    const asked = hec.queries.length
    expect(asked).toBeGreaterThan(1)
    lease.lose()
    await expect(delivery).rejects.toMatchObject({ kind: 'lease' })
    await clock.advance(LONGEST_WAIT_MS)
    expect(hec.queries).toHaveLength(asked)
    expect(recorder.sum('delivered')).toBe(0)
  })

  test('while it asks whether an unanswered request arrived', async () => {
    const hec = await startHec({ ack: true })
    hec.script.push(cut)
    const { deliver, recorder } = await sinkTo([hec.url], { speed: 10 })
    const lease = new LeaseDouble()
    const delivery = deliver(batchOf(names(2)), lease)
    await recorder.first('outcomeUnknown')
    await hec.queried(1)
    lease.lose()
    await expect(delivery).rejects.toMatchObject({ kind: 'lease' })
    expect(hec.posts).toHaveLength(1)
  })

  test('while the endpoint is being asked about acknowledgement', async () => {
    const hec = await startHec()
    hec.outage = () => true
    const { deliver } = await sinkTo([hec.url])
    const lease = new LeaseDouble()
    const delivery = deliver(batchOf(names(2)), lease)
    await hec.until(() => hec.probes.length === 1)
    lease.lose()
    await expect(delivery).rejects.toMatchObject({ kind: 'lease' })
  })

  test('while the window of unacknowledged requests is full', async () => {
    const hec = await startHec({ ack: true })
    hec.acknowledging = false
    const { clock } = hec
    const { deliver } = await sinkTo([hec.url], { clock, concurrency: 20 })
    const held = new LeaseDouble()
    const crowd = names(512).map((id) => deliver(batchOf([id]), held))
    const ended = Promise.allSettled(crowd)
    await hec.posted(512)
    const lease = new LeaseDouble()
    const delivery = deliver(batchOf(['late']), lease)
    await clock.settle()
    lease.lose()
    await expect(delivery).rejects.toMatchObject({ kind: 'lease' })
    held.lose()
    await ended
    // The places are free again.
    hec.acknowledging = true
    const next = deliver(batchOf(['next']))
    await hec.posted(513)
    await clock.advance(ACK_POLL_MS)
    await next
    expect(hec.indexed).not.toContain('late')
  })

  test('while the dead letter cannot be written', async () => {
    const hec = await startHec()
    hec.rule = refuse(400, 12, 0, 0)
    const dir = join(await temporaryDirectory(), 'letters')
    await writeFile(dir, 'no directory')
    const { deliver, recorder } = await sinkTo([hec.url], { deadLetter: new DeadLetter({ dir, consumer: 'c' }) })
    const lease = new LeaseDouble()
    const delivery = deliver(batchOf(names(2)), lease)
    await recorder.first('paused')
    lease.lose()
    await expect(delivery).rejects.toMatchObject({ kind: 'lease' })
    expect(recorder.sum('deadLettered')).toBe(0)
    await recorder.first('resumed') // no delivery is left that has anything to write
  })
})
