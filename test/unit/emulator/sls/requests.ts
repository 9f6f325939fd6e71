import { createHash, createHmac } from 'node:crypto'
import type { OutgoingHttpHeaders } from 'node:http'
import { request } from 'node:http'
import type { SlsEmulator } from '../../../../src/emulator/sls/server.ts'

/** One raw request, signed by hand (V1, or V4 with a region). */
export interface RawRequest {
  method?: string
  path: string
  query?: Record<string, string>
  headers?: Record<string, string>
  body?: Buffer | string
  /** Default: the emulator's. */
  project?: string
  host?: string
  /** V4 for this region. */
  region?: string
  unsigned?: boolean
  /** Send `http://<this>/path` as the target, as a client does that takes the emulator for its proxy. */
  absolute?: string
  /** Sent behind the path, not signed. */
  trailing?: string
}

export interface RawAnswer {
  status: number
  header: (name: string) => string | undefined
  headers: Record<string, string | string[] | undefined>
  body: Buffer
  /** The parsed body; fails if it is not JSON. */
  json: <T = unknown>() => T
  /** Error code, `''` if the body is not JSON, or `ok`. */
  code: string
}

type Keys = Pick<SlsEmulator, 'port' | 'accessKeyId' | 'accessKeySecret'> &
  ({ project: string } | { logstore: SlsEmulator['logstore'] })

/** Rejects when the connection ends without a whole answer. */
export function send(emulator: Keys, raw: RawRequest): Promise<RawAnswer> {
  const { method = 'GET', path } = raw
  const host =
    raw.host ??
    `${raw.project ?? ('project' in emulator ? emulator : emulator.logstore()).project}.127.0.0.1:${emulator.port}`
  const body = Buffer.from(raw.body ?? '')
  const query = raw.query ?? {}
  const search = Object.entries(query).map(([key, value]) => `${key}=${encodeURIComponent(value)}`)
  const origin = search.length > 0 ? `${path}?${search.join('&')}` : path
  const headers = raw.unsigned ? { ...raw.headers, host } : signed(emulator, { ...raw, method, query, host }, body)
  const target = `${raw.absolute ? `http://${raw.absolute}` : ''}${origin}${raw.trailing ?? ''}`
  return new Promise((resolve, reject) => {
    const options = { port: emulator.port, host: '127.0.0.1', method, path: target, headers, agent: false }
    const outgoing = request(options, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const content = Buffer.concat(chunks)
        const json = <T>() => JSON.parse(content.toString()) as T
        const header = (name: string) => response.headers[name]?.toString()
        const status = response.statusCode ?? 0
        const isJson = header('content-type') === 'application/json'
        const code = status === 200 ? 'ok' : isJson ? json<{ errorCode: string }>().errorCode : ''
        resolve({ status, header, headers: response.headers, body: content, json, code })
      })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

type Signable = RawRequest & { method: string; query: Record<string, string>; host: string }

function signed(keys: Keys, raw: Signable, body: Buffer): OutgoingHttpHeaders {
  const common: Record<string, string> = { 'x-log-apiversion': '0.6.0', 'x-log-bodyrawsize': '0', ...raw.headers }
  if (body.length > 0) common['content-type'] ??= 'application/json'
  return raw.region === undefined ? v1(keys, raw, body, common) : v4(keys, raw, body, common)
}

function v1(keys: Keys, raw: Signable, body: Buffer, common: Record<string, string>): OutgoingHttpHeaders {
  const headers: Record<string, string> = {
    date: new Date().toUTCString(),
    'x-log-signaturemethod': 'hmac-sha1',
    ...(body.length > 0 && { 'content-md5': createHash('md5').update(body).digest('hex').toUpperCase() }),
    ...common,
  }
  const pairs = Object.keys(raw.query)
    .sort()
    .map((key) => `${key}=${raw.query[key]}`)
  const resource = pairs.length > 0 ? `${raw.path}?${pairs.join('&')}` : raw.path
  const lines = canonical(headers, /^x-(log|acs)-/).join('')
  const text = `${raw.method}\n${headers['content-md5'] ?? ''}\n${headers['content-type'] ?? ''}\n${headers['date']}\n${lines}${resource}`
  const algorithm = headers['x-log-signaturemethod'] === 'hmac-sha256' ? 'sha256' : 'sha1'
  const signature = createHmac(algorithm, keys.accessKeySecret).update(text).digest('base64')
  return { ...headers, host: raw.host, authorization: `LOG ${keys.accessKeyId}:${signature}` }
}

function v4(keys: Keys, raw: Signable, body: Buffer, common: Record<string, string>): OutgoingHttpHeaders {
  const date = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  const day = date.slice(0, 8)
  const hash = createHash('sha256').update(body).digest('hex')
  const headers: Record<string, string> = {
    host: raw.host,
    'x-log-date': date,
    'x-log-content-sha256': hash,
    ...common,
  }
  const query = Object.keys(raw.query)
    .sort()
    .map((key) => `${key}=${rfc3986(raw.query[key] ?? '')}`)
    .join('&')
  const lines = canonical(headers, /^(host|content-type|x-(log|acs)-.*)$/)
  const names = lines.map((line) => line.split(':')[0]).join(';')
  const text = [raw.method, raw.path, query, lines.join(''), names, hash].join('\n')
  const scope = `${day}/${raw.region}/sls/aliyun_v4_request`
  const toSign = `SLS4-HMAC-SHA256\n${date}\n${scope}\n${createHash('sha256').update(text).digest('hex')}`
  let key: string | Buffer = `aliyun_v4${keys.accessKeySecret}`
  for (const part of scope.split('/')) key = createHmac('sha256', key).update(part).digest()
  const signature = createHmac('sha256', key).update(toSign).digest('hex')
  const authorization = `SLS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${scope},Signature=${signature}`
  return { ...headers, authorization }
}

function rfc3986(value: string): string {
  return encodeURIComponent(value).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

function canonical(headers: Record<string, string>, wanted: RegExp): string[] {
  return Object.keys(headers)
    .filter((name) => wanted.test(name))
    .sort()
    .map((name) => `${name}:${headers[name]?.trim()}\n`)
}
