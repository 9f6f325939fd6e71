import type { PullPosition } from '../../core/batch.ts'
import type { LogstoreRef } from '../../core/shard.ts'
import type { Program } from '../program.ts'
import type { Outcome } from './conditions.ts'
import { explain } from './conditions.ts'
import { GroupRoutes } from './group-routes.ts'
import { factsOf, readLog } from './log.ts'
import { LogGroup, logGroupsOf } from './log-group.ts'
import { programAt } from './logstore-program.ts'
import { applyShape } from './shape.ts'
import { Tally } from './tally.ts'

/** The way of one log, for people. */
export interface Trial {
  /** The routes that it came to, the one that took it last. None if it did not come to the routes. */
  readonly routes: readonly TriedRoute[]
  /** The copies that leave, in the order of the walk. */
  readonly copies: readonly LeavingCopy[]
  /** Why nothing leaves. */
  readonly dropped?: string
  /** Steps that failed, as `<route or source>/<step>`. */
  readonly failures: readonly string[]
}

export interface TriedRoute {
  readonly name: string
  /** Its comparisons, in the order in which they stand. */
  readonly outcomes: readonly Outcome[]
  readonly holds: boolean
  /** What it sends is a copy, and the log goes on. */
  readonly continue: boolean
  readonly drop?: string
}

interface LeavingCopy {
  readonly route: string
  readonly sink: string
  /** It goes into the dead letter instead: the code of the reason. */
  readonly refused?: string
  /** Ends in `\n`. */
  readonly event: Buffer
}

/** Names of the routes that a log of this logstore can come into. */
export function routesAt(program: Program, at: LogstoreRef): string[] {
  return programAt(program, at).routes.map(({ name }) => name)
}

/** Follows the one log of a body. */
export function tryLog(program: Program, at: PullPosition, body: Buffer): Trial {
  const group = new LogGroup(firstOf(logGroupsOf(body)))
  if (!program.topics.wants(group.topic)) return { routes: [], copies: [], dropped: 'topic', failures: [] }
  const bytes = firstOf(group.logs())
  const tally = new Tally()
  const copies = [...new GroupRoutes(program, at, group, 0).leaving(bytes, 0, tally)].map(
    ({ output, route, event }) => ({
      route: program.routes[route]?.name ?? '',
      sink: output.destination.sink,
      ...(output.refused !== undefined && { refused: output.refused }),
      event,
    }),
  )
  const [dropped] = tally.filtered.keys()
  const log = applyShape(readLog(factsOf(group, at), bytes, program.reservedKeys), program.shape, at.source)
  return {
    routes: log.fate === 'drop' ? [] : [...routesOf(program, log)],
    copies,
    ...(dropped !== undefined && { dropped }),
    failures: [...tally.failures.keys()],
  }
}

function* routesOf({ routes }: Program, log: ReturnType<typeof readLog>): Generator<TriedRoute> {
  for (const { name, when, drop, continue: goesOn } of routes) {
    const { holds, outcomes } = when === undefined ? { holds: true, outcomes: [] } : explain(when.expression, log)
    yield { name, outcomes, holds, continue: goesOn, ...(drop !== undefined && { drop }) }
    if (holds && !goesOn) return
  }
}

function firstOf(all: Iterable<Buffer>): Buffer {
  const [first] = all
  if (first === undefined) throw new Error('a body without a log')
  return first
}
