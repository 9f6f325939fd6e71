import { describe, expect, test } from 'vitest'
import { Secret } from '../../../src/core/secret.ts'
import type { Reply } from './scripted-server.ts'
import { connected, json, raw } from './scripted-server.ts'

const CORRUPT = { name: 'Fault', kind: 'transient', code: 'corrupt_response' }

describe('answers that would cost more memory than they are worth', () => {
  test('a list of more shards than a project can have is refused, and the longest possible one is held', async () => {
    const shards = Array.from({ length: 10_001 }, (_, shard) => shard)
    const { client } = await connected([json(shards.slice(0, 10_000)), json(shards)])
    expect(await client.heartbeat('cg', 'c', [])).toHaveLength(10_000)
    await expect(client.heartbeat('cg', 'c', [])).rejects.toMatchObject(CORRUPT)
  })

  test('lists of 5 MB are not read to their end', async () => {
    const { client } = await connected(raw(`[${'{},'.repeat(1_700_000)}{}]`))
    await expect(client.getCheckpoints('cg')).rejects.toThrow('longer than')
    await expect(client.listShards()).rejects.toThrow('longer than')
  })

  test('what has no reason to be long is not read past 1 MB', async () => {
    const { client } = await connected(raw(`[${'0,'.repeat(600_000)}0]`))
    await expect(client.heartbeat('cg', 'c', [])).rejects.toThrow('longer than')
    await expect(client.getCursor(0, 'end')).rejects.toThrow('longer than')
    await expect(client.listConsumerGroups()).rejects.toThrow('longer than')
  })

  test('lists of 10,000 shards with the longest names are read', async () => {
    const key = 'f'.repeat(32)
    const range = { inclusiveBeginKey: key, exclusiveEndKey: key, createTime: 1_700_000_000 }
    const listed = Array.from({ length: 10_000 }, (_, shardID) => ({ shardID, status: 'readwrite', ...range }))
    const written = { checkpoint: 'MTQ0NzI5OTYwNjg5NjYzMjM1Ng==', updateTime: 1_447_300_000_123_456 }
    const entries = listed.map(({ shardID }) => ({ shard: shardID, ...written, consumer: 'c'.repeat(200) }))
    const { client } = await connected([json(listed), json(entries)])
    expect(await client.listShards()).toHaveLength(10_000)
    expect(await client.getCheckpoints('cg')).toHaveLength(10_000)
  })
})

describe('a pull whose body comes in small pieces', () => {
  const inPieces =
    (bytes: number): Reply =>
    (response) => {
      const headers = { 'x-log-cursor': 'bmV4dA==', 'x-log-count': '1', 'x-log-bodyrawsize': '10000000' }
      response.writeHead(200, headers)
      const timer = setInterval(() => response.write('x'.repeat(bytes)), 10)
      response.once('close', () => clearInterval(timer))
    }

  test.each([
    ['that drips ends with its first time limit', 1, 1, 4],
    ['that moves, however slowly, has five of them, and then comes to its end', 5_000, 4, 7],
  ])('%s', async (_, bytes, least, most) => {
    const { client } = await connected(inPieces(bytes))
    const pull = await client.pull(0, 'x', { count: 1, timeoutMs: 400 })
    const started = performance.now()
    await expect(pull.read()).rejects.toMatchObject({ name: 'Fault', kind: 'transient', code: 'timeout' })
    expect((performance.now() - started) / 400).toBeGreaterThan(least * 0.95)
    expect((performance.now() - started) / 400).toBeLessThan(most)
  })
})

test('a redirect says where it leads, on one line', async () => {
  const { client } = await connected(raw('', 301, { location: 'https://elsewhere.example/%0A' }))
  await expect(client.listShards()).rejects.toThrow('sends us to https://elsewhere.example/%0A')
})

describe('an STS token that a proxy shows', () => {
  const token = 'CAIS/token+with"quotes\\and/slashes=='
  const shown = { accessKeyId: 'id', accessKeySecret: new Secret('key'), securityToken: new Secret(token) }
  const answers: Array<[name: string, reply: Reply]> = [
    ['in an error', json({ errorCode: 'InternalServerError', errorMessage: `you sent ${token}` }, 500)],
    [
      'cut off in an error',
      json({ errorCode: 'InternalServerError', errorMessage: `${'x'.repeat(480)}${token}` }, 500),
    ],
    [
      'in an error that escapes slashes',
      raw(JSON.stringify({ errorCode: 'X', errorMessage: token }).replaceAll('/', '\\/'), 500),
    ],
    ['on a page', raw(`<pre>${token}</pre>`, 502)],
    ['on a page with status 200', raw(`<pre>${token}</pre>`, 200)],
    ['in an address', raw('', 302, { location: `/login?token=${token}` })],
    ['in a request id', json({ errorCode: 'X' }, 500, { 'x-log-requestid': token })],
  ]
  test.each(answers)('%s is not repeated', async (_, reply) => {
    const { client } = await connected(reply, { credentials: async () => shown })
    const fault = await client.listShards().catch((error: unknown) => error)
    expect(fault).toMatchObject({ name: expect.stringMatching(/Fault|SlsError/) })
    expect(String((fault as Error).message)).not.toContain('token+with')
    expect(String((fault as Error).cause ?? '')).not.toContain('token+with')
  })
})
