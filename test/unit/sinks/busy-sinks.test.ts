import { expect, test } from 'vitest'
import { BusySinks } from '../../../src/sinks/busy-sinks.ts'

test('a sink is idle when its last delivery has ended, in whatever way, and whatever others do', async () => {
  const idle: string[] = []
  const busy = new BusySinks({ sinkIdle: (sink) => void idle.push(sink) })
  const [first, second, other] = [0, 1, 2].map(() => Promise.withResolvers<void>())
  const runs = [
    busy.run('a', () => first?.promise as Promise<void>),
    busy.run('a', () => second?.promise as Promise<void>),
    busy.run('b', () => other?.promise as Promise<void>),
  ]
  first?.resolve()
  await runs[0]
  expect(idle).toEqual([])
  second?.reject(new Error('the lease ended'))
  await expect(runs[1]).rejects.toThrow('the lease ended')
  expect(idle).toEqual(['a'])
  other?.resolve()
  await runs[2]
  expect(idle).toEqual(['a', 'b'])
})
