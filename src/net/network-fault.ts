import { Fault } from '../core/errors.ts'
import type { TlsProblem } from './tls.ts'
import { tlsProblem } from './tls.ts'

/** How far a request had come when its connection failed. */
export interface Progress {
  /** At least one byte may have left. Before that nothing can have been accepted; after it the outcome is unknown. */
  readonly sent: boolean
  /** An answer had begun. */
  readonly answering: boolean
}

/** Names of the settings of a connection as the user wrote them, for advice. */
export interface SettingNames {
  readonly address: string
  readonly tlsVerify: string
  readonly tlsCa: string
  readonly tlsCert: string
  readonly tlsKey: string
  readonly tlsServerName: string
  /** All TLS settings together. */
  readonly tls: string
}

/** Names of environment variables that begin with `prefix`. */
export function variablesOf(prefix: string): SettingNames {
  return {
    address: `${prefix}_URL`,
    tlsVerify: `${prefix}_TLS_VERIFY`,
    tlsCa: `${prefix}_TLS_CA_FILE`,
    tlsCert: `${prefix}_TLS_CERT_FILE`,
    tlsKey: `${prefix}_TLS_KEY_FILE`,
    tlsServerName: `${prefix}_TLS_SERVER_NAME`,
    tls: `${prefix}_TLS_*`,
  }
}

/** Whether something answered that is not HTTP, so that the outcome of the request is unknown. */
export function isUnreadable(fault: Fault): boolean {
  return fault.cause instanceof Error && fault.cause.name === 'HTTPParserError'
}

/** The Fault of an HTTP request whose connection to `origin` failed with `error`. */
export function networkFault(error: Error, { sent, answering }: Progress, origin: string, names: SettingNames): Fault {
  const code = codeOf(error)
  const details = { code, cause: error }
  const message = `${origin}: ${describe(error)}`
  const problem = tlsProblem(code)
  // After a byte has left, the end of a TLS connection says nothing about the handshake.
  if (problem && (problem !== 'no_handshake' || !sent)) {
    return new Fault('configuration', `TLS to ${message}`, { ...details, advice: tlsAdvice(problem, names) })
  }
  if (error.name === 'HTTPParserError' && !answering) {
    return new Fault('configuration', `the server does not speak HTTP: ${message}`, {
      ...details,
      advice: `Check scheme and port in ${names.address}.`,
    })
  }
  if (!sent) {
    const advice = `If it goes on: check host and port in ${names.address}, name resolution, and the firewalls on the way.`
    return new Fault('transient', `cannot connect to ${message}`, { ...details, advice })
  }
  return new Fault('ambiguous', `connection lost before the answer came from ${message}`, {
    ...details,
    // Some servers close without a word for a wrong scheme or a missing certificate. It looks like a server that stops.
    ...(code === 'UND_ERR_SOCKET' && {
      advice: `If it goes on: is it https where ${names.address} says http, or does the server want a client certificate (${names.tlsCert})?`,
    }),
  })
}

function codeOf(error: Error): string {
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

function tlsAdvice(problem: TlsProblem, names: SettingNames): string {
  switch (problem) {
    case 'other_name':
      return `The certificate is for another name: set ${names.tlsServerName} to a name in it, or correct ${names.address}.`
    case 'not_trusted':
      return `Give the CA that signed the certificate in ${names.tlsCa} (or, knowingly, ${names.tlsVerify}=false).`
    case 'client_refused':
      return `The server refuses our side of the handshake: check ${names.tlsCert} and ${names.tlsKey}.`
    case 'no_handshake':
      return `The TLS handshake failed: check scheme and port in ${names.address} and the ${names.tls} settings.`
  }
}
