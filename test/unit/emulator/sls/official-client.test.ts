import dns from 'node:dns'
import type { LookupFunction } from 'node:net'
import Client from '@alicloud/log'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SlsEmulator } from '../../../../src/emulator/sls/server.ts'
import { startSlsEmulator } from '../../../../src/emulator/sls/server.ts'
import { decodeLogGroup } from '../../../../src/sls/log-group.ts'
import { lz4Decompress } from '../../../../src/sls/lz4.ts'

// `@alicloud/log` 1.2.6 as published. It always connects to `<project>.<endpoint>`, a name that has no address here, so
// this process resolves such names to loopback; everything else is as a user has it.

const PROJECT = 'official-project'
const TIME = 1_700_000_000
const realLookup = dns.lookup

let emulator: SlsEmulator

beforeAll(async () => {
  const loopback: LookupFunction = (hostname, options, found) => {
    if (!/\.(localhost|127\.0\.0\.1)$/.test(hostname)) realLookup(hostname, options, found)
    else if (options.all) found(null, [{ address: '127.0.0.1', family: 4 }])
    else found(null, '127.0.0.1', 4)
  }
  dns.lookup = loopback as typeof dns.lookup
  emulator = await startSlsEmulator({ projects: { [PROJECT]: { audit: { shards: 1 } } } })
})

afterAll(async () => {
  dns.lookup = realLookup
  await emulator.close()
})

function client(host: string, keys: { accessKeySecret?: string; securityToken?: string } = {}): Client {
  const { accessKeyId, accessKeySecret } = emulator
  return new Client({ endpoint: `http://${host}:${emulator.port}`, accessKeyId, accessKeySecret, ...keys })
}

function stored() {
  const shard = emulator.logstore().shard(0)
  return shard
    .read(shard.begin, { count: 1000, maxBytes: Number.POSITIVE_INFINITY })
    .groups.map(({ bytes, rawSize }) => decodeLogGroup(lz4Decompress(bytes, rawSize)))
}

describe('@alicloud/log', () => {
  test.each(['localhost', '127.0.0.1'])('writes logs through %s, and the store holds the same', async (host) => {
    const before = stored().length
    await client(host).postLogStoreLogs(PROJECT, 'audit', {
      topic: 'login',
      source: '10.1.2.3',
      tags: [{ env: 'test' }, { zone: '中' }],
      logs: [
        { timestamp: TIME, timestampNsPart: 123_456_789, content: { user: 'ann', text: 'grüße 👋', empty: '' } },
        { timestamp: TIME + 1, content: { user: 'bob' } },
      ],
    })
    const written = stored()
    expect(written).toHaveLength(before + 1)
    const group = written.at(-1)
    expect([group?.topic, group?.source, group?.tags]).toEqual([
      'login',
      '10.1.2.3',
      [
        ['env', 'test'],
        ['zone', '中'],
      ],
    ])
    const logs = group?.logs.map(({ time, timeNs, contents }) => [
      time,
      timeNs,
      contents.map((pair) => pair.map(String)),
    ])
    expect(logs).toEqual([
      [
        TIME,
        123_456_789,
        [
          ['user', 'ann'],
          ['text', 'grüße 👋'],
          ['empty', ''],
        ],
      ],
      [TIME + 1, undefined, [['user', 'bob']]],
    ])
  })

  test('reads logstore metadata', async () => {
    const logstore = await client('localhost').getLogStore(PROJECT, 'audit')
    expect(logstore).toMatchObject({ logstoreName: 'audit', ttl: 30, shardCount: 1 })
  })

  test('understands the refusals of the emulator', async () => {
    const write = (by: Client, logstore: string) =>
      by.postLogStoreLogs(PROJECT, logstore, { logs: [{ timestamp: TIME, content: { a: 'b' } }] })
    await expect(write(client('localhost'), 'other')).rejects.toMatchObject({ code: 'LogStoreNotExist' })
    await expect(write(client('localhost', { accessKeySecret: 'wrong' }), 'audit')).rejects.toMatchObject({
      code: 'SignatureNotMatch',
    })
    const withToken = client('localhost', { securityToken: 'unexpected' })
    await expect(write(withToken, 'audit')).rejects.toMatchObject({ code: 'Unauthorized' })
  })

  test('writes with an STS token', async () => {
    const keys = { accessKeyId: 'sts', accessKeySecret: 'secret', securityToken: 'token' }
    const sts = await startSlsEmulator({ projects: { [PROJECT]: { audit: {} } }, ...keys })
    try {
      const by = new Client({ endpoint: `http://localhost:${sts.port}`, ...keys })
      await by.postLogStoreLogs(PROJECT, 'audit', { logs: [{ timestamp: TIME, content: { a: 'b' } }] })
      expect(sts.state().logstores[0]?.shards.map(({ logs }) => logs)).toEqual([1, 0])
    } finally {
      await sts.close()
    }
  })
})
