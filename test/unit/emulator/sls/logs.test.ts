import { deflateSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { compressSync } from 'lz4-napi'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { SlsEmulator, SlsEmulatorOptions } from '../../../../src/emulator/sls/server.ts'
import { startSlsEmulator } from '../../../../src/emulator/sls/server.ts'
import { decodeLogGroup, encodeLogGroup, splitLogGroupList } from '../../../../src/sls/log-group.ts'
import { lz4Decompress } from '../../../../src/sls/lz4.ts'
import type { RawAnswer, RawRequest } from './requests.ts'
import { send } from './requests.ts'

const PROTOBUF = { 'content-type': 'application/x-protobuf' }
const SHARD = '/logstores/audit/shards/0'
const DAY = 86_400_000

let emulator: SlsEmulator
const clock = { now: 0 }

async function start(options: SlsEmulatorOptions = {}): Promise<void> {
  await emulator?.close()
  emulator = await startSlsEmulator({ shards: 1, ...options })
}

beforeEach(() => start())
afterEach(() => emulator.close())

/** The clock of the next emulator stands still until a test turns it; signatures carry the real time. */
function handClock(): Pick<SlsEmulatorOptions, 'now' | 'strictSignatures'> {
  clock.now = 1_700_000_000_000
  return { now: () => clock.now, strictSignatures: false }
}

function group(text: string, count = 1): Buffer {
  const logs = Array.from({ length: count }, (_, n) => ({ time: 1_700_000_000 + n, contents: [['text', text]] }))
  return encodeLogGroup({ topic: 'audit', source: '10.0.0.1', logs: logs as Array<{ time: number; contents: [] }> })
}

function put(body: Buffer, headers: Record<string, string> = {}, rest: Partial<RawRequest> = {}): Promise<RawAnswer> {
  const size = { 'x-log-bodyrawsize': String(body.length) }
  return send(emulator, {
    ...{ method: 'POST', path: '/logstores/audit/shards/lb', body },
    ...{ headers: { ...PROTOBUF, ...size, ...headers }, ...rest },
  })
}

async function cursor(from: string, path = SHARD): Promise<string> {
  return (await send(emulator, { path, query: { type: 'cursor', from } })).json<{ cursor: string }>().cursor
}

function pull(at: string, query: Record<string, string> = {}, rest: Partial<RawRequest> = {}): Promise<RawAnswer> {
  return send(emulator, { path: SHARD, query: { type: 'log', cursor: at, count: '1000', ...query }, ...rest })
}

/** The groups of an answer, checked against every header that describes them. */
function groupsOf(answer: RawAnswer): Buffer[] {
  expect(answer.status).toBe(200)
  const size = Number(answer.header('x-log-bodyrawsize'))
  const type = answer.header('x-log-compresstype')
  if (size === 0) {
    expect([answer.header('x-log-count'), answer.body.length, type]).toEqual(['0', 0, undefined])
    return []
  }
  const list = type === 'zstd' ? zstdDecompressSync(answer.body) : lz4Decompress(answer.body, size)
  expect(list.length).toBe(size)
  const groups = splitLogGroupList(list)
  expect(answer.header('x-log-count')).toBe(String(groups.length))
  return groups
}

function numberOf(text: string): bigint {
  return BigInt(Buffer.from(text, 'base64').toString())
}

async function everything(query: Record<string, string> = {}): Promise<Buffer[]> {
  return groupsOf(await pull(await cursor('begin'), query))
}

describe('writing', () => {
  test('logs come back byte for byte, with every compression and route', async () => {
    const noise = Buffer.from([0x0a, 2, 0x08, 5, 0xa2, 0x06, 3, 0xff, 0, 0xfe])
    const bodies = [
      group('raw'),
      group('lz4', 50),
      group('zstd'),
      group('deflate'),
      group('gzip'),
      group('bare'),
      noise,
    ]
    const [raw, lz4, zstd, deflate, gzip, bare] = bodies as [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer]
    const sized = (body: Buffer, type: string) => ({
      'x-log-bodyrawsize': String(body.length),
      'x-log-compresstype': type,
    })
    const answers = [
      await put(raw),
      await put(compressSync(lz4).subarray(4), sized(lz4, 'lz4')),
      await put(zstdCompressSync(zstd), sized(zstd, 'zstd')),
      await put(deflateSync(deflate), sized(deflate, 'deflate')),
      await put(gzipSync(gzip), sized(gzip, 'gzip')),
      await put(bare, {}, { path: '/logstores/audit' }),
      await put(noise, {}, { path: '/logstores/audit/shards/route', query: { key: '0'.repeat(32), seqid: '1' } }),
    ]
    for (const answer of answers) expect([answer.status, answer.body.length]).toEqual([200, 0])
    expect(await everything()).toEqual(bodies)
  })

  test('a body without a size or in chunks is accepted; an empty answer does not claim to be JSON', async () => {
    const body = group('chunked')
    const headers = { ...PROTOBUF, 'transfer-encoding': 'chunked', 'x-log-bodyrawsize': '' }
    const answer = await send(emulator, { method: 'POST', path: '/logstores/audit', body, headers })
    expect([answer.status, answer.header('content-type'), answer.header('content-length')]).toEqual([
      200,
      undefined,
      '0',
    ])
    expect(await everything()).toEqual([body])
  })

  test.each<[string, Buffer, Record<string, string>, number]>([
    ['MissingContentType', group('x'), { 'content-type': '' }, 400],
    ['InvalidContentType', group('x'), { 'content-type': 'application/json' }, 400],
    ['InvalidBodyRawSize', group('x'), { 'x-log-bodyrawsize': '7' }, 400],
    ['InvalidBodyRawSize', group('x'), { 'x-log-bodyrawsize': 'many' }, 400],
    ['InvalidCompressType', group('x'), { 'x-log-compresstype': 'snappy' }, 400],
    ['PostBodyUncompressError', group('x'), { 'x-log-compresstype': 'lz4' }, 400],
    ['PostBodyUncompressError', group('x'), { 'x-log-compresstype': 'zstd' }, 400],
    ['PostBodyTooLarge', group('x'), { 'x-log-bodyrawsize': '10485761', 'x-log-compresstype': 'lz4' }, 413],
    ['PostBodyTooLarge', Buffer.alloc(10_485_761), {}, 413],
    ['PostBodyInvalid', Buffer.from('no protobuf'), {}, 400],
    ['PostBodyInvalid', Buffer.alloc(0), {}, 400],
  ])('%s', async (code, body, headers, status) => {
    const answer = await put(body, headers)
    expect([answer.code, answer.status]).toEqual([code, status])
    expect(answer.json()).toEqual({ errorCode: code, errorMessage: expect.any(String) })
    expect(answer.header('content-type')).toBe('application/json')
    expect(await everything()).toEqual([])
  })

  test('lz4 without a size cannot be read', async () => {
    const headers = { ...PROTOBUF, 'x-log-compresstype': 'lz4', 'x-log-bodyrawsize': '' }
    const answer = await send(emulator, { method: 'POST', path: '/logstores/audit', body: group('x'), headers })
    expect(answer.code).toBe('MissingBodyRawSize')
  })

  test('log times are checked only with strictLogTimes', async () => {
    const at = (time: number) => encodeLogGroup({ logs: [{ time, contents: [] }] })
    const now = Math.floor(Date.now() / 1000)
    const codes = async () => [(await put(at(now - 8 * 86_400))).code, (await put(at(now + 1000))).code]
    expect(await codes()).toEqual(['ok', 'ok'])
    await start({ strictLogTimes: true })
    expect(await codes()).toEqual(['InvalidTimestamp', 'InvalidTimestamp'])
    expect((await put(at(now))).code).toBe('ok')
  })
})

describe('cursors', () => {
  test('are base64 of consecutive decimal integers, one per group, far from those of other shards', async () => {
    await start({ shards: 2 })
    const [begin, other] = [
      numberOf(await cursor('begin')),
      numberOf(await cursor('begin', '/logstores/audit/shards/1')),
    ]
    expect(begin).toBeGreaterThan(10n ** 15n)
    expect(begin).toBeLessThan(2n ** 63n)
    expect(other).not.toBe(begin)
    for (let index = 0; index < 6; index++) await put(group(`g${index}`))
    expect(numberOf(await cursor('end')) - begin).toBe(3n)
    const wrongShard = await cursor('begin', '/logstores/audit/shards/1')
    expect((await pull(wrongShard)).code).toBe('InvalidCursor')
  })

  test('by time: the first group received then or later, clamped to begin and end; and back', async () => {
    await start(handClock())
    for (const text of ['a', 'b', 'c']) {
      await put(group(text))
      clock.now += 10_000
    }
    const begin = numberOf(await cursor('begin'))
    const at = async (seconds: number) => Number(numberOf(await cursor(String(1_700_000_000 + seconds))) - begin)
    expect([await at(-100), await at(0), await at(1), await at(10), await at(20), await at(21)]).toEqual([
      0, 0, 1, 1, 2, 3,
    ])
    const time = (at: string) => send(emulator, { path: SHARD, query: { type: 'cursor_time', cursor: at } })
    expect((await time(await cursor('1700000010'))).json()).toEqual({ cursor_time: 1_700_000_010 })
    expect((await time(await cursor('end'))).code).toBe('InvalidCursor')
  })

  test.each(['', '!!', 'MTA', Buffer.from('abc').toString('base64'), Buffer.from('5').toString('base64')])(
    'pulling at %j is refused',
    async (bad) => {
      expect((await pull(bad)).code).toBe(bad === '' ? 'MissingParameter' : 'InvalidCursor')
    },
  )

  test('after expiry the old cursor is refused, or read on at the oldest group if so configured', async () => {
    for (const expiredCursor of ['refuse', 'oldest'] as const) {
      await start({ ...handClock(), expiredCursor })
      await put(group('old'))
      const old = await cursor('begin')
      clock.now += 29 * DAY
      await put(group('new'))
      clock.now += 2 * DAY
      expect(await everything()).toEqual([group('new')])
      const answer = await pull(old)
      if (expiredCursor === 'refuse') expect(answer.code).toBe('InvalidCursor')
      else expect(groupsOf(answer)).toEqual([group('new')])
    }
  })
})

describe('pulling', () => {
  test('type=log and type=logs, in steps of count, until the end answers the same cursor and no body', async () => {
    const bodies = ['a', 'b', 'c', 'd', 'e'].map((text) => group(text))
    for (const body of bodies) await put(body)
    const begin = await cursor('begin')
    const first = await pull(begin, { count: '2' })
    expect(groupsOf(first)).toEqual(bodies.slice(0, 2))
    expect(numberOf(first.header('x-log-cursor') ?? '') - numberOf(begin)).toBe(2n)
    expect(first.header('x-log-read-last-cursor')).toBe(String(numberOf(begin) + 1n))
    expect(first.header('x-log-end-of-cursor')).toBe('0')
    const rest = await pull(first.header('x-log-cursor') ?? '', { type: 'logs' })
    expect(groupsOf(rest)).toEqual(bodies.slice(2))
    expect(rest.header('x-log-end-of-cursor')).toBe('1')
    const end = await cursor('end')
    expect(rest.header('x-log-cursor')).toBe(end)
    const none = await pull(end)
    expect(groupsOf(none)).toEqual([])
    expect([none.header('x-log-cursor'), none.header('x-log-end-of-cursor')]).toEqual([end, '1'])
  })

  test('end_cursor is exclusive', async () => {
    for (const text of ['a', 'b', 'c']) await put(group(text))
    const begin = await cursor('begin')
    const end = Buffer.from(String(numberOf(begin) + 2n)).toString('base64')
    expect(groupsOf(await pull(begin, { end_cursor: end }))).toEqual([group('a'), group('b')])
    expect(groupsOf(await pull(end, { end_cursor: end }))).toEqual([])
  })

  test('HEAD answers the headers alone', async () => {
    await put(group('a'))
    const answer = await pull(await cursor('begin'), {}, { method: 'HEAD' })
    expect([answer.status, answer.body.length, answer.header('x-log-count')]).toEqual([200, 0, '1'])
    expect(answer.header('x-log-cursor')).toBe(await cursor('end'))
  })

  test.each<[string, string]>([
    ['', 'lz4'],
    ['lz4', 'lz4'],
    ['zstd, lz4', 'lz4'],
    ['zstd', 'zstd'],
    ['gzip', 'lz4'],
  ])('Accept-Encoding %j is answered with %s, never Content-Encoding', async (accepted, type) => {
    await put(group('text', 30))
    const answer = await pull(await cursor('begin'), {}, { headers: { 'accept-encoding': accepted } })
    expect(answer.header('x-log-compresstype')).toBe(type)
    expect(answer.header('content-encoding')).toBeUndefined()
    expect(groupsOf(answer)).toEqual([group('text', 30)])
  })

  test.each(['0', '1001', '-1', 'many', '1.5'])('count %s is refused', async (count) => {
    expect((await pull(await cursor('begin'), { count })).code).toBe('ParameterInvalid')
  })

  test('a body is capped at about 10 MB, but one group always comes', async () => {
    const large = group('x'.repeat(1_000_000), 6)
    for (let index = 0; index < 3; index++) await put(large)
    const answer = await pull(await cursor('begin'))
    expect(groupsOf(answer)).toHaveLength(1)
    expect(Number(answer.header('x-log-bodyrawsize'))).toBeLessThan(10 * 1024 * 1024)
  })

  test('every answer carries the common headers', async () => {
    const answer = await pull(await cursor('begin'))
    expect(answer.header('x-log-requestid')).toMatch(/^[0-9A-F]{24}$/)
    expect(Math.abs(Number(answer.header('x-log-time')) - Date.now() / 1000)).toBeLessThan(5)
    expect([answer.header('server'), answer.header('access-control-allow-origin')]).toEqual(['AliyunSLS', '*'])
    expect(answer.header('content-length')).toBe('0')
  })
})

describe('query', () => {
  const written = (topic: string, ...levels: string[]): Buffer =>
    encodeLogGroup({ topic, logs: levels.map((level, time) => ({ time, contents: [['level', level]] })) })
  const rows = (groups: Buffer[]) =>
    groups.map(decodeLogGroup).map(({ topic, logs }) => [topic, logs.map(({ contents }) => String(contents[0]?.[1]))])

  beforeEach(async () => {
    for (const body of [written('a', 'error', 'info'), written('b', 'info'), written('a', 'error')]) await put(body)
  })

  test('a row filter answers new groups, and headers that count the scanned rows', async () => {
    const begin = await cursor('begin')
    const answer = await pull(begin, { query: "* | where level = 'error'", pullMode: 'scan_on_stream' })
    expect(rows(groupsOf(answer))).toEqual([['a', ['error', 'error']]])
    const facts = ['rawdatacount', 'rawdatalines', 'resultlines'].map((name) => answer.header(`x-log-${name}`))
    expect(facts).toEqual(['3', '4', '2'])
    expect(answer.header('x-log-cursor')).toBe(await cursor('end'))
  })

  test('the cursor moves on although nothing matches', async () => {
    const answer = await pull(await cursor('begin'), { query: "* | where level = 'fatal'", count: '1' })
    expect(groupsOf(answer)).toEqual([])
    expect(numberOf(answer.header('x-log-cursor') ?? '')).toBe(numberOf(await cursor('begin')) + 1n)
    expect([answer.header('x-log-rawdatacount'), answer.header('x-log-end-of-cursor')]).toEqual(['1', '0'])
  })

  test('* lets everything pass, __topic__ is a field', async () => {
    expect(rows(await everything({ query: '*' }))).toEqual([
      ['a', ['error', 'info', 'error']],
      ['b', ['info']],
    ])
    expect(rows(await everything({ query: "* | where __topic__ = 'b'" }))).toEqual([['b', ['info']]])
  })

  test('a query that cannot be evaluated is refused, not ignored', async () => {
    const begin = await cursor('begin')
    for (const query of ['error', '* | project level', "* | where level != 'error'"]) {
      expect((await pull(begin, { query })).code).toBe('ParameterInvalid')
    }
    expect((await pull(begin, { processor: 'p' })).code).toBe('ParameterInvalid')
  })
})

describe('read quota', () => {
  test('requests per second: refused when used up, open again as time passes', async () => {
    await start({ ...handClock(), readQuota: { requestsPerSecond: 2 } })
    const begin = await cursor('begin')
    const codes = async () => (await pull(begin)).code
    expect([await codes(), await codes(), await codes()]).toEqual(['ok', 'ok', 'ReadQuotaExceed'])
    clock.now += 500
    expect([await codes(), await codes()]).toEqual(['ok', 'ReadQuotaExceed'])
  })

  test('bytes per second: soft, later pulls wait until the excess is made up', async () => {
    await start({ ...handClock(), readQuota: { bytesPerSecond: 1000, code: 'ShardReadQuotaExceed' } })
    await put(group('x'.repeat(2900)))
    const begin = await cursor('begin')
    expect((await pull(begin)).code).toBe('ok')
    clock.now += 1000
    const refused = await pull(begin)
    expect([refused.code, refused.status]).toEqual(['ShardReadQuotaExceed', 403])
    clock.now += 1000
    expect((await pull(begin)).code).toBe('ok')
  })
})

describe('bodies that are not answered yet', () => {
  const body = group('x'.repeat(5_000))

  test('have a limit over all connections: one more finds the service busy', async () => {
    await start({ maxPendingBytes: 6_000 })
    const held = { match: { api: 'PutLogs' }, action: { delayMs: 60_000 } }
    const [id] = emulator.faults.add(held)
    const first = put(body)
    await emulator.faults.fired(id)
    const busy = await put(body)
    expect([busy.status, busy.code]).toEqual([503, 'ServerBusy'])
    await emulator.close()
    await expect(first).rejects.toThrow()
  })

  test('take no memory for whoever has no key', async () => {
    await start({ maxPendingBytes: 1_000 })
    expect((await put(body)).code).toBe('ServerBusy')
    expect((await put(body, {}, { unsigned: true })).code).toBe('Unauthorized')
    const stranger = {
      port: emulator.port,
      accessKeyId: emulator.accessKeyId,
      accessKeySecret: 'x',
      project: 'emulator',
    }
    const path = '/logstores/audit/shards/lb'
    for (const region of [{}, { region: 'cn-hangzhou' }]) {
      const refused = await send(stranger, { method: 'POST', path, body, headers: PROTOBUF, ...region })
      expect(refused.code).toBe('SignatureNotMatch')
    }
  })
})
