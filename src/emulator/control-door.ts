import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'

const LOOPBACK = /^(::ffff:)?127\.|^::1$/

/**
 * The door to the controls of a server. Without the secret only programs of this machine pass, and no web page in a browser on it.
 * A page's request names its `Origin`, or, if the page gave a name of its own this machine's address, that name as `Host`.
 */
export class ControlDoor {
  /** Whoever shows it in the header `x-control-secret` may come from anywhere. */
  readonly secret = randomBytes(18).toString('base64url')

  /** Why a request may not control the server, if it may not. */
  refusal({ socket, headers }: IncomingMessage): string | undefined {
    const shown = headers['x-control-secret']
    if (shown !== undefined) return isSame(String(shown), this.secret) ? undefined : 'the x-control-secret is wrong'
    if (!LOOPBACK.test(socket.remoteAddress ?? '')) return 'controls answer only this machine, or with x-control-secret'
    if (headers.origin !== undefined) return 'controls do not answer web pages: the request has an Origin header'
    const host = (headers.host ?? 'localhost').toLowerCase().replace(/:\d+$/, '')
    if (host === 'localhost' || isIP(host.replace(/^\[(.*)\]$/, '$1')) !== 0) return undefined
    return 'controls answer only to localhost or an address as Host'
  }
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}
