import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CheckpointTracker } from '../../../src/consumer/checkpoint-tracker.ts'

describe('checkpoint tracker', () => {
  test('stays at the start until the first pull is settled', () => {
    const tracker = new CheckpointTracker('c0', () => {})
    const ticket = tracker.open()
    ticket.add()
    ticket.seal('c1')
    expect(tracker.mark).toBe('c0')
    ticket.settle()
    expect(tracker.mark).toBe('c1')
    expect(tracker.outstanding).toBe(0)
  })

  test('a pull from which everything was filtered settles at once', () => {
    const tracker = new CheckpointTracker('c0', () => {})
    tracker.open().seal('c1')
    expect(tracker.mark).toBe('c1')
  })

  test('a later pull that settles first does not move the mark past an earlier one', () => {
    const tracker = new CheckpointTracker('c0', () => {})
    const first = tracker.open()
    first.add()
    first.seal('c1')
    tracker.open().seal('c2')
    expect(tracker.mark).toBe('c0')
    first.settle()
    expect(tracker.mark).toBe('c2')
  })

  test('a pull whose batches settle while more are made waits for its seal', () => {
    const tracker = new CheckpointTracker('c0', () => {})
    const ticket = tracker.open()
    ticket.add()
    ticket.settle()
    expect(tracker.mark).toBe('c0')
    ticket.seal('c1')
    expect(tracker.mark).toBe('c1')
  })

  test('the mark does not pass a pull without batches that is not sealed yet', () => {
    const tracker = new CheckpointTracker('c0', () => {})
    const first = tracker.open()
    const second = tracker.open()
    first.seal('c1')
    expect(tracker.mark).toBe('c1')
    second.add()
    second.seal('c2')
    expect(tracker.mark).toBe('c1')
  })

  test('in any order of settling, the mark is the last cursor before the first unsettled pull', () => {
    const pulls = fc.array(fc.nat({ max: 4 }), { minLength: 1, maxLength: 30 })
    fc.assert(
      fc.property(pulls, fc.infiniteStream(fc.nat()), (owed, choices) => {
        const tracker = new CheckpointTracker('0', () => {})
        const left = [...owed]
        const tickets = owed.map((batches, index) => {
          const ticket = tracker.open()
          for (let batch = 0; batch < batches; batch++) ticket.add()
          ticket.seal(String(index + 1))
          return ticket
        })
        for (;;) {
          const unsettled = left.findIndex((count) => count > 0)
          expect(tracker.mark).toBe(String(unsettled === -1 ? owed.length : unsettled))
          const open = left.flatMap((count, index) => (count > 0 ? [index] : []))
          if (open.length === 0) return
          const next = open[(choices.next().value as number) % open.length] as number
          left[next] = (left[next] as number) - 1
          tickets[next]?.settle()
        }
      }),
      { interruptAfterTimeLimit: 1000, markInterruptAsFailure: false },
    )
  })
})
