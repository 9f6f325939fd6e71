import { describe, expect, test } from 'vitest'
import type { Credential, SignedRequest } from '../../../../src/emulator/sls/signature.ts'
import { verifySignature } from '../../../../src/emulator/sls/signature.ts'

// Vectors of the SLS protocol reference: computed with the official Python, Go and Node SDKs.

const AK = 'testAccessKeyId'
const KEYS = new Map<string, Credential>([
  [AK, { accessKeyId: AK, accessKeySecret: 'testAccessKeySecret' }],
  ['mockAccessKeyID', { accessKeyId: 'mockAccessKeyID', accessKeySecret: 'mockAccessKeySecret' }],
])
const STS_KEYS = new Map<string, Credential>([
  [AK, { accessKeyId: AK, accessKeySecret: 'testAccessKeySecret', securityToken: 'testSecurityToken' }],
])
const V1_DATE = 'Mon, 09 Nov 2015 06:11:16 GMT'
const V1_NOW = Date.parse(V1_DATE)
const V4_NOW = Date.parse('2024-08-08T03:23:30Z')
const CURSOR = 'MTQ0NzI5OTYwNjg5NjYzMjM1Ng%3D%3D'
const BODY50 = Buffer.from(
  '0a1e08f8b2939e0512160a07546573744b6579120b54657374436f6e74656e741a00220e31302e3233302e3230312e313137',
  'hex',
)

interface Vector {
  name: string
  request: SignedRequest
  now: number
  keys?: ReadonlyMap<string, Credential>
}

function v1(
  name: string,
  line: string,
  signature: string,
  headers: Record<string, string>,
  body: string | Buffer = '',
) {
  const [method = '', target = ''] = line.split(' ')
  const [path = '', rawQuery = ''] = target.split('?')
  const all = { 'x-log-apiversion': '0.6.0', 'x-log-signaturemethod': 'hmac-sha1', date: V1_DATE, ...headers }
  const authorization = `LOG ${AK}:${signature}`
  return { name, now: V1_NOW, request: request(method, path, rawQuery, { authorization, ...all }, body) }
}

function v4(name: string, line: string, scope: string, headers: Record<string, string>, body: string | Buffer = '') {
  const [method = '', target = ''] = line.split(' ')
  const [path = '', rawQuery = ''] = target.split('?')
  const [region, signature] = scope.split(' ')
  const authorization = `SLS4-HMAC-SHA256 Credential=${AK}/20240808/${region}/sls/aliyun_v4_request,Signature=${signature}`
  const all = {
    'x-log-apiversion': '0.6.0',
    'x-log-date': '20240808T032330Z',
    host: 'my-project.cn-hangzhou.log.aliyuncs.com',
    ...headers,
  }
  return { name, now: V4_NOW, request: request(method, path, rawQuery, { authorization, ...all }, body) }
}

function request(
  method: string,
  path: string,
  rawQuery: string,
  headers: Record<string, string>,
  body: string | Buffer,
) {
  return { method, path, rawQuery, headers, body: Buffer.from(body) }
}

