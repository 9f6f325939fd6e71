import type { Config } from '../../config/model.ts'
import { logstoresOf, programOf } from '../../parts.ts'
import { leftOf } from '../../pipeline/wasm/left.ts'

const SLOWER = 'at about a twentieth of the speed'

/** The parts that WebAssembly does not run, and why. Nothing for a configuration with no more than one plain route. */
export function routesFound(config: Config): string[] {
  const { routes } = config.routing
  if (routes.length === 1 && routes.every(({ when, shape }) => when === undefined && shape.length === 0)) return []
  const found = new Set<string>()
  for (const { source, ref } of logstoresOf(config)) {
    const { all, routes: slow } = leftOf(programOf(config, source, ref.logstore), ref)
    if (all !== undefined) {
      found.add(`${ref.project}/${ref.logstore}: TypeScript runs all routes, ${SLOWER}, because of ${all}`)
    }
    for (const [route, reasons] of slow) {
      found.add(`route ${route}: TypeScript runs logs that come to ${reasons.join(', ')}, ${SLOWER}`)
    }
  }
  return found.size === 0 ? ['WebAssembly runs all of them'] : [...found]
}
