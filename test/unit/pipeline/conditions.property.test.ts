import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decideForGroup, explain, holds } from '../../../src/pipeline/reference/conditions.ts'
import { contradictionsIn } from '../../../src/routing/contradictions.ts'
import { expressionOf, logOf } from './condition-logs.ts'
import { fieldsOf, groupFieldsOf, plainLog, randomCondition } from './random-conditions.ts'

/** A busy machine does less. */
const BOX = { numRuns: 4000, interruptAfterTimeLimit: 2000 }

test('conditions hold as a plain reading of JSON.parse says; a group decides nothing else, and an explanation says the same', () => {
  let held = 0
  let decidedByGroup = 0
  let runs = 0
  fc.assert(
    fc.property(randomCondition, plainLog, (condition, plain) => {
      const log = logOf(fieldsOf(plain), groupFieldsOf(plain))
      const expression = expressionOf(condition.text)
      const answer = condition.holds(plain)
      expect(holds(expression, log), condition.text).toBe(answer)
      expect(explain(expression, log).holds).toBe(answer)
      const decided = decideForGroup(expression, log.group)
      expect(typeof decided === 'boolean' ? decided : holds(decided, log), condition.text).toBe(answer)
      runs++
      held += Number(answer)
      decidedByGroup += Number(typeof decided === 'boolean')
    }),
    BOX,
  )
  // The generator is no use if nearly everything is false, or if groups decide nothing.
  expect(held).toBeGreaterThan(runs / 5)
  expect(decidedByGroup).toBeGreaterThan(runs / 20)
})

test('a condition that is told to be impossible never holds', () => {
  let impossible = 0
  fc.assert(
    fc.property(randomCondition, randomCondition, fc.array(plainLog, { minLength: 5, maxLength: 5 }), (a, b, logs) => {
      const expression = expressionOf(`(${a.text}) and (${b.text}) and (${a.text})`)
      if (contradictionsIn(expression).some(({ isWhole }) => isWhole)) {
        impossible++
        for (const log of logs) expect(a.holds(log) && b.holds(log), a.text).toBe(false)
      }
    }),
    BOX,
  )
  expect(impossible).toBeGreaterThan(0)
})
