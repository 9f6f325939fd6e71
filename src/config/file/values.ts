import * as v from 'valibot'
import { nearest } from '../../core/nearest.ts'
import type { Findings } from './findings.ts'
import type { Described } from './shape.ts'
import { Refusal, Unresolved } from './shape.ts'
import type { KeyPath, Written } from './written.ts'
import { plainOf } from './written.ts'

/** The values of a file by its description. Problems become findings. */
export function valuesOf<T>(description: Described<T>, root: Written, findings: Findings): T | undefined {
  const { success, output, issues = [] } = v.safeParse(description, plainOf(root))
  for (const { input, message, path = [] } of issues) {
    const at = path.map(({ key }) => key as string | number)
    if (input instanceof Unresolved) findings.refuseUnresolved(at)
    else if (input instanceof Refusal) refuse(at, input, findings)
    else findings.refuse(at, { problem: message })
  }
  return success ? output : undefined
}

function refuse(path: KeyPath, { problem, allowed, more }: Refusal, findings: Findings): void {
  const { under = [], among = [], ...details } = more
  const meant = nearest(String(path.at(-1)), among)
  const told = meant === undefined ? problem : `${problem}; did you mean ${meant}?`
  const known = among.length === 0 ? allowed : among.join(', ')
  findings.refuse([...path, ...under], { problem: told, allowed: known, ...details })
}
