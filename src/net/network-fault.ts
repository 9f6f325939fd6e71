import { Fault } from '../core/errors.ts'

const CERTIFICATE_CODES = new Set([
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REJECTED',
  'CERT_REVOKED',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

/** With TLS 1.3 the server judges our certificate after we have begun to write, but before it reads any of it. */
const CLIENT_CERTIFICATE_REFUSED =
  /^ERR_SSL_.*ALERT_.*(CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE|ACCESS_DENIED|INSUFFICIENT_SECURITY)/

/** How far a request had come when its connection failed. */
export interface Progress {
  /** At least one byte may have left. Before that nothing can have been accepted; after it nobody knows. */
  readonly sent: boolean
  /** An answer had begun. */
  readonly answering: boolean
}

/** Whether something answered that is no HTTP: what became of the request, nobody can read. */
export function isUnreadable(fault: Fault): boolean {
  return fault.cause instanceof Error && fault.cause.name === 'HTTPParserError'
}

/** What an error of the connection means. */
export function networkFault(error: Error, { sent, answering }: Progress, origin: string): Fault {
  const code = codeOf(error)
  const details = { code, cause: error }
  const message = `${origin}: ${describe(error)}`
  const advice = tlsAdvice(code, sent)
  if (advice) return new Fault('configuration', `TLS to ${message}`, { ...details, advice })
  if (error.name === 'HTTPParserError' && !answering) {
    return new Fault('configuration', `what answers at ${message} does not speak HTTP`, {
      ...details,
      advice: 'Check scheme and port in SPLUNK_HEC_URL.',
    })
  }
  if (!sent) {
    const way = 'If it goes on: check host and port in SPLUNK_HEC_URL, name resolution, and the firewalls on the way.'
    return new Fault('transient', `cannot connect to ${message}`, { ...details, advice: way })
  }
  return new Fault('ambiguous', `connection lost before the answer came from ${message}`, {
    ...details,
    // Such servers hang up without a word, which cannot be told from one that goes down.
    ...(code === 'UND_ERR_SOCKET' && {
      advice:
        'If it goes on: is it https where SPLUNK_HEC_URL says http, or does the server want a client certificate (SPLUNK_HEC_TLS_CERT_FILE)?',
    }),
  })
}

export function codeOf(error: Error): string {
  const code: unknown = (error as NodeJS.ErrnoException).code
  return typeof code === 'string' && code !== '' ? code : error.name
}

function describe(error: Error): string {
  // OpenSSL's message leads through its sources and ends in a line end; its reason says what is wrong.
  const { reason } = error as { reason?: unknown }
  if (codeOf(error).startsWith('ERR_SSL_') && typeof reason === 'string') return `${reason} (${codeOf(error)})`
  // A host with several addresses fails with an AggregateError whose own message is empty.
  const first: unknown = error instanceof AggregateError ? error.errors[0] : undefined
  const text = error.message || (first instanceof Error ? first.message : '')
  return text.includes(codeOf(error)) ? text : `${text} (${codeOf(error)})`
}

function tlsAdvice(code: string, sent: boolean): string | undefined {
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'HOSTNAME_MISMATCH') {
    return 'The certificate is for another name: set SPLUNK_HEC_TLS_SERVER_NAME to a name in it, or correct SPLUNK_HEC_URL.'
  }
  if (CERTIFICATE_CODES.has(code)) {
    return 'Give the CA that signed the certificate in SPLUNK_HEC_TLS_CA_FILE (or, knowingly, SPLUNK_HEC_TLS_VERIFY=false).'
  }
  if (CLIENT_CERTIFICATE_REFUSED.test(code)) {
    return 'The server refuses our side of the handshake: check SPLUNK_HEC_TLS_CERT_FILE and SPLUNK_HEC_TLS_KEY_FILE.'
  }
  if (!sent && (code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_') || code === 'EPROTO')) {
    return 'The TLS handshake failed: check scheme and port in SPLUNK_HEC_URL and the SPLUNK_HEC_TLS_* settings.'
  }
  return undefined
}
