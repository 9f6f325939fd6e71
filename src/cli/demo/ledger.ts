import type { SampleGroup } from '../../emulator/sample-logs.ts'
import type { ActSink } from './act.ts'

/** Counts of one sink: the events that it had to get, and those that it got. */
export interface Verdict {
  readonly wanted: number
  readonly delivered: number
  readonly duplicated: number
  readonly deadLettered: number
  readonly missing: number
  /** Delivered although the sink must not get it. */
  readonly unwanted: number
}

/**
 * Counts the logs of one sink outside the bridge. Each log carries a serial number. The writer notes it when SLS has accepted
 * the log, the receiver when it has indexed the event.
 */
export class SinkLedger {
  readonly #wants: ActSink['wants']
  readonly #missing = new Set<string>()
  /** The bridge may deliver a log before the writer gets its answer. */
  readonly #early = new Set<string>()
  readonly #seen = new Set<string>()
  readonly #deadLettered = new Set<string>()
  #wanted = 0
  #unwanted = 0
  #delivered = 0
  #bytes = 0
  #firstAt = 0
  #lastAt = 0

  constructor({ wants }: Pick<ActSink, 'wants'>) {
    this.#wants = wants
  }

  written({ topic, logs }: Pick<SampleGroup, 'topic' | 'logs'>): void {
    for (const { content } of logs) {
      if (!this.#wants(topic, content)) continue
      this.#wanted++
      const serial = content['serial'] as string
      if (!this.#early.delete(serial)) this.#missing.add(serial)
    }
  }

  delivered(logs: readonly Readonly<Record<string, string>>[]): void {
    this.#firstAt ||= performance.now()
    this.#lastAt = performance.now()
    for (const log of logs) {
      const serial = log['serial'] as string
      this.#delivered++
      for (const value of Object.values(log)) this.#bytes += value.length
      if (!this.#wants(log['__topic__'] as string, log)) this.#unwanted++
      this.#arrived(serial)
      this.#seen.add(serial)
    }
  }

  /** A log that is told again counts once. */
  deadLettered(serial: string): void {
    this.#arrived(serial)
    this.#deadLettered.add(serial)
  }

  verdict(): Verdict {
    return {
      wanted: this.#wanted,
      delivered: this.#delivered,
      duplicated: this.#delivered - this.#seen.size,
      deadLettered: this.#deadLettered.size,
      missing: this.#missing.size,
      unwanted: this.#unwanted,
    }
  }

  get deliveredCount(): number {
    return this.#delivered
  }

  /** MB of contents a second, from the first event to the last. */
  get throughput(): number {
    return this.#bytes / 1e6 / Math.max(0.001, (this.#lastAt - this.#firstAt) / 1000)
  }

  #arrived(serial: string): void {
    if (this.#seen.has(serial) || this.#deadLettered.has(serial)) return
    if (!this.#missing.delete(serial)) this.#early.add(serial)
  }
}
