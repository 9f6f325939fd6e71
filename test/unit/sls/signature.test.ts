import { describe, expect, test } from 'vitest'
import { Secret } from '../../../src/core/secret.ts'
import type { UnsignedRequest } from '../../../src/sls/signature.ts'
import { percentEncode, signV1, signV4 } from '../../../src/sls/signature.ts'

// Expected values come from the official SDKs: V1 and V4 from Python, N from @alicloud/log, G from @alicloud/gateway-sls,
// V1-6 from the Go repository.

const CREDENTIALS = { accessKeyId: 'testAccessKeyId', accessKeySecret: new Secret('testAccessKeySecret') }
const TEMPORARY = { ...CREDENTIALS, securityToken: new Secret('testSecurityToken') }
const DATE = new Date('Mon, 09 Nov 2015 06:11:16 GMT')
const CURSOR = 'MTQ0NzI5OTYwNjg5NjYzMjM1Ng=='
const LOG_GROUP = Buffer.from(
  '0a1e08f8b2939e0512160a07546573744b6579120b54657374436f6e74656e741a00220e31302e3233302e3230312e313137',
  'hex',
)

function get(path: string, query: UnsignedRequest['query'] = [], headers: Record<string, string> = {}) {
  const base = { 'x-log-apiversion': '0.6.0', 'x-log-bodyrawsize': '0' }
  return { method: 'GET', path, query, headers: { ...base, ...headers } }
}

const HEARTBEAT: UnsignedRequest = {
  method: 'POST',
  path: '/logstores/my-logstore/consumergroups/cg-1',
  query: [
    ['type', 'heartbeat'],
    ['consumer', 'consumer-1'],
  ],
  headers: { 'x-log-apiversion': '0.6.0', 'content-type': 'application/json' },
  body: Buffer.from('[0, 1]'),
}

const WRITE: UnsignedRequest = {
  method: 'POST',
  path: '/logstores/my-logstore/shards/lb',
  query: [],
  headers: { 'x-log-apiversion': '0.6.0', 'x-log-bodyrawsize': '50', 'content-type': 'application/x-protobuf' },
  body: LOG_GROUP,
}

const PULL = get('/logstores/my-logstore/shards/0', [
  ['type', 'log'],
  ['cursor', CURSOR],
  ['count', '1000'],
])

describe('signature version 1', () => {
  test.each<[name: string, request: UnsignedRequest, signature: string]>([
    ['a pull', PULL, 'S+qd/QlJ/QKWOqTKYs9x10YSUC8='],
    ['a heartbeat', HEARTBEAT, '/xmcKI37urAdOlTOJ/Vw7+/eZrs='],
    [
      'a pull with a query that is not ASCII',
      get('/logstores/my-logstore/shards/0', [
        ['type', 'log'],
        ['cursor', CURSOR],
        ['count', '10'],
        ['pullMode', 'scan_on_stream'],
        ['query', "* | where name = '张三' and a+b = 'c d'"],
      ]),
      'b3GUG1JJn/y5buFMc9wPjFHGDbM=',
    ],
    ['a list of consumer groups', get('/logstores/my-logstore/consumergroups'), 'mGS5TXKFZeTIeczs+VpPm23ezU8='],
    [
      '@alicloud/log: content type on a GET, no raw size',
      {
        method: 'GET',
        path: '/logstores/my-logstore',
        query: [],
        headers: { 'x-log-apiversion': '0.6.0', 'content-type': 'application/json' },
      },
      'Zn4PxJ6Yn8YDteb4rzdeN2r8iCE=',
    ],
    [
      '@alicloud/log: an empty query value',
      {
        method: 'GET',
        path: '/logstores',
        query: [
          ['logstoreName', ''],
          ['offset', '0'],
          ['size', '100'],
        ],
        headers: { 'x-log-apiversion': '0.6.0', 'content-type': 'application/json' },
      },
      'PQjYaeMrnxHjpJp/mlaWgujpg/Y=',
    ],
  ])('%s', (_name, request, signature) => {
    const headers = signV1(request, CREDENTIALS, DATE)
    expect(headers['authorization']).toBe(`LOG testAccessKeyId:${signature}`)
    expect(headers['date']).toBe('Mon, 09 Nov 2015 06:11:16 GMT')
    expect(headers['x-log-signaturemethod']).toBe('hmac-sha1')
  })

  test('a body is covered by its MD5 in upper case', () => {
    expect(signV1(HEARTBEAT, CREDENTIALS, DATE)['content-md5']).toBe('264884439B70AB09A86BC848421C6DE6')
    expect(signV1(PULL, CREDENTIALS, DATE)).not.toHaveProperty('content-md5')
  })

  test('a security token is sent and signed', () => {
    const headers = signV1(WRITE, TEMPORARY, DATE)
    expect(headers['authorization']).toBe('LOG testAccessKeyId:7HLWNcERIM0M+oQ6ZUz8oco63sk=')
    expect(headers['x-acs-security-token']).toBe('testSecurityToken')
    expect(headers['content-md5']).toBe('875264590688CA6171F6228AF5BBB3D2')
  })

  test('a given date is kept as it is spelled', () => {
    const request = get('/logstores', [], { date: 'Mon, 3 Jan 2010 08:33:47 GMT' })
    const mock = { accessKeyId: 'mockAccessKeyID', accessKeySecret: new Secret('mockAccessKeySecret') }
    const headers = signV1(request, mock, DATE)
    expect(headers['authorization']).toBe('LOG mockAccessKeyID:Rwm6cTKzoti4HWoe+GKcb6Kv07E=')
    expect(headers['date']).toBe('Mon, 3 Jan 2010 08:33:47 GMT')
  })

  test('SHA-256: a GET', () => {
    const request = get('/logstores/my-logstore/consumergroups/cg-1', [['shard', '0']])
    expect(signV1(request, CREDENTIALS, DATE, 'hmac-sha256')['authorization']).toBe(
      'LOG testAccessKeyId:XnvNrqvrGjAdaOOM6e+Zr2F1QsB3C6sqCpUffmObac8=',
    )
  })

  test('SHA-256: a POST', () => {
    const request: UnsignedRequest = {
      method: 'POST',
      path: '/logstores/my-logstore/consumergroups/cg-1',
      query: [
        ['type', 'checkpoint'],
        ['consumer', 'c1'],
        ['forceSuccess', 'false'],
      ],
      headers: { 'x-log-apiversion': '0.6.0', 'x-log-bodyrawsize': '55', 'content-type': 'application/json' },
      body: Buffer.from(`{"checkpoint":"${CURSOR}","shard":0}`),
    }
    const headers = signV1(request, CREDENTIALS, DATE, 'hmac-sha256')
    expect(headers['authorization']).toBe('LOG testAccessKeyId:MjYx4B3POsPI1gb6Kr+CHVawXfdvYk76FwOXfuXfVoo=')
    expect(headers['content-md5']).toBe('A888DB47D095AF996028FF9F7FAA76DA')
  })
})

