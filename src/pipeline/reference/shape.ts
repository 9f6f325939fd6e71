import { isUtf8 } from 'node:buffer'
import type { AddStep, JsonStep, OnFailure, RenameStep, Step, TimeStep } from '../../routing/step.ts'
import { auditPolicy } from './audit-event.ts'
import { docker } from './docker.ts'
import { geoip } from './geoip.ts'
import { grok } from './grok.ts'
import { compactJson, membersOf } from './json.ts'
import type { Log, Members, Value } from './log.ts'
import { isOfGroup, jsonValue, textOf, textValue } from './log.ts'
import { keyValue, parse } from './parse.ts'
import { fill, textAt } from './template.ts'
import { lowercased, replace } from './texts.ts'
import { timeIn } from './time.ts'

/**
 * Applies steps in order; `where` names the route or source. A step that fails leaves the log as it was, and notes that. No
 * step follows one that decides that the log does not go on.
 */
export function applyShape(log: Log, steps: readonly Step[], where: string): Log {
  let shaped = log
  for (const step of steps) {
    if (shaped.fate !== 'keep') break
    const result = apply(shaped, step)
    if (typeof result === 'object') shaped = result
    else shaped = { ...shaped, failures: [...shaped.failures, { where, step: step.name }], fate: result }
  }
  return shaped
}

/** Another log, or what becomes of it because the step failed. */
function apply(log: Log, step: Step): Log | OnFailure {
  switch (step.name) {
    case 'json':
      return json(log, step)
    case 'parse':
      return parse(log, step)
    case 'geoip':
      return geoip(log, step)
    case 'grok':
      return grok(log, step)
    case 'kv':
      return keyValue(log, step)
    case 'time':
      return time(log, step)
    case 'rename':
      return { ...log, members: renamed(log.members, step) }
    case 'remove':
      return { ...log, members: chosen(log.members, (key) => !step.fields.has(key)) }
    case 'keep':
      return { ...log, members: chosen(log.members, (key) => step.fields.has(key) || isOfGroup(key)) }
    case 'add':
      return { ...log, members: added(log, step) }
    case 'replace':
      return replace(log, step)
    case 'lowercase':
      return { ...log, members: lowercased(log.members, step) }
    case 'k8s_audit_policy':
      return auditPolicy(log, step)
    case 'docker':
      return docker(log, step)
    case 'raw':
      return raw(log, step.field)
  }
}

function json(log: Log, { fields, into, required, onFailure }: JsonStep): Log | OnFailure {
  const members = new Map(log.members)
  for (const key of fields === '*' ? [...members.keys()].filter((each) => !isOfGroup(each)) : fields) {
    const value = members.get(key)
    if (value === undefined) continue
    const text = isUtf8(value.bytes) ? compactJson(textOf(value) ?? '') : undefined
    if (text !== undefined) members.set(key, jsonValue(text))
    else if (required) return onFailure
  }
  return { ...log, members: into === 'merge' ? merged(members, fields) : members }
}

/** Puts the members of each object in its place, except for those whose key is there already. Of equal keys the last counts. */
function merged(members: Members, fields: JsonStep['fields']): Members {
  const objects = new Map<string, [string, string][]>()
  for (const [key, { isJson, bytes }] of members) {
    const inner =
      isJson && (fields === '*' ? !isOfGroup(key) : fields.includes(key)) ? membersOf(bytes.toString()) : undefined
    if (inner !== undefined) objects.set(key, inner)
  }
  const result = new Map<string, Value>()
  for (const [key, value] of members) {
    const inner = objects.get(key)
    if (inner === undefined) result.set(key, value)
    else
      for (const [name, text] of inner) if (!members.has(name) || objects.has(name)) result.set(name, jsonValue(text))
  }
  return result
}

function time(log: Log, { field, formats, zone, onFailure }: TimeStep): Log | OnFailure {
  const text = textAt(field, log)
  if (text === undefined) return log
  const found = timeIn(text, formats, { zone, written: log.written.seconds })
  return found === undefined ? onFailure : { ...log, time: found }
}

/** All at once, so that two can change their names. A field keeps its place, and replaces one that had the name before. */
function renamed(members: Members, { names }: RenameStep): Members {
  const taken = new Set<string>()
  for (const [old, name] of names) if (members.has(old)) taken.add(name)
  const result = new Map<string, Value>()
  for (const [key, value] of members) {
    const name = names.get(key)
    if (name !== undefined || !taken.has(key)) result.set(name ?? key, value)
  }
  return result
}

function chosen(members: Members, isWanted: (key: string) => boolean): Members {
  return new Map([...members].filter(([key]) => isWanted(key)))
}

/** Every text is made of the log as it was before the step. */
function added(log: Log, { values }: AddStep): Members {
  const result = new Map(log.members)
  for (const [key, template] of values) result.set(key, textValue(fill(template, log)))
  return result
}

/** HEC refuses a blank event, so a blank field leaves the event whole. */
function raw(log: Log, field: string): Log {
  const value = log.members.get(field)
  return value === undefined || (textOf(value) ?? '').trim() === '' ? log : { ...log, raw: value }
}
