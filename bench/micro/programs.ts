import type { SampleKind } from '../../src/emulator/sample-logs.ts'
import type { HecLayout } from '../../src/pipeline/hec-layout.ts'
import type { Copy, Program, ProgramRoute } from '../../src/pipeline/program.ts'
import { TopicSelection } from '../../src/pipeline/select.ts'
import type { AuditPolicy } from '../../src/routing/audit-policy.ts'
import { parseCondition } from '../../src/routing/condition.ts'
import { parseGrok } from '../../src/routing/grok.ts'
import { parsePath } from '../../src/routing/path.ts'
import type { LineShape, Step } from '../../src/routing/step.ts'
import { parseTagTemplate } from '../../src/routing/tag-template.ts'

// Programs of typical work with the logs that the benchmark makes.

export const LAYOUT: HecLayout = { source: 'sls://bench/audit', sourcetype: 'aliyun:sls' }
export const MAX_BATCH_BYTES = 1_000_000

/** Conditions on three fields. A log that none takes goes to a fourth route. */
const THREE: Record<SampleKind, readonly string[]> = {
  audit: [
    'error_code startswith Forbidden',
    'event_name in (StopInstance, CreateAccessKey) and user_name = root',
    'event_name contains Bucket',
  ],
  kubernetes: [
    'event.verb = delete',
    'event.objectRef.namespace in (kube-system, payments) and event.verb = get',
    'stage != ResponseComplete',
  ],
  access: [
    'status in (500, 502, 503)',
    'request_method = POST and request_uri startswith /api/v2/orders/1',
    'status = 404',
  ],
}
/** Holds for a tenth of the logs or less. */
const RARE: Record<SampleKind, string> = {
  audit: 'error_code = Forbidden.RAM',
  kubernetes: 'event.verb = delete and event.objectRef.namespace = payments',
  access: 'status = 404 and request_method = POST',
}
/** The content that is JSON. Web access has none, so this one stays text. */
const JSON_FIELD: Record<SampleKind, string> = {
  audit: 'request_parameters',
  kubernetes: 'event',
  access: 'request_uri',
}

export function plain(topics: readonly string[] = []): Program {
  return programOf([routeOf({})], topics)
}

export function fourRoutes(kind: SampleKind): Program {
  const three = THREE[kind].map((when, number) => routeOf({ when, copies: [copyTo('splunk_hec', `index_${number}`)] }))
  return programOf([...three, routeOf({ copies: [copyTo('splunk_hec', 'main')] })])
}

export function rare(kind: SampleKind): Program {
  const rest: ProgramRoute = { ...routeOf({}), drop: 'unmatched', copies: [] }
  return programOf([routeOf({ when: RARE[kind] }), rest])
}

export function json(kind: SampleKind): Program {
  const step = { name: 'json', fields: [JSON_FIELD[kind]], into: 'value', required: false, onFailure: 'keep' } as const
  return programOf([{ ...routeOf({}), shape: [step] }])
}

/** Kubernetes audit events without their bodies, as text or as JSON. */
export function auditPolicy({ json: isJson = false } = {}): Program {
  const none = { users: [], userGroups: [], verbs: [], namespaces: [], resources: [], nonResourceURLs: [] }
  const watch = { ...none, level: 'None', verbs: ['watch'], omitStages: [], omitManagedFields: false } as const
  const policy: AuditPolicy = { rules: [watch, { ...watch, level: 'Metadata', verbs: [] }] }
  const step: Step = { name: 'k8s_audit_policy', field: 'event', policy, onFailure: 'keep' }
  return programOf([{ ...routeOf({}), shape: [step, ...(isJson ? (json('kubernetes').routes[0]?.shape ?? []) : [])] }])
}

/** Fields of lines, in place of the line or beside it. `shapes`: of the content, and of the message that it has. */
export function parsed(shapes: readonly LineShape[], { keepsLine = true } = {}): Program {
  const parses = shapes.map((as, number): Step => {
    const field = parsePath(number === 0 ? 'content' : 'message')
    if ('problem' in field) throw new Error(field.problem)
    return { name: 'parse', field, as, prefix: '', onFailure: 'keep' }
  })
  const remove: Step = { name: 'remove', fields: new Set(['content', 'message'].slice(0, shapes.length)) }
  return { ...programOf([routeOf({})]), shape: keepsLine ? parses : [...parses, remove] }
}

/** Named groups for the fields of a line of Apache, as a user writes them. */
export const APACHE_PATTERN =
  '^(?<clientip>\\S+) (?<ident>\\S+) (?<auth>\\S+) \\[(?<timestamp>[^\\]]+)\\] "(?<verb>\\w+) (?<request>\\S+) HTTP/(?<httpversion>[0-9.]+)" ' +
  '(?<response>\\d+) (?<bytes>\\d+|-) "(?<referrer>[^"]*)" "(?<agent>.*)"$'

/** The general path: a pattern of the user's own. */
export function grok(): Program {
  const [field, pattern] = [parsePath('content'), parseGrok(APACHE_PATTERN, new Map())]
  if ('problem' in field) throw new Error(field.problem)
  if ('problem' in pattern) throw new Error(pattern.problem)
  return { ...programOf([routeOf({})]), shape: [{ name: 'grok', field, match: [pattern], onFailure: 'keep' }] }
}

/** The events of Docker's splunk driver. */
export function docker(format: 'inline' | 'json' | 'raw'): Program {
  const tag = parseTagTemplate('{{.ImageName}}/{{.Name}}/{{.ID}}')
  if ('problem' in tag) throw new Error(tag.problem)
  return programOf([
    { ...routeOf({}), shape: [{ name: 'docker', format, tag, attrs: new Map([['pod', '_pod_name_']]) }] },
  ])
}

export function twoSinks(): Program {
  return programOf([routeOf({ copies: [copyTo('splunk_hec'), copyTo('file')] })])
}

function programOf(routes: readonly ProgramRoute[], topics: readonly string[] = []): Program {
  const named = routes.map((route, number) => ({ ...route, name: `route ${number}` }))
  return { topics: new TopicSelection(topics), idScope: 'audit', reservedKeys: 'override', shape: [], routes: named }
}

function routeOf({ when, copies = [copyTo('splunk_hec')] }: { when?: string; copies?: Copy[] }): ProgramRoute {
  return { name: '', ...(when === undefined ? {} : { when: conditionOf(when) }), continue: false, shape: [], copies }
}

function copyTo(sink: string, index?: string): Copy {
  const layout = index === undefined ? LAYOUT : { ...LAYOUT, index }
  return { destination: { sink, maxBatchBytes: MAX_BATCH_BYTES }, layout }
}

function conditionOf(text: string) {
  const condition = parseCondition(text, { macros: new Map(), lists: new Map() })
  if ('problem' in condition) throw new Error(condition.problem)
  return condition
}
