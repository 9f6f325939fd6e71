import { Fault } from '../core/errors.ts'
import { ProxyFailed } from './proxy.ts'
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
  /** Absent where TLS has no settings. */
  readonly tls?: {
    readonly verify: string
    readonly ca: string
    readonly cert: string
    readonly key: string
    readonly serverName: string
    readonly all: string
  }
}

/** Names of environment variables that begin with `prefix`. */
export function variablesOf(prefix: string): SettingNames {
  return {
    address: `${prefix}_URL`,
    tls: {
      verify: `${prefix}_TLS_VERIFY`,
      ca: `${prefix}_TLS_CA_FILE`,
      cert: `${prefix}_TLS_CERT_FILE`,
      key: `${prefix}_TLS_KEY_FILE`,
      serverName: `${prefix}_TLS_SERVER_NAME`,
      all: `${prefix}_TLS_*`,
    },
  }
}

/** Whether something answered that is not HTTP, or cannot be decompressed, so that the outcome of the request is unknown. */
export function isUnreadable({ code, cause }: Fault): boolean {
  return code === 'content_encoding' || (cause instanceof Error && cause.name === 'HTTPParserError')
}

/** The Fault of an HTTP request whose connection to `origin` failed with `error`. */
export function networkFault(error: Error, { sent, answering }: Progress, origin: string, names: SettingNames): Fault {
  const code = codeOf(error)
  const details = { code, cause: error }
  const message = `${origin}: ${described(error)}`
  if (error instanceof ProxyFailed) return proxyFault(error, message)
  const problem = tlsProblem(error)
  // After a byte has left, the end of a TLS connection says nothing about the handshake.
  if (problem && (problem !== 'no_handshake' || !sent)) {
    const said = tlsMessage(problem, error, origin)
    return new Fault('configuration', said, { ...details, advice: tlsAdvice(problem, names) })
  }
  if (error.name === 'HTTPParserError' && !answering) {
    return new Fault('configuration', `the server does not speak HTTP: ${message}`, {
      ...details,
      advice: `Check scheme and port in ${names.address}.`,
    })
  }
  if (!sent) {
    // Its message has the remedy.
    if (code === 'EMFILE') return new Fault('transient', `cannot connect to ${message}`, details)
    if (code === 'hung_up') return new Fault('transient', message, { ...details, advice: adviceOnHangUp(names) })
    const advice = `If it goes on: check host and port in ${names.address}, name resolution, and the firewalls on the way.`
    return new Fault('transient', `cannot connect to ${message}`, { ...details, advice })
  }
  if (code === 'timeout') return new Fault('ambiguous', `${origin} ${error.message}`, details)
  return new Fault('ambiguous', `connection lost before the answer came from ${message}`, {
    ...details,
    ...(code === 'UND_ERR_SOCKET' && { advice: adviceOnHangUp(names) }),
  })
}

/** Some servers close without a word for a wrong scheme or a missing certificate. It looks like a server that stops. */
function adviceOnHangUp({ address, tls }: SettingNames): string {
  return `If it goes on: is it https where ${address} says http, or does the server want a client certificate${tls ? ` (${tls.cert})` : ''}?`
}

/** A proxy that wants other credentials, or forbids the way, waits for an operator. Nothing has reached `origin` yet. */
export function proxyFault(error: ProxyFailed, message: string): Fault {
  const { code, status } = error
  const details = { code, cause: error, ...(status !== undefined && { status }) }
  if (status === 407) {
    const advice =
      'The proxy wants a user name and a password: http://user:password@host:port in HTTPS_PROXY or HTTP_PROXY (special characters as %XX).'
    return new Fault('configuration', message, { ...details, advice })
  }
  const isRefusal = status !== undefined && status >= 300 && status < 500 && status !== 408 && status !== 429
  const advice = isRefusal
    ? 'Let the proxy pass connections to this host and port, or name the host in NO_PROXY.'
    : 'If it goes on: check HTTPS_PROXY, HTTP_PROXY and NO_PROXY, and whether the proxy reaches this host.'
  return new Fault(isRefusal ? 'configuration' : 'transient', message, { ...details, advice })
}

