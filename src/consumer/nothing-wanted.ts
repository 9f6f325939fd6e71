import type { EncodeCounts } from '../core/batch.ts'
import type { Clock } from '../core/clock.ts'
import type { LogstoreRef } from '../core/shard.ts'
import type { Telemetry } from '../core/telemetry.ts'
import { escaped } from '../core/text.ts'
import { splitLogGroupList } from '../sls/log-group.ts'
import { BYTES, MessageReader } from '../sls/protobuf.ts'

const ENOUGH_LOGS = 1_000
const ENOUGH_MS = 10 * 60_000
const MOST_TOPICS = 100
const TOPIC_CHARACTERS = 100

export interface NothingWantedOptions {
  readonly logstore: LogstoreRef
  readonly clock: Clock
  readonly telemetry: Telemetry
}

/**
 * Warns once if a replica reads a logstore and filters and routes take none of its logs, after 1,000 logs or ten minutes. When a
 * log was taken, or the warning is out, it looks at nothing more, so a replica that works pays for the first pulls only.
 */
export class NothingWanted {
  readonly #options: NothingWantedOptions
  readonly #topics = new Map<string, number>()
  #logs = 0
  #others = 0
  #since: number | undefined
  #isOver = false

  constructor(options: NothingWantedOptions) {
    this.#options = options
  }

  /** A pull was encoded to its end: `body` is what it brought. */
  pulled(body: Buffer, { logs, filtered }: Pick<EncodeCounts, 'logs' | 'filtered'>): void {
    if (this.#isOver || logs === 0) return
    const { clock } = this.#options
    const dropped = [...filtered.values()].reduce((sum, count) => sum + count, 0)
    if (dropped < logs) {
      this.#end()
      return
    }
    this.#since ??= clock.monotonic()
    this.#logs += logs
    this.#count(body)
    if (this.#logs >= ENOUGH_LOGS || clock.monotonic() - this.#since >= ENOUGH_MS) this.#warn()
  }

  #count(body: Buffer): void {
    for (const group of splitLogGroupList(body)) {
      const { topic, logs } = topicOf(group)
      if (this.#topics.has(topic) || this.#topics.size < MOST_TOPICS) {
        this.#topics.set(topic, (this.#topics.get(topic) ?? 0) + logs)
      } else this.#others += logs
    }
  }

  #warn(): void {
    const { logstore, telemetry } = this.#options
    const { project, logstore: name } = logstore
    const topics = [...this.#topics]
      .toSorted(([, a], [, b]) => b - a)
      .map(([topic, logs]) => `${topic === '' ? '""' : escaped(topic)} ${logs}`)
    if (this.#others > 0) topics.push(`other ${this.#others}`)
    telemetry.notice(
      'warn',
      `nothing of ${project}/${name} is delivered: filters and routes took none of its ${this.#logs} logs so far. Compare these topics with FILTER_TOPICS, or topics and routes of the configuration file; sls-siem-bridge check shows what they take`,
      { project, logstore: name, logs: this.#logs, topics },
    )
    this.#end()
  }

  #end(): void {
    this.#isOver = true
    this.#topics.clear()
  }
}

/** As lenient as the engines, which have examined the body before. */
function topicOf(group: Buffer): { topic: string; logs: number } {
  let [topic, logs] = ['', 0]
  const reader = new MessageReader(group)
  while (reader.next()) {
    if (reader.field === 3 && reader.wire === BYTES) topic = reader.bytes().toString().slice(0, TOPIC_CHARACTERS)
    else {
      if (reader.field === 1 && reader.wire === BYTES) logs++
      reader.skip()
    }
  }
  return { topic, logs }
}
