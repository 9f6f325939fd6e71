import { sourcetypeOf } from './products.ts'

/** The parts of a Splunk HEC envelope that are configured. */
export interface HecLayout {
  /** Default: `__source__` of the log as it is, also when that is empty. */
  readonly host?: string
  readonly source: string
  /** `auto` chooses it by topic. */
  readonly sourcetype: string
  /** Default: the token's. */
  readonly index?: string
}

/**
 * The members that are the same in every envelope of a topic: `"source":"…","sourcetype":"…"`, and `"index":"…"` if one is
 * set.
 */
export function constantMembers({ source, sourcetype, index }: HecLayout, topic: string): string {
  const ofTopic = sourcetype === 'auto' ? sourcetypeOf(topic) : sourcetype
  return JSON.stringify({ source, sourcetype: ofTopic, index }).slice(1, -1)
}
