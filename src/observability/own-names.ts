import { isIP } from 'node:net'
import { hostname } from 'node:os'

export interface OwnNames {
  /** Where the server listens: an address or a name. */
  readonly host: string
  /** Other names under which it is reached. */
  readonly allowedHosts: readonly string[]
}

/**
 * Whether a request means this machine by its `Host`. A web page can give a name of its own the address of this machine, and
 * would read what the server answers; a browser then sends that name. Addresses are no such names. Without a `Host` no browser
 * sent it.
 */
export function isOwnHost(header: string | undefined, { host, allowedHosts }: OwnNames): boolean {
  if (header === undefined) return true
  const name = nameIn(header)
  if (isIP(name) !== 0) return true
  const machine = hostname()
  const own = ['localhost', host, machine, machine.split('.', 1)[0] as string, ...allowedHosts]
  return own.some((each) => each.toLowerCase() === name)
}

/** Without port, brackets and the dot at its end. */
function nameIn(header: string): string {
  return header
    .toLowerCase()
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
}
