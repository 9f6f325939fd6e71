import type { Clock } from '../../core/clock.ts'
import { Fault } from '../../core/errors.ts'

/** So soon after the handshake, and so often, a reset is about the connection and not about what is sent. */
const AT_ONCE_MS = 1_000
const MOST_RESETS = 3

/**
 * Counts connections that a collector resets right after their TLS handshake. A server of TLS 1.3 looks at our certificate only
 * then, and some say nothing of what they find. One that has ever confirmed anything takes our certificate.
 */
export class LateRefusal {
  readonly #url: string
  readonly #clock: Clock
  #resets = 0
  #isTrusted = false

  constructor(url: string, clock: Clock) {
    this.#url = url
    this.#clock = clock
  }

  confirmed(): void {
    this.#isTrusted = true
  }

  /** A connection that was opened at `since`, by the monotonic clock, was reset. */
  wasReset(since: number): void {
    const isTls = /^(relp\+)?tls:/.test(this.#url)
    if (isTls && !this.#isTrusted && this.#clock.monotonic() - since < AT_ONCE_MS) this.#resets++
  }

  /** The fault to report: one of the configuration, if there was a reset too many. */
  faultOf(error: unknown): unknown {
    if (!(error instanceof Fault && error.code === 'syslog_reset') || this.#resets < MOST_RESETS) return error
    const message = `${this.#url} has reset ${MOST_RESETS} connections right after their TLS handshake, and has never confirmed anything`
    return new Fault('configuration', message, {
      code: 'syslog_tls_reset',
      cause: error,
      advice:
        'It probably wants another client certificate, or any: set SYSLOG_TLS_CERT_FILE and SYSLOG_TLS_KEY_FILE. The log of the collector says why.',
    })
  }
}
