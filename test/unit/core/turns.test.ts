import { expect, test } from 'vitest'
import { inTurns, ownTurn } from '../../../src/core/turns.ts'

test('each piece of work gets a round of the event loop of its own, in order of arrival', async () => {
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

test('a due timer fires between two pieces of work', async () => {
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

test('timers fire between two pieces of one work, and other work waits for its end', async () => {
  const happened: string[] = []
  function* work(name: string) {
    happened.push(`${name}, first`)
    yield
    happened.push(`${name}, second`)
    if (name === 'b') throw new Error(name)
    return name
  }
  let over = false
  const round = (): void => {
    happened.push('round')
    if (!over) setImmediate(round)
  }
  setImmediate(round)
  const all = await Promise.allSettled(['a', 'b', 'c'].map((name) => inTurns(work(name))))
  over = true
  expect(all).toMatchObject([{ value: 'a' }, { reason: new Error('b') }, { value: 'c' }])
  const pieces = happened.filter((what) => what !== 'round')
  expect(pieces).toEqual(['a, first', 'a, second', 'b, first', 'b, second', 'c, first', 'c, second'])
  for (const [index, piece] of pieces.slice(1).entries()) {
    expect(happened.slice(happened.indexOf(pieces[index] as string), happened.indexOf(piece))).toContain('round')
  }
})
