import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { compare, emptyResult } from '../../../src/cli/reconcile/comparison.ts'
import { readExportedIds } from '../../../src/cli/reconcile/exported-ids.ts'
import { IdCounts } from '../../../src/cli/reconcile/id-counts.ts'
import { periodOf } from '../../../src/cli/reconcile/period.ts'
import { ALL_TIME, countsOfIds, countsOfPrefixes, timeRanges } from '../../../src/cli/reconcile/spl.ts'
import { SplunkCounts } from '../../../src/cli/reconcile/splunk-counts.ts'
import { SplunkSearch } from '../../../src/cli/reconcile/splunk-search.ts'
import type { WantedWindow } from '../../../src/cli/reconcile/wanted.ts'
import { idAndTime, stretchesOf } from '../../../src/cli/reconcile/wanted.ts'
import { searchToken, searchUrl } from '../../../src/config/parsers.ts'
import { Fault } from '../../../src/core/errors.ts'
import { Secret } from '../../../src/core/secret.ts'
import { cursorOf } from '../../../src/sls/cursor.ts'
import { post, receiverFor } from '../emulator/hec/client.ts'

const NOW = 1_700_000_000
const TOKEN = 'the-search-token'
const signal = new AbortController().signal
const COUNTED = {
  idScope: 'l',
  scope: () => ({ index: undefined, source: 'sls://p/l' }),
  deadLetters: async () => ({ of: () => 0 }),
}

describe('the period', () => {
  test.each([
    ['-90m', NOW - 5_400],
    ['-2d', NOW - 172_800],
    ['-30s', NOW - 30],
    ['1699999000', 1_699_999_000],
    ['2023-11-14T00:00:00Z', 1_699_920_000],
    ['2023-11-14T08:00:00+08:00', 1_699_920_000],
  ])('from %s', (from, seconds) => {
    expect(periodOf(from, 'now')(NOW + 0.7)).toEqual({ from: seconds, to: NOW })
  })

  test.each([
    ['yesterday', 'now', /--from yesterday is not a time; allowed/],
    ['-1h', '-2h', /not before/],
    ['-1h', String(NOW + 60), /future/],
    ['begin', 'now', /not a time/],
    ['-99999999d', 'now', /before 1970/],
  ])('%s to %s is refused', (from, to, problem) => {
    expect(() => periodOf(from, to)(NOW)).toThrow(problem)
  })
})

describe('the part before the checkpoint', () => {
  const [c1, c5, c9] = [1n, 5n, 9n].map(cursorOf) as [string, string, string]
  test.each([
    [
      'in between',
      c1,
      c9,
      c5,
      [
        [c1, c5, true],
        [c5, c9, false],
      ],
    ],
    ['at the end', c1, c5, c9, [[c1, c5, true]]],
    ['before it all', c5, c9, c1, [[c5, c9, false]]],
    ['at the very end', c1, c9, c9, [[c1, c9, true]]],
    ['none yet', c1, c9, '', [[c1, c9, false]]],
    ['nothing to compare', c1, c1, c5, []],
    ['a cursor that is no number', c1, c9, 'opaque', [[c1, c9, true]]],
  ])('%s', (_, from, to, checkpoint, stretches) => {
    const found = stretchesOf(from, to, checkpoint)
    expect(found.map((stretch) => [stretch.from, stretch.to, stretch.committed])).toEqual(stretches)
  })
})

test.each([
  ['JSON in the event', '{"a":{"b":1}}', ''],
  ['a raw event', '"text"', ''],
  ['a failed step', '{"a":"b"}', ',"sls_parse_error":"r/json"'],
  ['JSON that looks like the fields', '{"a":{"x":1,"fields":{"sls_event_id":"not"}}}', ''],
])('id and time are found with %s', (_, event, more) => {
  const line = `{"time":1700000000.000000000,"host":"h","event":${event},"fields":{"sls_event_id":"p/l:0:1:2"${more}}}\n`
  expect(idAndTime(Buffer.from(line))).toEqual({ id: 'p/l:0:1:2', seconds: 1_700_000_000 })
})

