import type { PullPosition } from '../../core/batch.ts'
import { eventIdPrefix } from '../event-id.ts'
import type { HecLayout } from '../hec-layout.ts'
import { constantMembers } from '../hec-layout.ts'
import { groupHash, logHash } from './content-hash.ts'
import type { Log, Value } from './log.ts'
import type { LogGroup } from './log-group.ts'

/** The ids of the events of one log group; `index` is the group's place in the pull. */
export class GroupIds {
  readonly #idOf: (log: Buffer, logIndex: number) => string

  constructor(scope: string, at: PullPosition, group: LogGroup, index: number) {
    const prefix = eventIdPrefix(scope, at)
    if (at.firstGroup === undefined) {
      const shared = groupHash(at.shard, group)
      this.#idOf = (log) => prefix + logHash(shared, log)
    } else {
      const cursor = at.firstGroup + BigInt(index)
      this.#idOf = (_, logIndex) => `${prefix}${cursor}:${logIndex}`
    }
  }

  /** `logIndex` is the log's place in the group. */
  idOf(log: Buffer, logIndex: number): string {
    return this.#idOf(log, logIndex)
  }
}

/** The envelope of a log, ending in `\n`. */
export function envelopeOf(log: Log, layout: HecLayout, id: string): Buffer {
  const ofGroup = (key: string): string => log.group.members.get(key)?.bytes.toString() ?? ''
  const host = JSON.stringify(layout.host ?? ofGroup('__source__'))
  return Buffer.from(
    `{"time":${timeText(log)},"host":${host},${constantMembers(layout, ofGroup('__topic__'))},"event":${eventText(log)},"fields":${fields(log, id)}}\n`,
  )
}

function timeText({ time: { seconds, nanos } }: Log): string {
  return `${seconds}.${String(nanos).padStart(9, '0')}`
}

function eventText({ raw, members }: Log): string {
  if (raw !== undefined) return jsonOf(raw)
  return `{${[...members].map(([key, value]) => `${JSON.stringify(key)}:${jsonOf(value)}`).join(',')}}`
}

/** Bytes that are not UTF-8 become U+FFFD. */
function jsonOf({ bytes, isJson }: Value): string {
  const text = bytes.toString()
  return isJson ? text : JSON.stringify(text)
}

/** Index-time fields. Splunk takes a list for a field with several values. */
function fields({ failures }: Log, id: string): string {
  const [failure, ...more] = new Set(failures.map(({ where, step }) => `${where}/${step}`))
  return JSON.stringify({ sls_event_id: id, sls_parse_error: more.length > 0 ? [failure, ...more] : failure })
}
