import type { Grok } from './grok.ts'
import { parseGrok } from './grok.ts'
import type { Definitions } from './grok-expansion.ts'
import type { GrokShape, LineShape } from './step.ts'

/** Logstash's names of the patterns that a parser reads. */
const SHAPES: ReadonlyMap<string, LineShape> = new Map([
  ['COMBINEDAPACHELOG', 'apache_combined'],
  ['HTTPD_COMBINEDLOG', 'apache_combined'],
  ['COMMONAPACHELOG', 'apache_common'],
  ['HTTPD_COMMONLOG', 'apache_common'],
])

/** By the parser's names. Legacy patterns have the same ones. */
const ECS_NAMES: ReadonlyMap<string, string> = new Map([
  ['clientip', 'source.address'],
  ['ident', 'apache.access.user.identity'],
  ['auth', 'user.name'],
  ['timestamp', 'timestamp'],
  ['verb', 'http.request.method'],
  ['request', 'url.original'],
  ['httpversion', 'http.version'],
  ['response', 'http.response.status_code'],
  ['bytes', 'http.response.body.bytes'],
  ['referrer', 'http.request.referrer'],
  ['agent', 'user_agent.original'],
])

/** The parser for a pattern that is one of Logstash's own and nothing else. `shipped` are these patterns. */
export function shapeOf(grok: Grok, shipped: Definitions, isEcs: boolean): GrokShape | undefined {
  const name = /^\^?%\{(\w+)\}$/.exec(grok.text)?.[1] ?? ''
  const as = SHAPES.get(name)
  if (as === undefined) return undefined
  const own = parseGrok(grok.text, shipped)
  if ('problem' in own || own.expression !== grok.expression) return undefined
  return isEcs ? { as, grok, names: ECS_NAMES } : { as, grok }
}
