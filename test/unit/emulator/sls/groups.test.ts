import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { SlsEmulator, SlsEmulatorOptions } from '../../../../src/emulator/sls/server.ts'
import { startSlsEmulator } from '../../../../src/emulator/sls/server.ts'
import { encodeLogGroup } from '../../../../src/sls/log-group.ts'
import type { RawAnswer } from './requests.ts'
import { send } from './requests.ts'

const GROUPS = '/logstores/audit/consumergroups'
const GROUP = `${GROUPS}/cg`
const MIDDLE = '8'.padEnd(32, '0')

let emulator: SlsEmulator

async function start(options: SlsEmulatorOptions = {}): Promise<void> {
  await emulator?.close()
  emulator = await startSlsEmulator(options)
}

beforeEach(() => start())
afterEach(() => emulator.close())

function call(method: string, path: string, query: Record<string, string> = {}, body?: unknown): Promise<RawAnswer> {
  return send(emulator, { method, path, query, ...(body !== undefined && { body: JSON.stringify(body) }) })
}

function create(name = 'cg', rest: Record<string, unknown> = {}): Promise<RawAnswer> {
  return call('POST', GROUPS, {}, { consumerGroup: name, timeout: 60, order: false, ...rest })
}

function beat(consumer: string, shards: number[]): Promise<RawAnswer> {
  return call('POST', GROUP, { type: 'heartbeat', consumer }, shards)
}

function commit(shard: number, checkpoint: string, query: Record<string, string>): Promise<RawAnswer> {
  return call('POST', GROUP, { type: 'checkpoint', ...query }, { shard, checkpoint })
}

async function cursor(shard: number, from: string): Promise<string> {
  const answer = await call('GET', `/logstores/audit/shards/${shard}`, { type: 'cursor', from })
  return answer.json<{ cursor: string }>().cursor
}

function put(key?: string): Promise<RawAnswer> {
  return send(emulator, {
    ...{ method: 'POST', path: `/logstores/audit/shards/${key === undefined ? 'lb' : 'route'}` },
    ...(key !== undefined && { query: { key } }),
    body: encodeLogGroup({ logs: [{ time: 1, contents: [['k', 'v']] }] }),
    headers: { 'content-type': 'application/x-protobuf', 'x-log-bodyrawsize': '' },
  })
}