function codeOf(error: Error): string {
  const code: unknown = (error as NodeJS.ErrnoException).code
  return typeof code === 'string' && code !== '' ? code : error.name
}

/** By the code of the operating system, of name resolution, or of undici. */
const PLAIN_WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'its name does not resolve',
  EAI_AGAIN: 'no name server answers',
  ETIMEDOUT: 'no answer came',
  UND_ERR_CONNECT_TIMEOUT: 'no answer came',
  EHOSTUNREACH: 'no network path leads there',
  ENETUNREACH: 'no network path leads there',
  EADDRNOTAVAIL: 'this machine has no address from which it can be reached',
}

/** In plain words if we have some, and then the words of the library in brackets. */
export function described(error: Error): string {
  const words = error instanceof ProxyFailed ? undefined : PLAIN_WORDS[codeOf(error)]
  return words === undefined ? libraryWords(error) : `${words} (${libraryWords(error)})`
}

/** OpenSSL speaks to who starts Node, which our user does not. */
const HINT_OF_NODE = /; if the root CA is installed locally, try running Node\.js with --use-system-ca/

function libraryWords(error: Error): string {
  // OpenSSL's message leads through its sources and ends in a line end; its reason says what is wrong.
  const { reason } = error as { reason?: unknown }
  if (codeOf(error).startsWith('ERR_SSL_') && typeof reason === 'string') return `${reason} (${codeOf(error)})`
  // A host with several addresses fails with an AggregateError whose own message is empty.
  const first: unknown = error instanceof AggregateError ? error.errors[0] : undefined
  const text = (error.message || (first instanceof Error ? first.message : '')).replace(HINT_OF_NODE, '')
  return text.includes(codeOf(error)) ? text : `${text} (${codeOf(error)})`
}

const TLS_SENTENCES: Readonly<Record<TlsProblem, string>> = {
  other_name: "the server's certificate is refused: it is for another name",
  out_of_date: "the server's certificate is refused: it is not valid now",
  not_trusted: "the server's certificate is refused: no CA that we trust has signed it",
  bad_certificate: "the server's certificate is refused",
  client_refused: 'the server refuses our side of the handshake',
  no_handshake: 'no handshake came about',
}

/** Our sentence about a TLS problem of `peer`, and then the words of the library. */
export function tlsMessage(problem: TlsProblem, error: Error, peer: string): string {
  return `TLS to ${peer}: ${TLS_SENTENCES[problem]} (${libraryWords(error)})`
}

/** What to do about a TLS problem. A peer without settings for TLS trusts Node's authorities. */
export function tlsAdvice(problem: TlsProblem, { address, tls }: SettingNames): string {
  switch (problem) {
    case 'other_name':
      return tls
        ? `The certificate is for another name: set ${tls.serverName} to a name in it, or correct ${address}.`
        : `The certificate is for another name: correct ${address}.`
    case 'out_of_date':
      return 'Renew the certificate on the server (or the one of its chain that is out of date). If it is valid, set the clock of this machine. No CA cures it.'
    case 'not_trusted':
      return tls
        ? `Give the root CA of the certificate in ${tls.ca}, and let the server send the CAs between (or, knowingly, ${tls.verify}=false). If the system's store has it: NODE_USE_SYSTEM_CA=1.`
        : "Give the root CA of the certificate in NODE_EXTRA_CA_CERTS, or NODE_USE_SYSTEM_CA=1 if the system's store has it; let the server send the CAs between, and start again."
    case 'bad_certificate':
      return 'Put another certificate on the server: with a key of 2048 bits or more, a signature of today, and a name and extensions that its CAs allow. No CA cures it.'
    case 'client_refused':
      return tls
        ? `The server refuses our side of the handshake: check ${tls.cert} and ${tls.key} if it wants a client certificate. TLS 1.2 and a cipher of today are the least.`
        : 'The server, or a proxy before it, refuses our side of the handshake: does it want a client certificate?'
    case 'no_handshake':
      return `The TLS handshake failed: check scheme and port in ${address}${tls ? ` and the ${tls.all} settings` : ''}.`
  }
}
