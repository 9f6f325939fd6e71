import { getEventListeners } from 'node:events'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Fault } from '../../../src/core/errors.ts'
import type { SlsClient } from '../../../src/sls/client.ts'
import type { Reply } from './scripted-server.ts'
import { connected, empty, json, raw, silence } from './scripted-server.ts'

const CORRUPT = { name: 'Fault', kind: 'transient', code: 'corrupt_response', status: 200 }
const PULL_HEADERS = { 'x-log-cursor': 'bmV4dA==', 'x-log-count': '1', 'x-log-bodyrawsize': '100' }

const CALLS: Record<string, (client: SlsClient) => Promise<unknown>> = {
  listConsumerGroups: (client) => client.listConsumerGroups(),
  heartbeat: (client) => client.heartbeat('cg-1', 'c1', []),
  getCheckpoints: (client) => client.getCheckpoints('cg-1'),
  listShards: (client) => client.listShards(),
  getCursor: (client) => client.getCursor(0, 'begin'),
  getCursorTime: (client) => client.getCursorTime(0, 'Y3Vyc29y'),
  getGroupAge: (client) => client.getGroupAge(0, 'Y3Vyc29y'),
}
const COMMANDS: Record<string, (client: SlsClient) => Promise<unknown>> = {
  createConsumerGroup: (client) => client.createConsumerGroup({ name: 'cg', timeoutSeconds: 60, inOrder: false }),
  updateConsumerGroup: (client) => client.updateConsumerGroup({ name: 'cg', timeoutSeconds: 60, inOrder: false }),
  updateCheckpoint: (client) => client.updateCheckpoint('cg', 'c1', 0, 'Y3Vyc29y'),
}

const SHARD = { shardID: 0, status: 'readwrite', inclusiveBeginKey: '0', exclusiveEndKey: 'f', createTime: 1 }

describe('answers of the wrong shape', () => {
  const anywhere = [null, 17, 'text', true, { shards: [0] }, [null], [[]], [17.5], ['0'], [-1], {}, { cursor: 7 }]
  test.each(Object.entries(CALLS))('%s', async (_name, call) => {
    const { client } = await connected(anywhere.map((body) => json(body)))
    for (const body of anywhere) await expect(call(client), JSON.stringify(body)).rejects.toMatchObject(CORRUPT)
  })

  test.each<[call: string, body: unknown]>([
    ['listConsumerGroups', [{ timeout: 60, order: false }]],
    ['listConsumerGroups', { count: 0, consumerGroups: [] }],
    ['heartbeat', [0, 1e300]],
    ['getCheckpoints', [{ shard: 0, updateTime: 0, consumer: '' }]],
    ['getCheckpoints', [{ shard: 0, checkpoint: null, updateTime: 0, consumer: '' }]],
    ['getCheckpoints', [{ shard: '0', checkpoint: '', updateTime: 0, consumer: '' }]],
    ['listShards', [SHARD, { ...SHARD, shardID: undefined }]],
    ['getCursor', { cursor: '' }],
    ['getCursor', [{ cursor: 'x' }]],
    ['getCursorTime', { cursor_time: '7' }],
  ])('%s answered %j', async (name, body) => {
    const { client } = await connected(json(body))
    await expect(CALLS[name]?.(client)).rejects.toMatchObject(CORRUPT)
  })
})

describe('answers of another version of the service', () => {
  const group = { name: 'cg', timeoutSeconds: 60, inOrder: true }
  const checkpoint = { shard: 0, checkpoint: 'x', updateTime: 0, consumer: '' }
  test.each<[call: string, body: unknown, read: unknown]>([
    ['listShards', { shardID: 7, status: 'readonly' }, { shardId: 7, status: 'readonly' }],
    [
      'listShards',
      { shardID: 7, status: 'ReadOnly', inclusiveBeginKey: 0, more: [] },
      { shardId: 7, status: 'readonly' },
    ],
    ['listShards', { shardID: 7 }, { shardId: 7, status: undefined }],
    ['listShards', { shardID: 7, status: 'frozen' }, { shardId: 7, status: undefined }],
    ['listConsumerGroups', { name: 'cg', timeout: 60, order: true, more: {} }, group],
    ['listConsumerGroups', { name: 'cg' }, { name: 'cg', timeoutSeconds: undefined, inOrder: undefined }],
    ['listConsumerGroups', { ...{ name: 'cg', timeout: '60' }, order: true }, { ...group, timeoutSeconds: undefined }],
    ['listConsumerGroups', { name: 'cg', timeout: 60, order: 'true' }, { ...group, inOrder: undefined }],
    ['getCheckpoints', { shard: 0, checkpoint: 'x' }, checkpoint],
    ['getCheckpoints', { shard: 0, checkpoint: 'x', updateTime: 'now', consumer: 7 }, checkpoint],
  ])('%s understands %j', async (name, body, read) => {
    const { client } = await connected(json([body]))
    expect(await CALLS[name]?.(client)).toEqual([read])
  })
})