describe('consumer groups over HTTP', () => {
  test('lists are bare arrays with the fields the SDKs read', async () => {
    expect((await call('GET', GROUPS)).json()).toEqual([])
    const created = await create()
    expect([created.status, created.body.length, created.header('content-type')]).toEqual([200, 0, undefined])
    await create('ordered', { order: true, timeout: 30 })
    expect((await call('GET', GROUPS)).json()).toEqual([
      { name: 'cg', timeout: 60, order: false },
      { name: 'ordered', timeout: 30, order: true },
    ])
    expect((await call('GET', GROUP)).json()).toEqual([
      { shard: 0, checkpoint: '', updateTime: 0, consumer: '' },
      { shard: 1, checkpoint: '', updateTime: 0, consumer: '' },
    ])
    expect((await call('GET', GROUP, { shard: '1' })).json()).toHaveLength(1)
    expect((await call('GET', GROUP, { shard: '7' })).json()).toEqual([])
    expect((await beat('c', [])).json()).toEqual([0, 1])
  })

  test('a group can be changed and deleted', async () => {
    await create()
    await call('PUT', GROUP, {}, { timeout: 20 })
    await call('PUT', GROUP, {}, { order: true })
    expect((await call('GET', GROUPS)).json()).toEqual([{ name: 'cg', timeout: 20, order: true }])
    expect((await call('DELETE', GROUP)).status).toBe(200)
    const gone = await beat('c', [])
    expect([gone.status, gone.code]).toEqual([404, 'ConsumerGroupNotExist'])
  })

  test('forceSuccess is read in upper and lower case, and decides which consumer may commit', async () => {
    await create()
    const at = await cursor(0, 'end')
    expect((await commit(0, at, { consumer: 'c', forceSuccess: 'false' })).code).toBe('ConsumerNotExist')
    expect((await commit(0, at, { consumer: 'c', forceSuccess: 'True' })).code).toBe('ok')
    await beat('c', [])
    await beat('other', [])
    expect((await commit(0, at, { consumer: 'c', forceSuccess: 'false' })).code).toBe('ok')
    const stranger = await commit(0, at, { consumer: 'other', forceSuccess: 'False' })
    expect([stranger.status, stranger.code]).toEqual([400, 'ConsumerNotMatch'])
    expect(
      emulator.commits.map(({ shard, checkpoint, consumer, force }) => ({ shard, checkpoint, consumer, force })),
    ).toEqual([true, false].map((force) => ({ shard: 0, checkpoint: at, consumer: 'c', force })))
  })

  test('refusals have the service’s codes', async () => {
    const quota = { maxConsumerGroups: 2, groupTimeoutFloorSeconds: 10 }
    await start(quota)
    await create()
    expect((await create()).code).toBe('ConsumerGroupAlreadyExist')
    await create('second')
    expect((await create('third')).code).toBe('ConsumerGroupQuotaExceed')
    expect((await create('Bad Name')).code).toBe('ParameterInvalid')
    expect((await create('short', { timeout: 9 })).code).toBe('ParameterInvalid')
    expect((await create('text', { timeout: '60' })).code).toBe('JsonInfoInvalid')
    expect((await call('POST', GROUPS, {}, [])).code).toBe('JsonInfoInvalid')
    expect((await beat('c', [5])).code).toBe('NotExistConsumerWithBody')
    expect((await call('POST', GROUP, { type: 'heartbeat', consumer: 'c' }, { shards: [] })).code).toBe(
      'JsonInfoInvalid',
    )
    expect((await call('POST', GROUP, { type: 'heartbeat' }, [])).code).toBe('MissingParameter')
    expect((await call('POST', GROUP, { type: 'leave', consumer: 'c' }, [])).code).toBe('ParameterInvalid')
    expect((await commit(0, 'no base64', { forceSuccess: 'true' })).code).toBe('InvalidShardCheckPoint')
    expect((await commit(9, 'MTA=', { forceSuccess: 'true' })).code).toBe('ShardNotExist')
  })
})

