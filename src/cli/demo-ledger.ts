import type { IndexedEvent } from '../emulator/hec/index.ts'
import type { SampleGroup } from '../emulator/sample-logs.ts'

export interface Verdict {
  written: number
  wanted: number
  delivered: number
  duplicated: number
  missing: number
  /** Delivered although the filter excludes it. */
  unwanted: number
  megabytes: number
  seconds: number
}

/**
 * Counts written and delivered logs outside the bridge. Each log carries a serial number. The writer notes it when SLS has
 * accepted the log, the receiver when it has indexed the event.
 */
export class DemoLedger {
  readonly #wantedTopics: ReadonlySet<string>
  readonly #missing = new Set<string>()
  readonly #early = new Set<string>()
  readonly #seen = new Map<string, number>()
  #written = 0
  #wanted = 0
  #unwanted = 0
  #delivered = 0
  #bytes = 0
  #firstAt = 0
  #lastAt = 0
  #wake: () => void = () => {}

  constructor(wantedTopics: readonly string[]) {
    this.#wantedTopics = new Set(wantedTopics)
  }

  get deliveredCount(): number {
    return this.#delivered
  }

  written(group: SampleGroup): void {
    this.#written += group.logs.length
    this.#wake()
    if (!this.#wantedTopics.has(group.topic)) return
    this.#wanted += group.logs.length
    for (const { content } of group.logs) {
      const serial = content['serial'] as string
      // The bridge may deliver a log before the writer gets its answer.
      if (!this.#early.delete(serial)) this.#missing.add(serial)
    }
  }

  delivered(events: readonly IndexedEvent[]): void {
    this.#firstAt ||= performance.now()
    this.#lastAt = performance.now()
    for (const { envelope } of events) {
      const log = envelope.event as Record<string, string>
      const serial = log['serial'] as string
      this.#delivered++
      for (const value of Object.values(log)) this.#bytes += value.length
      if (!this.#wantedTopics.has(log['__topic__'] as string)) this.#unwanted++
      const times = (this.#seen.get(serial) ?? 0) + 1
      this.#seen.set(serial, times)
      if (times === 1 && !this.#missing.delete(serial)) this.#early.add(serial)
    }
  }

  /** Resolves when half of `logs` are written. */
  async half(logs: number, signal: AbortSignal): Promise<void> {
    while (this.#written < logs / 2 && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }

  verdict(): Verdict {
    return {
      written: this.#written,
      wanted: this.#wanted,
      delivered: this.#delivered,
      duplicated: this.#delivered - this.#seen.size,
      missing: this.#missing.size,
      unwanted: this.#unwanted,
      megabytes: this.#bytes / 1e6,
      seconds: Math.max(0.001, (this.#lastAt - this.#firstAt) / 1000),
    }
  }
}
