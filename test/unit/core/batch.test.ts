import { expect, test } from 'vitest'
import { routeOf } from '../../../src/core/batch.ts'
import { batchOf } from '../sinks/delivery-double.ts'

test('a batch knows the route of each of its events', () => {
  const batch = batchOf(['a', 'b', 'c'])
  expect([0, 1, 2].map((index) => routeOf({ ...batch, routes: ['all'] }, index))).toEqual(['all', 'all', 'all'])
  const mixed = { ...batch, routes: ['denied', 'rest'], via: Uint16Array.of(1, 0, 1) }
  expect([0, 1, 2].map((index) => routeOf(mixed, index))).toEqual(['rest', 'denied', 'rest'])
})
