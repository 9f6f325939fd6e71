import { describe, expect, onTestFinished, test } from 'vitest'
import { Secret } from '../../../../src/core/secret.ts'
import type { SlsEmulator, SlsEmulatorOptions } from '../../../../src/emulator/sls/server.ts'
import { startSlsEmulator } from '../../../../src/emulator/sls/server.ts'
import { OfficialClient } from '../../../../src/sls/official-client.ts'
import type { RawAnswer, RawRequest } from './requests.ts'
import { send } from './requests.ts'

const PROJECTS = { audit: { trail: { shards: 3 }, errors: {} }, web: { access: {}, errors: { shards: 1 } } }

async function started(options: SlsEmulatorOptions = {}): Promise<SlsEmulator> {
  const sls = await startSlsEmulator({ projects: PROJECTS, ...options })
  onTestFinished(() => sls.close())
  return sls
}

function pull(sls: SlsEmulator, project: string, logstore: string, cursor: string): Promise<RawAnswer> {
  const query = { type: 'log', cursor, count: '10' }
  const headers = { accept: 'application/x-protobuf', 'accept-encoding': 'lz4' }
  return send(sls, { project, path: `/logstores/${logstore}/shards/0`, query, headers })
}

async function joined(sls: SlsEmulator, project: string, consumer: string): Promise<number[]> {
  const path = '/logstores/errors/consumergroups'
  await send(sls, {
    ...{ project, method: 'POST', path },
    body: JSON.stringify({ consumerGroup: 'cg', timeout: 60, order: false }),
  })
  const query = { type: 'heartbeat', consumer }
  return (await send(sls, { project, method: 'POST', path: `${path}/cg`, query, body: '[]' })).json()
}

