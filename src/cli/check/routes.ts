import type { Config } from '../../config/model.ts'
import { logstoresOf, programOf } from '../../parts.ts'
import { leftOf } from '../../pipeline/wasm/left.ts'

const SLOWER = 'at about a twentieth of the speed'
const SLOW_GROK = 'grok reads about 1,000 lines a second; parse is much faster where it has the shape'

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
  for (const place of slowGroks(config)) found.add(`${place}: ${SLOW_GROK}`)
  return found.size === 0 ? ['WebAssembly runs all of them'] : [...found]
}

/** Where a grok pattern has no parser. */
function slowGroks({ sources, routing }: Config): string[] {
  const shapes = [
    ...sources.map(({ name, shape }) => ({ place: `source ${name}`, shape })),
    ...routing.routes.map(({ name, shape }) => ({ place: `route ${name}`, shape })),
  ]
  return shapes
    .filter(({ shape }) => shape.some((step) => step.name === 'grok' && step.match.some((one) => !('as' in one))))
    .map(({ place }) => place)
}