describe('shards over HTTP', () => {
  test('the list covers the hash space and ends with 32 f', async () => {
    await start({ shards: 3 })
    const shards = (await call('GET', '/logstores/audit/shards')).json<Array<Record<string, unknown>>>()
    expect(shards.map(({ shardID, status }) => [shardID, status])).toEqual([0, 1, 2].map((id) => [id, 'readwrite']))
    expect(shards[0]?.['inclusiveBeginKey']).toBe('0'.repeat(32))
    expect(shards[2]?.['exclusiveEndKey']).toBe('f'.repeat(32))
    expect(shards.slice(1).map((each) => each['inclusiveBeginKey'])).toEqual(
      shards.slice(0, 2).map((each) => each['exclusiveEndKey']),
    )
    expect(Math.abs(Number(shards[0]?.['createTime']) - Date.now() / 1000)).toBeLessThan(10)
  })

  test('writes go to each shard in turn, or to the one of their hash key', async () => {
    const counts = () => emulator.state().logstores[0]?.shards.map(({ groups }) => groups)
    for (let index = 0; index < 4; index++) await put()
    expect(counts()).toEqual([2, 2])
    await put('0'.repeat(32))
    await put('F'.repeat(32))
    await put(MIDDLE)
    expect(counts()).toEqual([3, 4])
    expect((await put('123')).code).toBe('ParameterInvalid')
  })

  test('a split makes the parent read-only and shares its range; it stays readable, writes go to the children', async () => {
    await put('0'.repeat(32))
    const key = '4'.padEnd(32, '0')
    const answer = await call('POST', '/logstores/audit/shards/0', { action: 'split', key })
    const short = (each: Record<string, unknown>) => [
      each['shardID'],
      each['status'],
      each['inclusiveBeginKey'],
      each['exclusiveEndKey'],
    ]
    expect(answer.json<Array<Record<string, unknown>>>().map(short)).toEqual([
      [0, 'readonly', '0'.repeat(32), MIDDLE],
      [2, 'readwrite', '0'.repeat(32), key],
      [3, 'readwrite', key, MIDDLE],
    ])
    await put('0'.repeat(32))
    expect(emulator.state().logstores[0]?.shards.map(({ groups }) => groups)).toEqual([1, 0, 1, 0])
    const thirds = await call('POST', '/logstores/audit/shards/1', { action: 'split', shardCount: '3' })
    expect(thirds.json()).toHaveLength(4)
    for (const [shard, at] of [
      [2, key],
      [2, '0'.repeat(32)],
      [0, '1'.padEnd(32, '0')],
    ] as const) {
      const refused = await call('POST', `/logstores/audit/shards/${shard}`, { action: 'split', key: at })
      expect(refused.code).toBe('ParameterInvalid')
    }
  })

  test('a merge joins a shard with its right neighbour', async () => {
    const answer = await call('POST', '/logstores/audit/shards/0', { action: 'merge' })
    expect(answer.json<Array<Record<string, unknown>>>().map(({ shardID, status }) => [shardID, status])).toEqual([
      [2, 'readwrite'],
      [0, 'readonly'],
      [1, 'readonly'],
    ])
    expect((await call('POST', '/logstores/audit/shards/2', { action: 'merge' })).code).toBe('ParameterInvalid')
  })

  test('only read-only shards can be deleted; the others go on', async () => {
    expect((await call('DELETE', '/logstores/audit/shards/0')).code).toBe('ParameterInvalid')
    await call('POST', '/logstores/audit/shards/0', { action: 'split' })
    expect((await call('DELETE', '/logstores/audit/shards/0')).code).toBe('ok')
    const gone = await call('GET', '/logstores/audit/shards/0', { type: 'cursor', from: 'begin' })
    expect([gone.status, gone.code]).toEqual([404, 'ShardNotExist'])
  })

  test('without a writable shard writing is refused', async () => {
    emulator.logstore().seal(0)
    emulator.logstore().seal(1)
    expect((await put()).code).toBe('LogStoreWithoutShard')
  })

  test('an ordered group reads the children after the parent, even when its checkpoint was at the end before the split', async () => {
    await start({ shards: 1 })
    await create('cg', { order: true })
    expect((await beat('c', [])).json()).toEqual([0])
    await put()
    await commit(0, await cursor(0, 'end'), { consumer: 'c', forceSuccess: 'false' })
    await put()
    await call('POST', '/logstores/audit/shards/0', { action: 'split' })
    expect((await beat('c', [0])).json()).toEqual([0])
    await commit(0, await cursor(0, 'end'), { consumer: 'c', forceSuccess: 'false' })
    expect((await beat('c', [0])).json()).toEqual([1, 2])
    await call('POST', '/logstores/audit/shards/1', { action: 'split' })
    expect((await beat('c', [1, 2])).json()).toEqual([1, 2])
    await commit(1, await cursor(1, 'end'), { consumer: 'c', forceSuccess: 'false' })
    expect((await beat('c', [1, 2])).json()).toEqual([2, 3, 4])
  })
})