describe('answers that are no JSON', () => {
  test.each(Object.entries({ ...CALLS, ...COMMANDS }))('%s answered with a page', async (_name, call) => {
    const { client } = await connected(raw('<html>Please log in</html>', 200, { 'content-type': 'text/html' }))
    await expect(call(client)).rejects.toMatchObject(CORRUPT)
  })

  test.each(Object.entries(CALLS))('%s answered with nothing', async (_name, call) => {
    const { client } = await connected(empty)
    await expect(call(client)).rejects.toMatchObject(CORRUPT)
  })

  test.each(Object.entries(CALLS))('%s answered with 2 GB', async (_name, call) => {
    const { client } = await connected((response) => {
      response.writeHead(200, { 'content-length': '2000000000' })
      response.write('[')
    })
    await expect(call(client)).rejects.toMatchObject(CORRUPT)
  })

  test('an answer without end is refused while it arrives', async () => {
    const { client } = await connected((response) => {
      response.writeHead(200)
      const more = () => !response.destroyed && response.write(' '.repeat(65_536), () => setImmediate(more))
      more()
    })
    await expect(client.getCursor(0, 'begin')).rejects.toMatchObject(CORRUPT)
  })

  test('an answer that is cut', async () => {
    const { client } = await connected((response) => {
      response.writeHead(200, { 'content-length': '100' })
      response.write('[0', () => response.destroy())
    })
    await expect(client.heartbeat('cg', 'c1', [])).rejects.toMatchObject({ kind: 'transient', code: 'und_err_socket' })
  })

  test('bytes that are no HTTP', async () => {
    const { client } = await connected((response) => response.socket?.end('SSH-2.0-OpenSSH_9.6\r\n'))
    await expect(client.listShards()).rejects.toMatchObject({ name: 'Fault', kind: 'transient' })
  })

  test('any status but 200 is an error, a redirect is not followed', async () => {
    const { client, seen } = await connected([raw('', 204), raw('', 302, { location: '/elsewhere' })])
    await expect(client.updateCheckpoint('cg', 'c1', 0, 'x')).rejects.toMatchObject({ reaction: 'retry', status: 204 })
    await expect(client.listShards()).rejects.toMatchObject({ reaction: 'configuration', status: 302 })
    expect(seen).toHaveLength(2)
  })
})

describe('time', () => {
  const timeout = { name: 'Fault', kind: 'transient', code: 'timeout' }
  const trickle: Reply = (response) => {
    response.writeHead(200)
    const timer = setInterval(() => response.write(' '), 10)
    response.once('close', () => clearInterval(timer))
  }

  test('a call that is not answered times out', async () => {
    const { client } = await connected(silence, { timeoutMs: 50 })
    await expect(client.listShards()).rejects.toMatchObject(timeout)
  })

  test('a heartbeat brings its own time', async () => {
    const { client } = await connected(silence, { timeoutMs: 60_000 })
    await expect(client.heartbeat('cg', 'c1', [], { timeoutMs: 50 })).rejects.toMatchObject(timeout)
  })

  test('a call that is answered too slowly times out as a whole', async () => {
    const { client } = await connected(trickle, { timeoutMs: 100 })
    await expect(client.listShards()).rejects.toMatchObject(timeout)
  })

  test('credentials that never come time out', async () => {
    const { client, seen } = await connected(json([]), { timeoutMs: 50, credentials: () => new Promise(() => {}) })
    await expect(client.listShards()).rejects.toMatchObject(timeout)
    expect(seen).toHaveLength(0)
  })

  test('credentials that fail, fail the call as they are', async () => {
    const fault = new Fault('configuration', 'no role', { code: 'no_credentials' })
    const { client } = await connected(json([]), { credentials: () => Promise.reject(fault) })
    await expect(client.listShards()).rejects.toBe(fault)
  })

  test('a pull without headers times out', async () => {
    const { client } = await connected(silence)
    await expect(client.pull(0, 'x', { count: 1, timeoutMs: 50 })).rejects.toMatchObject(timeout)
  })

  test('a pull whose body stops times out, one that goes on does not', async () => {
    const { client } = await connected((response) => {
      response.writeHead(200, { ...PULL_HEADERS, 'x-log-bodyrawsize': '1000000', 'content-length': '1000000' })
      const timer = setInterval(() => response.write('x'.repeat(5_000)), 10)
      response.once('close', () => clearInterval(timer))
      setTimeout(() => clearInterval(timer), 300)
    })
    const pull = await client.pull(0, 'x', { count: 1, timeoutMs: 150 })
    const started = performance.now()
    await expect(pull.read()).rejects.toMatchObject(timeout)
    expect(performance.now() - started).toBeGreaterThan(300)
  })
})

