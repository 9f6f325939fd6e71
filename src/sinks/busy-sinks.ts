import type { Telemetry } from '../core/telemetry.ts'

/** Counts the deliveries under way to each sink, and tells when there is none. A lease that ends may end the last one. */
export class BusySinks {
  readonly #telemetry: Pick<Telemetry, 'sinkIdle'>
  readonly #underWay = new Map<string, number>()

  constructor(telemetry: Pick<Telemetry, 'sinkIdle'>) {
    this.#telemetry = telemetry
  }

  async run<T>(sink: string, delivery: () => Promise<T>): Promise<T> {
    this.#add(sink, 1)
    try {
      return await delivery()
    } finally {
      if (this.#add(sink, -1) === 0) this.#telemetry.sinkIdle(sink)
    }
  }

  #add(sink: string, count: 1 | -1): number {
    const sum = (this.#underWay.get(sink) ?? 0) + count
    this.#underWay.set(sink, sum)
    return sum
  }
}
