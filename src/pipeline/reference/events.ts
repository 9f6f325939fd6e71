import type { PullPosition } from '../../core/batch.ts'
import { eventIdPrefix } from '../event-id.ts'
import type { HecLayout } from '../hec-layout.ts'
import { constantMembers } from '../hec-layout.ts'
import type { Program } from '../program.ts'
import { groupHash, logHash } from './content-hash.ts'
import type { GroupFacts, Log, Value } from './log.ts'
import { factsOf, readLog } from './log.ts'
import type { LogGroup } from './log-group.ts'
import { applyShape } from './shape.ts'

/** Writes the events of one log group. */
export class GroupEvents {
  /** `"host":"…","source":"…",…` */
  readonly #constant: string
  readonly #program: Program
  readonly #facts: GroupFacts
  readonly #idOf: (log: Buffer, logIndex: number) => string

  /** `index` is the group's place in the pull. */
  constructor(program: Program, layout: HecLayout, at: PullPosition, group: LogGroup, index: number) {
    this.#program = program
    this.#facts = factsOf(group, at)
    this.#constant = `"host":${JSON.stringify(layout.host ?? group.source.toString())},${constantMembers(layout, group.topic.toString())}`

    const prefix = eventIdPrefix(program.idScope, at)
    if (at.firstGroup === undefined) {
      const shared = groupHash(at.shard, group)
      this.#idOf = (log) => prefix + logHash(shared, log)
    } else {
      const cursor = at.firstGroup + BigInt(index)
      this.#idOf = (_, logIndex) => `${prefix}${cursor}:${logIndex}`
    }
  }

  /** The envelope of a log, ending in `\n`; `index` is the log's place in the group. */
  eventOf(bytes: Buffer, index: number): Buffer {
    const { reservedKeys, shape } = this.#program
    const log = applyShape(readLog(this.#facts, bytes, reservedKeys), shape, this.#facts.at.source)
    const id = this.#idOf(bytes, index)
    return Buffer.from(
      `{"time":${timeText(log)},${this.#constant},"event":${eventText(log)},"fields":${fields(log, id)}}\n`,
    )
  }
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
