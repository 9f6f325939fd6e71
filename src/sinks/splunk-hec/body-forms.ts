import type { Clock } from '../../core/clock.ts'
import type { Telemetry } from '../../core/telemetry.ts'

/** After milder forms helped nothing they are left alone for so long: a bad event stays bad in every form. But for doubt. */
const HOPELESS_MS = 15_000

/** How a run of events is laid out as a body. */
export interface BodyForm {
  readonly gzip: boolean
  /** A line end after the last event. */
  readonly lineEnd: boolean
}

export interface BodyFormsOptions {
  readonly gzip: boolean
  readonly endpoint: string
  readonly clock: Pick<Clock, 'monotonic'>
  readonly telemetry: Pick<Telemetry, 'notice'>
}

/** The form of bodies that one endpoint understands. Something on the way may spoil the usual one for every event. */
export class BodyForms {
  readonly #options: BodyFormsOptions
  #form: BodyForm
  #hopelessUntil = 0

  constructor(options: BodyFormsOptions) {
    this.#options = options
    this.#form = { gzip: options.gzip, lineEnd: true }
  }

  get current(): BodyForm {
    return this.#form
  }

  isCurrent({ gzip, lineEnd }: BodyForm): boolean {
    return this.#form.gzip === gzip && this.#form.lineEnd === lineEnd
  }

  /**
   * Forms that may be understood where `refused` was not, the mildest change first. `inDoubt`: nothing was accepted since
   * the last event that was given up.
   */
  milder(refused: BodyForm, { lineEndInDoubt, inDoubt }: { lineEndInDoubt: boolean; inDoubt: boolean }): BodyForm[] {
    // Another delivery has found one meanwhile.
    if (!this.isCurrent(refused)) return [this.#form]
    if (!inDoubt && this.#options.clock.monotonic() < this.#hopelessUntil) return []
    const { gzip, lineEnd } = this.#form
    const forms: BodyForm[] = []
    if (gzip) forms.push({ gzip: false, lineEnd })
    if (lineEnd && lineEndInDoubt) {
      forms.push({ gzip, lineEnd: false })
      if (gzip) forms.push({ gzip: false, lineEnd: false })
    }
    return forms
  }

  /** The endpoint takes this form, and not the current one. */
  learn(form: BodyForm): void {
    const { endpoint, telemetry } = this.#options
    if (this.#form.gzip && !form.gzip) {
      telemetry.notice('warn', 'HEC does not take gzip; sending uncompressed there', { endpoint })
    }
    if (this.#form.lineEnd && !form.lineEnd) {
      telemetry.notice('warn', 'HEC does not take a line end after the last event; sending none there', { endpoint })
    }
    this.#form = form
  }

  /** No form was taken. */
  hopeless(): void {
    this.#hopelessUntil = this.#options.clock.monotonic() + HOPELESS_MS
  }
}
