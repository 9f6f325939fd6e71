import { BlockList, isIP, isIPv6 } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Secret } from '../core/secret.ts'
import { beginningOf } from '../core/text.ts'

/** A forward proxy. */
export interface ForwardProxy {
  /** `http(s)://host:port`, without credentials. */
  readonly origin: string
  /** Value of `Proxy-Authorization`. */
  readonly authorization?: Secret
}

/** `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` as they were given. */
export interface Proxies {
  readonly http?: ForwardProxy
  readonly https?: ForwardProxy
  readonly except: readonly string[]
}

/** The proxy for connections to `origin`, if there is one. */
export function proxyFor(origin: string, { http, https, except }: Proxies): ForwardProxy | undefined {
  const url = new URL(origin)
  const proxy = url.protocol === 'https:' ? https : http
  return proxy && !except.some((entry) => isExcept(url, entry)) ? proxy : undefined
}

/** What a proxy that repeats our request would show. */
export function secretsOf({ http, https }: Partial<Proxies> = {}): Secret[] {
  return [http?.authorization, https?.authorization].filter((secret) => secret !== undefined)
}

/** The proxies as variables, for the agents of Node. */
export function environmentOf({ http, https, except }: Proxies): Record<string, string> {
  return {
    ...(http && { HTTP_PROXY: urlOf(http) }),
    ...(https && { HTTPS_PROXY: urlOf(https) }),
    NO_PROXY: except.join(),
  }
}

function urlOf({ origin, authorization }: ForwardProxy): string {
  const url = new URL(origin)
  const pair = Buffer.from(authorization?.reveal().replace('Basic ', '') ?? '', 'base64').toString()
  const colon = pair.indexOf(':')
  // The setters would leave a % as it is, and the agents decode it.
  const [username, password] = [pair.slice(0, colon), pair.slice(colon + 1)].map(encodeURIComponent)
  if (colon >= 0) Object.assign(url, { username, password })
  return url.href
}

/**
 * Whether an entry of `NO_PROXY` matches: `*`, a name with its subdomains (with or without a dot before it), an address, a
 * network (`10.0.0.0/8`); all but networks optionally with a port.
 */
function isExcept({ hostname, port, protocol }: URL, entry: string): boolean {
  if (entry === '*') return true
  const host = hostname.replace(/^\[|\]$/g, '')
  const network = /^\[?([^[\]/]+)\]?\/(\d{1,3})$/.exec(entry)
  if (network) return isIP(host) !== 0 && contains(network[1] as string, Number(network[2]), host)
  const [, name = '', itsPort] = isIPv6(entry) ? [entry, entry] : (/^(.*?)(?::(\d+))?$/.exec(entry) ?? [])
  if (itsPort !== undefined && itsPort !== (port || (protocol === 'https:' ? '443' : '80'))) return false
  const plain = name.toLowerCase().replace(/^\[|\]$/g, '')
  if (isIP(host) !== 0) return isIP(plain) !== 0 && contains(plain, isIPv6(plain) ? 128 : 32, host)
  const suffix = plain.replace(/^\*?\./, '')
  return suffix !== '' && (host === suffix || host.endsWith(`.${suffix}`))
}

function contains(network: string, prefix: number, address: string): boolean {
  const family = (of: string) => (isIPv6(of) ? 'ipv6' : 'ipv4')
  const list = new BlockList()
  try {
    list.addSubnet(network, prefix, family(network))
  } catch {
    return false // not a network
  }
  return list.check(address, family(address))
}

/** A proxy could not be reached, or does not pass us on. */
export class ProxyFailed extends Error {
  override readonly name = 'ProxyFailed'
  readonly code: string
  /** Of its answer, if there was one. */
  readonly status: number | undefined

  constructor(proxy: ForwardProxy, failure: Error | { readonly status: number; readonly line?: string }) {
    const isAnswer = !(failure instanceof Error)
    const said = isAnswer ? `it answers ${failure.line ?? `HTTP ${failure.status}`}` : failure.message
    super(`proxy ${proxy.origin}: ${said}`, isAnswer ? {} : { cause: failure })
    this.status = isAnswer ? failure.status : undefined
    this.code = isAnswer ? `PROXY_${failure.status}` : ((failure as NodeJS.ErrnoException).code ?? 'PROXY_FAILED')
  }
}

const LONGEST_HEAD_BYTES = 16 << 10
const SHOWN_CHARACTERS = 100

/** Asks the proxy at the other end of `socket` for a tunnel to `target` (`host:port`). */
export function tunnel(socket: Duplex, proxy: ForwardProxy, target: string, timeoutMs: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const failed = (failure: Error | { status: number; line?: string }): void => reject(new ProxyFailed(proxy, failure))
  const timer = setTimeout(
    () => failed(Object.assign(new Error(`no tunnel to ${target} within ${timeoutMs} ms`), { code: 'ETIMEDOUT' })),
    timeoutMs,
  )
  let head = Buffer.alloc(0)
  const onReadable = (): void => {
    for (let piece: Buffer | null = socket.read(); piece !== null; piece = socket.read()) {
      head = Buffer.concat([head, piece])
    }
    const end = head.indexOf('\r\n\r\n')
    if (end < 0 && head.length < LONGEST_HEAD_BYTES) return
    const line = head.toString('latin1', 0, head.indexOf('\r\n'))
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(line)?.[1]
    if (end < 0 || status === undefined) {
      failed(Object.assign(new Error('it does not speak HTTP'), { code: 'PROXY_FAILED' }))
    } else if (status.startsWith('2')) {
      // At once: what is put back is told of as readable before a promise goes on.
      over()
      const rest = head.subarray(end + 4)
      if (rest.length > 0) socket.unshift(rest)
      resolve()
    } else failed({ status: Number(status), line: beginningOf(line, SHOWN_CHARACTERS) })
  }
  const onError = (error: Error): void => failed(error)
  const onEnd = (): void => failed(Object.assign(new Error('it closes the connection'), { code: 'ECONNRESET' }))
  const over = (): void => {
    clearTimeout(timer)
    socket.off('readable', onReadable).off('error', onError).off('end', onEnd).off('close', onEnd)
  }
  socket.on('readable', onReadable).on('error', onError).on('end', onEnd).on('close', onEnd)
  const { authorization } = proxy
  const lines = [
    `CONNECT ${target} HTTP/1.1`,
    `Host: ${target}`,
    ...(authorization ? [`Proxy-Authorization: ${authorization.reveal()}`] : []),
  ]
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  return promise.finally(over)
}
