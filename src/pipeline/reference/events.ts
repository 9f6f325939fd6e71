import type { PullPosition } from '../../core/batch.ts'
import { eventIdPrefix } from '../event-id.ts'
import type { HecLayout } from '../hec-layout.ts'
import { constantMembers } from '../hec-layout.ts'
import { groupHash, logHash } from './content-hash.ts'
import type { LogGroup } from './log-group.ts'
import { contentsOf, timeOf } from './log-group.ts'

/** The members of an event by key, each as JSON: `"key":"value"`. An object would move keys like `10` to its front. */
type Members = Map<string, string>

/** Writes the events of one log group. */
export class GroupEvents {
  /** `"host":"…","source":"…",…` */
  readonly #constant: string
  /** The members that all events of the group share. */
  readonly #members: Members = new Map()
  readonly #idOf: (log: Buffer, logIndex: number) => string

  /** `index` is the group's place in the pull. */
  constructor(layout: HecLayout, at: PullPosition, group: LogGroup, index: number) {
    this.#constant = `"host":${JSON.stringify(layout.host ?? text(group.source))},${constantMembers(layout)}`
    set(this.#members, '__topic__', group.topic)
    set(this.#members, '__source__', group.source)
    for (const [key, value] of group.tags()) set(this.#members, `__tag__:${text(key)}`, value)

    const prefix = eventIdPrefix(at)
    if (at.firstGroup === undefined) {
      const shared = groupHash(at.shard, group)
      this.#idOf = (log) => prefix + logHash(shared, log)
    } else {
      const cursor = at.firstGroup + BigInt(index)
      this.#idOf = (_, logIndex) => `${prefix}${cursor}:${logIndex}`
    }
  }

  /** The envelope of a log, ending in `\n`; `index` is the log's place in the group. */
  eventOf(log: Buffer, index: number): Buffer {
    const { seconds, nanos } = timeOf(log)
    const members = new Map(this.#members)
    for (const [key, value] of contentsOf(log)) set(members, text(key), value)
    const time = `${seconds}.${String(nanos).padStart(9, '0')}`
    const id = JSON.stringify(this.#idOf(log, index))
    return Buffer.from(
      `{"time":${time},${this.#constant},"event":{${[...members.values()].join(',')}},"fields":{"sls_event_id":${id}}}\n`,
    )
  }
}

/** A later value wins, at the place of the first. */
function set(members: Members, key: string, value: Buffer): void {
  members.set(key, `${JSON.stringify(key)}:${JSON.stringify(text(value))}`)
}

/** Bytes that are not UTF-8 become U+FFFD. */
function text(bytes: Buffer): string {
  return bytes.toString()
}
