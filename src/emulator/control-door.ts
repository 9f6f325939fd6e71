import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'

const LOOPBACK = /^(::ffff:)?127\.|^::1$/

/**
 * Why a request may not control this server, if it may not. Controls have no secret, so they answer only programs of this
 * machine, and no web page in a browser that runs on it. A page's request names its `Origin`, or, if the page gave a name of
 * its own this machine's address, that name as `Host`.
 */
export function refusedControl({ socket, headers }: IncomingMessage): string | undefined {
  if (!LOOPBACK.test(socket.remoteAddress ?? '')) return 'controls answer only this machine'
  if (headers.origin !== undefined) return 'controls do not answer web pages: the request has an Origin header'
  const host = (headers.host ?? 'localhost').toLowerCase().replace(/:\d+$/, '')
  if (host === 'localhost' || isIP(host.replace(/^\[(.*)\]$/, '$1')) !== 0) return undefined
  return 'controls answer only to localhost or an address as Host'
}
