import { expect, test } from 'vitest'
import { inTurns, ownTurn } from '../../../src/core/turns.ts'

test('each piece of work has a round of the event loop for itself, in the order they came', async () => {
  const happened: string[] = []
  let rounds = 0
  const round = (): void => {
    happened.push('round')
    if (++rounds < 10) setImmediate(round)
  }
  setImmediate(round)
  await Promise.all(
    ['first', 'second', 'third'].map(async (name) => {
      await ownTurn()
      happened.push(name)
    }),
  )
  expect(happened.filter((what) => what !== 'round')).toEqual(['first', 'second', 'third'])
  const [first, second, third] = ['first', 'second', 'third'].map((name) => happened.indexOf(name)) as [
    number,
    number,
    number,
  ]
  expect(happened.slice(first, second)).toContain('round')
  expect(happened.slice(second, third)).toContain('round')
})

test('a timer that is due comes between two pieces of work', async () => {
  const happened: string[] = []
  await ownTurn()
  const due = setTimeout(() => happened.push('timer'), 1)
  const until = performance.now() + 5
  while (performance.now() < until);
  happened.push('long work')
  await Promise.all([ownTurn(), ownTurn()])
  happened.push('two turns later')
  expect(happened).toEqual(['long work', 'timer', 'two turns later'])
  clearTimeout(due)
})

test('others come between two pieces of one work', async () => {
  const happened: string[] = []
  function* work() {
    happened.push('first')
    yield
    happened.push('second')
    return 'done'
  }
  const round = (): void => {
    happened.push('round')
    if (!happened.includes('second')) setImmediate(round)
  }
  setImmediate(round)
  expect(await inTurns(work())).toBe('done')
  expect(happened.slice(happened.indexOf('first'), happened.indexOf('second'))).toContain('round')
})
