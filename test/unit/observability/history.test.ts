import { expect, test } from 'vitest'
import { History } from '../../../src/observability/history.ts'
import { HandClock } from './observed.ts'

test('a value for every ten seconds, of the last ten minutes, oldest first', () => {
  const clock = new HandClock()
  const history = new History(clock)
  history.set(1)
  history.set(2)
  clock.pass(10)
  history.set(3)
  clock.pass(20)
  history.set(4)
  expect(history.values()).toHaveLength(60)
  expect(history.values().slice(-4)).toEqual([2, 3, null, 4])
  expect(
    history
      .values()
      .slice(0, -4)
      .every((value) => value === null),
  ).toBe(true)
  clock.pass(600 - 10)
  expect(history.values()[0]).toBe(4)
  clock.pass(10)
  expect(history.values().every((value) => value === null)).toBe(true)
})

test('additions within ten seconds are one value', () => {
  const clock = new HandClock()
  const history = new History(clock)
  history.add(2)
  clock.pass(9)
  history.add(3)
  clock.pass(1)
  history.add(7)
  expect(history.values().slice(-2)).toEqual([5, 7])
})

test('the rate covers the last minute, or the life of a younger process', () => {
  const clock = new HandClock()
  const history = new History(clock)
  for (let second = 0; second < 20; second++) {
    history.add(30)
    clock.pass(1)
  }
  expect(history.perSecond(20_000)).toBeCloseTo(30)
  for (let second = 0; second < 100; second++) {
    history.add(10)
    clock.pass(1)
  }
  expect(history.perSecond(120_000)).toBeCloseTo(10)
  clock.pass(60)
  expect(history.perSecond(180_000)).toBe(0)
})

test('a step without additions is 0 after the start, and the step under way is not counted yet', () => {
  const clock = new HandClock()
  const history = new History(clock)
  history.add(2)
  clock.pass(20)
  history.add(3)
  clock.pass(10)
  history.add(4)
  expect(history.counts()).toHaveLength(59)
  expect(history.counts().slice(-4)).toEqual([null, 2, 0, 3])
})
