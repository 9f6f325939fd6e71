import pLimit from 'p-limit'
import { abortable } from '../core/abortable.ts'
import type { Clock } from '../core/clock.ts'
import type { Telemetry } from '../core/telemetry.ts'

/** Plain answers in a row that earn one slot back. */
const ANSWERS_PER_SLOT = 10
const BREATH_MS = 250

export interface SendSlotsOptions {
  readonly most: number
  /** Name of the other side in messages: `HEC`. */
  readonly peer: string
  readonly clock: Clock
  readonly telemetry: Pick<Telemetry, 'notice'>
}

/** Bounds the requests in flight, all endpoints together; fewer while the other side says that its queue is nearly full. */
export class SendSlots {
  readonly #options: SendSlotsOptions
  readonly #limit
  #plainAnswers = 0
  #notBefore = 0

  constructor(options: SendSlotsOptions) {
    this.#options = options
    this.#limit = pLimit(options.most)
  }

  /** Runs `task` in a slot. Rejects with the signal's reason as soon as it is aborted, also while waiting for the slot. */
  async run<T>(signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    const { clock } = this.#options
    const inSlot = async (): Promise<T> => {
      signal.throwIfAborted()
      const early = this.#notBefore - clock.monotonic()
      if (early > 0) await clock.sleep(early, signal)
      return await task()
    }
    return await abortable(this.#limit(inSlot), signal)
  }

  /** Counts an answer. `slowDown`: the server said that its queue fills up. */
  answered(slowDown: boolean): void {
    if (slowDown) this.#slower()
    else if (this.#limit.concurrency < this.#options.most && ++this.#plainAnswers >= ANSWERS_PER_SLOT) this.#faster()
  }

  #slower(): void {
    const { peer, clock } = this.#options
    const { concurrency } = this.#limit
    this.#plainAnswers = 0
    if (concurrency === 1) this.#notBefore = clock.monotonic() + BREATH_MS
    else this.#change(Math.floor(concurrency / 2), `${peer} says its queue is nearly full: fewer requests at once`)
  }

  #faster(): void {
    this.#plainAnswers = 0
    this.#change(this.#limit.concurrency + 1, `${this.#options.peer} has room again: more requests at once`)
  }

  #change(concurrency: number, message: string): void {
    this.#limit.concurrency = concurrency
    this.#options.telemetry.notice('info', message, { concurrency })
  }
}
