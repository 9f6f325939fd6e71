import type { PullPosition } from '../../core/batch.ts'
import type { OnFailure, Step } from '../../routing/step.ts'
import type { Program } from '../program.ts'
import type { LogGroup } from './log-group.ts'
import { contentsOf, timeOf } from './log-group.ts'
import type { Time } from './time.ts'

/** A value of a log: text, which may have bytes that are not UTF-8, or JSON that stands in the event as it is. */
export interface Value {
  readonly bytes: Buffer
  readonly isJson: boolean
}

export function textValue(text: string | number): Value {
  return { bytes: Buffer.from(String(text)), isJson: false }
}

export function jsonValue(text: string): Value {
  return { bytes: Buffer.from(text), isJson: true }
}

/** As the text that steps see. `null` is absent, and a string is what it stands for. */
export function textOf({ bytes, isJson }: Value): string | undefined {
  const text = bytes.toString()
  if (!isJson) return text
  if (text === 'null') return undefined
  return text.startsWith('"') ? (JSON.parse(text) as string) : text
}

/** In the order of the event. A Map, since an object would move keys like `10` to its front. */
export type Members = ReadonlyMap<string, Value>

/** A log on its way from its bytes to its events. It never changes: a step makes another log. */
export interface Log {
  readonly group: GroupFacts
  /** When Log Service says that it was written. */
  readonly written: Time
  /** Bytes on the wire. */
  readonly size: number
  /** The time of the event. */
  readonly time: Time
  /** What the event has: `__topic__`, `__source__`, tags as `__tag__:K`, contents. */
  readonly members: Members
  /** Contents are called like its topic, its source or a tag. */
  readonly hasReservedKeys: boolean
  /** If set, the event is this value alone. */
  readonly raw?: Value
  /** In the order of the steps. */
  readonly failures: readonly Failure[]
  /** What a failed step makes of it, or one that drops logs on purpose. */
  readonly fate: OnFailure
  /** Why it is dropped on purpose. */
  readonly reason?: string
}

/** A step that could not do its work. It left the log as it was. */
interface Failure {
  /** Name of the route or the source whose shape has the step. */
  readonly where: string
  readonly step: Step['name']
}

/** What the logs of one group share. */
export interface GroupFacts {
  readonly at: PullPosition
  /** As Log Service has them: topic, source and tags under the keys of the event. Contents and steps do not change them. */
  readonly members: Members
}

export function factsOf(group: LogGroup, at: PullPosition): GroupFacts {
  const members = new Map<string, Value>([
    ['__topic__', asText(group.topic)],
    ['__source__', asText(group.source)],
  ])
  for (const [key, value] of group.tags()) members.set(`__tag__:${key}`, asText(value))
  return { at, members }
}

/** A later content wins, at the place of the first; also over topic, source and tags, unless reserved keys are renamed. */
export function readLog(group: GroupFacts, bytes: Buffer, reservedKeys: Program['reservedKeys']): Log {
  const members = new Map(group.members)
  let hasReservedKeys = false
  for (const [key, value] of contentsOf(bytes)) {
    const name = key.toString()
    const isReserved = isOfGroup(name)
    if (isReserved) hasReservedKeys = true
    members.set(isReserved && reservedKeys === 'rename' ? `__content__:${name}` : name, asText(value))
  }
  const written = timeOf(bytes)
  return { group, written, size: bytes.length, time: written, members, hasReservedKeys, failures: [], fate: 'keep' }
}

/** Whether a member is the topic, the source or a tag, by its key. */
export function isOfGroup(key: string): boolean {
  return key === '__topic__' || key === '__source__' || key.startsWith('__tag__:')
}

function asText(bytes: Buffer): Value {
  return { bytes, isJson: false }
}
