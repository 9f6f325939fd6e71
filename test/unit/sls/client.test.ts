import { inspect } from 'node:util'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { Secret } from '../../../src/core/secret.ts'
import { resolveEndpoint } from '../../../src/sls/endpoint.ts'
import { signV1, signV4 } from '../../../src/sls/signature.ts'
import type { SeenRequest } from './scripted-server.ts'
import { clientOf, connected, empty, failure, json, raw, scriptedServer } from './scripted-server.ts'

const GROUP = { name: 'cg-1', timeoutSeconds: 60, inOrder: true }
const CURSOR = 'MTQ0NzI5OTYwNjg5NjYzMjM1Ng=='
const CREDENTIALS = { accessKeyId: 'testAccessKeyId', accessKeySecret: new Secret('testAccessKeySecret') }

/** The request as the server received it, without what the signature adds. */
function asReceived({ method, path, query, headers, body }: SeenRequest) {
  const added = /^(authorization|content-md5|x-log-content-sha256|x-log-date|x-acs-security-token|content-length)$/
  const kept = Object.entries(headers).filter(([name]) => !added.test(name)) as Array<[string, string]>
  return {
    method,
    path: decodeURIComponent(path),
    query: Object.entries(query),
    headers: Object.fromEntries(kept),
    ...(body.length > 0 && { body }),
  }
}

describe('calls', () => {
  test('listing consumer groups', async () => {
    const { client, seen } = await connected(json([{ name: 'cg-1', timeout: 60, order: true, extra: [] }]))
    expect(await client.listConsumerGroups()).toEqual([GROUP])
    expect(seen[0]).toMatchObject({ method: 'GET', target: '/logstores/my-logstore/consumergroups' })
    expect(seen[0]?.body).toHaveLength(0)
  })

  test('creating and updating a consumer group', async () => {
    const { client, seen } = await connected([empty, empty])
    await client.createConsumerGroup(GROUP)
    await client.updateConsumerGroup(GROUP)
    expect(seen.map(({ method, target }) => [method, target])).toEqual([
      ['POST', '/logstores/my-logstore/consumergroups'],
      ['PUT', '/logstores/my-logstore/consumergroups/cg-1'],
    ])
    expect(JSON.parse(String(seen[0]?.body))).toEqual({ consumerGroup: 'cg-1', timeout: 60, order: true })
    expect(JSON.parse(String(seen[1]?.body))).toEqual({ timeout: 60, order: true })
  })

  test('a heartbeat reports shards and returns those to hold', async () => {
    const { client, seen } = await connected(json([0, 2]))
    expect(await client.heartbeat('cg-1', 'consumer 1/中*~', [0, 1])).toEqual([0, 2])
    expect(seen[0]).toMatchObject({ method: 'POST', path: '/logstores/my-logstore/consumergroups/cg-1' })
    expect(seen[0]?.target).toContain('consumer=consumer%201%2F%E4%B8%AD%2A~')
    expect(seen[0]?.query).toEqual({ type: 'heartbeat', consumer: 'consumer 1/中*~' })
    expect(JSON.parse(String(seen[0]?.body))).toEqual([0, 1])
    expect(seen[0]?.headers).toMatchObject({ 'content-type': 'application/json', 'content-length': '5' })
  })

  test('checkpoints of all shards, and of one', async () => {
    const answer = [{ shard: 0, checkpoint: CURSOR, updateTime: 1447300000123456, consumer: 'c1' }]
    const { client, seen } = await connected([json(answer), json([{ shard: 1, checkpoint: '' }])])
    expect(await client.getCheckpoints('cg-1')).toEqual(answer)
    expect(await client.getCheckpoints('cg-1', 1)).toEqual([{ shard: 1, checkpoint: '', updateTime: 0, consumer: '' }])
    expect(seen.map(({ target }) => target)).toEqual([
      '/logstores/my-logstore/consumergroups/cg-1',
      '/logstores/my-logstore/consumergroups/cg-1?shard=1',
    ])
  })

  test('a checkpoint is never forced', async () => {
    const { client, seen } = await connected(empty)
    await client.updateCheckpoint('cg-1', 'c1', 3, CURSOR)
    expect(seen[0]).toMatchObject({
      method: 'POST',
      path: '/logstores/my-logstore/consumergroups/cg-1',
      query: { type: 'checkpoint', consumer: 'c1', forceSuccess: 'false' },
    })
    expect(JSON.parse(String(seen[0]?.body))).toEqual({ shard: 3, checkpoint: CURSOR })
  })

  test('listing shards', async () => {
    const key = (digit: string) => digit.repeat(32)
    const { client, seen } = await connected(
      json([
        {
          shardID: 7,
          status: 'readonly',
          inclusiveBeginKey: key('0'),
          exclusiveEndKey: key('f'),
          createTime: 1453949705,
        },
      ]),
    )
    expect(await client.listShards()).toEqual([{ shardId: 7, status: 'readonly' }])
    expect(seen[0]?.target).toBe('/logstores/my-logstore/shards')
  })

  test('cursors by name and by time, and the time of a cursor', async () => {
    const { client, seen } = await connected([
      json({ cursor: CURSOR }),
      json({ cursor: CURSOR }),
      json({ cursor_time: 7 }),
    ])
    expect(await client.getCursor(3, 'begin')).toBe(CURSOR)
    expect(await client.getCursor(3, 1469584444)).toBe(CURSOR)
    expect(await client.getCursorTime(3, CURSOR)).toBe(7)
    expect(seen.map(({ path }) => path)).toEqual(Array.from({ length: 3 }, () => '/logstores/my-logstore/shards/3'))
    expect(seen.map(({ query }) => query)).toEqual([
      { type: 'cursor', from: 'begin' },
      { type: 'cursor', from: '1469584444' },
      { type: 'cursor_time', cursor: CURSOR },
    ])
  })
})

