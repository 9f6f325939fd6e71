import type { Fact } from './fact.ts'
import { noClientCan } from './fact.ts'
import type { TestLogstore } from './sls-logstore.ts'
import { logGroup } from './sls-logstore.ts'
import type { SlsRequest, SlsService } from './sls-service.ts'
import { said } from './sls-service.ts'

interface Row extends Pick<Fact, 'id' | 'says' | 'mark' | 'believed'> {
  ask: (path: string) => SlsRequest
}

const reliedOnBy = [
  'src/emulator/sls/call.ts',
  'src/emulator/sls/put-logs.ts',
  'src/emulator/sls/refusal.ts',
  'src/sls/errors.ts',
]
const GARBAGE = Buffer.from('this is no log group')

/** Status and code of requests that are refused before the service looks at logs or groups. */
export function refusalFacts(sls: SlsService, logs: () => Promise<TestLogstore>): Fact[] {
  const shard = (query: Record<string, string>) => (path: string) => ({ path: `${path}/shards/0`, query })
  const put = (rest: Partial<SlsRequest>) => (path: string) => ({
    ...{ method: 'POST' as const, path: `${path}/shards/lb`, body: logGroup('refused') },
    ...rest,
  })
  const verified: Array<[id: string, says: string, believed: Row['believed'], ask: Row['ask']]> = [
    [
      'unknown-project',
      'A project that does not exist is refused',
      '404 ProjectNotExist',
      () => ({ path: '/logstores', project: `${sls.prefix}-none` }),
    ],
    [
      'unknown-logstore',
      'A logstore that does not exist is refused',
      '404 LogStoreNotExist',
      () => ({ path: `/logstores/${sls.prefix}-none/shards` }),
    ],
    [
      'unknown-shard',
      'A shard that does not exist is refused; some pages say 400',
      ['404 ShardNotExist', '400 ShardNotExist'],
      (path) => ({ path: `${path}/shards/999`, query: { type: 'cursor', from: 'end' } }),
    ],
    [
      'unknown-group',
      'A consumer group that does not exist is refused',
      '404 ConsumerGroupNotExist',
      (path) => ({ path: `${path}/consumergroups/none` }),
    ],
    ['unknown-route', 'An unknown path is refused', '405 InvalidMethod', () => ({ path: '/no-such-thing' })],
    [
      'empty-group-name',
      'A heartbeat to a group without a name is refused like an unknown path (go#77)',
      '405 InvalidMethod',
      (path) => ({
        ...{ method: 'POST', path: `${path}/consumergroups/`, query: { type: 'heartbeat', consumer: 'a' } },
        body: [],
      }),
    ],
    ['no-cursor', 'A pull without a cursor is refused', '400 MissingParameter', shard({ type: 'log', count: '1' })],
    [
      'cursor-from',
      'A cursor from an invalid position is refused',
      '400 ParameterInvalid',
      shard({ type: 'cursor', from: 'x' }),
    ],
    [
      'no-content-type',
      'PutLogs without a content type is refused; an older table says 415',
      ['400 MissingContentType', '415 MissingContentType'],
      put({ headers: { 'content-type': undefined } }),
    ],
    [
      'other-content-type',
      'PutLogs with another content type is refused; an older table says 415',
      ['400 InvalidContentType', '415 InvalidContentType'],
      put({ headers: { 'content-type': 'text/plain' } }),
    ],
    [
      'no-raw-size',
      'A compressed PutLogs body without x-log-bodyrawsize is refused',
      '400 MissingBodyRawSize',
      put({ headers: { 'x-log-bodyrawsize': undefined, 'x-log-compresstype': 'lz4' } }),
    ],
    [
      'malformed-raw-size',
      'x-log-bodyrawsize must be a number',
      '400 InvalidBodyRawSize',
      put({ headers: { 'x-log-bodyrawsize': 'many' } }),
    ],
    [
      'unknown-compression',
      'An unknown compression is refused',
      '400 InvalidCompressType',
      put({ headers: { 'x-log-compresstype': 'brotli' } }),
    ],
    [
      'damaged-compression',
      'A body that cannot be uncompressed is refused',
      '400 PostBodyUncompressError',
      put({ body: GARBAGE, headers: { 'x-log-compresstype': 'lz4', 'x-log-bodyrawsize': '5000' } }),
    ],
    ['no-log-group', 'A body that is not a LogGroup is refused', '400 PostBodyInvalid', put({ body: GARBAGE })],
    [
      'log-without-time',
      'A log without its required Time is refused',
      '400 PostBodyInvalid',
      // A LogGroup of one Log with one Content a=b and no Time.
      put({ body: Buffer.from('0a0812060a0161120162', 'hex') }),
    ],
    [
      'group-not-json',
      'A consumer group without a JSON object is refused',
      '400 JsonInfoInvalid',
      (path) => ({ method: 'POST', path: `${path}/consumergroups`, body: [] }),
    ],
  ]
  const unverified: typeof verified = [
    ['no-type', 'A GET of a shard without a type is refused', '400 MissingParameter', shard({})],
    ['other-type', 'A GET of a shard with an unknown type is refused', '400 ParameterInvalid', shard({ type: 'x' })],
    [
      'wrong-raw-size',
      'A wrong x-log-bodyrawsize of an uncompressed body is refused',
      '400 InvalidBodyRawSize',
      put({ headers: { 'x-log-bodyrawsize': '7' } }),
    ],
    ['empty-body', 'PutLogs without a body is refused', '400 PostBodyInvalid', put({ body: Buffer.alloc(0) })],
  ]
  const rows: Row[] = [
    ...verified.map(([id, says, believed, ask]) => ({ id, says, believed, ask, mark: 'verified' as const })),
    ...unverified.map(([id, says, believed, ask]) => ({ id, says, believed, ask, mark: 'unverified' as const })),
  ]
  return [
    ...rows.map(({ id, ask, ...row }) => ({
      ...{ id: `sls/${id}`, source: 'sls-protocol §8', reliedOnBy, ...row },
      observe: async () => said(await sls.call(ask((await logs()).path))),
    })),
    {
      id: 'sls/error-body',
      says: 'A refusal is JSON with errorCode and errorMessage, and has a request id of 24 upper-case hex digits',
      ...{ source: 'sls-protocol §5.6, §1.4', mark: 'verified', reliedOnBy },
      believed: 'application/json; errorCode, errorMessage; request id of 24 hex digits',
      observe: async () => {
        const answer = await sls.call({ path: `/logstores/${sls.prefix}-none/shards` })
        const { errorCode, errorMessage } = answer.json<Record<string, unknown>>()
        const named = Object.entries({ errorCode, errorMessage }).filter(([, value]) => typeof value === 'string')
        const id = /^[0-9A-F]{24}$/.test(answer.header('x-log-requestid') ?? '') ? '24 hex digits' : 'another form'
        const type = answer.header('content-type')?.split(';')[0]
        return `${type}; ${named.map(([name]) => name).join(', ')}; request id of ${id}`
      },
    },
    {
      id: 'sls/answer-time',
      says: 'Every answer has the server’s time in x-log-time, in unix seconds; the advice about clocks needs it',
      ...{ source: 'sls-protocol §1.4', mark: 'verified', believed: 'unix seconds on success and refusal' },
      reliedOnBy: ['src/emulator/sls/http.ts', 'src/sls/errors.ts', 'src/cli/check.ts'],
      observe: async () => {
        const paths = [`${(await logs()).path}/shards`, `/logstores/${sls.prefix}-none/shards`]
        const told = await Promise.all(paths.map(async (path) => (await sls.call({ path })).header('x-log-time')))
        const near = told.map((time) => Math.abs(Number(time) * 1000 - sls.now()) < 3_600_000)
        return near.every(Boolean) ? 'unix seconds on success and refusal' : `x-log-time ${told.join(', ')}`
      },
    },
    {
      id: 'sls/quotas',
      says: 'Read and write quotas are refused with 403 and ReadQuotaExceed, ShardReadQuotaExceed, WriteQuotaExceed …',
      ...{ source: 'sls-protocol §8', mark: 'verified', believed: '403 ShardReadQuotaExceed', reliedOnBy },
      ...noClientCan('quotas need a load that this run does not make'),
    },
  ]
}
