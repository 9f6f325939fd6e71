import type { TopicLogs } from '../core/batch.ts'
import { escaped } from '../core/text.ts'

/** More would fill memory and page: whoever writes logs chooses their topics. */
const MOST_TOPICS = 100
const TOPIC_CHARACTERS = 100

export interface TopicShown {
  source: string
  /** `null`: all topics beyond the first hundred of the source. */
  topic: string | null
  logs: number
  /** Of these, those whose log group is read, and those that are dropped by topic, source and tags alone. */
  wanted: number
  dropped: number
}

/** Logs of each source by topic. */
export class Topics {
  readonly #sources = new Map<string, Map<string | null, TopicLogs>>()

  add(source: string, seen: ReadonlyMap<string, TopicLogs>): void {
    const topics = this.#sources.get(source) ?? new Map<string | null, TopicLogs>()
    this.#sources.set(source, topics)
    for (const [name, { logs, dropped }] of seen) {
      const known = escaped(name.slice(0, TOPIC_CHARACTERS))
      const topic = topics.has(known) || topics.size - Number(topics.has(null)) < MOST_TOPICS ? known : null
      const before = topics.get(topic) ?? { logs: 0, dropped: 0 }
      topics.set(topic, { logs: before.logs + logs, dropped: before.dropped + dropped })
    }
  }

  /** Those with most logs first, and last what is counted together. */
  shown(): TopicShown[] {
    return [...this.#sources].flatMap(([source, topics]) =>
      [...topics]
        .toSorted(([one, { logs: a }], [other, { logs: b }]) => Number(one === null) - Number(other === null) || b - a)
        .map(([topic, { logs, dropped }]) => ({ source, topic, logs, wanted: logs - dropped, dropped })),
    )
  }
}
