import { Fault } from '../core/errors.ts'

/** So many bytes within one time limit are progress. No link that works is so slow; a server that drips is. */
const LEAST_BYTES = 16_384
/** Progress may restart the current time limit, but all of it together lasts at most this many times the limit. */
const MOST_TIMES = 5

/**
 * Ends one call when the caller gives up or time runs out, whichever comes first. `signal.reason` is then the caller's
 * reason, or a `transient` Fault `timeout`.
 */
export class Deadline {
  readonly #controller = new AbortController()
  readonly #outer: AbortSignal | undefined
  readonly #what: string
  #timer: NodeJS.Timeout | undefined
  #lastProgress = 0
  /** Bytes since the time limit last began. */
  #bytes = 0

  constructor(what: string, ms: number, outer: AbortSignal | undefined) {
    this.#what = what
    this.#outer = outer
    if (outer?.aborted) this.#follow()
    else outer?.addEventListener('abort', this.#follow, { once: true })
    this.start(ms)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Gives the call `ms` from now on. */
  start(ms: number): void {
    this.pause()
    this.#bytes = 0
    this.#lastProgress = performance.now() + (MOST_TIMES - 1) * ms
    if (!this.signal.aborted) this.#timer = setTimeout(() => this.#expire(ms), ms)
  }

  /** Only the caller ends the call now, until `start`. */
  pause(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** So many bytes more have arrived. Enough of them restart the time limit, as long as the call may last at all. */
  progress(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes < LEAST_BYTES || performance.now() >= this.#lastProgress) return
    this.#bytes = 0
    this.#timer?.refresh()
  }

  /** Must be called when the call is over, or the caller's signal remembers it for ever. */
  end(): void {
    this.pause()
    this.#outer?.removeEventListener('abort', this.#follow)
  }

  readonly #follow = (): void => {
    this.pause()
    this.#controller.abort(this.#outer?.reason)
  }

  #expire(ms: number): void {
    this.#controller.abort(new Fault('transient', `${this.#what} took longer than ${ms} ms`, { code: 'timeout' }))
  }
}
