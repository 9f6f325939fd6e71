import type { Condition } from './condition.ts'
import type { Step } from './step.ts'
import type { Template } from './template.ts'

/** Where logs go. Each log walks the routes from the top, until one takes it. */
export interface Routing {
  readonly routes: readonly Route[]
  /** For a log that no route takes: dropped, or sent to a sink. With `error` the last route of every source takes all logs. */
  readonly unmatched: 'error' | 'drop' | { readonly sink: string }
}

/** It takes a log of one of its sources for which its condition holds. */
export interface Route {
  /** Unique. Metrics, dead letters and tests name it. */
  readonly name: string
  /** Names of sources; absent: all. */
  readonly from?: readonly string[]
  /** Absent: always. */
  readonly when?: Condition
  /** Names of the sinks that get a copy. Empty if the route drops. */
  readonly to: readonly string[]
  /** The reason for which the log is dropped. */
  readonly drop?: string
  /** Parts of the envelope, in place of the sink's own. */
  readonly set: EnvelopeSet
  /** For the copies of this route only. */
  readonly shape: readonly Step[]
  /** The walk goes on behind this route: what it sends is a copy, and the log is not taken yet. */
  readonly continue: boolean
}

/** A value that comes out empty counts as not set. */
export interface EnvelopeSet {
  readonly index?: Template
  /** `auto`: by topic. */
  readonly sourcetype?: Template | 'auto'
  readonly source?: Template
  readonly host?: Template
}