test('id and time come from where the encoder writes them, whatever the contents say', () => {
  const fields = { sls_event_id: 'audit:0:145:2' }
  const event = { message: '"},"fields":{"sls_event_id":"not:this:1:1"}}', time: '1.5' }
  const line = `{"time":1700000000.123456789,"host":"h","event":${JSON.stringify(event).slice(0, -1)}},"fields":${JSON.stringify(fields)}}\n`
  expect(idAndTime(Buffer.from(line))).toEqual({ id: 'audit:0:145:2', seconds: 1_700_000_000 })
})

describe('the search', () => {
  const scope = { index: 'audit', source: 'sls://p/l' }

  test('reads indexed fields, by the prefix of the id or by ids', () => {
    expect(countsOfPrefixes(scope, ['l:3:'])).toBe(
      '| tstats count where index="audit" source="sls://p/l" sls_event_id="l:3:*" by sls_event_id',
    )
    expect(countsOfIds({ ...scope, index: undefined }, ['l:3:1:0', 'l:3:1:1'])).toBe(
      '| tstats count where index=* source="sls://p/l" (sls_event_id="l:3:1:0" OR sls_event_id="l:3:1:1") by sls_event_id',
    )
  })

  test('without a source, and for several prefixes', () => {
    expect(countsOfPrefixes({ index: undefined }, ['a/l:', 'b/l:'])).toBe(
      '| tstats count where index=* (sls_event_id="a/l:*" OR sls_event_id="b/l:*") by sls_event_id',
    )
  })

  test('a quote in the source does not end the string', () => {
    expect(countsOfPrefixes({ index: 'a', source: 'x" OR "\\' }, [''])).toContain('source="x\\" OR \\"\\\\"')
  })

  test('a stray time gets a range of its own', () => {
    expect(timeRanges([1000, 1003, 1001])).toEqual([{ from: 999, to: 1005 }])
    expect(timeRanges([1000, 500_000, 1001])).toEqual([
      { from: 999, to: 1003 },
      { from: 499_999, to: 500_002 },
    ])
    expect(timeRanges([0])).toEqual([{ from: 0, to: 2 }])
    expect(timeRanges([])).toEqual([])
  })

  test('there are never many ranges, and they hold every time', () => {
    const times = Array.from({ length: 500 }, (_, i) => i * i * 1000)
    const ranges = timeRanges(times)
    expect(ranges.length).toBeLessThanOrEqual(16)
    for (const time of times) expect(ranges.some(({ from, to }) => from <= time && time < to)).toBe(true)
  })
})

describe('the comparison', () => {
  const log = (times = 1) => ({ seconds: NOW, cursor: 'MQ==', times })
  const window = (committed: boolean): WantedWindow => ({
    shard: 7,
    committed,
    logs: new Map([
      ['once', log()],
      ['twice', log()],
      ['letter', log()],
      ['nowhere', log()],
      ['same', log(3)],
    ]),
  })
  const events = new Map([
    ['once', 1],
    ['twice', 3],
    ['same', 2],
  ])
  const found = { of: (id: string) => events.get(id) ?? 0 }
  const letters = async () => ({ of: (id: string) => (id === 'letter' ? 1 : 0) })

  test('tells found, duplicated, dead-lettered and missing apart', async () => {
    const result = emptyResult(7)
    const { missing } = await compare(window(true), found, letters, result)
    expect(result).toEqual({
      shard: 7,
      wanted: 7,
      found: 4,
      missing: 2,
      duplicated: 2,
      deadLettered: 1,
      notLookedFor: 0,
      pending: 0,
    })
    expect(missing.map(({ id }) => id)).toEqual(['nowhere', 'same'])
    expect(missing[0]).toMatchObject({ shard: 7, cursor: 'MQ==', time: '2023-11-14T22:13:20.000Z' })
  })

  test('after the checkpoint nothing is missing', async () => {
    const result = emptyResult(7)
    expect(await compare(window(false), found, letters, result)).toEqual({ missing: [], unowed: 0 })
    expect(result).toMatchObject({ missing: 0, pending: 2, deadLettered: 1 })
  })

  test('dead letters are not read if every log is found', async () => {
    const all = { of: () => 1 }
    const unread = () => Promise.reject(new Error('read'))
    const logs = new Map([['once', log()]])
    await compare({ shard: 0, committed: true, logs }, all, unread, emptyResult(0))
  })
})

