import type { Expression } from './expression.ts'
import { comparisonsIn, pathsIn } from './expression.ts'
import type { Path } from './path.ts'

/** A comparison under `not`. That part is true for logs without the field, since no comparison holds for them. */
export interface PassedByAbsence {
  /** Where the comparison begins in the condition, from 0. */
  readonly offset: number
  /** The comparison, as it was written. */
  readonly text: string
  /** The field, as it was written. */
  readonly field: string
}

/**
 * Finds parts that logs pass because they lack a field. Those are left out whose field is always there (topic, source, values
 * of the bridge), or has to be there for another part, or whose absence the condition names (`F exists`). Each field is told
 * once.
 */
export function passedByAbsence(expression: Expression): PassedByAbsence[] {
  const named = comparisonsIn(expression).filter(({ kind }) => kind === 'exists')
  const there = new Set(named.map(({ operand }) => keyOf(operand.path)))
  const found = new Map<string, PassedByAbsence>()
  for (const part of partsPassed(expression, true, there)) if (!found.has(part.field)) found.set(part.field, part)
  return [...found.values()]
}

/** `there`: fields that a log has that comes here. `wanted`: what the expression has to be. */
function partsPassed(expression: Expression, wanted: boolean, there: ReadonlySet<string>): PassedByAbsence[] {
  if ('part' in expression) return partsPassed(expression.part, !wanted, there)
  if ('parts' in expression) {
    const more = new Set([...there, ...needed(expression, wanted)])
    return expression.parts.flatMap((part) => partsPassed(part, wanted, more))
  }
  if (wanted) return []
  const lacking = pathsIn(expression).filter((path) => !isAlwaysThere(path) && !there.has(keyOf(path)))
  return lacking.map(({ text: field }) => ({ offset: expression.offset, text: expression.text, field }))
}

/** The fields without which the expression is not as wanted, as far as that is simple. */
function needed(expression: Expression, wanted: boolean): string[] {
  if ('part' in expression) return needed(expression.part, !wanted)
  if (!('parts' in expression)) return wanted ? pathsIn(expression).map(keyOf) : []
  return (expression.kind === 'and') === wanted ? expression.parts.flatMap((part) => needed(part, wanted)) : []
}

function isAlwaysThere({ readings }: Path): boolean {
  return readings.every(({ of, rest }) => of !== 'content' && of !== 'tag' && rest.length === 0)
}

function keyOf({ readings }: Path): string {
  return JSON.stringify(readings)
}