describe('finding the project and the route', () => {
  test.each<[string, Partial<Parameters<typeof send>[1]>]>([
    ['V1', {}],
    ['V1 hmac-sha256', { headers: { 'x-log-signaturemethod': 'hmac-sha256' } }],
    ['V4 of any region', { region: 'cn-anywhere' }],
    ['V4 without a region', { region: '' }],
    ['a project host', { host: 'emulator.cn-hangzhou.log.aliyuncs.com' }],
    ['a host without port', { host: 'emulator.127.0.0.1' }],
    ['an absolute-form target', { host: 'emulator.cn-local.log.test', absolute: 'emulator.cn-local.log.test' }],
    ['an absolute-form target, whatever Host says', { host: '127.0.0.1:1', absolute: 'emulator.cn-local.log.test' }],
    [
      'an absolute-form target, V4',
      { host: 'emulator.cn-local.log.test', absolute: 'emulator.cn-local.log.test', region: 'cn-local' },
    ],
  ])('%s', async (_, rest) => {
    const answer = await send(emulator, { path: GROUPS, query: { key: "it's 100% * ~+中" }, ...rest })
    expect([answer.code, answer.status]).toEqual(['ok', 200])
  })

  test('a trailing ? is no query', async () => {
    const answer = await send(emulator, { path: '/logstores/audit', trailing: '?' })
    expect(answer.code).toBe('ok')
  })

  test('unsigned requests are refused', async () => {
    const answer = await send(emulator, { path: GROUPS, unsigned: true })
    expect([answer.status, answer.code]).toEqual([401, 'Unauthorized'])
  })

  test.each([
    ['another project', { path: GROUPS, project: 'other' }, 404, 'ProjectNotExist'],
    ['no project', { path: GROUPS, host: '127.0.0.1:80' }, 404, 'ProjectNotExist'],
    ['another logstore', { path: '/logstores/other/consumergroups' }, 404, 'LogStoreNotExist'],
    [
      'another shard',
      { path: '/logstores/audit/shards/9', query: { type: 'cursor', from: 'end' } },
      404,
      'ShardNotExist',
    ],
    ['an empty group name', { path: `${GROUPS}/` }, 405, 'InvalidMethod'],
    ['an unknown path', { path: '/dashboards' }, 405, 'InvalidMethod'],
    ['a method the path has not', { path: GROUPS, method: 'DELETE' }, 405, 'InvalidMethod'],
    ['a search', { path: '/logstores/audit', query: { type: 'log' } }, 405, 'InvalidMethod'],
  ])('%s', async (_, raw, status, code) => {
    const answer = await send(emulator, raw)
    expect([answer.status, answer.code]).toEqual([status, code])
  })
})

describe('projects and logstores', () => {
  test('metadata has every field the SDKs index', async () => {
    const logstore = (await call('GET', '/logstores/audit')).json()
    const flags = { enable_tracking: false, appendMeta: false, autoSplit: false, maxSplitShard: 0 }
    expect(logstore).toMatchObject({ logstoreName: 'audit', ttl: 30, shardCount: 2, ...flags })
    expect((await call('GET', '/')).json()).toMatchObject({ projectName: 'emulator', status: 'Normal' })
    expect((await call('GET', '/logstores')).json()).toEqual({ count: 1, total: 1, logstores: ['audit'] })
  })

  test('projects and logstores can be made, changed and deleted', async () => {
    const bare = (method: string, body: unknown) =>
      send(emulator, { method, path: '/', host: `127.0.0.1:${emulator.port}`, body: JSON.stringify(body) })
    expect((await bare('POST', { projectName: 'second', description: 'd' })).code).toBe('ok')
    const inSecond = (method: string, path: string, body?: unknown) =>
      send(emulator, { method, path, project: 'second', ...(body !== undefined && { body: JSON.stringify(body) }) })
    expect((await inSecond('POST', '/logstores', { logstoreName: 'ls', ttl: 7, shardCount: 5 })).code).toBe('ok')
    expect((await inSecond('POST', '/logstores', { logstoreName: 'ls', ttl: 7, shardCount: 5 })).code).toBe(
      'LogStoreAlreadyExist',
    )
    await inSecond('PUT', '/logstores/ls', { ttl: 9 })
    expect((await inSecond('GET', '/logstores/ls')).json()).toMatchObject({ ttl: 9, shardCount: 5 })
    expect((await call('GET', '/logstores/ls')).code).toBe('LogStoreNotExist')
    await inSecond('DELETE', '/logstores/ls')
    expect((await inSecond('GET', '/logstores/ls')).code).toBe('LogStoreNotExist')
    await inSecond('DELETE', '/')
    expect((await inSecond('GET', '/')).code).toBe('ProjectNotExist')
  })
})
