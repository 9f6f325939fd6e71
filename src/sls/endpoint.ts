import { isIP } from 'node:net'

export interface Endpoint {
  /** Where to connect: scheme, host and port. */
  origin: string
  /** Host header: `<project>.<host[:port]>`, by which the service knows the project. */
  host: string
  /**
   * The name that the user gave. It may be one of the user's own for the service (a CNAME), below which no project has an
   * address.
   */
  alias: string
}

/**
 * Where the calls for a project go. Normally the project is the first label of the address; IPs and `localhost`, which
 * have no subdomains to resolve, are connected to as they are. Throws a TypeError when `endpoint` is not an address.
 */
export function resolveEndpoint(endpoint: string, project: string): Endpoint {
  const url = new URL(/^https?:\/\//i.test(endpoint) ? endpoint : `https://${endpoint}`)
  const host = `${project}.${url.host}`
  const direct = url.hostname === 'localhost' || isIP(url.hostname.replace(/^\[|\]$/g, '')) !== 0
  return { origin: direct ? url.origin : `${url.protocol}//${host}`, host, alias: url.hostname }
}
