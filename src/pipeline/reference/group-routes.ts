import type { PullPosition } from '../../core/batch.ts'
import type { Expression } from '../../routing/expression.ts'
import type { HecLayout } from '../hec-layout.ts'
import type { Output } from '../packer.ts'
import type { Layout, LayoutText, Program, ProgramRoute } from '../program.ts'
import { decideForGroup, holds } from './conditions.ts'
import { envelopeOf, GroupIds } from './events.ts'
import type { GroupFacts, Log } from './log.ts'
import { factsOf, readLog } from './log.ts'
import type { LogGroup } from './log-group.ts'
import { applyShape } from './shape.ts'
import type { Tally } from './tally.ts'
import { count, countReserved } from './tally.ts'
import { fill } from './template.ts'

/** An event on its way to a packer. */
export interface Leaving {
  readonly output: Output
  /** Number of the route that it came by. */
  readonly route: number
  readonly event: Buffer
}

/** A route that may take logs of a group. */
interface OpenRoute extends ProgramRoute {
  readonly number: number
  /** What each log decides; absent: it holds for all of them. */
  readonly condition?: Expression
}

/** The routes as the logs of one group meet them: what topic, source and tags alone decide is decided. */
export class GroupRoutes {
  readonly #program: Program
  readonly #facts: GroupFacts
  readonly #ids: GroupIds
  readonly #routes: readonly OpenRoute[]

  /** `index` is the group's place in the pull. */
  constructor(program: Program, at: PullPosition, group: LogGroup, index: number) {
    this.#program = program
    this.#facts = factsOf(group, at)
    this.#ids = new GroupIds(program.idScope, at, group, index)
    this.#routes = openRoutes(program.routes, this.#facts)
  }

  /** The reason for which all logs of the group are dropped, whatever is in them. */
  get dropped(): string | undefined {
    const [route] = this.#routes
    return route?.condition === undefined ? route?.drop : undefined
  }

  /** What leaves of a log, which is number `index` of the group. Counts it. */
  *leaving(bytes: Buffer, index: number, tally: Tally): Generator<Leaving> {
    const { reservedKeys, shape } = this.#program
    const log = applyShape(readLog(this.#facts, bytes, reservedKeys), shape, this.#facts.at.source)
    if (log.hasReservedKeys) countReserved(tally)
    countFailures(log, 0, tally)
    if (log.fate === 'drop') {
      count(tally.filtered, log.reason ?? PARSE_FAILURE)
      return
    }
    const id = this.#ids.idOf(bytes, index)
    let left = false
    let reason: string | undefined
    for (const route of this.#routes) {
      if (route.condition !== undefined && !holds(route.condition, log)) continue
      if (route.drop !== undefined) {
        reason ??= route.drop
        break
      }
      const shaped = applyShape(log, route.shape, route.name)
      countFailures(shaped, log.failures.length, tally)
      if (shaped.fate === 'drop') reason = shaped.reason ?? PARSE_FAILURE
      else
        for (const { destination, layout } of route.copies) {
          const parts = layoutFor(layout, log)
          const isRefused = shaped.fate === 'dead_letter'
          const output = { destination, index: parts.index, ...(isRefused && { refused: PARSE_FAILURE }) }
          count(tally.routed, route.name)
          left = true
          yield { output, route: route.number, event: envelopeOf(shaped, parts, id) }
        }
      if (!route.continue) break
    }
    if (!left && reason !== undefined) count(tally.filtered, reason)
  }
}

const PARSE_FAILURE = 'parse_failure'

/** Up to the first that takes every log of the group. */
function openRoutes(routes: readonly ProgramRoute[], facts: GroupFacts): OpenRoute[] {
  const open: OpenRoute[] = []
  for (const [number, route] of routes.entries()) {
    const decided = route.when === undefined ? true : decideForGroup(route.when.expression, facts)
    if (decided === false) continue
    open.push({ ...route, number, ...(decided !== true && { condition: decided }) })
    if (decided === true && !route.continue) break
  }
  return open
}

/** Those behind the first `known`. */
function countFailures({ failures }: Log, known: number, tally: Tally): void {
  for (const { where, step } of failures.slice(known)) count(tally.failures, `${where}/${step}`)
}

/** No index has another name. A log that named one would pause its sink: HEC answers it as a wrong configuration. */
const INDEX_NAME = /^[a-z0-9_][a-z0-9_-]{0,254}$/

function layoutFor({ host, source, sourcetype, index }: Layout, log: Log): HecLayout {
  const [hostText, indexText] = [textFor(host, log), textFor(index, log, INDEX_NAME)]
  return {
    source: textFor(source, log) ?? '',
    sourcetype: textFor(sourcetype, log) ?? '',
    ...(hostText === undefined ? {} : { host: hostText }),
    ...(indexText === undefined ? {} : { index: indexText }),
  }
}

/** `undefined` if it is not set. A text of the log that has not the `form` counts as not set. */
function textFor(text: LayoutText | undefined, log: Log, form = /./s): string | undefined {
  if (text === undefined || typeof text === 'string') return text
  const filled = fill(text.template, log)
  return form.test(filled) ? filled : text.otherwise
}
