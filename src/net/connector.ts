import type { Socket } from 'node:net'
import type { PeerCertificate } from 'node:tls'
import { checkServerIdentity as checkName, TLSSocket } from 'node:tls'
import { buildConnector } from 'undici'
import { HungUp } from './hung-up.ts'
import { names } from './names.ts'
import type { ForwardProxy, Proxies } from './proxy.ts'
import { ProxyFailed, proxyFor, tunnel } from './proxy.ts'
import type { Tls, TlsConnectOptions } from './tls.ts'
import { failureOf, TlsFiles, tlsConnectOptions } from './tls.ts'

export interface ConnectorOptions {
  /** For a connection to stand, milliseconds. */
  readonly timeoutMs: number
  /** Public authorities and no certificate of our own unless given. */
  readonly tls?: Tls | undefined
  readonly proxies?: Proxies | undefined
  /** Another name of the same place: connected to where the origin's has no address, and accepted in the certificate. */
  readonly alias?: string | undefined
  /** Told about TLS files that were read again, or that cannot be used. */
  readonly notice?: ((level: 'info' | 'warn', message: string, details?: Record<string, unknown>) => void) | undefined
}

/**
 * Addresses of a name are tried one after the other. Node's 250 ms for each are too few for another continent. A quarter of
 * the whole time leaves room for a few that lead nowhere.
 */
const ATTEMPTS = 4
/** A server that has nothing to say against us may also say nothing. */
const WORD_MS = 1_000
const VERIFIED: Tls = { verify: true }

interface Built {
  readonly tls: Tls
  readonly connect: ReturnType<typeof buildConnector>
}

/** Opens the connections to one origin: finds its addresses, passes a proxy, shakes hands. */
export class Connector {
  /** What carries requests to an http:// origin; it wants the whole URL. */
  readonly forwardProxy: ForwardProxy | undefined
  readonly #tunnelProxy: ForwardProxy | undefined
  readonly #options: ConnectorOptions
  readonly #files: TlsFiles
  #isRefusalLikely = false
  #built: Built | undefined

  constructor(origin: string, options: ConnectorOptions) {
    const proxy = options.proxies && proxyFor(origin, options.proxies)
    this.#options = options
    this.#tunnelProxy = origin.startsWith('https:') ? proxy : undefined
    this.forwardProxy = this.#tunnelProxy ? undefined : proxy
    this.#files = new TlsFiles(options.tls ?? VERIFIED, (error) => this.#filesChanged(error))
  }

  /** As undici's `connect`. Fails with a `CertificateRefused`, a `ProxyFailed`, or the error of the network. */
  readonly connect: buildConnector.connector = (to, callback) => {
    if (this.#tunnelProxy) void this.#throughTunnel(to, this.#tunnelProxy, callback)
    else if (this.forwardProxy) this.#toProxy(this.forwardProxy, callback)
    else this.#direct(to, callback)
  }

  #direct(to: buildConnector.Options, callback: buildConnector.Callback): void {
    const { tls, connect } = this.#current()
    const socket = connect({ ...to, servername: tls.serverName ?? to.servername ?? '' }, (...[error, connected]) => {
      if (error) return callback(failureOf(socket, error), null)
      const { remoteFamily } = connected
      if (!to.httpSocket && remoteFamily) names.prefer(to.hostname, remoteFamily === 'IPv6' ? 6 : 4)
      return this.#welcomed(connected, callback)
    }) as unknown
  }

  /**
   * A connection ended before any answer came. With TLS 1.3 the server looks at our certificate after the handshake, and its
   * refusal may be lost when it closes while a request is on its way. So the next connection waits for its word first.
   */
  endedUnanswered(): void {
    this.#isRefusalLikely = true
  }

  answered(): void {
    this.#isRefusalLikely = false
  }

