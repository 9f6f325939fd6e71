import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { isIP } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { connect } from 'node:tls'
import { Fault } from '../../core/errors.ts'
import { networkFault } from '../../net/network-fault.ts'
import type { Tls } from '../../net/tls.ts'
import { tlsConnectOptions } from '../../net/tls.ts'
import { HEC_SETTINGS } from '../../sinks/splunk-hec/client.ts'
import type { Finding } from './finding.ts'
import { ok, warn } from './finding.ts'

const TIMEOUT_MS = 10_000
const DAY_MS = 86_400_000
const EXPIRES_SOON_DAYS = 30

/** Makes a TLS connection as the bridge does, and looks at both certificates. Throws a Fault. */
export async function handshake(url: string, tls: Tls, signal: AbortSignal): Promise<Finding> {
  const { origin } = new URL(url)
  let socket: TLSSocket
  try {
    socket = await shakeHands(url, tls, signal)
  } catch (error) {
    signal.throwIfAborted()
    throw networkFault(error as Error, { sent: false, answering: false }, origin, HEC_SETTINGS)
  }
  const { valid_to: until, subject } = socket.getPeerCertificate()
  const name = [subject?.CN].flat()[0] ?? 'a certificate without a name'
  const said = `${origin}: ${socket.getProtocol()}, ${name}, valid until ${day(until)}`
  const { authorized, authorizationError } = socket
  socket.destroy()
  const own = tls.cert && new X509Certificate(tls.cert).validTo
  if (own && daysTo(own) < 0) {
    const advice = 'Renew SPLUNK_HEC_TLS_CERT_FILE.'
    throw new Fault('configuration', `our client certificate expired on ${day(own)}`, { code: 'client_cert', advice })
  }
  if (!tls.verify) {
    const why = authorized ? 'it would be accepted' : `it would be refused: ${authorizationError}`
    return warn(`${said}; not verified, ${why}`, 'SPLUNK_HEC_TLS_VERIFY=false is only for experiments.')
  }
  if (daysTo(until) < EXPIRES_SOON_DAYS) {
    return warn(`${said}, in ${daysTo(until)} days`, 'Renew it in time: deliveries pause when it has expired.')
  }
  if (own && daysTo(own) < EXPIRES_SOON_DAYS) {
    return warn(`${said}; our client certificate expires on ${day(own)}`, 'Renew SPLUNK_HEC_TLS_CERT_FILE.')
  }
  return ok(own ? `${said}; our client certificate until ${day(own)}` : said)
}

/** Whether the server speaks TLS although the URL says http://. */
export async function speaksTls(url: string, signal: AbortSignal): Promise<boolean> {
  try {
    const socket = await shakeHands(url, { verify: false }, signal)
    socket.destroy()
    return true
  } catch {
    return false
  }
}

async function shakeHands(url: string, tls: Tls, signal: AbortSignal): Promise<TLSSocket> {
  const { hostname, port, protocol } = new URL(url)
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  const name = tls.serverName ?? (isIP(host) === 0 ? host : undefined)
  const socket = connect({
    host,
    port: Number(port || (protocol === 'https:' ? 443 : 80)),
    ...tlsConnectOptions({ ...tls, ...(name !== undefined && { serverName: name }) }),
  })
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]) })
  } catch (error) {
    socket.on('error', () => {})
    socket.destroy()
    throw error
  }
  socket.on('error', () => {})
  return socket
}

function daysTo(time: string): number {
  return Math.floor((Date.parse(time) - Date.now()) / DAY_MS)
}

function day(time: string): string {
  const ms = Date.parse(time)
  return Number.isNaN(ms) ? 'an unknown day' : new Date(ms).toISOString().slice(0, 10)
}