describe('one emulator with several projects', () => {
  test('the host of a request names the project, and each has its own logstores and shards', async () => {
    const sls = await started()
    const shardsOf = async (project: string, logstore: string) =>
      (await send(sls, { project, path: `/logstores/${logstore}/shards` })).json<unknown[]>().length
    expect(await shardsOf('audit', 'trail')).toBe(3)
    expect(await shardsOf('audit', 'errors')).toBe(2)
    expect(await shardsOf('web', 'errors')).toBe(1)
    const logstores = await send(sls, { project: 'web', path: '/logstores' })
    expect(logstores.json()).toMatchObject({ total: 2, logstores: ['access', 'errors'] })
    const proxied = { path: '/logstores/access/shards', host: 'proxy', absolute: 'web.any.host' }
    expect((await send(sls, proxied)).status).toBe(200)
  })

  test.each<[string, RawRequest, string]>([
    ['a project that does not exist', { project: 'nope', path: '/logstores/trail/shards' }, 'ProjectNotExist'],
    ['a host that names no project', { host: '127.0.0.1:80', path: '/logstores/trail/shards' }, 'ProjectNotExist'],
    ['a logstore of another project', { project: 'web', path: '/logstores/trail/shards' }, 'LogStoreNotExist'],
  ])('%s is 404', async (_, request, code) => {
    const answer = await send(await started(), request)
    expect([answer.status, answer.code]).toEqual([404, code])
  })

  test('logs, consumer groups and checkpoints of logstores with one name stay apart', async () => {
    const sls = await started()
    for (const project of ['audit', 'web']) {
      const keys = { accessKeyId: sls.accessKeyId, accessKeySecret: new Secret(sls.accessKeySecret) }
      const place = { endpoint: sls.url, project, logstore: 'errors', userAgent: 'test' }
      const writer = new OfficialClient({ ...place, ...keys })
      await writer.write({ topic: project, logs: [{ timestamp: 1_700_000_000, content: { of: project } }] })
      writer.close()
    }
    const topics = (project: string) =>
      sls
        .logstore(project, 'errors')
        .logs()
        .map(({ topic, contents }) => [topic, contents['of']])
    expect([topics('audit'), topics('web')]).toEqual([[['audit', 'audit']], [['web', 'web']]])

    expect(await joined(sls, 'audit', 'a')).toEqual([0, 1])
    expect(await joined(sls, 'web', 'w')).toEqual([0])
    const checkpoint = sls.logstore('web', 'errors').shard(0).cursorAt(1)
    const query = { type: 'checkpoint', consumer: 'w', forceSuccess: 'false' }
    const path = '/logstores/errors/consumergroups/cg'
    const body = JSON.stringify({ shard: 0, checkpoint })
    expect((await send(sls, { project: 'audit', method: 'POST', path, query, body })).code).toBe('ConsumerNotExist')
    await send(sls, { project: 'web', method: 'POST', path, query, body })
    expect(sls.commits).toMatchObject([{ project: 'web', logstore: 'errors', group: 'cg', shard: 0, checkpoint }])
    const [audit, web] = ['audit', 'web'].map((project) => sls.logstore(project, 'errors').state().consumerGroups[0])
    expect(audit?.shards.map(({ holder, behind }) => [holder, behind])).toEqual([
      ['a', 1],
      ['a', 0],
    ])
    expect(web?.shards.map(({ holder, behind }) => [holder, behind])).toEqual([['w', 0]])
  })

  test('a fault hits the project and logstore that it names', async () => {
    const sls = await started()
    sls.faults.add({ match: { project: 'web', logstore: 'errors' }, times: 0, action: { code: 'ServerBusy' } })
    const codeOf = async (project: string, logstore: string) =>
      (await send(sls, { project, path: `/logstores/${logstore}/shards` })).code
    expect(await codeOf('audit', 'errors')).toBe('ok')
    expect(await codeOf('web', 'access')).toBe('ok')
    expect(await codeOf('web', 'errors')).toBe('ServerBusy')
  })

  test('quota, retention and expired cursors are options of a logstore; the emulator’s are the default', async () => {
    let now = Date.now()
    const limited = { readQuota: { requestsPerSecond: 1 }, retentionSeconds: 5, expiredCursor: 'oldest' } as const
    const sls = await started({ projects: { web: { small: limited, large: {} } }, shards: 1, now: () => now })
    const cursors = ['small', 'large'].map((name) => {
      const { cursor } = sls.logstore('web', name).write([{ n: '1' }])
      return [name, cursor] as const
    })
    const codes = () => Promise.all(cursors.map(async ([name, cursor]) => (await pull(sls, 'web', name, cursor)).code))
    expect(await codes()).toEqual(['ok', 'ok'])
    expect(await codes()).toEqual(['ReadQuotaExceed', 'ok'])
    now += 6_000
    expect(await codes()).toEqual(['ok', 'ok'])
    const kept = ['small', 'large'].map((name) => sls.logstore('web', name).logs().length)
    expect(kept).toEqual([0, 1])
    expect(sls.logstore('web', 'large').shards()).toHaveLength(1)
  })

  test('control requests name project and logstore, or mean the first', async () => {
    const sls = await started()
    const split = async (given: object) => {
      const answer = await fetch(`${sls.url}/_emulator/split`, { method: 'POST', body: JSON.stringify(given) })
      return [answer.status, ((await answer.json()) as unknown[]).length]
    }
    expect(await split({ project: 'web', logstore: 'errors', shard: 0 })).toEqual([200, 3])
    expect(await split({ project: 'web', shard: 0, shardCount: 3 })).toEqual([200, 4])
    expect(await split({ shard: 0 })).toEqual([200, 3])
    const shards = sls.state().logstores.map((each) => [each.project, each.logstore, each.shards.length])
    expect(shards).toEqual([
      ['audit', 'trail', 5],
      ['audit', 'errors', 2],
      ['web', 'access', 5],
      ['web', 'errors', 3],
    ])
  })

  test('clients create and delete projects and logstores', async () => {
    const sls = await started()
    const asked = async (raw: RawRequest) => (await send(sls, raw)).code
    const project = { projectName: 'later', description: '' }
    expect(await asked({ project: 'later', method: 'POST', path: '/', body: JSON.stringify(project) })).toBe('ok')
    const logstore = JSON.stringify({ logstoreName: 'logs', ttl: 1, shardCount: 1 })
    expect(await asked({ project: 'later', method: 'POST', path: '/logstores', body: logstore })).toBe('ok')
    expect(sls.logstore('later', 'logs').shards()).toHaveLength(1)
    expect(await asked({ project: 'web', method: 'DELETE', path: '/logstores/errors' })).toBe('ok')
    expect(await asked({ project: 'web', path: '/logstores/errors/shards' })).toBe('LogStoreNotExist')
    expect(await asked({ project: 'audit', path: '/logstores/errors/shards' })).toBe('ok')
  })

  test('a name that the service would refuse is refused at the start', async () => {
    await expect(startSlsEmulator({ projects: { 'Not Allowed': {} } })).rejects.toMatchObject({
      code: 'ParameterInvalid',
      message: expect.stringContaining('Not Allowed'),
    })
  })
})
