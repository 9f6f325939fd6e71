import { describe, expect, onTestFinished, test } from 'vitest'
import type { SlsEmulator, SlsEmulatorOptions } from '../../../../src/emulator/sls/server.ts'
import { startSlsEmulator } from '../../../../src/emulator/sls/server.ts'
import { encodeLogGroup } from '../../../../src/sls/log-group.ts'
import { send } from './requests.ts'

async function started(options: SlsEmulatorOptions = {}): Promise<SlsEmulator> {
  const sls = await startSlsEmulator(options)
  onTestFinished(() => sls.close())
  return sls
}

function put(sls: SlsEmulator): Promise<unknown> {
  const body = encodeLogGroup({ topic: 't', source: 's', logs: [{ time: 7, contents: [['user', 'alice']] }] })
  const headers = { 'content-type': 'application/x-protobuf', 'x-log-bodyrawsize': String(body.length) }
  return send(sls, { method: 'POST', path: '/logstores/audit/shards/lb', body, headers })
}

async function beat(sls: SlsEmulator, consumer: string): Promise<void> {
  const path = '/logstores/audit/consumergroups'
  const group = JSON.stringify({ consumerGroup: 'cg', timeout: 60, order: false })
  await send(sls, { method: 'POST', path, body: group })
  const query = { type: 'heartbeat', consumer }
  await send(sls, { method: 'POST', path: `${path}/cg`, query, body: '[]' })
}

function commit(sls: SlsEmulator, shard: number): Promise<unknown> {
  const query = { type: 'checkpoint', consumer: 'c', forceSuccess: 'true' }
  const { end } = sls.logstore().shard(shard)
  const body = JSON.stringify({ shard, checkpoint: sls.logstore().shard(shard).cursorAt(end) })
  return send(sls, { method: 'POST', path: '/logstores/audit/consumergroups/cg', query, body })
}

describe('a logstore', () => {
  test('stores what a test writes in turn in each shard, or in the one named', async () => {
    const logstore = (await started()).logstore()
    const written = [
      logstore.write([{ n: '1' }]),
      logstore.write([{ n: '2' }]),
      logstore.write([{ n: '3' }], { shard: 1 }),
    ]
    expect(written.map(({ shard }) => shard)).toEqual([0, 1, 1])
    expect(logstore.logs().map(({ shard, cursor, contents }) => [shard, cursor, contents['n']])).toEqual([
      [0, written[0]?.cursor, '1'],
      [1, written[1]?.cursor, '2'],
      [1, written[2]?.cursor, '3'],
    ])
  })

  test('gives back topic, source, tags, time and contents as they were written, bytes as text', async () => {
    const logstore = (await started({ now: () => 1_700_000_000_500 })).logstore()
    const fields = { topic: 'login', source: '10.0.0.1', tags: { host: 'node-7' } }
    logstore.write([{ user: '张伟', raw: Uint8Array.of(0x61, 0xff) }, { user: 'bob' }], {
      ...fields,
      time: 5,
      timeNs: 123,
    })
    logstore.write([{}], { shard: 0 })
    expect(logstore.logs()).toEqual([
      {
        ...fields,
        time: 5,
        timeNs: 123,
        contents: { user: '张伟', raw: 'a\ufffd' },
        shard: 0,
        cursor: expect.any(String),
      },
      { ...fields, time: 5, timeNs: 123, contents: { user: 'bob' }, shard: 0, cursor: expect.any(String) },
      expect.objectContaining({
        topic: '',
        source: '',
        tags: {},
        time: 1_700_000_000,
        timeNs: undefined,
        contents: {},
      }),
    ])
  })

  test('refuses what the service would refuse', async () => {
    const logstore = (await started({ shards: 1 })).logstore()
    expect(() => logstore.write([{ '': 'empty key' }])).toThrow(expect.objectContaining({ code: 'InvalidKey' }))
    expect(() => logstore.write([{ a: 'b' }], { shard: 5 })).toThrow(expect.objectContaining({ code: 'ShardNotExist' }))
    logstore.seal(0)
    expect(() => logstore.write([{ a: 'b' }], { shard: 0 })).toThrow(/readonly/)
    expect(() => logstore.write([{ a: 'b' }])).toThrow(expect.objectContaining({ code: 'LogStoreWithoutShard' }))
    expect(logstore.logs()).toEqual([])
  })

  test('tells when so many logs came in, from a producer or from the test', async () => {
    const sls = await started()
    const waiting = sls.logstore().received(2)
    await put(sls)
    sls.logstore().write([{ user: 'bob' }])
    expect((await waiting).map(({ contents }) => contents['user'])).toEqual(['alice', 'bob'])
    await expect(sls.logstore().received(3, { timeoutMs: 20 })).rejects.toThrow(
      'emulator/audit has 2 of 3 logs: not within 20 ms',
    )
  })

  test('tells when a consumer group is at the end of every shard', async () => {
    const sls = await started()
    const logstore = sls.logstore()
    const missing = logstore.caughtUp('cg', { timeoutMs: 20 })
    await expect(missing).rejects.toThrow('consumer group cg of emulator/audit: does not exist')
    logstore.write([{ n: '1' }], { shard: 0 })
    logstore.write([{ n: '2' }], { shard: 1 })
    await beat(sls, 'c')
    await commit(sls, 0)
    const behind = logstore.caughtUp('cg', { timeoutMs: 20 })
    await expect(behind).rejects.toThrow('shard 0 is 0 log groups behind, shard 1 is 1 log groups behind')
    const waiting = logstore.caughtUp('cg')
    await commit(sls, 1)
    await waiting
    expect(sls.commits.map(({ shard, force }) => [shard, force])).toEqual([
      [0, true],
      [1, true],
    ])
  })

  test('says which consumer holds which shards', async () => {
    const sls = await started({ shards: 3 })
    expect(sls.logstore().holders('cg')).toEqual(new Map())
    const shared = sls.until(() => sls.logstore().holders('cg').get('a')?.length === 3)
    await beat(sls, 'a')
    await shared
    expect(sls.logstore().holders('cg')).toEqual(new Map([['a', [0, 1, 2]]]))
  })

  test('is split, merged, sealed and expired by the test', async () => {
    const logstore = (await started({ shards: 1 })).logstore()
    logstore.write([{ n: '1' }])
    logstore.write([{ n: '2' }])
    expect(logstore.split(0).map(({ id, status }) => [id, status])).toEqual([
      [0, 'readonly'],
      [1, 'readwrite'],
      [2, 'readwrite'],
    ])
    expect(logstore.merge(1).map(({ id, parents }) => [id, parents])).toEqual([
      [3, [1, 2]],
      [1, [0]],
      [2, [0]],
    ])
    expect(logstore.seal(3).status).toBe('readonly')
    expect(logstore.expire({ shard: 0, keep: 1 })).toBe(1)
    expect(logstore.logs().map(({ contents }) => contents['n'])).toEqual(['2'])
    expect(logstore.expire()).toBe(1)
  })
})

