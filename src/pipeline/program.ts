import type { Condition } from '../routing/condition.ts'
import type { Step } from '../routing/step.ts'
import type { Template } from '../routing/template.ts'
import type { HecLayout } from './hec-layout.ts'
import type { TopicSelection } from './select.ts'

/** The way of the logs of one logstore of one source. Every engine makes the same bytes of it. */
export interface Program {
  /** Decides which log groups are wanted. */
  readonly topics: TopicSelection
  /** Event ids begin with it: `<logstore>` or `<project>/<logstore>`. */
  readonly idScope: string
  /** Whether contents named `__topic__`, `__source__` or `__tag__:…` override these, or are called `__content__:…`. */
  readonly reservedKeys: 'override' | 'rename'
  /** Applied once to each log, before the routes. */
  readonly shape: readonly Step[]
  /** A log walks them from the top until one takes it. The last takes all that come to it. */
  readonly routes: readonly ProgramRoute[]
}

export interface ProgramRoute {
  readonly name: string
  /** Absent: it holds for every log. */
  readonly when?: Condition
  /** It sends copies: the log walks on. */
  readonly continue: boolean
  /** It sends nothing. If nothing has left of the log, the log counts as filtered for this reason. */
  readonly drop?: string
  /** For the copies of this route. Conditions and layouts see the log before it. */
  readonly shape: readonly Step[]
  readonly copies: readonly Copy[]
}

/** The copy of a log for one sink. */
export interface Copy {
  readonly destination: Destination
  readonly layout: Layout
}

/** A sink as an engine knows it. */
export interface Destination {
  readonly sink: string
  /** Limit of a batch before compression, bytes. An event over it is alone in its batch. */
  readonly maxBatchBytes: number
}

/** The configured parts of an envelope. `host` is `__source__` of the log if it is absent or empty, `index` the token's. */
export interface Layout {
  readonly host?: LayoutText
  readonly source: LayoutText
  /** `auto`: by topic. */
  readonly sourcetype: LayoutText
  readonly index?: LayoutText
}

/** Fixed, or made of the log. */
export type LayoutText = string | TextOfLog

interface TextOfLog {
  readonly template: Template
  /** If the text comes out empty. */
  readonly otherwise?: string
}

/** The one route of a program that sends every wanted log as it is, in a fixed envelope, to one sink. */
export interface PlainRoute {
  readonly name: string
  readonly destination: Destination
  readonly layout: HecLayout
}

/** `undefined` for a program that does more. */
export function plainRouteOf({ shape, routes }: Program): PlainRoute | undefined {
  const [route, ...others] = routes
  const [copy, ...more] = route?.copies ?? []
  if (route === undefined || copy === undefined || route.when !== undefined) return undefined
  if (others.length + more.length + shape.length + route.shape.length > 0) return undefined
  const layout = fixedLayout(copy.layout)
  return layout && { name: route.name, destination: copy.destination, layout }
}

/** `undefined` for a layout that depends on the log. */
function fixedLayout({ host, source, sourcetype, index }: Layout): HecLayout | undefined {
  if (typeof source !== 'string' || typeof sourcetype !== 'string') return undefined
  if (typeof host === 'object' || typeof index === 'object') return undefined
  return { source, sourcetype, ...(host === undefined ? {} : { host }), ...(index === undefined ? {} : { index }) }
}
