import type { SlsApi } from '../../src/sls/errors.ts'

interface Tally {
  requests: number
  bytes: number
}

/** The requests of a fleet to Log Service, by simulated second. Bytes are bytes of JSON answers. */
export class Traffic {
  readonly #now: () => number
  readonly #seconds = new Map<SlsApi, Map<number, Tally>>()

  /** The most calls that one replica had under way at a time since this was last set. Each needs a connection. */
  mostUnderWay = 0

  constructor(now: () => number) {
    this.#now = now
  }

  count(api: SlsApi, bytes: number): void {
    let seconds = this.#seconds.get(api)
    if (!seconds) {
      seconds = new Map()
      this.#seconds.set(api, seconds)
    }
    const second = Math.floor(this.#now() / 1000)
    const tally = seconds.get(second)
    if (tally) {
      tally.requests++
      tally.bytes += bytes
    } else seconds.set(second, { requests: 1, bytes })
  }

  underWay(calls: number): void {
    this.mostUnderWay = Math.max(this.mostUnderWay, calls)
  }

  /** Between two simulated instants (ms): requests and answer bytes per second, and the busiest second. */
  between(from: number, to: number, apis: readonly SlsApi[]): { mean: number; peak: number; bytes: number } {
    const perSecond = new Map<number, number>()
    let bytes = 0
    let requests = 0
    for (const api of apis) {
      for (const [second, tally] of this.#seconds.get(api) ?? []) {
        if (second * 1000 < from || second * 1000 >= to) continue
        perSecond.set(second, (perSecond.get(second) ?? 0) + tally.requests)
        requests += tally.requests
        bytes += tally.bytes
      }
    }
    const seconds = (to - from) / 1000
    const peak = [...perSecond.values()].reduce((most, count) => Math.max(most, count), 0)
    return { mean: requests / seconds, peak, bytes: bytes / seconds }
  }
}
