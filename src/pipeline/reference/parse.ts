import { isUtf8 } from 'node:buffer'
import type { KvStep, LineShape, OnFailure, ParseStep } from '../../routing/step.ts'
import { parseApacheCombined, parseApacheCommon, parseApacheError } from '../lines/apache.ts'
import { parseCef } from '../lines/cef.ts'
import { parseCri, parseKlog, parseSysdig } from '../lines/containers.ts'
import { parseIptables } from '../lines/iptables.ts'
import { parseKeyValue, parseLogfmt } from '../lines/key-value.ts'
import type { Fields } from '../lines/line.ts'
import { parseSyslog, parseSyslog3164, parseSyslog5424 } from '../lines/syslog.ts'
import { compactJson, membersOf } from './json.ts'
import type { Log, Members } from './log.ts'
import { jsonValue, textOf, textValue } from './log.ts'
import { valueAt } from './path-value.ts'

export const PARSERS: Readonly<Record<LineShape, (line: string) => Fields | undefined>> = {
  apache_common: parseApacheCommon,
  apache_combined: parseApacheCombined,
  apache_error: parseApacheError,
  nginx_combined: parseApacheCombined,
  syslog_3164: parseSyslog3164,
  syslog_5424: parseSyslog5424,
  syslog: parseSyslog,
  iptables: parseIptables,
  klog: parseKlog,
  docker_json: parseDockerJson,
  cri: parseCri,
  sysdig: parseSysdig,
  logfmt: parseLogfmt,
  cef: parseCef,
}

export function parse(log: Log, { field, as, prefix, onFailure }: ParseStep): Log | OnFailure {
  const line = lineAt(field, log)
  if (line === undefined) return log
  const fields = line === NOT_TEXT ? undefined : PARSERS[as](line)
  return fields === undefined ? onFailure : { ...log, members: withFields(log.members, fields, prefix) }
}

/** A text without pairs is no failure. */
export function keyValue(log: Log, step: KvStep): Log | OnFailure {
  const { field, prefix, includeKeys, fieldSplit, valueSplit, onFailure } = step
  const line = lineAt(field, log)
  if (line === undefined) return log
  if (line === NOT_TEXT) return onFailure
  const found = parseKeyValue(line, fieldSplit, valueSplit)
  const fields = includeKeys === undefined ? found : new Map([...found].filter(([key]) => includeKeys.has(key)))
  return { ...log, members: withFields(log.members, fields, prefix) }
}

export const NOT_TEXT = Symbol('not text')

/** The one text at this path, without the end of its line. `undefined` if the field is absent. */
export function lineAt(path: ParseStep['field'], log: Log): string | typeof NOT_TEXT | undefined {
  const found = valueAt(path, log)
  if (found === undefined) return undefined
  const [bytes, ...more] = found.texts
  if (bytes === undefined || more.length > 0 || !isUtf8(bytes)) return NOT_TEXT
  return bytes.toString().replace(/\r?\n$/, '')
}

export function withFields(members: Members, fields: Fields, prefix: string): Members {
  const result = new Map(members)
  for (const [name, value] of fields) result.set(`${prefix}${name}`, textValue(value))
  return result
}

/** `{"log":"message\n","stream":"stdout","time":"2016-10-06T00:17:09.669794202Z"}`, as Docker writes files. */
function parseDockerJson(line: string): Fields | undefined {
  const compact = compactJson(line)
  const members = new Map(compact === undefined ? [] : membersOf(compact))
  const fields = new Map<string, string>()
  for (const name of ['log', 'stream', 'time']) {
    const value = members.get(name)
    if (value === undefined || !value.startsWith('"')) return undefined
    fields.set(name, (textOf(jsonValue(value)) ?? '').replace(/\n$/, ''))
  }
  return fields
}