describe('the emulator', () => {
  test('hands out the environment of a bridge, for any of its logstores', async () => {
    const sls = await started({ projects: { audit: { trail: {} }, web: { access: {} } }, securityToken: 'sts' })
    expect(sls.environment('web')).toEqual({
      ...{ SLS_ENDPOINT: sls.url, SLS_AK_ID: sls.accessKeyId, SLS_AK_KEY: sls.accessKeySecret },
      ...{ SLS_STS_TOKEN: 'sts', SLS_PROJECT: 'web', SLS_LOGSTORE: 'access' },
    })
    expect(sls.environment()).toMatchObject({ SLS_PROJECT: 'audit', SLS_LOGSTORE: 'trail' })
    expect(() => sls.environment('nope')).toThrow(expect.objectContaining({ code: 'ProjectNotExist', status: 404 }))
  })

  test('tells when a scripted fault has hit a request', async () => {
    const sls = await started()
    sls.faults.add({ id: 'twice', match: { api: 'PutLogs' }, times: 2, action: { code: 'ServerBusy' } })
    sls.faults.add({ id: 'later', match: { api: 'ListShards' }, action: { hang: true } })
    const once = sls.faults.fired('twice')
    await Promise.all([once, put(sls)])
    const late = sls.faults.fired('twice', { times: 2, timeoutMs: 20 })
    await expect(late).rejects.toThrow('fault rule twice fired 1 of 2 times (1 requests matched): not within 20 ms')
    const all = sls.faults.fired()
    void send(sls, { path: '/logstores/audit/shards' }).catch(() => {})
    await all
    await expect(sls.faults.fired('nope')).rejects.toThrow('there is no fault rule nope')
    expect(sls.faults.unfired()).toEqual([])
  })

  test('counts the requests of each API', async () => {
    const sls = await started()
    await put(sls)
    await put(sls)
    expect(sls.requests()).toEqual([{ api: 'PutLogs', status: 200, code: 'ok', count: 2 }])
  })

  test('ends with its block: a wait that is left rejects, and a request under way is cut', async () => {
    let [left, hanging]: Array<Promise<unknown> | undefined> = []
    {
      await using sls = await startSlsEmulator({ faults: [{ action: { hang: true } }] })
      left = expect(sls.logstore().received(1)).rejects.toThrow('emulator/audit has 0 of 1 logs: the server was closed')
      hanging = expect(put(sls)).rejects.toThrow('socket hang up')
      await sls.faults.fired()
    }
    await Promise.all([left, hanging])
  })
})
