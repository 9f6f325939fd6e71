import { isUtf8 } from 'node:buffer'
import { AUDIT_LEVELS } from '../../routing/audit-policy.ts'
import type { AuditPolicyStep, OnFailure } from '../../routing/step.ts'
import type { AuditedRequest } from './audit-policy.ts'
import { ruleFor } from './audit-policy.ts'
import { endOfSpace, OPEN_OBJECT } from './json-ends.ts'
import { partsOf, rewritten } from './json-parts.ts'
import { lookUp } from './json-path.ts'
import type { Log } from './log.ts'
import { isOfGroup, jsonValue, textOf, textValue } from './log.ts'

/** The reason of logs that the policy does not want. */
const AUDIT_POLICY = 'k8s_audit_policy'

/**
 * Does to a recorded event of `audit.k8s.io` what kube-apiserver would have done under this policy: drops it, or lowers its
 * level and takes away the bodies that the level does not have. Other logs stay as they are.
 */
export function auditPolicy(log: Log, step: AuditPolicyStep): Log | OnFailure {
  const event = step.field === undefined ? flatEvent(log) : embeddedEvent(log, step.field)
  if (event === undefined) return log
  if (event === 'malformed') return step.onFailure
  const kind = event.text('kind')
  const isOfAudit = (event.text('apiVersion') ?? AUDIT_API).startsWith(AUDIT_API)
  if (kind !== 'Event' || !isOfAudit) return kind === 'EventList' && isOfAudit ? step.onFailure : log
  const recorded = (AUDIT_LEVELS as readonly unknown[]).indexOf(event.text('level'))
  if (recorded === -1) return step.onFailure
  const rule = ruleFor(step.policy, requestOf(event))
  const level = Math.min(recorded, AUDIT_LEVELS.indexOf(rule?.level ?? 'None'))
  if (rule === undefined || level === 0 || rule.omitStages.includes(event.text('stage') ?? '')) {
    return { ...log, fate: 'drop', reason: AUDIT_POLICY }
  }
  return event.changed((key, value) => {
    if (key === 'level' && level < recorded) return AUDIT_LEVELS[level]
    if (key === 'requestObject' && level < REQUEST) return undefined
    if (key === 'responseObject' && level <= REQUEST) return undefined
    const isBody = key === 'requestObject' || key === 'responseObject'
    return isBody && rule.omitManagedFields ? withoutManagedFields(value) : value
  })
}

const AUDIT_API = 'audit.k8s.io/'
const REQUEST = AUDIT_LEVELS.indexOf('Request')

/** An event with its members, wherever a log has them. */
interface RecordedEvent {
  /** The text that a member stands for. */
  readonly text: (key: string) => string | undefined
  /** The bytes of a member. An object is JSON. */
  readonly value: (key: string) => Buffer | undefined
  /** The log with these values. A string is a text, and `undefined` takes a member away. */
  readonly changed: (change: (key: string, value: Buffer) => Buffer | string | undefined) => Log
}

/** The event is the JSON of one field. */
function embeddedEvent(log: Log, field: string): RecordedEvent | 'malformed' | undefined {
  const found = log.members.get(field)
  if (found === undefined || found.bytes[endOfSpace(found.bytes, 0)] !== OPEN_OBJECT) return undefined
  const parts = isUtf8(found.bytes) ? partsOf(found.bytes) : undefined
  const members = new Map(parts?.map(({ key = '', value }) => [key, value]))
  // A key that stands twice says two things, and the SIEM may believe the other.
  if (parts === undefined || members.size < parts.length) return 'malformed'
  return {
    text: (key) => textOf({ bytes: members.get(key) ?? NULL, isJson: true }),
    value: (key) => members.get(key),
    changed(change) {
      const bytes = rewritten(found.bytes, parts, ({ key = '', value }) => {
        const now = change(key, value)
        return typeof now === 'string' ? Buffer.from(JSON.stringify(now)) : now
      })
      return bytes === found.bytes ? log : { ...log, members: new Map(log.members).set(field, { ...found, bytes }) }
    },
  }
}

/** The members of the event are the contents of the log. */
function flatEvent(log: Log): RecordedEvent {
  return {
    text: (key) => textOf(log.members.get(key) ?? { bytes: NULL, isJson: true }),
    value: (key) => log.members.get(key)?.bytes,
    changed(change) {
      const members = new Map(log.members)
      for (const [key, { bytes, isJson }] of log.members) {
        const now = isOfGroup(key) ? bytes : change(key, bytes)
        if (now === undefined) members.delete(key)
        else if (typeof now === 'string') members.set(key, isJson ? jsonValue(JSON.stringify(now)) : textValue(now))
        else if (now !== bytes) members.set(key, { bytes: now, isJson })
      }
      return { ...log, members }
    },
  }
}

function requestOf(event: RecordedEvent): AuditedRequest {
  const inside = (key: string, name: string): readonly string[] => {
    const found = event.value(key)
    return (found && lookUp(found, [name])?.texts.map(String)) ?? []
  }
  const ofObject = (name: string): string => inside('objectRef', name)[0] ?? ''
  const object = {
    apiGroup: ofObject('apiGroup'),
    resource: ofObject('resource'),
    subresource: ofObject('subresource'),
    namespace: ofObject('namespace'),
    name: ofObject('name'),
  }
  return {
    user: inside('user', 'username')[0],
    groups: inside('user', 'groups'),
    verb: event.text('verb') ?? '',
    object: event.value('objectRef')?.includes('{') ? object : undefined,
    path: pathOf(event.text('requestURI') ?? ''),
  }
}

function pathOf(uri: string): string {
  const [path = ''] = uri.split('?', 1)
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

/** Without the `metadata.managedFields` of an object, of the items of a list, and of the rows of a table. */
function withoutManagedFields(body: Buffer): Buffer {
  return MANAGED_FIELDS.reduce(without, body)
}

const MANAGED_FIELDS = [
  ['metadata', 'managedFields'],
  ['items', '*', 'metadata', 'managedFields'],
  ['rows', '*', 'object', 'metadata', 'managedFields'],
] as const

/** JSON text without the member at this path. `*` is every element of an array. */
function without(json: Buffer, [step, ...rest]: readonly string[]): Buffer {
  return rewritten(json, partsOf(json) ?? [], ({ key, value }) => {
    if (step !== (key ?? '*')) return value
    return rest.length === 0 ? undefined : without(value, rest)
  })
}

const NULL = Buffer.from('null')
