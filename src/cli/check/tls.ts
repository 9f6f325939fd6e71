import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { abortable } from '../../core/abortable.ts'
import { Fault } from '../../core/errors.ts'
import { Connector } from '../../net/connector.ts'
import type { SettingNames } from '../../net/network-fault.ts'
import { networkFault } from '../../net/network-fault.ts'
import type { HecConnection } from '../../sinks/splunk-hec/client.ts'
import { HEC_SETTINGS } from '../../sinks/splunk-hec/client.ts'
import type { Finding } from './finding.ts'
import { ok, warn } from './finding.ts'

interface Peer {
  readonly tls: HecConnection['tls']
  readonly proxies?: HecConnection['proxies'] | undefined
  /** Default: those of HEC. */
  readonly settings?: SettingNames
}

const TIMEOUT_MS = 10_000
const DAY_MS = 86_400_000
const EXPIRES_SOON_DAYS = 30

/** Makes a TLS connection as the bridge does, and looks at both certificates. Throws a Fault. */
export async function handshake(url: string, peer: Peer, signal: AbortSignal): Promise<Finding> {
  const { protocol, host } = new URL(url)
  const origin = `${protocol}//${host}`
  const { tls, settings = HEC_SETTINGS } = peer
  const file = settings.tls?.cert
  let socket: TLSSocket
  try {
    socket = await shakeHands(url, peer, signal)
  } catch (error) {
    signal.throwIfAborted()
    throw networkFault(error as Error, { sent: false, answering: false }, origin, settings)
  }
  const { valid_to: until, subject } = socket.getPeerCertificate()
  const name = [subject?.CN].flat()[0] ?? 'a certificate without a name'
  const said = `${origin}: ${socket.getProtocol()}, ${name}, valid until ${day(until)}`
  const { authorized, authorizationError } = socket
  socket.destroy()
  const own = tls.cert && new X509Certificate(tls.cert).validTo
  if (own && daysTo(own) < 0) {
    const advice = `Renew ${file}.`
    throw new Fault('configuration', `our client certificate expired on ${day(own)}`, { code: 'client_cert', advice })
  }
  if (!tls.verify) {
    const why = authorized ? 'it would be accepted' : `it would be refused: ${authorizationError}`
    return warn(`${said}; not verified, ${why}`, `${settings.tls?.verify}=false is only for experiments.`)
  }
  if (daysTo(until) < EXPIRES_SOON_DAYS) {
    return warn(`${said}, in ${daysTo(until)} days`, 'Renew it in time: deliveries pause when it has expired.')
  }
  if (own && daysTo(own) < EXPIRES_SOON_DAYS) {
    return warn(`${said}; our client certificate expires on ${day(own)}`, `Renew ${file}.`)
  }
  return ok(own ? `${said}; our client certificate until ${day(own)}` : said)
}

/** Whether the server speaks TLS although the URL says http://. */
export async function speaksTls(url: string, { proxies }: Peer, signal: AbortSignal): Promise<boolean> {
  try {
    const socket = await shakeHands(url, { tls: { verify: false }, proxies }, signal)
    socket.destroy()
    return true
  } catch {
    return false
  }
}

async function shakeHands(url: string, { tls, proxies }: Peer, signal: AbortSignal): Promise<TLSSocket> {
  const { hostname, port: given, protocol } = new URL(url)
  const port = given || (protocol === 'https:' ? '443' : '80')
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  const connector = new Connector(`https://${hostname}:${port}`, { timeoutMs: TIMEOUT_MS, tls, proxies })
  const name = isIP(host) === 0 ? { servername: host } : {}
  const to = { protocol: 'https:', hostname: host, host: `${hostname}:${port}`, port, ...name }
  const opened = new Promise<TLSSocket>((resolve, reject) => {
    connector.connect(to, (...[error, socket]) => (error ? reject(error) : resolve(socket as TLSSocket)))
  })
  opened.then(
    (socket) => socket.on('error', () => {}),
    () => {},
  )
  return await abortable(opened, signal)
}

function daysTo(time: string): number {
  return Math.floor((Date.parse(time) - Date.now()) / DAY_MS)
}

function day(time: string): string {
  const ms = Date.parse(time)
  return Number.isNaN(ms) ? 'an unknown day' : new Date(ms).toISOString().slice(0, 10)
}
