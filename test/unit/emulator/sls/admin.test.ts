import { request } from 'undici'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { SlsEmulator } from '../../../../src/emulator/sls/server.ts'
import { startSlsEmulator } from '../../../../src/emulator/sls/server.ts'
import type { SlsState } from '../../../../src/emulator/sls/state.ts'
import { encodeLogGroup } from '../../../../src/sls/log-group.ts'
import { send } from './requests.ts'

let emulator: SlsEmulator

beforeEach(async () => {
  emulator = await startSlsEmulator({ projects: { proj: { logs: {} } } })
})
afterEach(() => emulator.close())

async function admin(
  method: 'GET' | 'POST' | 'DELETE',
  name: string,
  body?: unknown,
): Promise<{ status: number; json: unknown }> {
  const url = `${emulator.url}/_emulator/${name}`
  const answer = await request(url, { method, ...(body !== undefined && { body: JSON.stringify(body) }) })
  return { status: answer.statusCode, json: await answer.body.json() }
}

function put(count: number): Promise<unknown> {
  const body = encodeLogGroup({
    logs: [
      { time: 1, contents: [] },
      { time: 2, contents: [] },
    ],
  })
  const headers = { 'content-type': 'application/x-protobuf', 'x-log-bodyrawsize': String(body.length) }
  const one = () => send(emulator, { method: 'POST', path: '/logstores/logs/shards/lb', body, headers })
  return Promise.all(Array.from({ length: count }, one))
}

async function group(): Promise<void> {
  const body = JSON.stringify({ consumerGroup: 'cg', timeout: 60, order: false })
  await send(emulator, { method: 'POST', path: '/logstores/logs/consumergroups', body })
  const query = { type: 'heartbeat', consumer: 'c' }
  await send(emulator, { method: 'POST', path: '/logstores/logs/consumergroups/cg', query, body: '[]' })
}

test('the state shows shards, groups, consumers, checkpoints and how far behind they are', async () => {
  await put(4)
  await group()
  const before = (await admin('GET', 'state')).json as SlsState
  const [shard] = before.logstores[0]?.shards ?? []
  expect(before.logstores).toHaveLength(1)
  expect(before.logstores[0]).toMatchObject({ project: 'proj', logstore: 'logs', ttl: 30 })
  expect(shard).toMatchObject({ shard: 0, status: 'readwrite', groups: 2, logs: 4 })
  const query = { type: 'checkpoint', consumer: 'c', forceSuccess: 'false' }
  const body = JSON.stringify({ shard: 0, checkpoint: shard?.end })
  await send(emulator, { method: 'POST', path: '/logstores/logs/consumergroups/cg', query, body })
  const after = (await admin('GET', 'state')).json as SlsState
  expect(after).toEqual(JSON.parse(JSON.stringify({ ...emulator.state(), now: after.now })))
  const held = { state: 'A', holder: 'c', next: null }
  expect(after.logstores[0]?.consumerGroups).toMatchObject([
    {
      ...{ name: 'cg', timeout: 60, order: false, consumers: [{ name: 'c', shards: 2 }] },
      shards: [
        { shard: 0, ...held, checkpoint: shard?.end, consumer: 'c', behind: 0 },
        { shard: 1, ...held, checkpoint: '', updateTime: 0, consumer: '', behind: 2 },
      ],
    },
  ])
  const entry = {
    project: 'proj',
    logstore: 'logs',
    group: 'cg',
    shard: 0,
    checkpoint: shard?.end,
    consumer: 'c',
    force: false,
  }
  expect((await admin('GET', 'commits')).json).toEqual([{ at: expect.any(Number), ...entry }])
})

test('faults are added, listed with their counters, and removed', async () => {
  const rules = [{ id: 'one', match: { api: 'PutLogs' }, action: { status: 500 } }, { action: { delayMs: 1 } }]
  expect((await admin('POST', 'faults', rules)).json).toEqual({ ids: ['one', 'fault-1'] })
  await put(1)
  expect((await admin('GET', 'faults')).json).toEqual({
    rules: [
      { ...rules[0], seen: 1, fired: 1 },
      { ...rules[1], id: 'fault-1', seen: 0, fired: 0 },
    ],
    unfired: ['fault-1'],
  })
  expect((await admin('DELETE', 'faults?id=one')).json).toEqual({ removed: 1 })
  expect((await admin('DELETE', 'faults')).json).toEqual({ removed: 1 })
  expect((await admin('POST', 'faults', { match: { api: 'Nothing' }, action: { status: 1 } })).status).toBe(400)
  expect((await admin('GET', 'requests')).json).toEqual([{ api: 'PutLogs', status: 500, code: 'scripted', count: 1 }])
})

test('shards are split, merged and made read-only', async () => {
  const ids = (answer: { json: unknown }) =>
    (answer.json as Array<{ shard: number; status: string }>).map(({ shard, status }) => `${shard} ${status}`)
  expect(ids(await admin('POST', 'split', { shard: 0 }))).toEqual(['0 readonly', '2 readwrite', '3 readwrite'])
  expect(ids(await admin('POST', 'merge', { shard: 2 }))).toEqual(['4 readwrite', '2 readonly', '3 readonly'])
  expect((await admin('POST', 'readonly', { shard: 1 })).json).toMatchObject({ shard: 1, status: 'readonly' })
  expect((await admin('POST', 'split', { shard: 1 })).json).toMatchObject({ errorCode: 'ParameterInvalid' })
  expect((await admin('POST', 'split', {})).json).toMatchObject({ errorCode: 'MissingParameter' })
})

test('log groups are expired: all but the newest, up to a cursor, by age, or all', async () => {
  await put(20)
  const [first, second] = emulator.logstore().shards()
  expect((await admin('POST', 'expire', { shard: 0, keep: 8 })).json).toEqual({ expired: 2 })
  expect((await admin('POST', 'expire', { shard: 0, cursor: first?.cursorAt(5) })).json).toEqual({ expired: 3 })
  expect((await admin('POST', 'expire', { olderThanSeconds: 3600 })).json).toEqual({ expired: 0 })
  expect([first?.begin, first?.end, second?.begin, second?.end]).toEqual([5, 10, 0, 10])
  expect((await admin('POST', 'expire')).json).toEqual({ expired: 15 })
  expect(second?.totals).toEqual({ groups: 0, logs: 0, rawBytes: 0, storedBytes: 0 })
})

test('logstores are created, with their project', async () => {
  const wanted = { project: 'other', logstore: 'more', shards: 3, ttl: 5 }
  expect((await admin('POST', 'logstores', wanted)).json).toEqual({ project: 'other', logstore: 'more' })
  expect((await admin('POST', 'logstores', { logstore: 'same' })).json).toEqual({ project: 'proj', logstore: 'same' })
  const { logstores } = (await admin('GET', 'state')).json as SlsState
  expect(logstores.map((each) => [each.project, each.logstore, each.ttl, each.shards.length])).toEqual([
    ['proj', 'logs', 30, 2],
    ['proj', 'same', 30, 2],
    ['other', 'more', 5, 3],
  ])
})

test('anything else is refused', async () => {
  expect((await admin('POST', 'state')).status).toBe(405)
  expect((await admin('POST', 'split', [1])).json).toMatchObject({ errorCode: 'JsonInfoInvalid' })
})
