import type { RE2JS } from 're2js'
import type { Decimal } from './decimal.ts'
import type { Glob } from './glob.ts'
import type { Network } from './network.ts'
import type { Path } from './path.ts'

/** What a condition says. Macros are expanded, and the names of lists are replaced by their values. */
export type Expression =
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Expression[] }
  | { readonly kind: 'not'; readonly part: Expression }
  | Comparison

/**
 * One comparison. It is false if a value that it needs is absent, whatever the operator. Values are compared as bytes: texts
 * here stand for their UTF-8. A value may be a list (a JSON array of scalars).
 */
export type Comparison = Compared & {
  readonly operand: Operand
  /** As it was written. */
  readonly text: string
  /** Its place in the condition, from 0. The place of the macro's name if it came out of a macro. */
  readonly offset: number
}

/** An operator and what stands behind it. */
export type Compared =
  | { readonly kind: 'exists' }
  /** `=`: some element is equal. `!=`: none is. */
  | { readonly kind: '=' | '!='; readonly to: string | Operand }
  /** Some element is a number that compares so. What is no number does not. */
  | { readonly kind: '<' | '<=' | '>' | '>='; readonly to: Decimal | Operand }
  /** Some element contains, begins with, or ends with the text. `icontains` takes letters of ASCII in any case. */
  | { readonly kind: 'contains' | 'icontains' | 'startswith' | 'endswith'; readonly to: string }
  /** Some element matches as a whole. The glob of `iglob` has small letters. */
  | { readonly kind: 'glob' | 'iglob'; readonly to: Glob }
  /** Some element matches: `regex` as a whole, `matches` anywhere. */
  | { readonly kind: 'regex' | 'matches'; readonly to: RE2JS }
  /** `in`: there is an element, and all are among these. `intersects`: some element is. */
  | { readonly kind: 'in' | 'intersects'; readonly to: readonly string[] }
  /** Some element has one of these in front, component by component. Each is a path cut at its `/`, without empty parts. */
  | { readonly kind: 'pmatch'; readonly to: readonly (readonly Glob[])[] }
  /** Some element is an address in one of these networks. */
  | { readonly kind: 'cidr'; readonly to: readonly Network[] }

/** A value of the log, after functions: the first in the list is the innermost. */
export interface Operand {
  /** As it was written. */
  readonly text: string
  readonly path: Path
  readonly functions: readonly OperandFunction[]
}

/**
 * `tolower`, `toupper`: letters of ASCII. `len`: bytes, of a list its elements. `basename`: behind the last `/`. `severity`:
 * the name of a severity as 0 (emergency) to 7 (debug), absent for other words. All but `len` go over the elements of a list.
 */
export const FUNCTIONS = ['tolower', 'toupper', 'len', 'basename', 'severity'] as const
export type OperandFunction = (typeof FUNCTIONS)[number]

/** The comparisons of a condition, in the order in which they stand. */
export function comparisonsIn(expression: Expression): Comparison[] {
  if ('parts' in expression) return expression.parts.flatMap(comparisonsIn)
  return 'part' in expression ? comparisonsIn(expression.part) : [expression]
}

/** The paths of all values that a condition needs, some perhaps more than once. */
export function pathsIn(expression: Expression): Path[] {
  return comparisonsIn(expression).flatMap((comparison) => {
    const other = otherOperand(comparison)
    return other === undefined ? [comparison.operand.path] : [comparison.operand.path, other.path]
  })
}

/** The field in `val(…)`, if there is one. */
export function otherOperand(comparison: Comparison): Operand | undefined {
  if (comparison.kind === 'exists' || typeof comparison.to === 'string') return undefined
  return 'path' in comparison.to ? comparison.to : undefined
}