describe('requests', () => {
  test('go to an IP with the project in the Host header', async () => {
    const { client, seen, port } = await connected(json([]))
    await client.listShards()
    expect(seen[0]?.headers.host).toBe(`my-project.127.0.0.1:${port}`)
    expect(seen[0]?.headers).toMatchObject({
      'user-agent': 'sls-siem-bridge/test',
      'x-log-apiversion': '0.6.0',
      'x-log-bodyrawsize': '0',
      'x-log-signaturemethod': 'hmac-sha1',
    })
  })

  test('carry a version 1 signature of what arrives', async () => {
    const { client, seen } = await connected(json([0]))
    await client.heartbeat('cg-1', 'consumer 1/中*~', [0])
    const request = seen[0] as SeenRequest
    const expected = signV1(asReceived(request), CREDENTIALS, new Date(0))
    expect(request.headers.authorization).toBe(expected['authorization'])
    expect(request.headers['content-md5']).toBe(expected['content-md5'])
    expect(Math.abs(Date.parse(String(request.headers.date)) - Date.now())).toBeLessThan(10_000)
  })

  test('carry a version 4 signature of what arrives, with a region', async () => {
    const { client, seen } = await connected(json([0]), { region: 'cn-hangzhou' })
    await client.heartbeat('cg-1', 'consumer 1/中*~', [0])
    const request = seen[0] as SeenRequest
    const stamp = String(request.headers['x-log-date'])
    const date = new Date(stamp.replace(/(....)(..)(..)T(..)(..)(..)Z/, '$1-$2-$3T$4:$5:$6Z'))
    expect(request.headers.authorization).toMatch(
      /^SLS4-HMAC-SHA256 Credential=testAccessKeyId\/\d{8}\/cn-hangzhou\/sls\//,
    )
    expect(request.headers.authorization).toBe(
      signV4(asReceived(request), CREDENTIALS, date, 'cn-hangzhou')['authorization'],
    )
  })

  test('ask for credentials every time', async () => {
    let calls = 0
    const { client, seen } = await connected([json([]), json([])], {
      credentials: async () => ({
        ...CREDENTIALS,
        accessKeyId: `key-${++calls}`,
        securityToken: new Secret(`token-${calls}`),
      }),
    })
    await client.listShards()
    await client.listShards()
    expect(seen.map(({ headers }) => headers.authorization?.split(':')[0])).toEqual(['LOG key-1', 'LOG key-2'])
    expect(seen.map(({ headers }) => headers['x-acs-security-token'])).toEqual(['token-1', 'token-2'])
  })

  test('reuse connections, after error answers too', async () => {
    const { client, seen } = await connected([json([]), json([]), failure(500, 'InternalServerError'), json([])])
    for (let round = 0; round < 10; round++) await client.listShards().catch(() => {})
    expect(seen).toHaveLength(10)
    expect(new Set(seen.map(({ connection }) => connection)).size).toBeLessThanOrEqual(2)
  })

  test('a key with a line break is a configuration fault that does not show it', async () => {
    const credentials = async () => ({ ...CREDENTIALS, accessKeyId: 'bro\nken', securityToken: new Secret('hid\nden') })
    const { client } = await connected(json([]), { credentials })
    const error = await client.listShards().catch((caught: unknown) => caught)
    expect(error).toMatchObject({ kind: 'configuration', advice: expect.stringContaining('SLS_AK_ID') })
    expect(inspect(error, { depth: 5 })).not.toMatch(/\bken|hid/)
  })
})

