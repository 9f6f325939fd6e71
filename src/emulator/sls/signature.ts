/**
 * Verifies request signatures as Log Service does. It is written from the protocol and shares no code with the client's
 * signing. V1 (`LOG ak:signature`, hmac-sha1 or hmac-sha256), V4 (`SLS4-HMAC-SHA256`, any region), STS tokens, 15
 * minutes of clock skew. Not implemented: query-string signatures, V4 of object uploads (hash of an empty body).
 */
import { createHash, createHmac } from 'node:crypto'
import { SlsRefusal } from './refusal.ts'

export interface Credential {
  accessKeyId: string
  accessKeySecret: string
  /** With it every request must carry this `x-acs-security-token`; without it none may. */
  securityToken?: string
  /** Milliseconds since the epoch. */
  expiresAt?: number
}

/** A request without its body: a signature covers the body by a hash in the headers. */
export interface SignedHead {
  method: string
  /** Decoded, without query. */
  path: string
  /** As received, without `?`. */
  rawQuery: string
  /** Names in lower case, as node:http gives them. */
  headers: Readonly<Record<string, string | string[] | undefined>>
}

export interface SignedRequest extends SignedHead {
  /** As sent, before any decompression. */
  body: Buffer
}

const MAX_SKEW_MS = 15 * 60 * 1000
const V1_AUTHORIZATION = /^LOG ([^:\s]+):(\S+)$/
const V4_AUTHORIZATION =
  /^SLS4-HMAC-SHA256 Credential=([^/,\s]+)\/(\d{8})\/([^/,]*)\/sls\/aliyun_v4_request, ?Signature=([0-9a-f]{64})$/
const V4_DATE = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/

/**
 * Returns the access key id, or throws the SlsRefusal the service would answer. `now` is the server's clock in ms.
 * @param credentials by access key id
 */
export function verifySignature(
  request: SignedRequest,
  credentials: ReadonlyMap<string, Credential>,
  now: number,
): string {
  const accessKeyId = verifyHead(request, credentials, now)
  if (V4_AUTHORIZATION.test(headerOf(request, 'authorization') ?? '')) verifySha256(request)
  else verifyMd5(request)
  return accessKeyId
}

/** The same for what comes before the body. */
export function verifyHead(request: SignedHead, credentials: ReadonlyMap<string, Credential>, now: number): string {
  const authorization = headerOf(request, 'authorization')
  if (authorization === undefined) throw new SlsRefusal('Unauthorized', 'the request carries no Authorization header')
  const version = headerOf(request, 'x-log-apiversion')
  if (version === undefined) throw new SlsRefusal('MissingAPIVersion', 'x-log-apiversion does not exist in header')
  if (version !== '0.6.0') throw new SlsRefusal('InvalidAPIVersion', `only 0.6.0 is supported, not ${version}`)
  const v1 = V1_AUTHORIZATION.exec(authorization)
  const v4 = V4_AUTHORIZATION.exec(authorization)
  if (!v1 && !v4) throw new SlsRefusal('ParameterInvalid', 'the Authorization header is malformed')
  const credential = credentialOf(request, (v1 ?? v4)?.[1] as string, credentials)
  if (now >= (credential.expiresAt ?? Number.POSITIVE_INFINITY)) throw badToken()
  if (v1) verifyV1(request, credential, v1[2] as string, now)
  if (v4)
    verifyV4(request, credential, { day: v4[2] as string, region: v4[3] as string, signature: v4[4] as string }, now)
  return credential.accessKeyId
}

function credentialOf(
  request: SignedHead,
  accessKeyId: string,
  credentials: ReadonlyMap<string, Credential>,
): Credential {
  const credential = credentials.get(accessKeyId)
  if (!credential) throw new SlsRefusal('InvalidAccessKeyId', `the access key id ${accessKeyId} does not exist`)
  if (headerOf(request, 'x-acs-security-token') !== credential.securityToken) throw badToken()
  return credential
}

