import pLimit from 'p-limit'
import { abortable } from '../../core/abortable.ts'
import type { Clock } from '../../core/clock.ts'
import type { Telemetry } from '../../core/telemetry.ts'

/** Plain answers in a row that earn one slot back. */
const ANSWERS_PER_SLOT = 10
const BREATH_MS = 250

/** Bounds the requests in flight, all endpoints together; fewer when HEC says that its queue is nearly full. */
export class SendSlots {
  readonly #most: number
  readonly #limit
  readonly #clock: Clock
  readonly #telemetry: Pick<Telemetry, 'notice'>
  #plainAnswers = 0
  #notBefore = 0

  constructor(most: number, clock: Clock, telemetry: Pick<Telemetry, 'notice'>) {
    this.#most = most
    this.#limit = pLimit(most)
    this.#clock = clock
    this.#telemetry = telemetry
  }

  /** Runs `task` in a slot. Rejects with the signal's reason as soon as it is aborted, also while waiting for the slot. */
  async run<T>(signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    const inSlot = async (): Promise<T> => {
      signal.throwIfAborted()
      const early = this.#notBefore - this.#clock.monotonic()
      if (early > 0) await this.#clock.sleep(early, signal)
      return await task()
    }
    return await abortable(this.#limit(inSlot), signal)
  }

  /** An answer came that asked for nothing, or (`slowDown`) said that the queue is filling up. */
  answered(slowDown: boolean): void {
    if (slowDown) this.#slower()
    else if (this.#limit.concurrency < this.#most && ++this.#plainAnswers >= ANSWERS_PER_SLOT) this.#faster()
  }

  #slower(): void {
    this.#plainAnswers = 0
    if (this.#limit.concurrency === 1) this.#notBefore = this.#clock.monotonic() + BREATH_MS
    else
      this.#change(Math.floor(this.#limit.concurrency / 2), 'HEC says its queue is nearly full: fewer requests at once')
  }

  #faster(): void {
    this.#plainAnswers = 0
    this.#change(this.#limit.concurrency + 1, 'HEC has room again: more requests at once')
  }

  #change(concurrency: number, message: string): void {
    this.#limit.concurrency = concurrency
    this.#telemetry.notice('info', message, { concurrency })
  }
}