  /** A server that accepts a client sends a session ticket, most often. One that refuses it sends an alert. */
  #welcomed(socket: Socket | TLSSocket, callback: buildConnector.Callback): void {
    if (!this.#isRefusalLikely || !(socket instanceof TLSSocket) || socket.getProtocol() !== 'TLSv1.3') {
      callback(null, withoutCorks(socket))
      return
    }
    const over = (error?: Error): void => {
      clearTimeout(timer)
      socket.off('session', onSession).off('error', over).off('close', onClose)
      if (error) callback(error, null)
      else callback(null, withoutCorks(socket))
    }
    const onSession = (): void => over()
    const onClose = (): void => over(new HungUp('closed after the TLS handshake'))
    const timer = setTimeout(onSession, WORD_MS)
    socket.on('session', onSession).on('error', over).on('close', onClose)
  }

  /** One for all connections, since it remembers the TLS session. */
  #current(): Built {
    const tls = this.#files.current()
    const { alias } = this.#options
    if (this.#built?.tls !== tls) this.#built = { tls, connect: this.#build(alias, tlsConnectOptions(tls)) }
    return this.#built
  }

  #build(alias?: string, more?: TlsConnectOptions): ReturnType<typeof buildConnector> {
    const { timeoutMs } = this.#options
    const checkServerIdentity = (host: string, certificate: PeerCertificate): Error | undefined => {
      const wrong = checkName(host, certificate)
      return wrong && alias !== undefined && checkName(alias, certificate) === undefined ? undefined : wrong
    }
    const attempts = { autoSelectFamily: true, autoSelectFamilyAttemptTimeout: Math.ceil(timeoutMs / ATTEMPTS) }
    const lookup = names.lookupOr(alias)
    return buildConnector({ allowH2: false, timeout: timeoutMs, lookup, checkServerIdentity, ...attempts, ...more })
  }

  #toProxy(proxy: ForwardProxy, callback: buildConnector.Callback): void {
    const { protocol, hostname, host, port } = new URL(proxy.origin)
    // The alias is the origin's. A proxy without an address must not be sought there, with its credentials.
    const socket = this.#build()({ protocol, hostname: bare(hostname), host, port }, (...[error, connected]) => {
      if (error) callback(new ProxyFailed(proxy, failureOf(socket, error)), null)
      else callback(null, connected)
    }) as unknown
  }

  async #throughTunnel(
    to: buildConnector.Options,
    proxy: ForwardProxy,
    callback: buildConnector.Callback,
  ): Promise<void> {
    let socket: Socket | undefined
    try {
      socket = await new Promise<Socket>((resolve, reject) => {
        this.#toProxy(proxy, (...[error, connected]) => (error ? reject(error) : resolve(connected)))
      })
      const host = to.hostname.includes(':') ? `[${to.hostname}]` : to.hostname
      await tunnel(socket, proxy, `${host}:${to.port || 443}`, this.#options.timeoutMs)
    } catch (error) {
      socket?.on('error', () => {}).destroy()
      callback(error as Error, null)
      return
    }
    this.#direct({ ...to, httpSocket: socket }, callback)
  }

  #filesChanged(error: unknown): void {
    const files = Object.values(this.#options.tls?.files ?? {}).join(', ')
    if (error === undefined) this.#options.notice?.('info', 'TLS files have changed and are in use', { files })
    else {
      const message = 'TLS files have changed but cannot be used; those read before stay in use'
      this.#options.notice?.('warn', message, { files, error })
    }
  }
}

function bare(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1')
}

/**
 * undici corks head and body of a request together, and Node's TLS copies corked data into one piece first. With each batch
 * that is a megabyte allocated, zeroed, filled and freed. Uncorked, both are encrypted where they lie. (HTTPS both ways: a
 * quarter less CPU in all.)
 */
function withoutCorks<S extends Socket>(socket: S): S {
  if (socket instanceof TLSSocket) {
    socket.cork = () => {}
    socket.uncork = () => {}
  }
  return socket
}
