import { zstdDecompressSync } from 'node:zlib'
import { cursorNumber } from '../../src/sls/cursor.ts'
import { splitLogGroupList } from '../../src/sls/log-group.ts'
import { lz4Decompress } from '../../src/sls/lz4.ts'
import type { Fact } from './fact.ts'
import { cannot, section } from './fact.ts'
import { groupsOf, logGroup, TestLogstore } from './sls-logstore.ts'
import type { SlsAnswer, SlsService } from './sls-service.ts'
import { said } from './sls-service.ts'

const reliedOnBy = ['src/emulator/sls/pull-logs.ts', 'src/sls/pull.ts']
const LZ4 = 'lz4 block of the announced size'

/** The options of a pull and its answers. */
export function pullFacts(sls: SlsService, logs: () => Promise<TestLogstore>): Fact[] {
  const answered = (accepted: string | undefined) => async () => {
    const store = await logs()
    const from = await store.written(logGroup('x'.repeat(2000)))
    return compression(await store.pull(from, {}, { headers: { 'accept-encoding': accepted } }))
  }
  const counted = (count: string) => async () => {
    const store = await logs()
    return said(await store.pull(await store.cursor('begin'), { count }))
  }
  return [
    ...section('sls-protocol §4', reliedOnBy, [
      {
        id: 'sls/pull-lz4',
        says: 'A requested LZ4 answer is a raw block that inflates to exactly x-log-bodyrawsize',
        mark: 'verified',
        believed: LZ4,
        observe: answered('lz4'),
      },
      {
        id: 'sls/pull-zstd',
        says: 'A request for only zstd is answered with zstd',
        mark: 'verified',
        believed: 'zstd frame of the announced size',
        observe: answered('zstd'),
      },
      {
        id: 'sls/pull-both',
        says: 'Of LZ4 and zstd, the service chooses LZ4',
        mark: 'unverified',
        believed: LZ4,
        observe: answered('lz4, zstd'),
      },
      {
        id: 'sls/pull-plain',
        says: 'A pull is compressed even without Accept-Encoding: Go and Java rely on it',
        mark: 'unverified',
        believed: LZ4,
        observe: answered(undefined),
      },
      {
        id: 'sls/pull-empty',
        says: 'A pull at the end has 0 groups in 0 bytes and the same cursor, without compression type and body',
        mark: 'unverified',
        believed: 'count 0, raw size 0, no compression type, empty body, cursor unmoved',
        observe: async () => {
          const store = await logs()
          const end = await store.end()
          const answer = await store.pull(end)
          const header = (name: string) => answer.header(`x-log-${name}`)
          return [
            `count ${header('count')}, raw size ${header('bodyrawsize')}`,
            `${header('compresstype') ?? 'no'} compression type`,
            answer.body.length === 0 ? 'empty body' : `body of ${answer.body.length} bytes`,
            header('cursor') === end ? 'cursor unmoved' : 'cursor moved',
          ].join(', ')
        },
      },
    ]),
    ...section('sls-protocol §4.1', reliedOnBy, [
      {
        id: 'sls/pull-end-flag',
        says: 'x-log-end-of-cursor is 1 at the newest group and 0 before; it paces the reader',
        mark: 'verified',
        believed: '0 before, 1 with the last, 1 behind it',
        observe: async () => {
          const store = await logs()
          let cursor = await store.written(logGroup('a'), logGroup('b'))
          const flags: Array<string | undefined> = []
          for (let pulled = 0; pulled < 3; pulled++) {
            const answer = await store.pull(cursor, { count: '1' })
            flags.push(answer.header('x-log-end-of-cursor'))
            cursor = answer.header('x-log-cursor') as string
          }
          return `${flags[0]} before, ${flags[1]} with the last, ${flags[2]} behind it`
        },
      },
      {
        id: 'sls/pull-cursor-time',
        says: 'x-log-cursor-time is the receive time of the answer’s last group, in unix seconds',
        mark: 'verified',
        believed: 'the time of the last group',
        observe: async () => {
          const store = await logs()
          const from = await store.written(logGroup('a'))
          await sls.pass(3000)
          const times = await store.at(0, { type: 'cursor_time', cursor: from })
          const header = (await store.pull(from)).header('x-log-cursor-time')
          if (header === undefined) return 'no header'
          const difference = Number(header) - times.json<{ cursor_time: number }>().cursor_time
          return difference === 0 ? 'the time of the last group' : `${difference} s from it`
        },
      },
    ]),
    ...section('sls-protocol §5.3', reliedOnBy, [
      {
        id: 'sls/pull-count-0',
        says: 'A count of 0 is refused',
        mark: 'verified',
        believed: '400 ParameterInvalid',
        observe: counted('0'),
      },
      {
        id: 'sls/pull-count-1000',
        says: 'A count of 1000 is accepted',
        mark: 'verified',
        believed: '200',
        observe: counted('1000'),
      },
      {
        id: 'sls/pull-count-1001',
        says: 'A count of 1001 is refused',
        mark: 'verified',
        believed: '400 ParameterInvalid',
        observe: counted('1001'),
      },
      {
        id: 'sls/pull-type-logs',
        says: 'type=logs means the same as type=log; the help page has both',
        mark: 'unverified',
        believed: '1 group',
        observe: async () => {
          const store = await logs()
          const answer = await store.pull(await store.written(logGroup('a')), { type: 'logs' })
          return answer.status === 200 ? `${groupsOf(answer).length} group` : said(answer)
        },
      },
      {
        id: 'sls/pull-end-cursor',
        says: 'end_cursor is exclusive',
        mark: 'verified',
        believed: '1 of 2 groups',
        observe: async () => {
          const store = await logs()
          const from = await store.written(logGroup('a'), logGroup('b'))
          const second = (await store.pull(from, { count: '1' })).header('x-log-cursor') as string
          const answer = await store.pull(from, { end_cursor: second })
          return answer.status === 200 ? `${groupsOf(answer).length} of 2 groups` : said(answer)
        },
      },
      {
        id: 'sls/pull-head',
        says: 'HEAD answers only the headers of a pull',
        mark: 'verified',
        believed: 'next cursor, 0 bytes',
        observe: async () => {
          const store = await logs()
          const answer = await store.pull(await store.written(logGroup('a')), {}, { method: 'HEAD' })
          if (answer.status !== 200) return said(answer)
          return `${answer.header('x-log-cursor') ? 'next' : 'no'} cursor, ${answer.body.length} bytes`
        },
      },
      {
        id: 'sls/pull-size',
        says: 'A pull ends before it exceeds 10 MiB, inflated; the memory budget relies on it',
        source: 'sls-protocol §9',
        mark: 'unverified',
        believed: '10 of 12 groups of 1 MB',
        reliedOnBy: [...reliedOnBy, 'src/consumer/byte-budget.ts'],
        observe: async () => {
          if (!sls.allows('large')) cannot('writes 12 MB: set SERVICE_TEST_LARGE=yes')
          const store = await TestLogstore.create(sls, 'large', 1)
          const from = await store.end()
          for (let index = 0; index < 12; index++) await store.put(logGroup(`${index} ${'x'.repeat(1_000_000)}`))
          const groups = (end: string) => (cursorNumber(end) ?? 0n) - (cursorNumber(from) ?? 0n)
          await sls.until(
            () => store.cursor('end'),
            (end) => groups(end) >= 12n,
          )
          const answer = await store.pull(from)
          return answer.status === 200 ? `${answer.header('x-log-count')} of 12 groups of 1 MB` : said(answer)
        },
      },
    ]),
  ]
}

function compression(answer: SlsAnswer): string {
  if (answer.status !== 200) return said(answer)
  const encoding = answer.header('content-encoding')
  if (encoding !== undefined) return `Content-Encoding ${encoding}`
  const size = Number(answer.header('x-log-bodyrawsize'))
  const type = answer.header('x-log-compresstype')
  if (type === 'lz4') {
    splitLogGroupList(lz4Decompress(answer.body, size))
    return LZ4
  }
  const raw = type === 'zstd' ? zstdDecompressSync(answer.body) : answer.body
  const form = type === 'zstd' ? 'zstd frame' : (type ?? 'plain')
  return `${form} of ${raw.length === size ? 'the announced' : 'another'} size`
}
