import type { Clock } from '../../core/clock.ts'
import { sleepUnlessAborted } from '../../core/clock.ts'
import { Fault } from '../../core/errors.ts'
import type { PauseKey } from '../../core/telemetry.ts'

/** A sink that is paused and settles nothing for so long is given up. */
const PATIENCE_MS = 60_000

interface Wait {
  readonly end: AbortController
  /** Faults of its pauses, by reason. */
  readonly faults: Map<string, Fault>
  /** Its last event was settled, or its first pause began. */
  since: number
}

/**
 * How long a replay waits for each sink. A replica waits until somebody has acted. A replay ends and says why, since its
 * events are safe where they are.
 */
export class Patience {
  readonly #clock: Clock
  readonly #waits = new Map<string, Wait>()
  readonly #stop = new AbortController()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Aborted, with the reason, when the sink is given up. */
  endOf(sink: string): AbortSignal {
    return this.#of(sink).end.signal
  }

  settled(sink: string): void {
    this.#of(sink).since = this.#clock.monotonic()
  }

  paused({ reason, scope }: PauseKey, fault: Fault): void {
    // A single event that is held holds nothing else back.
    if (!('sink' in scope) || reason === 'event_held') return
    const wait = this.#of(scope.sink)
    const isFirst = wait.faults.size === 0
    wait.faults.set(reason, fault)
    if (!isFirst) return
    wait.since = this.#clock.monotonic()
    void this.#watch(scope.sink, wait)
  }

  resumed({ reason, scope }: PauseKey): void {
    if ('sink' in scope) this.#of(scope.sink).faults.delete(reason)
  }

  close(): void {
    this.#stop.abort()
  }

  async #watch(sink: string, wait: Wait): Promise<void> {
    const left = (): number => wait.since + PATIENCE_MS - this.#clock.monotonic()
    const stop = AbortSignal.any([this.#stop.signal, wait.end.signal])
    while (left() > 0 && (await sleepUnlessAborted(this.#clock, left(), stop)) && wait.faults.size > 0) {}
    const [fault] = wait.faults.values()
    if (fault === undefined || stop.aborted) return
    const text = `nothing was delivered to ${sink} for ${PATIENCE_MS / 1000} s: ${fault.message}`
    wait.end.abort(new Fault('lease', text, { code: fault.code, cause: fault }))
  }

  #of(sink: string): Wait {
    const known = this.#waits.get(sink)
    const wait = known ?? { end: new AbortController(), faults: new Map<string, Fault>(), since: 0 }
    if (known === undefined) this.#waits.set(sink, wait)
    return wait
  }
}
