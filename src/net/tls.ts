import { statSync } from 'node:fs'
import { createSecureContext, TLSSocket } from 'node:tls'
import { messageOf } from '../core/errors.ts'
import { readPlainFile } from '../core/plain-file.ts'
import { Secret } from '../core/secret.ts'

/** How we verify the server of a TLS connection, and our own certificate. All are PEM. */
export interface Tls {
  readonly verify: boolean
  /** Authorities to trust in place of the public ones. */
  readonly ca?: string
  readonly cert?: string
  readonly key?: Secret
  /** The name to expect in the server's certificate, where it is not the host's. */
  readonly serverName?: string
  /** Paths that the PEM texts were read from. They are read again when they change. */
  readonly files?: { readonly ca?: string; readonly cert?: string; readonly key?: string }
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
 * TLS settings whose files may change while the process runs. Rotation replaces them one after the other, so files that do
 * not fit together, or are half written, leave those in use as they are.
 */
export class TlsFiles {
  #tls: Tls
  #seen: string
  readonly #changed: (error: unknown) => void

  /** `changed` is told when files are read again, with what keeps them from being used, if anything does. */
  constructor(tls: Tls, changed: (error: unknown) => void) {
    this.#tls = tls
    this.#changed = changed
    // The texts may be older than the files, so the first look compares them.
    this.#seen = ''
  }

  /** The same object as long as nothing has changed. */
  current(): Tls {
    const { files = {} } = this.#tls
    const paths = Object.values(files)
    if (paths.length === 0) return this.#tls
    const now = paths.map(identityOf).join()
    if (now === this.#seen) return this.#tls
    this.#seen = now
    try {
      const { ca, cert, key } = this.#tls
      const read = { ...this.#tls, ...readAll(files) }
      if (read.ca === ca && read.cert === cert && read.key?.reveal() === key?.reveal()) return this.#tls
      createSecureContext(tlsConnectOptions(read))
      this.#tls = read
      this.#changed(undefined)
    } catch (error) {
      this.#changed(error)
    }
    return this.#tls
  }
}

/** Kubernetes changes a symbolic link instead of the file, so the file at its end counts. */
function identityOf(path: string): string {
  try {
    const { ino, mtimeMs, size } = statSync(path)
    return `${ino}/${mtimeMs}/${size}`
  } catch (error) {
    return messageOf(error)
  }
}

function readAll({ ca, cert, key }: NonNullable<Tls['files']>): Pick<Tls, 'ca' | 'cert' | 'key'> {
  return {
    ...(ca && { ca: readPem(ca) }),
    ...(cert && { cert: readPem(cert) }),
    ...(key && { key: new Secret(readPem(key)) }),
  }
}

function readPem(path: string): string {
  const text = readPlainFile(path)
  const begun = text.match(/^-----BEGIN /gm)?.length ?? 0
  const ended = text.match(/^-----END /gm)?.length ?? 0
  if (begun === 0 || begun !== ended) throw new Error(`${path} is not a whole PEM file`)
  return text
}

/** Verifying the server's certificate failed. Its `code` is Node's, but Node has names for few of OpenSSL's reasons. */
class CertificateRefused extends Error {
  override readonly name = 'CertificateRefused'
  readonly code: string

  constructor(cause: NodeJS.ErrnoException) {
    super(cause.message, { cause })
    this.code = cause.code === undefined || cause.code === 'UNSPECIFIED' ? 'CERT_REFUSED' : cause.code
  }
}

/** The failure of `socket` with `error`; a `CertificateRefused` if that is the reason, whatever OpenSSL calls it. */
export function failureOf(socket: unknown, error: Error): Error {
  const refused = socket instanceof TLSSocket && !socket.authorized && Boolean(socket.authorizationError)
  return refused ? new CertificateRefused(error) : error
}

/**
 * The problem behind an error of a TLS connection:
 * - `other_name`: the certificate is for another host.
 * - `out_of_date`: the certificate, or one of its chain, is not valid now.
 * - `not_trusted`: no CA that we trust has signed the certificate.
 * - `bad_certificate`: OpenSSL refuses the certificate for anything else (weak key, name constraints, revoked, …).
 * - `client_refused`: the server refuses our certificate or our ciphers.
 * - `no_handshake`: no handshake came about; often the other side does not speak TLS.
 */
export type TlsProblem =
  | 'other_name'
  | 'out_of_date'
  | 'not_trusted'
  | 'bad_certificate'
  | 'client_refused'
  | 'no_handshake'

/** First match counts. The same problems for Log Service, HEC and every other peer. */
const TLS_PROBLEMS: ReadonlyArray<readonly [RegExp, TlsProblem]> = [
  [/^(ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH)$/, 'other_name'],
  [/^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/, 'out_of_date'],
  [/^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_UNTRUSTED$|INVALID_CA$)/, 'not_trusted'],
  [/^(CERT_|CRL_|INVALID_PURPOSE$|ERROR_IN_CERT_)/, 'bad_certificate'],
  // Alerts about the bytes on the way, and of a server in trouble, refuse nobody.
  [
    /^ERR_SSL_.*ALERT_(?!.*(INTERNAL_ERROR|BAD_RECORD|DECRYPT|DECODE|OVERFLOW|UNEXPECTED|USER_CANCEL))/,
    'client_refused',
  ],
  [/^(ERR_SSL_|ERR_TLS_|EPROTO$)/, 'no_handshake'],
]

/** `undefined` when the error is not about TLS. */
export function tlsProblem(error: Error): TlsProblem | undefined {
  const code = String((error as NodeJS.ErrnoException).code)
  const problem = TLS_PROBLEMS.find(([codes]) => codes.test(code))?.[1]
  return problem ?? (error instanceof CertificateRefused ? 'bad_certificate' : undefined)
}
