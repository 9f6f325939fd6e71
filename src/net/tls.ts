import type { Secret } from '../core/secret.ts'

/** How we verify the server of a TLS connection, and our own certificate. All are PEM. */
export interface Tls {
  readonly verify: boolean
  /** Authorities to trust in place of the public ones. */
  readonly ca?: string
  readonly cert?: string
  readonly key?: Secret
  /** The name to expect in the server's certificate, where it is not the host's. */
  readonly serverName?: string
}

/** `tls` as Node's and undici's `connect` take it. */
export interface TlsConnectOptions {
  rejectUnauthorized: boolean
  ca?: string
  cert?: string
  key?: string
  servername?: string
}

export function tlsConnectOptions({ verify, ca, cert, key, serverName }: Tls): TlsConnectOptions {
  return {
    rejectUnauthorized: verify,
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key: key.reveal() }),
    ...(serverName && { servername: serverName }),
  }
}

/**
 * The problem behind an error of a TLS connection:
 * - `other_name`: the certificate is for another host.
 * - `not_trusted`: the certificate is expired, revoked, or not signed by a CA that we trust.
 * - `client_refused`: the server refuses our certificate or our ciphers.
 * - `no_handshake`: no handshake came about; often the other side does not speak TLS.
 */
export type TlsProblem = 'other_name' | 'not_trusted' | 'client_refused' | 'no_handshake'

/** First match counts. The same problems for Log Service, HEC and every other peer. */
const TLS_PROBLEMS: ReadonlyArray<readonly [RegExp, TlsProblem]> = [
  [/^(ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH)$/, 'other_name'],
  [/^(CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_CA$|INVALID_PURPOSE$)/, 'not_trusted'],
  [
    /^ERR_SSL_.*ALERT_.*(CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE|ACCESS_DENIED|INSUFFICIENT_SECURITY)/,
    'client_refused',
  ],
  [/^(ERR_SSL_|ERR_TLS_|EPROTO$)/, 'no_handshake'],
]

/** `undefined` when the error is not about TLS. */
export function tlsProblem(code: string): TlsProblem | undefined {
  return TLS_PROBLEMS.find(([codes]) => codes.test(code))?.[1]
}