function badToken(): SlsRefusal {
  return new SlsRefusal('Unauthorized', 'the security token is missing, invalid or expired')
}

function verifyV1(request: SignedHead, credential: Credential, signature: string, now: number): void {
  const method = headerOf(request, 'x-log-signaturemethod')
  if (method === undefined)
    throw new SlsRefusal('MissingSignatureMethod', 'x-log-signaturemethod does not exist in header')
  if (method !== 'hmac-sha1' && method !== 'hmac-sha256') {
    throw new SlsRefusal('InvalidSignatureMethod', `hmac-sha1 and hmac-sha256 are supported, not ${method}`)
  }
  // Proxies may strip Date; the Python SDK therefore sends a copy, added after signing.
  const date = headerOf(request, 'x-log-date') ?? headerOf(request, 'date')
  if (date === undefined) throw new SlsRefusal('MissingDate', 'neither Date nor x-log-date exists in header')
  assertSkew(Date.parse(date), date, now)
  const md5 = headerOf(request, 'content-md5') ?? ''
  const canonical = logHeaders(request, (name) => name !== 'x-log-date').join('')
  const resource = [request.path, v1Query(request.rawQuery)].filter((part) => part !== '').join('?')
  const contentType = headerOf(request, 'content-type') ?? ''
  const text = `${request.method}\n${md5}\n${contentType}\n${date}\n${canonical}${resource}`
  const algorithm = method === 'hmac-sha1' ? 'sha1' : 'sha256'
  const expected = createHmac(algorithm, credential.accessKeySecret).update(text).digest('base64')
  if (signature !== expected) throw notMatching(signature, text)
}

/** Without the MD5 the signature covers no byte of the body, so anybody on the way could change it. */
function verifyMd5(request: SignedRequest): void {
  const md5 = headerOf(request, 'content-md5') ?? ''
  if (md5 === '' && request.body.length === 0) return
  if (md5 === '') throw new SlsRefusal('SignatureNotMatch', 'a request with a body needs Content-MD5')
  if (md5 !== createHash('md5').update(request.body).digest('hex').toUpperCase()) {
    throw new SlsRefusal('SignatureNotMatch', `Content-MD5 ${md5} is not the MD5 of the body`)
  }
}

interface V4Claim {
  day: string
  region: string
  signature: string
}

function verifyV4(request: SignedHead, credential: Credential, claim: V4Claim, now: number): void {
  const date = headerOf(request, 'x-log-date')
  if (date === undefined) throw new SlsRefusal('MissingDate', 'x-log-date does not exist in header')
  const iso = date.replace(V4_DATE, '$1-$2-$3T$4:$5:$6Z')
  assertSkew(V4_DATE.test(date) ? Date.parse(iso) : Number.NaN, date, now)
  if (!date.startsWith(claim.day)) {
    throw new SlsRefusal('SignatureNotMatch', `the credential's date ${claim.day} differs from x-log-date ${date}`)
  }
  const hash = headerOf(request, 'x-log-content-sha256') ?? ''
  const scope = `${claim.day}/${claim.region}/sls/aliyun_v4_request`
  let key: string | Buffer = `aliyun_v4${credential.accessKeySecret}`
  for (const part of [claim.day, claim.region, 'sls', 'aliyun_v4_request']) {
    key = createHmac('sha256', key).update(part).digest()
  }
  const signingKey = key
  // The OpenAPI SDK leaves a few characters unescaped, so the query as it was sent is tried too.
  const matches = [v4Query(request.rawQuery), sentQuery(request.rawQuery)].some((query) => {
    const canonical = v4Canonical(request, query, hash)
    const text = `SLS4-HMAC-SHA256\n${date}\n${scope}\n${createHash('sha256').update(canonical).digest('hex')}`
    return createHmac('sha256', signingKey).update(text).digest('hex') === claim.signature
  })
  if (!matches) throw notMatching(claim.signature, v4Canonical(request, v4Query(request.rawQuery), hash))
}