const JSON_TYPE = { 'content-type': 'application/json' }
const PROTOBUF = { 'content-type': 'application/x-protobuf', 'x-log-bodyrawsize': '50' }
const TOKEN = { 'x-acs-security-token': 'testSecurityToken' }
const NO_BODY = { 'x-log-bodyrawsize': '0' }
const EMPTY_SHA = { 'x-log-content-sha256': 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' }
const LS = '/logstores/my-logstore'

const VECTORS: Vector[] = [
  v1('V1-1 pull', `GET ${LS}/shards/0?type=log&cursor=${CURSOR}&count=1000`, 'S+qd/QlJ/QKWOqTKYs9x10YSUC8=', NO_BODY),
  v1(
    'V1-2 heartbeat',
    `POST ${LS}/consumergroups/cg-1?type=heartbeat&consumer=consumer-1`,
    '/xmcKI37urAdOlTOJ/Vw7+/eZrs=',
    { ...JSON_TYPE, 'content-md5': '264884439B70AB09A86BC848421C6DE6' },
    '[0, 1]',
  ),
  {
    ...v1(
      'V1-3 write with an STS token',
      `POST ${LS}/shards/lb`,
      '7HLWNcERIM0M+oQ6ZUz8oco63sk=',
      { ...PROTOBUF, ...TOKEN, 'content-md5': '875264590688CA6171F6228AF5BBB3D2' },
      BODY50,
    ),
    keys: STS_KEYS,
  },
  v1(
    'V1-4 query with spaces, quotes and a plus',
    `GET ${LS}/shards/0?type=log&cursor=${CURSOR}&count=10&pullMode=scan_on_stream&query=*+%7C+where+name+%3D+%27%E5%BC%A0%E4%B8%89%27%20and%20a%2Bb+%3D+%27c+d%27`,
    'b3GUG1JJn/y5buFMc9wPjFHGDbM=',
    NO_BODY,
  ),
  v1('V1-5 list groups', `GET ${LS}/consumergroups`, 'mGS5TXKFZeTIeczs+VpPm23ezU8=', NO_BODY),
  {
    ...v1('V1-6 of the Go SDK', 'GET /logstores', '', {
      ...NO_BODY,
      date: 'Mon, 3 Jan 2010 08:33:47 GMT',
      authorization: 'LOG mockAccessKeyID:Rwm6cTKzoti4HWoe+GKcb6Kv07E=',
    }),
    now: Date.parse('2010-01-03T08:33:47Z'),
  },
  v1('N-1 @alicloud/log', `GET ${LS}`, 'Zn4PxJ6Yn8YDteb4rzdeN2r8iCE=', JSON_TYPE),
  v1('N-2 an empty value', 'GET /logstores?logstoreName=&offset=0&size=100', 'PQjYaeMrnxHjpJp/mlaWgujpg/Y=', JSON_TYPE),
  v1(
    'G-1 hmac-sha256, empty content-md5',
    `GET ${LS}/consumergroups/cg-1?shard=0`,
    'XnvNrqvrGjAdaOOM6e+Zr2F1QsB3C6sqCpUffmObac8=',
    { ...NO_BODY, 'x-log-signaturemethod': 'hmac-sha256', 'content-md5': '' },
  ),
  v1(
    'G-2 checkpoint',
    `POST ${LS}/consumergroups/cg-1?type=checkpoint&consumer=c1&forceSuccess=false`,
    'MjYx4B3POsPI1gb6Kr+CHVawXfdvYk76FwOXfuXfVoo=',
    {
      ...JSON_TYPE,
      'x-log-signaturemethod': 'hmac-sha256',
      'x-log-bodyrawsize': '55',
      'content-md5': 'A888DB47D095AF996028FF9F7FAA76DA',
    },
    '{"checkpoint":"MTQ0NzI5OTYwNjg5NjYzMjM1Ng==","shard":0}',
  ),
  v4(
    'V4-1 pull',
    `GET ${LS}/shards/0?type=log&cursor=${CURSOR}&count=1000`,
    'cn-hangzhou d5b0942eddaa3e02784b8dc3f9f66d465f8d507b8065f18233cc910b838b5cbc',
    { ...NO_BODY, ...EMPTY_SHA },
  ),
  v4(
    'V4-2 heartbeat of a consumer with odd characters',
    `POST ${LS}/consumergroups/cg-1?type=heartbeat&consumer=consumer+1%2F%E4%B8%AD*~`,
    'cn-hangzhou 83a6b2127b70eb08008628dd3afe669771fe131b8e0dd782d181f8b6a1e5a766',
    { ...JSON_TYPE, 'x-log-content-sha256': '923682bea6d517dc178d480c88e129e485ed902f4fa024866666658cd4ea6836' },
    '[0, 1]',
  ),
  {
    ...v4(
      'V4-3 write with an STS token',
      `POST ${LS}/shards/lb`,
      'cn-local 45d92527c1e402301d1917ef39d12cbad2e8cf24d6e595a51bf960a2b26e1591',
      {
        ...PROTOBUF,
        ...TOKEN,
        host: 'my-project.localhost',
        'x-log-content-sha256': '1182a15d1d4e9e6f64dc598c4c6f4e57ead2dcad9e724b1adc4dd8573cb0aeb9',
      },
      BODY50,
    ),
    keys: STS_KEYS,
  },
]

function outcome({ request, now, keys = KEYS }: Omit<Vector, 'name'>): string {
  try {
    return verifySignature(request, keys, now)
  } catch (error) {
    return (error as { code: string }).code
  }
}

function vector(name: string): Vector {
  return VECTORS.find((each) => each.name.startsWith(`${name} `)) as Vector
}

/** The vector with some headers changed, or taken away by `undefined`. */
function changed(name: string, headers: Record<string, string | undefined>, rest: Partial<Vector> = {}): string {
  const base = vector(name)
  return outcome({ ...base, ...rest, request: { ...base.request, headers: { ...base.request.headers, ...headers } } })
}

describe('a request that official clients signed is accepted', () => {
  test.each(VECTORS)('$name', (each) => {
    expect(outcome(each)).toBe(each.name.includes('Go SDK') ? 'mockAccessKeyID' : AK)
  })

  test('x-log-date added after signing V1 stands in for a Date that a proxy stripped', () => {
    expect(changed('V1-1', { 'x-log-date': V1_DATE })).toBe(AK)
    expect(changed('V1-1', { 'x-log-date': V1_DATE, date: undefined })).toBe(AK)
  })

  test('a V4 query that the client left partly unescaped is verified as it was sent', () => {
    const base = vector('V4-2')
    const rawQuery = 'consumer=consumer%201%2F%E4%B8%AD%2A~&type=heartbeat'
    expect(outcome({ ...base, request: { ...base.request, rawQuery } })).toBe(AK)
  })
})

describe('anything else is refused', () => {
  test.each(VECTORS)('$name with another method, path, query, body, host or secret', (each) => {
    const { request } = each
    const variants: SignedRequest[] = [
      { ...request, method: 'PUT' },
      { ...request, path: `${request.path}x` },
      { ...request, rawQuery: `${request.rawQuery}&x=1` },
      { ...request, headers: { ...request.headers, 'x-log-added': '1' } },
    ]
    if (request.body.length > 0) variants.push({ ...request, body: Buffer.concat([request.body, Buffer.from(' ')]) })
    if (each.name.startsWith('V4')) variants.push({ ...request, headers: { ...request.headers, host: 'other.host' } })
    for (const variant of variants) expect(outcome({ ...each, request: variant })).toBe('SignatureNotMatch')
    const others = [...(each.keys ?? KEYS)].map(([id, key]) => [id, { ...key, accessKeySecret: 'other' }] as const)
    expect(outcome({ ...each, keys: new Map(others) })).toBe('SignatureNotMatch')
  })

  test.each([
    ['V1-1', V1_NOW],
    ['V4-1', V4_NOW],
  ])('%s from a clock more than 15 minutes off', (name, now) => {
    const minutes = (count: number) => changed(name, {}, { now: now + count * 60_000 })
    expect([minutes(-15), minutes(15)]).toEqual([AK, AK])
    expect([minutes(-15.1), minutes(15.1)]).toEqual(['RequestTimeTooSkewed', 'RequestTimeTooSkewed'])
  })

  test('unsigned, malformed and unknown credentials', () => {
    expect(changed('V1-1', { authorization: undefined })).toBe('Unauthorized')
    expect(changed('V1-1', { authorization: 'Basic abc' })).toBe('ParameterInvalid')
    expect(changed('V1-1', { authorization: 'LOG nobody:S+qd/QlJ/QKWOqTKYs9x10YSUC8=' })).toBe('InvalidAccessKeyId')
  })

  test('a body that a V1 signature does not cover, because there is no Content-MD5', () => {
    const { request, ...rest } = vector('V1-5')
    expect(outcome({ ...rest, request })).toBe(AK)
    expect(outcome({ ...rest, request: { ...request, body: Buffer.from('{}') } })).toBe('SignatureNotMatch')
  })

  test('missing or wrong signing headers, by their own codes', () => {
    expect(changed('V1-1', { 'x-log-apiversion': undefined })).toBe('MissingAPIVersion')
    expect(changed('V1-1', { 'x-log-apiversion': '9' })).toBe('InvalidAPIVersion')
    expect(changed('V1-1', { 'x-log-signaturemethod': undefined })).toBe('MissingSignatureMethod')
    expect(changed('V1-1', { 'x-log-signaturemethod': 'md5' })).toBe('InvalidSignatureMethod')
    expect(changed('V1-1', { date: undefined })).toBe('MissingDate')
    expect(changed('V1-1', { date: 'yesterday' })).toBe('InvalidDateFormat')
    expect(changed('V4-1', { 'x-log-date': '2024-08-08' })).toBe('InvalidDateFormat')
  })

  test('an STS token that is not expected, missing or another one', () => {
    expect(changed('V1-3', {}, { keys: KEYS })).toBe('Unauthorized')
    expect(changed('V1-1', {}, { keys: STS_KEYS })).toBe('Unauthorized')
    expect(changed('V4-3', { 'x-acs-security-token': 'other' })).toBe('Unauthorized')
  })
})
