import type { LogstoreRef } from '../../core/shard.ts'
import type { Program, ProgramRoute } from '../program.ts'
import { decideForLogstore } from './conditions.ts'

/**
 * The same program, when `@project`, `@logstore` and `@source` are known: routes that no log of the logstore can take are left
 * out. Often no condition is left that only this engine holds.
 */
export function programAt(program: Program, at: LogstoreRef): Program {
  const routes: ProgramRoute[] = []
  for (const { when, ...route } of program.routes) {
    const decided = when === undefined ? true : decideForLogstore(when.expression, at)
    if (decided === false) continue
    if (when !== undefined && decided !== true) routes.push({ ...route, when: { ...when, expression: decided } })
    else {
      routes.push(route)
      if (!route.continue) break
    }
  }
  return { ...program, routes }
}