test.each<[endpoint: string, origin: string, host: string]>([
  ['https://cn-hangzhou.log.aliyuncs.com', 'https://p.cn-hangzhou.log.aliyuncs.com', 'p.cn-hangzhou.log.aliyuncs.com'],
  ['cn-hangzhou.log.aliyuncs.com', 'https://p.cn-hangzhou.log.aliyuncs.com', 'p.cn-hangzhou.log.aliyuncs.com'],
  ['http://sls.local:8080/', 'http://p.sls.local:8080', 'p.sls.local:8080'],
  ['http://127.0.0.1:9000', 'http://127.0.0.1:9000', 'p.127.0.0.1:9000'],
  ['10.0.0.1', 'https://10.0.0.1', 'p.10.0.0.1'],
  ['http://localhost', 'http://localhost', 'p.localhost'],
  ['HTTP://localhost:9000', 'http://localhost:9000', 'p.localhost:9000'],
  ['http://[::1]:9000', 'http://[::1]:9000', 'p.[::1]:9000'],
])('endpoint %s connects to %s as %s', (endpoint, origin, host) => {
  expect(resolveEndpoint(endpoint, 'p')).toMatchObject({ origin, host })
})

describe('failures', () => {
  test('an error answer is an SlsError with what the service said', async () => {
    const { client } = await connected(failure(404, 'LogStoreNotExist', 'logstore my-logstore does not exist'))
    await expect(client.listShards()).rejects.toMatchObject({
      name: 'SlsError',
      kind: 'configuration',
      reaction: 'configuration',
      code: 'LogStoreNotExist',
      status: 404,
      message: expect.stringContaining('request REQUEST1'),
      advice: expect.stringContaining('SLS_LOGSTORE'),
    })
  })

  test('the skew of the clock comes from the answer', async () => {
    const time = String(Math.round(Date.now() / 1000) - 2000)
    const { client } = await connected(failure(400, 'RequestTimeTooSkewed', '', { 'x-log-time': time }))
    const error = await client.listShards().catch((caught: unknown) => caught)
    expect(error).toMatchObject({ advice: expect.stringMatching(/(1999|200\d) s ahead/) })
  })

  test('an error body that is cut still counts by its status', async () => {
    const { client } = await connected((response) => {
      response.writeHead(503, { 'content-length': '1000' })
      response.write('oops', () => response.destroy())
    })
    await expect(client.listShards()).rejects.toMatchObject({ reaction: 'retry', code: 'http_503' })
  })

  test('an error body without end is not waited for', async () => {
    const { client } = await connected((response) => {
      response.writeHead(500)
      const more = () => response.write(Buffer.alloc(64 * 1024, 'x'), () => !response.destroyed && setImmediate(more))
      more()
    })
    await expect(client.listShards()).rejects.toMatchObject({ reaction: 'retry', code: 'http_500' })
  })

  test('a port without a listener is transient', async () => {
    const { port } = await scriptedServer(empty)
    const client = clientOf(port, { endpoint: 'http://127.0.0.1:1' })
    await expect(client.listShards()).rejects.toMatchObject({ kind: 'transient', code: 'econnrefused' })
  })

  test('TLS spoken to a plain port is a configuration fault', async () => {
    const { port } = await scriptedServer(empty)
    const client = clientOf(port, { endpoint: `https://127.0.0.1:${port}` })
    await expect(client.listShards()).rejects.toMatchObject({
      kind: 'configuration',
      advice: expect.stringContaining('SLS_ENDPOINT'),
    })
  })

  test('what happened is told once per call', async () => {
    const told: unknown[][] = []
    const { client } = await connected(
      [json([]), failure(400, 'NotExistConsumerWithBody'), raw('<html>'), (response) => response.destroy()],
      { onRequest: (...call) => told.push(call) },
    )
    await client.listShards()
    await expect(client.heartbeat('cg-1', 'c1', [0])).rejects.toMatchObject({ reaction: 'register_again' })
    await expect(client.getCursor(0, 'end')).rejects.toMatchObject({ code: 'corrupt_response' })
    await expect(client.listConsumerGroups()).rejects.toMatchObject({ kind: 'transient' })
    expect(told.map((call) => call.slice(0, 3))).toEqual([
      ['ListShards', 200, 'ok'],
      ['ConsumerGroupHeartBeat', 400, 'NotExistConsumerWithBody'],
      ['GetCursor', 200, 'corrupt_response'],
      ['ListConsumerGroup', 'error', 'und_err_socket'],
    ])
    for (const [, , , seconds] of told) expect(seconds).toBeGreaterThan(0)
  })
})

