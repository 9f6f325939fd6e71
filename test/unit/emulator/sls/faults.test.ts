import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { FaultAction, FaultRule } from '../../../../src/emulator/fault-rule.ts'
import { FaultScript } from '../../../../src/emulator/faults.ts'
import type { SlsEmulator } from '../../../../src/emulator/sls/server.ts'
import { startSlsEmulator } from '../../../../src/emulator/sls/server.ts'
import { encodeLogGroup, splitLogGroupList } from '../../../../src/sls/log-group.ts'
import { lz4Decompress } from '../../../../src/sls/lz4.ts'
import type { RawAnswer } from './requests.ts'
import { send } from './requests.ts'

const WORDS = { attributes: ['api', 'shard'], actions: {} }

describe('a fault script', () => {
  const fired = (script: FaultScript, attributes: Record<string, unknown>, times: number) =>
    Array.from({ length: times }, () => script.take(attributes)?.status)

  test('fires once, or as often as asked, or until removed; the first rule that matches wins', () => {
    const script = new FaultScript<FaultAction>(WORDS, {
      rules: [{ action: { status: 501 } }, { times: 2, action: { status: 502 } }],
    })
    script.add({ id: 'last', times: 0, action: { status: 503 } })
    expect(fired(script, {}, 5)).toEqual([501, 502, 502, 503, 503])
    expect(script.remove('last')).toBe(1)
    expect(fired(script, {}, 2)).toEqual([undefined, undefined])
    expect(script.list().map((rule) => rule.fired)).toEqual([1, 2])
  })

  test('matches an exact value or one of several, numbers by their spelling, and no request that lacks the attribute', () => {
    const match = { api: ['PullLogs', 'GetCursor'], shard: 3 }
    const script = new FaultScript<FaultAction>(WORDS, { rules: [{ match, times: 0, action: { status: 501 } }] })
    const hit = (attributes: Record<string, unknown>) => script.take(attributes) !== undefined
    expect(hit({ api: 'PullLogs', shard: 3 })).toBe(true)
    expect(hit({ api: 'GetCursor', shard: '3' })).toBe(true)
    expect(hit({ api: 'PutLogs', shard: 3 })).toBe(false)
    expect(hit({ api: 'PullLogs', shard: 30 })).toBe(false)
    expect(hit({ api: 'PullLogs' })).toBe(false)
  })

  test('lets the first matches pass if asked to', () => {
    const script = new FaultScript<FaultAction>(WORDS, { rules: [{ after: 2, action: { status: 501 } }] })
    expect(fired(script, {}, 4)).toEqual([undefined, undefined, 501, undefined])
  })

  test('chance is decided by the seed alone', () => {
    const rule: FaultRule = { times: 0, probability: 0.3, action: { status: 501 } }
    const run = (seed: number) => fired(new FaultScript<FaultAction>(WORDS, { seed, rules: [rule] }), {}, 1000)
    const hits = run(7).filter(Boolean).length
    expect(hits).toBeGreaterThan(200)
    expect(hits).toBeLessThan(400)
    expect(run(7)).toEqual(run(7))
    expect(run(7)).not.toEqual(run(8))
  })

  test('lists the rules that never fired, removed or not', () => {
    const ids = (script: FaultScript) => script.unfired().map(({ id }) => id)
    const rules = ['a', 'b', 'c'].map((api) => ({ id: api, match: { api }, action: { status: 501 } }))
    const script = new FaultScript<FaultAction>(WORDS, { rules })
    script.take({ api: 'b' })
    expect(ids(script)).toEqual(['a', 'c'])
    script.remove()
    expect(ids(script)).toEqual(['a', 'c'])
    script.clear()
    expect(ids(script)).toEqual([])
  })

  test.each<[string, unknown]>([
    ['an unknown key', { action: { status: 501 }, time: 2 }],
    ['no action', { match: {} }],
    ['an action that does nothing', { action: {} }],
    ['times below 0', { action: { status: 501 }, times: -1 }],
    ['a probability above 1', { action: { status: 501 }, probability: 2 }],
    ['no object', 'fault'],
  ])('refuses a rule with %s and adds none of its batch', (_, rule) => {
    const script = new FaultScript(WORDS)
    expect(() => script.add({ action: { status: 501 } }, rule as FaultRule)).toThrow(TypeError)
    expect(script.list()).toEqual([])
  })
})