describe('signature version 4', () => {
  const date = new Date('2024-08-08T03:23:30Z')
  const host = 'my-project.cn-hangzhou.log.aliyuncs.com'
  const credential = (region: string) =>
    `SLS4-HMAC-SHA256 Credential=testAccessKeyId/20240808/${region}/sls/aliyun_v4_request,Signature=`

  test('a pull', () => {
    const request = { ...PULL, headers: { ...PULL.headers, host } }
    const headers = signV4(request, CREDENTIALS, date, 'cn-hangzhou')
    expect(headers['authorization']).toBe(
      `${credential('cn-hangzhou')}d5b0942eddaa3e02784b8dc3f9f66d465f8d507b8065f18233cc910b838b5cbc`,
    )
    expect(headers['x-log-date']).toBe('20240808T032330Z')
    expect(headers['x-log-content-sha256']).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  })

  test('a heartbeat by a consumer whose name needs escaping', () => {
    const request: UnsignedRequest = {
      ...HEARTBEAT,
      query: [
        ['type', 'heartbeat'],
        ['consumer', 'consumer 1/中*~'],
      ],
      headers: { ...HEARTBEAT.headers, host },
    }
    const headers = signV4(request, CREDENTIALS, date, 'cn-hangzhou')
    expect(headers['authorization']).toBe(
      `${credential('cn-hangzhou')}83a6b2127b70eb08008628dd3afe669771fe131b8e0dd782d181f8b6a1e5a766`,
    )
    expect(headers['x-log-content-sha256']).toBe('923682bea6d517dc178d480c88e129e485ed902f4fa024866666658cd4ea6836')
  })

  test('a write with a security token', () => {
    const request = { ...WRITE, headers: { ...WRITE.headers, host: 'my-project.localhost' } }
    const headers = signV4(request, TEMPORARY, date, 'cn-local')
    expect(headers['authorization']).toBe(
      `${credential('cn-local')}45d92527c1e402301d1917ef39d12cbad2e8cf24d6e595a51bf960a2b26e1591`,
    )
    expect(headers['x-acs-security-token']).toBe('testSecurityToken')
  })
})

test('blanks around a header value, which do not survive the way to the server, are not signed', () => {
  const padded = { ...PULL, headers: { ...PULL.headers, host: 'h', 'x-log-extra': ' value\t' } }
  const plain = { ...PULL, headers: { ...PULL.headers, host: 'h', 'x-log-extra': 'value' } }
  const date = new Date(0)
  expect(signV1(padded, CREDENTIALS, date)['authorization']).toBe(signV1(plain, CREDENTIALS, date)['authorization'])
  expect(signV4(padded, CREDENTIALS, date, 'r')['authorization']).toBe(
    signV4(plain, CREDENTIALS, date, 'r')['authorization'],
  )
})

test('percent encoding leaves only what RFC 3986 calls unreserved', () => {
  expect(percentEncode("consumer 1/中*~-_.!'()+=")).toBe('consumer%201%2F%E4%B8%AD%2A~-_.%21%27%28%29%2B%3D')
})