test('a hundred thousand ids keep their counts', () => {
  const counts = new IdCounts()
  for (let i = 0; i < 100_000; i++) counts.add(`audit:0:${i}:0`, (i % 3) + 1)
  for (let i = 0; i < 100_000; i++) if (counts.of(`audit:0:${i}:0`) !== (i % 3) + 1) expect.fail(String(i))
  expect(counts.size).toBe(100_000)
  expect(counts.of('audit:0:100000:0')).toBe(0)
  counts.add('audit:0:1:0')
  expect(counts.of('audit:0:1:0')).toBe(3)
})

describe('ids exported by hand', () => {
  async function read(text: string) {
    const dir = mkdtempSync(join(tmpdir(), 'ids-'))
    onTestFinished(() => rmSync(dir, { recursive: true }))
    writeFileSync(join(dir, 'ids'), text)
    return readExportedIds(join(dir, 'ids'))
  }

  test.each([
    ['CSV of Splunk Web', '"sls_event_id",count\r\n"l:0:1:0",1\r\n"l:0:1:1",2\r\n'],
    ['columns in another order', '\uFEFFcount,"a, b",sls_event_id\n1,"x, ""y""",l:0:1:0\n2,,l:0:1:1\n'],
    ['a first column that is empty', 'note,sls_event_id,count\n,l:0:1:0,1\n,"l:0:1:1","2"\n'],
    ['a first column without a name', ',sls_event_id,count\n1,l:0:1:0,1\n2,l:0:1:1,2\n'],
    ['an id a line, as often as it is there', 'l:0:1:0\nl:0:1:1\n\nl:0:1:1'],
    ['id and count without a header', 'l:0:1:0,1\nl:0:1:1,2'],
  ])('%s', async (_, text) => {
    const { counts, unread } = await read(text)
    expect([counts.size, counts.of('l:0:1:0'), counts.of('l:0:1:1')]).toEqual([2, 1, 2])
    expect(unread.count).toBe(0)
  })

  test('counts lines without an id', async () => {
    const { counts, unread } = await read('sls_event_id,count\nl:0:1:0,1\nnonsense\nl:0:1:1,many\n')
    expect(counts.size).toBe(1)
    expect(unread).toEqual({ count: 2, first: 3 })
  })
})

describe('settings of the search', () => {
  test('a token alone is a Bearer token; with "Splunk " before it, a session key', () => {
    const read = (text: string) => {
      const parsed = searchToken.parse(text)
      return 'value' in parsed ? [parsed.value.scheme, parsed.value.secret.reveal()] : parsed.refused
    }
    expect(read('abc')).toEqual(['Bearer', 'abc'])
    expect(read('bearer abc')).toEqual(['Bearer', 'abc'])
    expect(read('Splunk abc')).toEqual(['Splunk', 'abc'])
    expect(read('two words')).toMatch(/spaces/)
  })

  test('the URL may end in the path that users copy with it', () => {
    expect(searchUrl.parse('https://s:8089/services/search/jobs')).toEqual({ value: 'https://s:8089' })
    expect(searchUrl.parse('https://proxy/splunk/')).toEqual({ value: 'https://proxy/splunk' })
    expect(searchUrl.parse('s:8089')).toHaveProperty('refused')
  })
})

/** A search against whatever answers at a URL. */
function searchAt(url: string): { search: SplunkSearch; notes: Set<string> } {
  const notes = new Set<string>()
  const token = { scheme: 'Bearer', secret: new Secret(TOKEN) } as const
  const search = new SplunkSearch({ url, token, tls: { verify: true }, userAgent: 'test', notes })
  onTestFinished(() => search.close())
  return { search, notes }
}

