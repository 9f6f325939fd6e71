import { createHash, createHmac } from 'node:crypto'
import type { Secret } from '../core/secret.ts'

export interface Credentials {
  accessKeyId: string
  accessKeySecret: Secret
  /** Temporary credentials (STS) come with one; it is sent as a header and signed. */
  securityToken?: Secret
}

export interface UnsignedRequest {
  method: string
  /** Decoded, beginning with `/`. */
  path: string
  /** Decoded pairs, in any order. */
  query: ReadonlyArray<readonly [name: string, value: string]>
  /** Lower-case names. V4 signs `host`, so it must be what goes on the wire. V1 keeps a `date` that is given here. */
  headers: Readonly<Record<string, string>>
  /** Bytes as sent (after compression, if any). */
  body?: Uint8Array | undefined
}

export type V1Method = 'hmac-sha1' | 'hmac-sha256'

/**
 * Signature version 1 (SLS protocol: signature V1). Returns the request's headers together with `date`, `x-log-date`,
 * `x-log-signaturemethod`, `content-md5` (with a body), the STS token and `authorization`.
 */
export function signV1(
  request: UnsignedRequest,
  credentials: Credentials,
  date: Date,
  method: V1Method = 'hmac-sha1',
): Record<string, string> {
  const headers: Record<string, string> = {
    date: date.toUTCString(),
    ...request.headers,
    'x-log-signaturemethod': method,
  }
  if (request.body !== undefined) headers['content-md5'] = digest('md5', request.body).toUpperCase()
  if (credentials.securityToken) headers['x-acs-security-token'] = credentials.securityToken.reveal()

  const lines = [request.method, headers['content-md5'] ?? '', headers['content-type'] ?? '', headers['date'] ?? '']
  for (const [name, value] of sorted(Object.entries(headers))) {
    if (/^x-(log|acs)-/.test(name)) lines.push(`${name}:${value.trim()}`)
  }
  const query = sorted(request.query).map(([name, value]) => `${name}=${value}`)
  lines.push(query.length > 0 ? `${request.path}?${query.join('&')}` : request.path)

  const signature = createHmac(method === 'hmac-sha1' ? 'sha1' : 'sha256', credentials.accessKeySecret.reveal())
    .update(lines.join('\n'))
    .digest('base64')
  headers['authorization'] = `LOG ${credentials.accessKeyId}:${signature}`
  // Some proxies drop `Date`. The service then takes this copy, which V1 does not sign.
  headers['x-log-date'] = headers['date'] ?? ''
  return headers
}

/**
 * Signature version 4 (SLS protocol: signature V4) for one region. Returns the request's headers together with
 * `x-log-date`, `x-log-content-sha256`, the STS token and `authorization`.
 */
export function signV4(
  request: UnsignedRequest,
  credentials: Credentials,
  date: Date,
  region: string,
): Record<string, string> {
  const bodyDigest = digest('sha256', request.body ?? '')
  const time = date.toISOString().replace(/[-:]|\.\d{3}/g, '')
  const headers: Record<string, string> = {
    ...request.headers,
    'x-log-date': time,
    'x-log-content-sha256': bodyDigest,
  }
  if (credentials.securityToken) headers['x-acs-security-token'] = credentials.securityToken.reveal()

  const signed = sorted(Object.entries(headers)).filter(([name]) => /^(host$|content-type$|x-log-|x-acs-)/.test(name))
  const query = sorted(request.query).map(([name, value]) => (value === '' ? name : `${name}=${percentEncode(value)}`))
  const canonical = [
    request.method,
    request.path,
    query.join('&'),
    ...signed.map(([name, value]) => `${name}:${value.trim()}`),
    '',
    signed.map(([name]) => name).join(';'),
    bodyDigest,
  ].join('\n')

  const day = time.slice(0, 8)
  const scope = `${day}/${region}/sls/aliyun_v4_request`
  const text = `SLS4-HMAC-SHA256\n${time}\n${scope}\n${digest('sha256', canonical)}`
  let key: string | Buffer = `aliyun_v4${credentials.accessKeySecret.reveal()}`
  for (const part of [day, region, 'sls', 'aliyun_v4_request', text]) {
    key = createHmac('sha256', key).update(part).digest()
  }
  const signature = (key as Buffer).toString('hex')
  headers['authorization'] = `SLS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope},Signature=${signature}`
  return headers
}

/** RFC 3986: everything but `A-Z a-z 0-9 - _ . ~`, which is more than encodeURIComponent does. */
export function percentEncode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

function sorted<Pair extends readonly [string, string]>(pairs: readonly Pair[]): Pair[] {
  return pairs.toSorted(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0))
}

function digest(algorithm: 'md5' | 'sha256', data: Uint8Array | string): string {
  return createHash(algorithm).update(data).digest('hex')
}
