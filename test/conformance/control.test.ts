import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { SlsEmulator } from '../../src/emulator/sls/server.ts'
import { startSlsEmulator } from '../../src/emulator/sls/server.ts'
import { chosen } from './client.ts'
import { startHttpProxy } from './proxies.ts'

const HERE = fileURLToPath(new URL('.', import.meta.url))

/** Name of the method, name of its request's class or null, and the arguments after the project. */
type Call = [method: string, request: string | null, ...values: unknown[]]

interface Answer {
  statusCode: number
  body?: unknown
  code?: string
}

async function callAll(sls: SlsEmulator, port: number, signature: string, calls: Call[]): Promise<Answer[]> {
  if (!existsSync(`${HERE}.tools/node/node_modules`)) {
    throw new Error(
      '@alicloud/sls20201230 is not installed: run `npm run test:conformance`, or leave node out of CONFORMANCE',
    )
  }
  const { accessKeyId, accessKeySecret } = sls
  const { project } = sls.logstore()
  const options = JSON.stringify({ project, port, accessKeyId, accessKeySecret, signature, calls })
  const { stdout } = await promisify(execFile)(process.execPath, [`${HERE}node/control.cjs`, options])
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

describe.runIf(chosen('node')).for(['v1', 'v4'])('control calls of @alicloud/sls20201230, signed %s', (signature) => {
  test('consumer groups, heartbeats, checkpoints, shards and cursors', async () => {
    const sls = await startSlsEmulator({ projects: { conformance: { audit: {} } }, shards: 2 })
    onTestFinished(() => sls.close())
    const signed = new Set<string>()
    const http = await startHttpProxy(sls.port, ({ headers }) => {
      signed.add(`${headers.authorization?.split(' ')[0]} ${headers['x-log-signaturemethod'] ?? ''}`.trim())
    })
    onTestFinished(() => http.close())
    const store = sls.logstore().name
    const cursorOfShard0 = sls.logstore().shard(0).cursorAt(0)
    const answers = await callAll(sls, http.port, signature, [
      [
        'createConsumerGroup',
        'CreateConsumerGroupRequest',
        store,
        { consumerGroup: 'cg-1', timeout: 60, order: false },
      ],
      [
        'createConsumerGroup',
        'CreateConsumerGroupRequest',
        store,
        { consumerGroup: 'cg-1', timeout: 60, order: false },
      ],
      ['updateConsumerGroup', 'UpdateConsumerGroupRequest', store, 'cg-1', { timeout: 90, order: true }],
      ['listConsumerGroup', null, store],
      ['consumerGroupHeartBeat', 'ConsumerGroupHeartBeatRequest', store, 'cg-1', { consumer: '消费者 1/*~', body: [] }],
      ['getCursor', 'GetCursorRequest', store, '0', { from: 'begin' }],
      [
        'consumerGroupUpdateCheckPoint',
        'ConsumerGroupUpdateCheckPointRequest',
        store,
        'cg-1',
        { consumer: '消费者 1/*~', forceSuccess: false, shard: 0, checkpoint: cursorOfShard0 },
      ],
      [
        'consumerGroupUpdateCheckPoint',
        'ConsumerGroupUpdateCheckPointRequest',
        store,
        'cg-1',
        { consumer: 'stranger', forceSuccess: false, shard: 0, checkpoint: cursorOfShard0 },
      ],
      ['getCheckPoint', 'GetCheckPointRequest', store, 'cg-1', { shard: 0 }],
      ['splitShard', 'SplitShardRequest', store, '0', { key: '40000000000000000000000000000000' }],
      ['mergeShard', null, store, '2'],
      ['listShards', null, store],
      ['getLogStore', null, store],
      ['deleteConsumerGroup', null, store, 'cg-1'],
      ['deleteConsumerGroup', null, store, 'cg-1'],
    ])
    const shards = [
      { shardID: 0, status: 'readonly' },
      { shardID: 1, status: 'readwrite' },
      { shardID: 2, status: 'readonly' },
      { shardID: 3, status: 'readonly' },
      { shardID: 4, status: 'readwrite' },
    ].map((shard) => expect.objectContaining(shard))
    expect(answers.map(({ statusCode, code = 'ok', body }) => [statusCode, code, body])).toEqual([
      [200, 'ok', undefined],
      [400, 'ConsumerGroupAlreadyExist', undefined],
      [200, 'ok', undefined],
      [200, 'ok', [{ consumerGroup: undefined, name: 'cg-1', timeout: 90, order: true }]],
      [200, 'ok', [0, 1]],
      [200, 'ok', { cursor: cursorOfShard0 }],
      [200, 'ok', undefined],
      [404, 'ConsumerNotExist', undefined],
      [200, 'ok', [expect.objectContaining({ shard: 0, checkpoint: cursorOfShard0, consumer: '消费者 1/*~' })]],
      [
        200,
        'ok',
        [
          expect.objectContaining({ shardID: 0 }),
          expect.objectContaining({ shardID: 2 }),
          expect.objectContaining({ shardID: 3 }),
        ],
      ],
      [
        200,
        'ok',
        [
          expect.objectContaining({ shardID: 4 }),
          expect.objectContaining({ shardID: 2 }),
          expect.objectContaining({ shardID: 3 }),
        ],
      ],
      [200, 'ok', shards],
      [200, 'ok', expect.objectContaining({ logstoreName: store })],
      [200, 'ok', undefined],
      [404, 'ConsumerGroupNotExist', undefined],
    ])
    expect([...signed]).toEqual([signature === 'v4' ? 'SLS4-HMAC-SHA256' : 'LOG hmac-sha256'])
  })
})