const SHARD = '/logstores/audit/shards/0'
const BODY = encodeLogGroup({ logs: [{ time: 1, contents: [['key', 'value '.repeat(50)]] }] })

let emulator: SlsEmulator

beforeEach(async () => {
  emulator = await startSlsEmulator({ shards: 1 })
})
afterEach(() => emulator.close())

async function begin(): Promise<string> {
  const answer = await send(emulator, { path: SHARD, query: { type: 'cursor', from: 'begin' } })
  return answer.json<{ cursor: string }>().cursor
}

function put(): Promise<RawAnswer> {
  const headers = { 'content-type': 'application/x-protobuf', 'x-log-bodyrawsize': String(BODY.length) }
  return send(emulator, { method: 'POST', path: '/logstores/audit/shards/lb', body: BODY, headers })
}

async function pull(): Promise<RawAnswer> {
  return send(emulator, { path: SHARD, query: { type: 'log', cursor: await begin(), count: '10' } })
}

function stored(): number | undefined {
  return emulator.state().logstores[0]?.shards[0]?.groups
}

function counted(api: string): Array<[number, string, number]> {
  return emulator
    .requests()
    .filter((entry) => entry.api === api)
    .map(({ status, code, count }) => [status, code, count])
}

describe('faults of the SLS emulator', () => {
  test('answers an error instead of handling: a code brings its status, a status its body', async () => {
    emulator.faults.add(
      { match: { api: 'PutLogs' }, action: { code: 'ShardWriteQuotaExceed', message: 'slow down' } },
      { match: { api: 'PutLogs' }, action: { status: 503 } },
      { match: { api: 'PutLogs' }, action: { status: 502, body: '<html>', headers: { 'Content-Type': 'text/html' } } },
      { match: { api: 'PutLogs' }, action: { quota: true } },
      { match: { api: 'PutLogs' }, action: { drop: true } },
    )
    const first = await put()
    expect(first.json()).toEqual({ errorCode: 'ShardWriteQuotaExceed', errorMessage: 'slow down' })
    expect(first.status).toBe(403)
    const second = await put()
    expect([second.status, second.code]).toEqual([503, 'ServerBusy'])
    const third = await put()
    expect([third.status, third.body.toString(), third.header('content-type')]).toEqual([502, '<html>', 'text/html'])
    expect((await put()).code).toBe('WriteQuotaExceed')
    expect((await put()).status).toBe(500)
    expect(stored()).toBe(0)
    expect((await put()).code).toBe('ok')
    expect(emulator.faults.unfired()).toEqual([])
  })

  test('a cut before handling leaves no trace, a cut after or in the middle of the answer does', async () => {
    for (const cut of ['before', 'after', 'midway'] as const)
      emulator.faults.add({ match: { api: 'PutLogs' }, action: { cut } })
    await expect(put()).rejects.toThrow()
    expect(stored()).toBe(0)
    await expect(put()).rejects.toThrow()
    expect(stored()).toBe(1)
    await expect(put()).rejects.toThrow()
    expect(stored()).toBe(2)
    emulator.faults.add({ match: { api: 'PullLogs' }, action: { cut: 'midway' } })
    await expect(pull()).rejects.toThrow('aborted')
    expect(counted('PutLogs')).toEqual([[0, 'cut', 3]])
  })

  test('a delay is waited for; a hang is never answered and ends with the emulator', async () => {
    emulator.faults.add({ match: { api: 'PutLogs' }, action: { delayMs: 60 } })
    const started = performance.now()
    expect((await put()).code).toBe('ok')
    expect(performance.now() - started).toBeGreaterThan(50)
    emulator.faults.add(
      { match: { api: 'PutLogs' }, action: { hang: true } },
      { match: { api: 'PutLogs' }, action: { delayMs: 60_000 } },
    )
    const hanging = put()
    const delayed = put()
    const both = expect(Promise.allSettled([hanging, delayed])).resolves.toMatchObject([
      { status: 'rejected' },
      { status: 'rejected' },
    ])
    while (emulator.faults.unfired().length > 0) await put()
    await emulator.close()
    await both
  })

  test.each(['flip', 'truncate', 'rawsize', 'count'] as const)(
    'a pull corrupted by %s can be told from a good one',
    async (corrupt) => {
      await put()
      const good = (answer: RawAnswer) => {
        const list = lz4Decompress(answer.body, Number(answer.header('x-log-bodyrawsize')))
        return splitLogGroupList(list).length === Number(answer.header('x-log-count'))
      }
      emulator.faults.add({ match: { api: 'PullLogs' }, action: { corrupt } })
      const bad = await pull()
      expect(bad.status).toBe(200)
      expect(() => {
        if (!good(bad)) throw new Error('wrong count')
      }).toThrow()
      expect(good(await pull())).toBe(true)
    },
  )

  test('a corrupted empty pull announces a log group that it does not have', async () => {
    emulator.faults.add({ match: { api: 'PullLogs' }, action: { corrupt: 'flip' } })
    const answer = await pull()
    expect([answer.header('x-log-count'), answer.header('x-log-bodyrawsize')]).toEqual(['1', '0'])
  })

  test('a pull whose cursor does not move brings the logs and the cursor that was asked for', async () => {
    await put()
    const cursors: Array<string | undefined> = []
    emulator.faults.add({ match: { api: 'PullLogs' }, action: { corrupt: 'cursor' } })
    for (let i = 0; i < 2; i++) {
      const answer = await pull()
      expect(answer.header('x-log-count')).toBe('1')
      cursors.push(answer.header('x-log-cursor'))
    }
    expect(cursors[0]).not.toBe(cursors[1])
  })

  test('a skewed clock refuses a good signature and shows in Date', async () => {
    emulator.faults.add({ match: { api: 'PutLogs' }, action: { clockSkewMs: 3_600_000 } })
    const answer = await put()
    expect(answer.code).toBe('RequestTimeTooSkewed')
    expect(Math.abs(Date.parse(answer.header('date') ?? '') - Date.now() - 3_600_000)).toBeLessThan(5000)
    expect((await put()).code).toBe('ok')
  })

  test('a checkpoint of any form meets rules about checkpoints, and ends no server', async () => {
    emulator.faults.add({ match: { shard: 7, checkpoint: 'x' }, times: 0, action: { status: 500 } })
    const path = '/logstores/audit/consumergroups'
    await send(emulator, { method: 'POST', path, body: '{"consumerGroup":"cg","timeout":60,"order":false}' })
    const query = { type: 'checkpoint', consumer: 'a' }
    for (const body of [
      '{"shard":{"toString":1},"checkpoint":{"toString":1}}',
      '{"shard":7,"checkpoint":[{}]}',
      'null',
      '7',
    ]) {
      const { status, code } = await send(emulator, { method: 'POST', path: `${path}/cg`, query, body })
      expect([status, code]).toEqual([400, 'JsonInfoInvalid'])
    }
  })

  test('checkpoints and heartbeats match by shard, consumer and force', async () => {
    const path = '/logstores/audit/consumergroups'
    const body = JSON.stringify({ consumerGroup: 'cg', timeout: 60, order: false })
    await send(emulator, { method: 'POST', path, body })
    const api = 'ConsumerGroupUpdateCheckPoint'
    emulator.faults.add(
      { match: { api: 'ConsumerGroupHeartBeat', consumer: 'b' }, action: { drop: true } },
      { match: { api, shard: 0, force: true }, action: { status: 500 } },
    )
    const beat = (consumer: string) =>
      send(emulator, { method: 'POST', path: `${path}/cg`, query: { type: 'heartbeat', consumer }, body: '[]' })
    expect([(await beat('a')).status, (await beat('b')).status, (await beat('b')).status]).toEqual([200, 500, 200])
    const commit = (forceSuccess: string) => {
      const query = { type: 'checkpoint', consumer: 'a', forceSuccess }
      return send(emulator, { method: 'POST', path: `${path}/cg`, query, body: '{"shard":0,"checkpoint":"MTA="}' })
    }
    expect([(await commit('false')).status, (await commit('True')).status]).toEqual([200, 500])
    expect(emulator.commits).toHaveLength(1)
  })

  test.each<[string, object]>([
    ['an api it has not', { match: { api: 'Pull' }, action: { status: 500 } }],
    ['an attribute it has not', { match: { shards: 1 }, action: { status: 500 } }],
    ['an action it has not', { action: { latency: 5 } }],
    ['a cut it has not', { action: { cut: 'never' } }],
  ])('a rule with %s is refused when it is added', (_, rule) => {
    expect(() => emulator.faults.add(rule as FaultRule)).toThrow(TypeError)
  })
})
