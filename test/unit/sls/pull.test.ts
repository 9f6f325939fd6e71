import { zstdCompressSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { MAX_RAW_BYTES } from '../../../src/sls/client.ts'
import { encodeLogGroup, encodeLogGroupList } from '../../../src/sls/log-group.ts'
import { lz4Compress } from '../../../src/sls/lz4.ts'
import type { Reply } from './scripted-server.ts'
import { connected, failure, json, raw, silence } from './scripted-server.ts'

const LIST = encodeLogGroupList(
  ['audit', 'ops'].map((topic) =>
    encodeLogGroup({ topic, logs: [{ time: 1, contents: [['message', 'hello '.repeat(200)]] }] }),
  ),
)
const HEADERS = {
  'x-log-cursor': 'bmV4dA==',
  'x-log-count': '2',
  'x-log-bodyrawsize': String(LIST.length),
  'x-log-compresstype': 'lz4',
}
const BODY = lz4Compress(LIST)
const GOOD = raw(BODY, 200, HEADERS)

async function pullFrom(reply: Reply | Reply[], timeoutMs = 5000) {
  const { client, seen } = await connected(reply)
  return { client, seen, pull: client.pull(0, 'Y3Vyc29y', { count: 1000, timeoutMs }) }
}

const CORRUPT = { name: 'Fault', kind: 'transient', code: 'corrupt_response' }

describe('a pull', () => {
  test('asks for LZ4 and says how much it wants', async () => {
    const { pull, seen } = await pullFrom(GOOD)
    ;(await pull).discard()
    expect(seen[0]).toMatchObject({
      method: 'GET',
      path: '/logstores/my-logstore/shards/0',
      query: { type: 'log', cursor: 'Y3Vyc29y', count: '1000' },
      headers: { accept: 'application/x-protobuf', 'accept-encoding': 'lz4', 'x-log-bodyrawsize': '0' },
    })
    expect(seen[0]?.query).not.toHaveProperty('query')
  })

  test('sends a query with its mode, and an end', async () => {
    const { client, seen } = await connected(GOOD)
    const query = "* | where name = '张三' and a+b = 'c d'"
    ;(await client.pull(0, 'Y3Vyc29y', { count: 1, query, endCursor: 'ZW5k' })).discard()
    expect(seen[0]?.query).toEqual({
      type: 'log',
      cursor: 'Y3Vyc29y',
      count: '1',
      end_cursor: 'ZW5k',
      query,
      pullMode: 'scan_on_stream',
    })
  })

  test('says what the headers say', async () => {
    const { pull } = await pullFrom(
      raw(BODY, 200, {
        ...HEADERS,
        'X-Log-End-Of-Cursor': '1',
        'X-Log-Read-Last-Cursor': '1447299606896632356',
        'X-Log-Time': '1700000000',
      }),
    )
    expect(await pull).toMatchObject({
      nextCursor: 'bmV4dA==',
      groupCount: 2,
      rawSize: LIST.length,
      endOfCursor: true,
      readLastCursor: 1447299606896632356n,
      serverTimeMs: 1_700_000_000_000,
    })
  })

  test.each<[value: string | undefined, expected: boolean | undefined]>([
    ['0', false],
    [undefined, undefined],
    ['maybe', undefined],
  ])('with x-log-end-of-cursor %s has endOfCursor %s', async (value, expected) => {
    const headers = { ...HEADERS, 'x-log-read-last-cursor': 'x', ...(value && { 'x-log-end-of-cursor': value }) }
    const { pull } = await pullFrom(raw(BODY, 200, headers))
    expect(await pull).toMatchObject({ endOfCursor: expected, readLastCursor: undefined })
  })

  test.each<[name: string, body: Buffer, type: string | undefined]>([
    ['LZ4', BODY, 'lz4'],
    ['zstd', zstdCompressSync(LIST), 'zstd'],
    ['no compression', LIST, undefined],
  ])('reads a body with %s', async (_name, body, type) => {
    const { 'x-log-compresstype': _, ...headers } = HEADERS
    const { pull } = await pullFrom(raw(body, 200, { ...headers, ...(type && { 'x-log-compresstype': type }) }))
    expect((await (await pull).read()).equals(LIST)).toBe(true)
  })

  test.each<[name: string, body: Buffer, headers: Record<string, string>]>([
    ['no body', Buffer.alloc(0), {}],
    ['an empty LZ4 block', Buffer.from([0]), { 'x-log-compresstype': 'lz4' }],
  ])('that is empty, with %s, needs no reading and keeps its connection', async (_name, body, headers) => {
    const reply = raw(body, 200, {
      'x-log-cursor': 'c2FtZQ==',
      'x-log-count': '0',
      'x-log-bodyrawsize': '0',
      ...headers,
    })
    const { client, seen, pull } = await pullFrom(reply)
    expect(await pull).toMatchObject({ nextCursor: 'c2FtZQ==', groupCount: 0, rawSize: 0 })
    expect(await (await pull).read()).toHaveLength(0)
    for (let round = 0; round < 6; round++) await client.pull(0, 'c2FtZQ==', { count: 1 })
    expect(new Set(seen.map(({ connection }) => connection)).size).toBeLessThanOrEqual(2)
  })

  test('resolves with its headers, before there is a body', async () => {
    const finish = Promise.withResolvers<void>()
    const { pull } = await pullFrom((response) => {
      response.writeHead(200, { ...HEADERS, 'content-length': String(BODY.length) })
      response.flushHeaders()
      void finish.promise.then(() => response.end(BODY))
    })
    const { read } = await pull
    finish.resolve()
    expect((await read()).equals(LIST)).toBe(true)
  })

  test('that is discarded leaves the client usable', async () => {
    const endless: Reply = (response) => {
      response.writeHead(200, { ...HEADERS, 'x-log-bodyrawsize': '1000000' })
      response.write(Buffer.alloc(100_000))
    }
    const { client, pull } = await pullFrom([endless, GOOD])
    ;(await pull).discard()
    const next = await client.pull(0, 'Y3Vyc29y', { count: 1 })
    expect((await next.read()).equals(LIST)).toBe(true)
  })

  test('whose body waits does not keep other calls waiting, nor run out of time', async () => {
    const big: Reply = (response) => {
      response.writeHead(200, HEADERS)
      response.end(BODY)
    }
    const { client, pull } = await pullFrom([big, json([0]), silence], 50)
    const waiting = await pull
    expect(await client.heartbeat('cg-1', 'c1', [])).toEqual([0])
    // Another pull, which began later, runs out of a longer time.
    const later = client.pull(0, 'Y3Vyc29y', { count: 1000, timeoutMs: 60 })
    await expect(later).rejects.toMatchObject({ code: 'timeout' })
    expect((await waiting.read()).equals(LIST)).toBe(true)
  })

  test('of an expired cursor is an error answer', async () => {
    const { pull } = await pullFrom(failure(400, 'InvalidCursor'))
    await expect(pull).rejects.toMatchObject({ reaction: 'invalid_cursor' })
  })
})

describe('headers that cannot be', () => {
  test.each<[name: string, headers: Record<string, string | string[] | undefined>]>([
    ['no cursor', { 'x-log-cursor': undefined }],
    ['an empty cursor', { 'x-log-cursor': '' }],
    ['no count', { 'x-log-count': undefined }],
    ['a count that is no number', { 'x-log-count': 'two' }],
    ['a fractional count', { 'x-log-count': '1.5' }],
    ['a negative count', { 'x-log-count': '-1' }],
    ['a count without end', { 'x-log-count': '9'.repeat(400) }],
    ['a count in hexadecimal', { 'x-log-count': '0x2' }],
    ['no raw size', { 'x-log-bodyrawsize': undefined }],
    ['an empty raw size', { 'x-log-bodyrawsize': '' }],
    ['a raw size that is no number', { 'x-log-bodyrawsize': 'NaN' }],
    ['a raw size of 2 GB', { 'x-log-bodyrawsize': '2000000000' }],
    ['a raw size just over the cap', { 'x-log-bodyrawsize': String(MAX_RAW_BYTES + 1) }],
    ['two raw sizes', { 'x-log-bodyrawsize': ['10', '20'] }],
    ['groups in no bytes', { 'x-log-bodyrawsize': '0' }],
  ])('%s', async (_name, changed) => {
    const headers = Object.entries({ ...HEADERS, ...changed }).filter(([, value]) => value !== undefined)
    const { client, pull } = await pullFrom([
      (response) => {
        for (const [name, value] of headers) response.setHeader(name, value as string | string[])
        response.end(BODY)
      },
      GOOD,
    ])
    await expect(pull).rejects.toMatchObject(CORRUPT)
    expect((await (await client.pull(0, 'Y3Vyc29y', { count: 1 })).read()).equals(LIST)).toBe(true)
  })

  test('an HTML page with status 200', async () => {
    const { pull } = await pullFrom(raw('<html>login</html>', 200, { 'content-type': 'text/html' }))
    await expect(pull).rejects.toMatchObject(CORRUPT)
  })
})

describe('bodies that cannot be', () => {
  test.each<[name: string, code: string, body: Buffer, headers: Record<string, string>]>([
    ['LZ4 that is damaged', 'corrupt_lz4', Buffer.alloc(BODY.length, 0xff), {}],
    ['LZ4 that is cut', 'corrupt_lz4', BODY.subarray(0, -1), {}],
    ['more than announced', 'corrupt_lz4', BODY, { 'x-log-bodyrawsize': String(LIST.length - 1) }],
    ['less than announced', 'corrupt_lz4', BODY, { 'x-log-bodyrawsize': String(LIST.length + 1) }],
    [
      'the most that is taken, announced for a few bytes',
      'corrupt_lz4',
      BODY,
      { 'x-log-bodyrawsize': String(MAX_RAW_BYTES) },
    ],
    ['zstd that is not', 'corrupt_zstd', BODY, { 'x-log-compresstype': 'zstd' }],
    [
      'zstd of another size',
      'corrupt_response',
      zstdCompressSync(LIST),
      { 'x-log-compresstype': 'zstd', 'x-log-bodyrawsize': String(LIST.length + 1) },
    ],
    [
      'zstd that inflates to far more than announced',
      'corrupt_zstd',
      zstdCompressSync(Buffer.alloc(10_000_000)),
      { 'x-log-compresstype': 'zstd' },
    ],
    ['an unknown compression', 'corrupt_response', BODY, { 'x-log-compresstype': 'brotli' }],
    ['plain bytes of another size', 'corrupt_response', LIST.subarray(1), { 'x-log-compresstype': '' }],
    ['another number of groups', 'corrupt_response', BODY, { 'x-log-count': '3' }],
    ['groups where none were announced', 'corrupt_response', BODY, { 'x-log-count': '0' }],
    [
      'bytes that are no log groups',
      'corrupt_log_group',
      lz4Compress(Buffer.alloc(LIST.length, 0x0a)),
      { 'x-log-count': '1' },
    ],
    ['more bytes than any encoder makes', 'corrupt_response', Buffer.alloc(1_000_000), {}],
  ])('%s', async (_name, code, body, headers) => {
    const { pull } = await pullFrom(raw(body, 200, { ...HEADERS, ...headers }))
    await expect((await pull).read()).rejects.toMatchObject({ ...CORRUPT, code })
  })

  test.each([
    ['the cursor that was asked for, and logs', 'MTI=', { 'x-log-cursor': 'MTI=' }],
    ['an opaque cursor that was asked for, and logs', 'Y3Vyc29y', { 'x-log-cursor': 'Y3Vyc29y' }],
    ['an earlier cursor, and logs', 'MTI=', { 'x-log-cursor': 'OQ==' }],
    ['an earlier cursor, and no log', 'MTI=', { 'x-log-cursor': 'OQ==', 'x-log-count': '0', 'x-log-bodyrawsize': '0' }],
  ])('%s', async (_name, from, headers) => {
    const { client } = await connected(raw(BODY, 200, { ...HEADERS, ...headers }))
    await expect(client.pull(0, from, { count: 1 })).rejects.toMatchObject(CORRUPT)
  })

  test('a body without end is refused while it arrives', async () => {
    let sent = 0
    const { pull } = await pullFrom((response) => {
      response.writeHead(200, HEADERS)
      const more = () => {
        if (response.destroyed) return
        sent += 65_536
        response.write(Buffer.alloc(65_536), () => setImmediate(more))
      }
      more()
    })
    await expect((await pull).read()).rejects.toMatchObject(CORRUPT)
    expect(sent).toBeLessThan(64 * 1024 * 1024)
  })

  test('a body that is cut', async () => {
    const { pull } = await pullFrom((response) => {
      response.writeHead(200, { ...HEADERS, 'content-length': String(BODY.length) })
      response.write(BODY.subarray(0, 5), () => response.destroy())
    })
    await expect((await pull).read()).rejects.toMatchObject({ kind: 'transient', code: 'und_err_socket' })
  })

  test('a connection that breaks while the body is not read is noticed on reading', async () => {
    const closed = Promise.withResolvers<void>()
    const breaking: Reply = (response) => {
      response.writeHead(200, { ...HEADERS, 'content-length': String(BODY.length) })
      response.once('close', closed.resolve)
      response.write(BODY.subarray(0, 5), () => setImmediate(() => response.destroy()))
    }
    const { client, pull } = await pullFrom([breaking, json([0])])
    const broken = await pull
    await closed.promise
    // By the time that another answer is here, the client has seen the end of the connection.
    await client.heartbeat('cg-1', 'c1', [])
    await expect(broken.read()).rejects.toMatchObject({ name: 'Fault', kind: 'transient' })
  })

  test('a body that is read after it was discarded', async () => {
    const { pull } = await pullFrom(GOOD)
    const dropped = await pull
    dropped.discard()
    await expect(dropped.read()).rejects.toMatchObject({ name: 'Fault', kind: 'transient' })
  })
})

test('others come between two pieces of inflating, but no other pull', async () => {
  const { client } = await connected([GOOD, GOOD])
  const happened: string[] = []
  let over = false
  const round = (): void => {
    happened.push('round')
    if (!over) setImmediate(round)
  }
  const read = async (shard: number) => {
    const pull = await client.pull(shard, 'Y3Vyc29y', { count: 1000 })
    return await pull.read(undefined, function* () {
      for (const piece of [1, 2, 3]) {
        happened.push(`${shard}: ${piece}`)
        yield
      }
      return false
    })
  }
  setImmediate(round)
  const bodies = await Promise.all([read(0), read(1)])
  over = true
  for (const body of bodies) expect(body.equals(LIST)).toBe(true)
  const pieces = happened.filter((what) => what !== 'round')
  expect(pieces).toHaveLength(6)
  expect(pieces.slice(0, 3).map((piece) => piece[0])).toEqual(Array(3).fill(pieces[0]?.[0]))
  for (const [index, piece] of pieces.slice(1).entries()) {
    expect(happened.slice(happened.indexOf(pieces[index] as string), happened.indexOf(piece))).toContain('round')
  }
})
