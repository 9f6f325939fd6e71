import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { persistently } from '../../../src/cli/persistently.ts'
import { wantedWindows } from '../../../src/cli/reconcile/wanted.ts'
import { Fault } from '../../../src/core/errors.ts'
import { Secret } from '../../../src/core/secret.ts'
import { SlsClient } from '../../../src/sls/client.ts'
import { cursorNumber, cursorOf } from '../../../src/sls/cursor.ts'
import { encodeLogGroup, encodeLogGroupList } from '../../../src/sls/log-group.ts'
import { lz4Compress } from '../../../src/sls/lz4.ts'
import { LOGSTORE } from '../../support/shard-ref.ts'
import { referenceEncoder } from '../pipeline/encode-all.ts'

const signal = new AbortController().signal
const FIRST = 1000
const GROUPS = 10

interface Asked {
  from: number
  count: number
}

/** Log Service with ten log groups of one log each, whose cursors are those of their seconds; it heeds no `end_cursor`. */
async function shard(pulled: (asked: Asked) => { next: number } | undefined = () => undefined) {
  const pulls: Asked[] = []
  const server = createServer(({ url = '' }, response) => {
    const { searchParams: query } = new URL(url, 'http://sls')
    if (query.get('type') === 'cursor') {
      response.end(JSON.stringify({ cursor: cursorOf(BigInt(query.get('from') ?? '')) }))
      return
    }
    const asked = { from: Number(cursorNumber(query.get('cursor') ?? '')), count: Number(query.get('count')) }
    pulls.push(asked)
    const next = pulled(asked)?.next ?? Math.min(asked.from + asked.count, FIRST + GROUPS)
    const list = encodeLogGroupList(Array.from({ length: next - asked.from }, () => group()))
    response.writeHead(200, {
      'x-log-cursor': cursorOf(BigInt(next)),
      'x-log-count': String(next - asked.from),
      'x-log-bodyrawsize': String(list.length),
      ...(list.length > 0 && { 'x-log-compresstype': 'lz4' }),
    })
    response.end(list.length > 0 ? lz4Compress(list) : '')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = new SlsClient({
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ project: 'p', logstore: 'l', userAgent: 'test' },
    credentials: async () => ({ accessKeyId: 'id', accessKeySecret: new Secret('secret') }),
  })
  onTestFinished(async () => {
    await client.close()
    server.closeAllConnections()
    server.close()
  })
  return { client, pulls }
}

function group(): Buffer {
  return encodeLogGroup({ topic: 'audit_log', logs: [{ time: FIRST, contents: [['message', 'x']] }] })
}

/** Positions read, by whether they lie before the checkpoint. */
async function read(client: SlsClient, checkpoint: number): Promise<{ committed: number[]; pending: number[] }> {
  const encoder = referenceEncoder()
  const found = { committed: [] as number[], pending: [] as number[] }
  const period = { from: FIRST, to: FIRST + 7 }
  const of = { shard: 0, checkpoint: cursorOf(BigInt(checkpoint)) }
  for await (const { committed, logs } of wantedWindows(
    { client, logstore: LOGSTORE, encoder, sinks: encoder.sinks, byIndex: false, fetchCount: 2 },
    of,
    period,
    signal,
  )) {
    for (const id of logs.keys()) found[committed ? 'committed' : 'pending'].push(Number(id.split(':')[2]))
  }
  return found
}

describe('the logs of a period', () => {
  test('end at the checkpoint and at the end of the period, even if the service ignores an end', async () => {
    const { client, pulls } = await shard()
    expect(await read(client, FIRST + 3)).toEqual({ committed: [1000, 1001, 1002], pending: [1003, 1004, 1005, 1006] })
    expect(pulls.map(({ from }) => from)).toEqual([1000, 1002, 1003, 1005])
  })

  test('are not read after the end when a pull goes past it', async () => {
    const { client, pulls } = await shard(({ from }) => ({ next: Math.min(from + 5, FIRST + GROUPS) }))
    await read(client, FIRST + 9)
    expect(pulls.map(({ from }) => from)).toEqual([1000, 1005])
  })

  test('are asked for again when no log comes before the end', async () => {
    let times = 0
    const { client } = await shard(({ from }) => (from === 1004 && times++ === 0 ? { next: from } : undefined))
    const { committed } = await read(client, FIRST + 9)
    expect(committed).toEqual([1000, 1001, 1002, 1003, 1004, 1005, 1006])
    expect(times).toBe(2)
  })
})

describe('asking again', () => {
  const unreachable = new Fault('configuration', 'no credentials', { code: 'credentials_unreachable' })

  async function asked(faults: Fault[]): Promise<{ times: number; result: unknown }> {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    let times = 0
    const ask = async (): Promise<string> => {
      const fault = faults[times++]
      if (fault) throw fault
      return 'answered'
    }
    const result = persistently(ask, signal).catch((error: unknown) => error)
    await vi.advanceTimersByTimeAsync(10 * 60_000)
    return { times, result: await result }
  }

  test.each([
    ['a source of credentials that is out of reach', unreachable],
    ['an answer that lacks something', new Fault('transient', 'cut', { code: 'incomplete' })],
    ['an answer that was lost', new Fault('ambiguous', 'lost', { code: 'timeout' })],
  ])('passes over %s', async (_, fault) => {
    expect(await asked([fault, fault])).toEqual({ times: 3, result: 'answered' })
  })

  test('gives up with the last fault', async () => {
    const faults = Array.from({ length: 20 }, (_, i) => new Fault('transient', `${i}`, { code: 'incomplete' }))
    expect(await asked(faults)).toEqual({ times: 6, result: faults[5] })
  })

  test('does not happen for a fault that a person has to fix', async () => {
    const refused = new Fault('configuration', 'no credentials', { code: 'credentials' })
    expect(await asked([refused])).toEqual({ times: 1, result: refused })
  })
})