describe('giving up', () => {
  const reason = new Fault('lease', 'the lease ended', { code: 'lease_lost' })

  test.each(Object.entries(CALLS))('%s rejects with the reason it was aborted for', async (name, call) => {
    const asked = Promise.withResolvers<void>()
    const { client } = await connected(() => asked.resolve())
    const controller = new AbortController()
    const { signal } = controller
    const running = name === 'heartbeat' ? client.heartbeat('cg', 'c1', [], { signal }) : aborting(client, name, signal)
    expect(call).toBeTypeOf('function')
    const rejected = expect(running).rejects.toBe(reason)
    await asked.promise
    controller.abort(reason)
    await rejected
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  function aborting(client: SlsClient, name: string, signal: AbortSignal): Promise<unknown> {
    if (name === 'listConsumerGroups') return client.listConsumerGroups(signal)
    if (name === 'getCheckpoints') return client.getCheckpoints('cg', undefined, signal)
    if (name === 'listShards') return client.listShards(signal)
    if (name === 'getCursor') return client.getCursor(0, 'end', signal)
    return client.getCursorTime(0, 'x', signal)
  }

  test('a signal that is aborted already sends nothing', async () => {
    const { client, seen } = await connected(json([]))
    await expect(client.listShards(AbortSignal.abort(reason))).rejects.toBe(reason)
    expect(seen).toHaveLength(0)
  })

  test('credentials that fail after the call was given up end nothing', async () => {
    const asked = Promise.withResolvers<never>()
    const { client } = await connected(json([]), { credentials: () => asked.promise })
    await expect(client.listShards(AbortSignal.abort(reason))).rejects.toBe(reason)
    const unhandled: unknown[] = []
    const onUnhandled = (error: unknown) => unhandled.push(error)
    process.on('unhandledRejection', onUnhandled)
    onTestFinished(() => void process.off('unhandledRejection', onUnhandled))
    asked.reject(new Fault('configuration', 'no credentials', { code: 'credentials' }))
    // Node reports unhandled rejections before the next turn of the event loop.
    await new Promise(setImmediate)
    expect(unhandled).toEqual([])
  })

  test('a pull can be aborted before its headers, while it waits and while it is read', async () => {
    const half: Reply = (response) => {
      response.writeHead(200, { ...PULL_HEADERS, 'content-length': '100' })
      response.write('x')
    }
    const asked = Promise.withResolvers<void>()
    const { client } = await connected([() => asked.resolve(), half, half])
    const early = new AbortController()
    const rejected = expect(client.pull(0, 'x', { count: 1, signal: early.signal })).rejects.toBe(reason)
    await asked.promise
    early.abort(reason)
    await rejected

    const waiting = new AbortController()
    const unread = await client.pull(0, 'x', { count: 1, signal: waiting.signal })
    waiting.abort(reason)
    await expect(unread.read()).rejects.toBe(reason)

    const reading = new AbortController()
    const half_read = await client.pull(0, 'x', { count: 1, signal: reading.signal })
    const read = expect(half_read.read()).rejects.toBe(reason)
    reading.abort(reason)
    await read
  })

  test('calls that are over leave nothing on a signal that lives on', async () => {
    const { client } = await connected([json([]), raw('x', 500), json('odd'), raw('x', 200, PULL_HEADERS), empty])
    const { signal } = new AbortController()
    await client.listShards(signal)
    await expect(client.listShards(signal)).rejects.toThrow()
    await expect(client.listShards(signal)).rejects.toThrow()
    const pull = await client.pull(0, 'x', { count: 1, signal })
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    await expect(pull.read()).rejects.toThrow()
    await client.updateCheckpoint('cg', 'c1', 0, 'x', { signal })
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  test('closing ends what is under way', async () => {
    const asked = Promise.withResolvers<void>()
    const { client } = await connected(() => asked.resolve())
    const rejected = expect(client.listShards()).rejects.toMatchObject({ name: 'Fault', kind: 'transient' })
    await asked.promise
    await client.close()
    await rejected
    await client.close()
  })
})
