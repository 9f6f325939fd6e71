import { passedByAbsence } from '../../routing/absence.ts'
import type { Condition } from '../../routing/condition.ts'
import { parseCondition } from '../../routing/condition.ts'
import { contradictionsIn } from '../../routing/contradictions.ts'
import type { Findings } from './findings.ts'
import type { AllNames } from './names.ts'
import type { KeyPath, Written } from './written.ts'
import { entriesOf, itemsOf, textOf } from './written.ts'

/** Reading a value of it is using its name. */
class Used<T> extends Map<string, T> {
  onUse: (name: string) => void = () => {}

  override get(name: string): T | undefined {
    const value = super.get(name)
    if (value !== undefined) this.onUse(name)
    return value
  }
}

/** The conditions of the routes, by their index. A wrong macro is one problem, at its own place, however many conditions use it. */
export function checkConditions(
  root: Written,
  routes: readonly Written[],
  names: AllNames,
  findings: Findings,
): Map<number, Condition> {
  const section = (key: string) => [...entriesOf(entriesOf(root).get(key)?.value)]
  const macros = new Used(section('macros').flatMap(([name, { value }]) => pair(name, textOf(value))))
  const lists = new Used(
    section('lists').map(([name, { value }]) => [name, itemsOf(value).flatMap((item) => textOf(item) ?? [])]),
  )
  const broken = brokenMacros(macros, lists, findings)
  macros.onUse = (name) => names.macros.markUsed(name)
  lists.onUse = (name) => names.lists.markUsed(name)
  const conditions = new Map<number, Condition>()
  for (const [index, route] of routes.entries()) {
    const text = textOf(entriesOf(route).get('when')?.value)
    if (text === undefined) continue
    const found = parseCondition(text, { macros, lists })
    if (!('problem' in found)) {
      conditions.set(index, found)
      const path = ['routes', index, 'when']
      warnOfContradictions(found, path, findings)
      remarkOnAbsence(found, path, findings)
    } else if (found.macro === undefined || !broken.has(found.macro)) findings.refuse(['routes', index, 'when'], found)
  }
  return conditions
}

function warnOfContradictions({ expression }: Condition, path: KeyPath, findings: Findings): void {
  for (const { isWhole, reason, offset } of contradictionsIn(expression)) {
    findings.warn(path, `${isWhole ? 'can never hold' : 'has a part that can never hold'}: ${reason}`, offset)
  }
}

function remarkOnAbsence({ expression }: Condition, path: KeyPath, findings: Findings): void {
  for (const { field, text, offset } of passedByAbsence(expression)) {
    const meant = `add '${field} exists' if they should not`
    findings.remark(path, `logs without ${field} pass here, because '${text}' is false for them: ${meant}`, offset)
  }
}

function pair<T>(name: string, value: T | undefined): [string, T][] {
  return value === undefined ? [] : [[name, value]]
}

function brokenMacros(
  macros: Used<string>,
  lists: ReadonlyMap<string, readonly string[]>,
  findings: Findings,
): Set<string> {
  const read = [...macros].map(([name, text]) => {
    const uses = new Set<string>()
    macros.onUse = (used) => uses.add(used)
    return { name, uses, found: parseCondition(text, { macros, lists }) }
  })
  const broken = new Set<string>()
  for (const { name, found } of read) {
    if (!('problem' in found) || found.macro !== undefined) continue
    broken.add(name)
    findings.refuse(['macros', name], found)
  }
  // Macros that go in a circle have no problem of their own. The first of them is told.
  for (const { name, found, uses } of read) {
    if (!('problem' in found) || [name, found.macro ?? name].some((one) => broken.has(one))) continue
    for (const one of [name, ...uses]) broken.add(one)
    findings.refuse(['macros', name], found)
  }
  return broken
}
