import type { Clock } from '../core/clock.ts'
import type { Fault } from '../core/errors.ts'
import { onOneLine } from '../core/text.ts'

/** Shorter failures pass by themselves: readiness must not flap with every retry. */
const TOLERATED_MS = 60_000

/** This process lacks something of its own. That does not pass like the faults of others. */
const OWN_FAULT = /^e[mn]file$/i
const OWN_TOLERATED_MS = 5_000

/** A replica may hold thousands of shards, and a probe reads the answer every few seconds. */
const MOST_LINES = 20

interface Stall {
  readonly of: 'sink' | 'pull'
  readonly what: string
  /** Monotonic milliseconds. */
  readonly since: number
  fault: Fault
}

/** Sinks and shards of which every attempt fails, whatever the class of the fault, and since when. */
export class Stalls {
  readonly #clock: Clock
  readonly #stalls = new Map<string, Stall>()
  /** When an attempt succeeded last. One that has been tried for longer does not count from before that. */
  readonly #endedAt = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** An attempt has waited for `seconds`. `what` says in words what does not happen; `fault` counts unless another is known. */
  waits(of: 'sink' | 'pull', name: string, what: string, fault: Fault, seconds: number): void {
    const id = `${of} ${name}`
    if (this.#stalls.has(id)) return
    const since = Math.max(this.#clock.monotonic() - seconds * 1000, this.#endedAt.get(id) ?? Number.NEGATIVE_INFINITY)
    this.#stalls.set(id, { of, what, since, fault })
  }

  /** An attempt failed that had been tried for `seconds`. */
  failed(of: 'sink' | 'pull', name: string, what: string, fault: Fault, seconds: number): void {
    this.waits(of, name, what, fault, seconds)
    const lasting = this.#stalls.get(`${of} ${name}`)
    if (lasting) lasting.fault = fault
  }

  /** One attempt succeeded, or there is none any more. */
  ended(of: 'sink' | 'pull', name: string): void {
    this.#stalls.delete(`${of} ${name}`)
    this.#endedAt.set(`${of} ${name}`, this.#clock.monotonic())
  }

  /** Whether it has lasted for so long that it is a reason. */
  lasts(of: 'sink' | 'pull', name: string): boolean {
    const stall = this.#stalls.get(`${of} ${name}`)
    return stall !== undefined && isLasting(stall, this.#clock.monotonic())
  }

  /** One line for each of the first that have lasted for a minute, or for seconds if descriptors are missing. */
  reasons(): string[] {
    const now = this.#clock.monotonic()
    // There are few sinks.
    const inOrder = [...this.#stalls.values()].toSorted((a, b) => Number(a.of === 'pull') - Number(b.of === 'pull'))
    const lasting = inOrder.filter((stall) => isLasting(stall, now))
    const lines = lasting.slice(0, MOST_LINES).map(({ what, since, fault: { message, advice } }) => {
      const remedy = advice === undefined ? '' : ` (${advice})`
      return onOneLine(`${what} for ${Math.round((now - since) / 1000)} s: ${message}${remedy}`)
    })
    return lasting.length <= MOST_LINES ? lines : [...lines, `${lasting.length - MOST_LINES} more like these`]
  }
}

function isLasting({ since, fault }: Stall, now: number): boolean {
  return now - since >= (OWN_FAULT.test(fault.code) ? OWN_TOLERATED_MS : TOLERATED_MS)
}