async function scripted(answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function rowsOf(search: SplunkSearch, spl = countsOfPrefixes({ index: undefined, source: 's' }, ['l:'])) {
  const rows: unknown[] = []
  await search.run(spl, ALL_TIME, (row) => rows.push(row), signal)
  return rows
}

describe('Splunk’s answers', () => {
  test.each([
    [
      401,
      '{"messages":[{"type":"WARN","text":"call not properly authenticated"}]}',
      'configuration',
      /SPLUNK_SEARCH_TOKEN/,
    ],
    [403, '{"messages":[{"type":"WARN","text":"insufficient permission"}]}', 'configuration', /capability/],
    [400, '{"messages":[{"type":"FATAL","text":"Error in tstats"}]}', 'configuration', undefined],
    [404, '<html>not here</html>', 'configuration', /8089/],
    [503, '{"messages":[{"type":"FATAL","text":"too many searches"}]}', 'transient', undefined],
  ])('%i %s', async (status, body, kind, advice) => {
    const { search } = searchAt(await scripted((_, response) => response.writeHead(status).end(body)))
    const fault = await rowsOf(search).catch((error) => error)
    expect(fault).toBeInstanceOf(Fault)
    expect(fault.kind).toBe(kind)
    expect(fault.message).toContain(`HTTP ${status}`)
    if (advice) expect(fault.advice).toMatch(advice)
  })

  test('a login page with status 200 is refused, and the token is not shown', async () => {
    const { search } = searchAt(await scripted((_, response) => response.end(`<html>${TOKEN}</html>`)))
    const fault = await rowsOf(search).catch((error) => error)
    expect(fault).toMatchObject({ kind: 'configuration', advice: expect.stringContaining('management port') })
    expect(fault.message).not.toContain(TOKEN)
  })

  test('previews do not count, warnings are kept, FATAL ends it', async () => {
    const lines = [
      '{"preview":true,"offset":0,"result":{"sls_event_id":"l:0","count":"1"}}',
      '{"messages":[{"type":"ERROR","text":"peer idx2 is down"}]}',
      '{"preview":false,"offset":0,"lastrow":true,"result":{"sls_event_id":"l:0","count":"2"}}',
    ]
    const { search, notes } = searchAt(await scripted((_, response) => response.end(lines.join('\n'))))
    expect(await rowsOf(search)).toEqual([{ sls_event_id: 'l:0', count: '2' }])
    expect([...notes]).toEqual(['Splunk says ERROR: peer idx2 is down'])
    const fatal = '{"messages":[{"type":"FATAL","text":"no"}]}\n'
    const refused = searchAt(await scripted((_, response) => response.end(fatal)))
    await expect(rowsOf(refused.search)).rejects.toMatchObject({ code: 'search_refused' })
  })

  test('an answer that is cut off does not count', async () => {
    const url = await scripted((_, response) => {
      response.write('{"preview":false,"offset":0,"result":{"sls_event_id":"l:0","count":"1"}}\n')
      setImmediate(() => response.destroy())
    })
    await expect(rowsOf(searchAt(url).search)).rejects.toMatchObject({ kind: 'transient' })
  })

  test.each([
    ['rows without a mark at the end', '{"preview":false,"offset":0,"result":{"sls_event_id":"l:0","count":"1"}}\n'],
    ['not one line', ''],
    ['messages alone', '{"messages":[{"type":"WARN","text":"peer idx2 is down"}]}\n'],
    ['a preview that ends', '{"preview":true,"lastrow":true}\n'],
  ])('%s: an answer that lacks something is asked for again', async (_, text) => {
    const { search } = searchAt(await scripted((_request, response) => response.end(text)))
    await expect(rowsOf(search)).rejects.toMatchObject({ kind: 'transient', code: 'incomplete' })
  })

  test('the end mark alone is an answer without a result', async () => {
    const { search, notes } = searchAt(
      await scripted((_, response) => response.end('{"preview":false,"lastrow":true}\n')),
    )
    expect(await rowsOf(search)).toEqual([])
    expect([...notes]).toEqual([])
  })

  test('an incomplete answer is asked for again, and its events count once', async () => {
    const rows = ['l:0:1:0', 'l:0:1:1'].map(
      (id, offset) => `{"preview":false,"offset":${offset},"result":{"sls_event_id":"${id}","count":"1"}}\n`,
    )
    const answers = [rows[0], `${rows[0]}${rows[1]}{"preview":false,"lastrow":true}\n`]
    const { search, notes } = searchAt(await scripted((_, response) => response.end(answers.shift())))
    const counts = new SplunkCounts(search, notes)
    const logs = new Map(['l:0:1:0', 'l:0:1:1'].map((id) => [id, { seconds: 1, cursor: 'MQ==', times: 1 }]))
    const found = await counts.ofWindow({ shard: 0, committed: true, logs }, COUNTED, signal)
    expect([found.of('l:0:1:0'), found.of('l:0:1:1'), answers.length]).toEqual([1, 1, 0])
  })

  test.each(['', ',"count":""', ',"count":"many"', ',"count":"-1"', ',"count":null', ',"count":"1.5"'])(
    'a row whose count is broken (%s) is asked for again and never counts as found',
    async (broken) => {
      const answer = (count: string) =>
        `{"preview":false,"offset":0,"lastrow":true,"result":{"sls_event_id":"l:0:1:0"${count}}}\n`
      const answers = [answer(broken), answer(',"count":"1"')]
      const { search, notes } = searchAt(await scripted((_, response) => response.end(answers.shift())))
      const counts = new SplunkCounts(search, notes)
      const logs = new Map([['l:0:1:0', { seconds: 1, cursor: 'MQ==', times: 1 }]])
      const found = await counts.ofWindow({ shard: 0, committed: true, logs }, COUNTED, signal)
      expect([found.of('l:0:1:0'), answers.length]).toEqual([1, 0])
    },
  )

  test('dead letters are not looked for a second time, and what is beyond the limit is told', async () => {
    let searches = 0
    const url = await scripted((_, response) => {
      searches++
      response.end('{"preview":false,"lastrow":true}\n')
    })
    const { search, notes } = searchAt(url)
    const counts = new SplunkCounts(search, notes)
    const window = (logs: number): WantedWindow => ({
      shard: 0,
      committed: true,
      logs: new Map(Array.from({ length: logs }, (_, i) => [`l:0:${i}:0`, { seconds: 1, cursor: 'MQ==', times: 1 }])),
    })
    const deadLetters = async () => ({ of: () => 1 })
    await counts.ofWindow(window(6_000), { ...COUNTED, deadLetters }, signal)
    expect(searches).toBe(1)
    searches = 0
    await counts.ofWindow(window(5_000), COUNTED, signal)
    expect([...notes]).toEqual([])
    expect(searches).toBe(1 + 5_000 / 200)
    const { notLookedFor } = await counts.ofWindow(window(1), COUNTED, signal)
    expect(notLookedFor).toEqual(new Set(['l:0:0:0']))
    expect([...notes].join()).toContain('only 5000 of the logs not found at their time were looked for by id')
    expect(searches).toBe(2 + 5_000 / 200)
  })

  test('the path of an older Splunk is found', async () => {
    const paths: string[] = []
    const url = await scripted((request, response) => {
      paths.push(request.url ?? '')
      if (request.url?.includes('/v2/')) response.writeHead(404).end('{}')
      else response.end('{"preview":false,"lastrow":true}')
    })
    const { search } = searchAt(`${url}/splunk`)
    expect(await rowsOf(search)).toEqual([])
    await rowsOf(search)
    expect(paths).toEqual([
      '/splunk/services/search/v2/jobs/export',
      '/splunk/services/search/jobs/export',
      '/splunk/services/search/jobs/export',
    ])
  })

  test('an address where no server listens', async () => {
    await expect(rowsOf(searchAt('http://127.0.0.1:9').search)).rejects.toMatchObject({ kind: 'transient' })
  })
})

describe('against the HEC receiver', () => {
  const source = 'sls://p/l'
  const envelope = (id: string, time: number) => ({ time, source, event: 'x', fields: { sls_event_id: id } })

  test('counts by id within the time, of one source and index', async () => {
    const receiver = await receiverFor({ searchToken: TOKEN })
    const other = { ...envelope('l:0:1:0', 100), source: 'sls://other/l' }
    const elsewhere = { ...envelope('l:0:1:0', 100), index: 'elsewhere' }
    await post(receiver, [
      envelope('l:0:1:0', 100),
      envelope('l:0:1:0', 100),
      envelope('l:0:1:1', 103),
      other,
      elsewhere,
    ])
    const { search } = searchAt(receiver.url)
    const rows: unknown[] = []
    const spl = countsOfPrefixes({ index: 'main', source }, ['l:0:'])
    await search.run(spl, { from: 100, to: 103 }, (row) => rows.push(row), signal)
    expect(rows).toEqual([{ sls_event_id: 'l:0:1:0', count: '2' }])
    await search.run(
      countsOfIds({ index: undefined, source }, ['l:0:1:1', 'none']),
      ALL_TIME,
      (row) => rows.push(row),
      signal,
    )
    expect(rows[1]).toEqual({ sls_event_id: 'l:0:1:1', count: '1' })
  })

  test('counts by several prefixes, whatever the source', async () => {
    const receiver = await receiverFor({ searchToken: TOKEN })
    const ids = ['a/l:0:1:0', 'b/l:0:1:0', 'c/l:0:1:0']
    await post(
      receiver,
      ids.map((id) => ({ ...envelope(id, 100), source: id })),
    )
    const { search } = searchAt(receiver.url)
    const rows: unknown[] = []
    await search.run(
      countsOfPrefixes({ index: undefined }, ['a/l:', 'b/l:']),
      ALL_TIME,
      (row) => rows.push(row),
      signal,
    )
    expect(rows).toEqual(ids.slice(0, 2).map((id) => ({ sls_event_id: id, count: '1' })))
  })

  test('finds by id the events at another time, with a note', async () => {
    const receiver = await receiverFor({ searchToken: TOKEN })
    await post(receiver, [envelope('l:0:1:0', 1_000), envelope('l:0:1:1', 2_000_000)])
    const { search, notes } = searchAt(receiver.url)
    const counts = new SplunkCounts(search, notes)
    const ids = ['l:0:1:0', 'l:0:1:1', 'l:0:1:2']
    const logs = new Map(ids.map((id) => [id, { seconds: 1_000, cursor: 'MQ==', times: 1 }]))
    const found = await counts.ofWindow({ shard: 0, committed: true, logs }, COUNTED, signal)
    expect(ids.map((id) => found.of(id))).toEqual([1, 1, 0])
    expect([...notes].join()).toContain('another time')
  })

  test('any other search is refused, as is any other token', async () => {
    const receiver = await receiverFor({ searchToken: TOKEN })
    const { search } = searchAt(receiver.url)
    for (const spl of ['search index=* | stats count', '| tstats count where index=* by host', '| delete']) {
      await expect(rowsOf(search, spl)).rejects.toMatchObject({ status: 400 })
    }
    const other = await receiverFor({ searchToken: 'another' })
    await expect(rowsOf(searchAt(other.url).search)).rejects.toMatchObject({ status: 401 })
    const closed = await receiverFor()
    await expect(rowsOf(searchAt(closed.url).search)).rejects.toMatchObject({ status: 401 })
    const forgetful = await receiverFor({ searchToken: TOKEN, keep: false })
    await expect(rowsOf(searchAt(forgetful.url).search)).rejects.toMatchObject({ status: 400 })
  })
})
