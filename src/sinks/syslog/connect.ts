import type { Socket } from 'node:net'
import { connect as connectTcp, isIP } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { connect as connectTls } from 'node:tls'
import type { Clock } from '../../core/clock.ts'
import { sleepUnlessAborted } from '../../core/clock.ts'
import { Fault } from '../../core/errors.ts'
import type { Telemetry } from '../../core/telemetry.ts'
import { names } from '../../net/names.ts'
import { networkFault, variablesOf } from '../../net/network-fault.ts'
import type { Tls } from '../../net/tls.ts'
import { failureOf, TlsFiles, tlsConnectOptions } from '../../net/tls.ts'

/** For a connection to stand, TLS included. */
const TIMEOUT_MS = 10_000
/** Addresses of a name are tried one after the other. */
const ATTEMPTS = 4
export const SYSLOG_SETTINGS = variablesOf('SYSLOG')

export interface DialerOptions {
  /** `tcp://`, `tls://`, `relp://` or `relp+tls://`, host and port. */
  readonly url: string
  readonly tls: Tls
  /** Whose connection is counted when it is refused. */
  readonly sink: string
  readonly clock: Clock
  readonly telemetry: Pick<Telemetry, 'connectionEnded' | 'notice'>
}

/** Opens the connections to one collector. Its name is resolved, and the files of TLS are looked at, for each of them. */
export class Dialer {
  readonly #options: DialerOptions
  readonly #files: TlsFiles

  constructor(options: DialerOptions) {
    this.#options = options
    this.#files = new TlsFiles(options.tls, (error) => this.#filesChanged(error))
  }

  /** Rejects with a Fault, or with the signal's reason. */
  async open(signal: AbortSignal): Promise<Socket> {
    signal.throwIfAborted()
    const { url, sink, clock, telemetry } = this.#options
    const over = new AbortController()
    const isTls = /^(relp\+)?tls:/.test(url)
    const socket = isTls ? this.#tls() : this.#tcp()
    const aborted = (): void => void socket.destroy(signal.reason as Error)
    signal.addEventListener('abort', aborted, { once: true })
    void sleepUnlessAborted(clock, TIMEOUT_MS, over.signal).then((late) => {
      if (late)
        socket.destroy(Object.assign(new Error(`not connected within ${TIMEOUT_MS / 1000} s`), { code: 'timeout' }))
    })
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once(isTls ? 'secureConnect' : 'connect', resolve).once('error', reject)
      })
      socket.removeAllListeners('error')
      return socket
    } catch (error) {
      signal.throwIfAborted()
      telemetry.connectionEnded(sink, 'refused')
      throw faultOf(failureOf(socket, error as Error), url, isTls)
    } finally {
      over.abort()
      signal.removeEventListener('abort', aborted)
    }
  }

  #tcp(): Socket {
    return connectTcp({ ...this.#place, allowHalfOpen: true })
  }

  #tls(): Socket {
    const { host } = this.#place
    const name = isIP(host) === 0 ? { servername: host } : {}
    const options = { ...this.#place, allowHalfOpen: true, ...name, ...tlsConnectOptions(this.#files.current()) }
    return connectTls(options as ConnectionOptions)
  }

  get #place() {
    const { hostname, port } = new URL(this.#options.url)
    return {
      host: hostname.replace(/^\[(.*)\]$/, '$1'),
      port: Number(port),
      lookup: names.lookupOr(),
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: TIMEOUT_MS / ATTEMPTS,
    }
  }

  #filesChanged(error: unknown): void {
    const { tls, telemetry } = this.#options
    const files = Object.values(tls.files ?? {}).join(', ')
    if (error === undefined) telemetry.notice('info', 'TLS files have changed and are in use', { files })
    else {
      const message = 'TLS files have changed but cannot be used; those read before stay in use'
      telemetry.notice('warn', message, { files, error })
    }
  }
}

/** A port without TLS closes, or says nothing, when it gets a TLS greeting. So does one that is starting. */
function faultOf(error: Error, url: string, isTls: boolean): Fault {
  const fault = networkFault(error, { sent: false, answering: false }, url, SYSLOG_SETTINGS)
  const isSilent = isTls && (fault.code === 'ECONNRESET' || fault.code === 'timeout')
  if (!isSilent) return fault
  return new Fault('transient', `no TLS handshake with ${url}: ${error.message}`, {
    code: fault.code,
    cause: error,
    advice: 'If it goes on: does this port speak TLS? Without it the URL is tcp://. Check host and port in SYSLOG_URL.',
  })
}
