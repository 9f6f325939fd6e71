import type { Step } from '../routing/step.ts'
import type { HecLayout } from './hec-layout.ts'
import type { TopicSelection } from './select.ts'

/** What happens to the logs of one logstore of one source. Every engine makes the same bytes of it. */
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

interface ProgramRoute {
  readonly name: string
  readonly copies: readonly Copy[]
}

/** What one sink gets of a log that takes the route. */
export interface Copy {
  readonly destination: Destination
  /** The configured parts of the envelope. */
  readonly layout: HecLayout
}

/** A sink as an engine knows it. */
interface Destination {
  readonly sink: string
  /** Limit of a batch before compression, bytes. An event over it is alone in its batch. */
  readonly maxBatchBytes: number
}

/** The one route of a program that sends every wanted log to one sink. */
export interface PlainRoute extends Copy {
  readonly name: string
}

/** `undefined` for a program that does more. */
export function plainRouteOf({ routes }: Program): PlainRoute | undefined {
  const [route, ...others] = routes
  const [copy, ...more] = route?.copies ?? []
  if (route === undefined || copy === undefined || others.length + more.length > 0) return undefined
  return { name: route.name, ...copy }
}