function verifySha256(request: SignedRequest): void {
  const hash = createHash('sha256').update(request.body).digest('hex')
  if (headerOf(request, 'x-log-content-sha256') !== hash) {
    throw new SlsRefusal('SignatureNotMatch', 'x-log-content-sha256 is not the SHA-256 of the body')
  }
}

function v4Canonical(request: SignedHead, query: string, bodyHash: string): string {
  const signed = (name: string) => name === 'host' || name === 'content-type'
  const lines = logHeaders(request, () => true, signed)
  const names = lines.map((line) => line.slice(0, line.indexOf(':')))
  return [request.method, request.path, query, lines.join(''), names.join(';'), bodyHash].join('\n')
}

/** `name:value\n` of every x-log- and x-acs- header that passes, and of the others named, sorted by name. */
function logHeaders(
  request: SignedHead,
  passes: (name: string) => boolean,
  others: (name: string) => boolean = () => false,
): string[] {
  return Object.keys(request.headers)
    .filter((name) => (/^x-(log|acs)-/.test(name) && passes(name)) || others(name))
    .sort()
    .map((name) => `${name}:${headerOf(request, name)?.trim() ?? ''}\n`)
}

/** Sorted by key, values decoded; a key that came without `=` stays without. */
function v1Query(rawQuery: string): string {
  const pairs = queryPairs(rawQuery).map(
    ([key, value]) => [key, value === undefined ? key : `${key}=${value}`] as const,
  )
  return pairs
    .sort(byKey)
    .map(([, text]) => text)
    .join('&')
}

/** Sorted by key, values encoded as RFC 3986 has it; a key with an empty value stays without `=`. */
function v4Query(rawQuery: string): string {
  return queryPairs(rawQuery)
    .sort(byKey)
    .map(([key, value]) => (value ? `${key}=${encodeRfc3986(value)}` : key))
    .join('&')
}

function sentQuery(rawQuery: string): string {
  const pairs = rawQuery.split('&').map((pair) => [pair.replace(/=.*$/s, ''), pair.replace(/=$/, '')] as const)
  return pairs
    .sort(byKey)
    .map(([, text]) => text)
    .join('&')
}

/** Decoded pairs in the order they came; the value is undefined without `=`. */
export function queryPairs(rawQuery: string): Array<[key: string, value: string | undefined]> {
  const pairs = rawQuery.split('&').filter((pair) => pair !== '')
  return pairs.map((pair) => {
    const equals = pair.indexOf('=')
    return equals < 0 ? [decode(pair), undefined] : [decode(pair.slice(0, equals)), decode(pair.slice(equals + 1))]
  })
}

/** Clients spell a space as `+` or as `%20`; a literal plus arrives as `%2B`. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch (cause) {
    throw new SlsRefusal('ParameterInvalid', `the query is not URL-encoded UTF-8: ${(cause as Error).message}`)
  }
}

function encodeRfc3986(value: string): string {
  return encodeURIComponent(value).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

function byKey([a]: readonly [string, ...unknown[]], [b]: readonly [string, ...unknown[]]): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function assertSkew(time: number, text: string, now: number): void {
  if (Number.isNaN(time)) throw new SlsRefusal('InvalidDateFormat', `date ${text} has an invalid format`)
  if (Math.abs(now - time) > MAX_SKEW_MS) {
    const server = new Date(now).toUTCString()
    throw new SlsRefusal(
      'RequestTimeTooSkewed',
      `request time ${text} differs more than 15 minutes from the server's, ${server}`,
    )
  }
}

function notMatching(signature: string, expectedText: string): SlsRefusal {
  return new SlsRefusal(
    'SignatureNotMatch',
    `signature ${signature} not matched, server string to sign: ${JSON.stringify(expectedText)}`,
  )
}

function headerOf(request: SignedHead, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value.join(',') : value
}
