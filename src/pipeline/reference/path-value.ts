import type { LogstoreRef } from '../../core/shard.ts'
import type { Path, Reading } from '../../routing/path.ts'
import type { Found } from './json-path.ts'
import { lookUp, wholeValue } from './json-path.ts'
import type { GroupFacts, Log, Value } from './log.ts'
import { textValue } from './log.ts'

/** The value of a log at this path; `undefined` if it is absent. */
export function valueAt(path: Path, log: Log): Found | undefined {
  return firstOf(path, ({ of, key }) => {
    if (of === 'content') return log.members.get(key)
    if (of === 'bridge' && key === '@time') return textValue(log.time.seconds)
    if (of === 'bridge' && key === '@size') return textValue(log.size)
    return memberOf(log.group, of, key)
  })
}

/** The same for a path at which all logs of the group have one value. */
export function groupValueAt(path: Path, group: GroupFacts): Found | undefined {
  return firstOf(path, ({ of, key }) => memberOf(group, of, key))
}

/** The same for a path at which all logs of the logstore have one value. */
export function logstoreValueAt(path: Path, at: LogstoreRef): Found | undefined {
  return firstOf(path, ({ key }) => bridgeValue(at, key))
}

function memberOf(group: GroupFacts, of: Reading['of'], key: string): Value | undefined {
  switch (of) {
    case 'topic':
    case 'source':
      return group.members.get(key)
    case 'tag':
      return group.members.get(`__tag__:${key}`)
    case 'bridge':
      return bridgeValue(group.at, key)
    case 'content':
      return undefined
  }
}

function bridgeValue(at: LogstoreRef & { readonly shard?: number }, key: string): Value | undefined {
  switch (key) {
    case '@project':
      return textValue(at.project)
    case '@logstore':
      return textValue(at.logstore)
    case '@source':
      return textValue(at.source)
    case '@shard':
      return at.shard === undefined ? undefined : textValue(at.shard)
    default:
      return undefined
  }
}

function firstOf({ readings }: Path, member: (reading: Reading) => Value | undefined): Found | undefined {
  for (const reading of readings) {
    const value = member(reading)
    if (value === undefined) continue
    if (reading.rest.length > 0) return lookUp(value.bytes, reading.rest)
    return value.isJson ? wholeValue(value.bytes) : { texts: [value.bytes], isList: false }
  }
  return undefined
}