describe('answers that a gateway compressed unasked', () => {
  test.each<[encoding: string, compress: (body: string) => Buffer]>([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ])('with %s are read', async (encoding, compress) => {
    const { client, seen } = await connected((response) => {
      response.writeHead(200, { 'content-encoding': encoding }).end(compress('[0,1]'))
    })
    expect(await client.heartbeat('group', 'consumer', [])).toEqual([0, 1])
    expect(seen[0]?.headers['accept-encoding']).toBe('identity')
  })

  test('that say why a call is refused are read, too', async () => {
    const { client } = await connected((response) => {
      const body = JSON.stringify({ errorCode: 'ProjectNotExist', errorMessage: 'no such project' })
      response.writeHead(404, { 'content-encoding': 'gzip' }).end(gzipSync(body))
    })
    await expect(client.listShards()).rejects.toMatchObject({ code: 'ProjectNotExist' })
  })

  test.each([
    ['compress', Buffer.from('\x1f\x9d\x90')],
    ['gzip', Buffer.from('not gzip')],
    ['gzip', gzipSync(Buffer.alloc(8 << 20))],
  ])('with %s that cannot be read pause with a reason that names the compression', async (encoding, body) => {
    const { client } = await connected((response) => {
      response.writeHead(200, { 'content-encoding': encoding }).end(body)
    })
    await expect(client.heartbeat('group', 'consumer', [])).rejects.toMatchObject({
      kind: 'configuration',
      code: 'content_encoding',
      message: expect.stringContaining(`Content-Encoding: ${encoding}`),
    })
  })
})

test('requests signed V1 carry their date a second time, since proxies drop the Date header', async () => {
  const { client, seen } = await connected((response) => response.end('[]'))
  await client.heartbeat('group', 'consumer', [])
  expect(seen[0]?.headers['x-log-date']).toBe(seen[0]?.headers['date'])
})
