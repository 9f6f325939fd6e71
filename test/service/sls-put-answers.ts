import { cursorNumber } from '../../src/sls/cursor.ts'
import type { Fact } from './fact.ts'
import { cannot, section } from './fact.ts'
import type { TestLogstore } from './sls-logstore.ts'
import { logGroup } from './sls-logstore.ts'
import type { SlsRequest, SlsService } from './sls-service.ts'
import { said } from './sls-service.ts'

const reliedOnBy = ['src/emulator/sls/put-logs.ts', 'src/emulator/sls/log-check.ts']
const DAY = 86_400

/** Answers of PutLogs to well-formed bodies. */
export function putAnswerFacts(
  sls: SlsService,
  logs: () => Promise<TestLogstore>,
  groups: () => Promise<TestLogstore>,
): Fact[] {
  const put = async (body: Buffer, rest?: Partial<SlsRequest>) => said(await (await logs()).put(body, rest))
  const dated = (seconds: number) =>
    logGroup('', { logs: [{ time: Math.floor(sls.now() / 1000) + seconds, contents: [['k', 'v']] }] })
  return section('sls-protocol §5.1, §9', reliedOnBy, [
    {
      id: 'sls/put-answer',
      says: 'Success has an empty body and no JSON content type; @alicloud/log fails on one',
      source: 'sls-protocol §5',
      mark: 'verified',
      believed: '200, empty, no JSON',
      reliedOnBy: ['src/emulator/sls/call.ts', 'src/sls/official-client.ts'],
      observe: async () => {
        const answer = await (await logs()).put(logGroup('answer'))
        const body = answer.body.length === 0 ? 'empty' : `${answer.body.length} bytes`
        return `${said(answer)}, ${body}, ${answer.header('content-type')?.includes('json') ? 'JSON' : 'no JSON'}`
      },
    },
    {
      id: 'sls/put-bare',
      says: 'POST to the logstore itself also writes; Go uses it',
      mark: 'verified',
      believed: '200',
      observe: async () => put(logGroup('bare'), { path: (await logs()).path }),
    },
    {
      id: 'sls/put-route',
      says: 'A hash key of 32 hex digits selects the shard whose range contains it',
      mark: 'verified',
      believed: '0 groups to shard 0, 2 to shard 1',
      reliedOnBy: ['src/emulator/sls/logstore.ts'],
      observe: async () => {
        const store = await groups()
        const ends = () => Promise.all([store.cursor('end', 0), store.cursor('end', 1)])
        const before = (await ends()).map(cursorNumber)
        const route = { path: `${store.path}/shards/route`, query: { key: 'f'.repeat(32) } }
        for (const text of ['one', 'two']) {
          const answer = await store.put(logGroup(text), route)
          if (answer.status !== 200) return said(answer)
        }
        const moved = (now: string[]) => now.map((end, shard) => (cursorNumber(end) ?? 0n) - (before[shard] ?? 0n))
        const [left, right] = moved(await sls.until(ends, (now) => moved(now).reduce((sum, by) => sum + by) >= 2n))
        return `${left} groups to shard 0, ${right} to shard 1`
      },
    },
    {
      id: 'sls/put-no-raw-size',
      says: 'A body that is not compressed needs no x-log-bodyrawsize',
      mark: 'unverified',
      believed: '200',
      observe: () => put(logGroup('no size'), { headers: { 'x-log-bodyrawsize': undefined } }),
    },
    {
      id: 'sls/put-old',
      says: 'Logs 8 days old are accepted; an old page has InvalidTimestamp',
      mark: 'unverified',
      believed: '200',
      observe: () => put(dated(-8 * DAY)),
    },
    {
      id: 'sls/put-future',
      says: 'Logs 20 minutes ahead are accepted; an old page has InvalidTimestamp',
      mark: 'unverified',
      believed: '200',
      observe: () => put(dated(1200)),
    },
    {
      id: 'sls/put-too-large',
      says: 'A body over 10 MiB is refused, with 413 or 400',
      mark: 'unverified',
      believed: ['413 PostBodyTooLarge', '400 PostBodyTooLarge'],
      observe: async () => {
        if (!sls.allows('large')) cannot('sends 11 MB: set SERVICE_TEST_LARGE=yes')
        const contents = Array.from({ length: 11 }, (_, index): [string, string] => [
          `k${index}`,
          'x'.repeat(1_000_000),
        ])
        return put(logGroup('', { logs: [{ time: Math.floor(sls.now() / 1000), contents }] }))
      },
    },
  ])
}
