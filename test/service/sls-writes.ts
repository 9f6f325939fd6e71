import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { cursorNumber } from '../../src/sls/cursor.ts'
import type { LogInput } from '../../src/sls/log-group.ts'
import { decodeLogGroup } from '../../src/sls/log-group.ts'
import { lz4Compress } from '../../src/sls/lz4.ts'
import type { Fact } from './fact.ts'
import { section } from './fact.ts'
import type { TestLogstore } from './sls-logstore.ts'
import { logGroup } from './sls-logstore.ts'
import type { SlsService } from './sls-service.ts'
import { said } from './sls-service.ts'

const reliedOnBy = ['src/emulator/sls/put-logs.ts', 'src/emulator/sls/log-check.ts', 'src/sls/log-group.ts']
const INVALID_UTF8 = Buffer.from([0xff, 0xfe, 0x61, 0x62, 0xed, 0xa0, 0x80])

/** Whether logs come back as they were written. */
export function writeFacts(sls: SlsService, logs: () => Promise<TestLogstore>): Fact[] {
  /** Writes one log and returns what `look` finds when it is read again. */
  const kept = (log: Partial<LogInput>, look: (log: ReturnType<typeof decoded>) => string) => async () => {
    const store = await logs()
    const from = await store.end()
    const answer = await store.put(logGroup('', { logs: [{ time: nowOf(sls), contents: [['k', 'v']], ...log }] }))
    if (answer.status !== 200) return said(answer)
    const [group] = (await store.read(from, 1)).groups
    return group ? look(decoded(group)) : 'nothing came back'
  }
  const compressed = (type: string, compress: (raw: Buffer) => Buffer) => async () => {
    const store = await logs()
    const raw = logGroup(`compressed with ${type} ${'x'.repeat(500)}`)
    const headers = { 'x-log-compresstype': type, 'x-log-bodyrawsize': String(raw.length) }
    const from = await store.end()
    const answer = await store.put(compress(raw), { headers })
    if (answer.status !== 200) return said(answer)
    const { groups } = await store.read(from, 1)
    return groups.some((group) => group.includes(`compressed with ${type}`)) ? 'comes back' : 'nothing came back'
  }
  return section('sls-protocol §0, §3, §5.1, §9', reliedOnBy, [
    {
      id: 'sls/put-one-group',
      says: 'One PutLogs body is one log group and one cursor position; groups are never merged',
      mark: 'unverified',
      believed: '5 bodies, 5 groups, +5',
      observe: async () => {
        const store = await logs()
        const from = await store.written(...Array.from({ length: 5 }, (_, index) => logGroup(`body ${index}`)))
        const { groups, cursors } = await store.read(from, 5)
        const step = (cursorNumber(cursors.at(-1) ?? '') ?? 0n) - (cursorNumber(from) ?? 0n)
        return `5 bodies, ${groups.length} groups, +${step}`
      },
    },
    {
      id: 'sls/put-unsplit',
      says: 'A body of 2000 logs in 500 kB is not split',
      mark: 'unverified',
      believed: '1 group of 2000 logs',
      observe: async () => {
        const store = await logs()
        const log = (n: number): LogInput => ({ time: nowOf(sls), contents: [['n', String(n).padEnd(240)]] })
        const body = logGroup('', { logs: Array.from({ length: 2000 }, (_, n) => log(n)) })
        const { groups } = await store.read(await store.written(body), 1)
        return `${groups.length} group of ${groups.reduce((sum, group) => sum + decoded(group).logs, 0)} logs`
      },
    },
    {
      id: 'sls/put-bytes',
      says: 'A log group comes back byte for byte, with nothing added',
      mark: 'unverified',
      believed: 'the same bytes',
      observe: async () => {
        const store = await logs()
        const body = logGroup('bytes', { tags: [['__hostname__', 'node-7']], machineUuid: 'M' })
        const [group] = (await store.read(await store.written(body), 1)).groups
        return group?.equals(body) ? 'the same bytes' : 'other bytes'
      },
    },
    {
      id: 'sls/put-lz4',
      says: 'PutLogs accepts an LZ4 block',
      mark: 'verified',
      believed: 'comes back',
      observe: compressed('lz4', (raw) => Buffer.from(lz4Compress(raw))),
    },
    {
      id: 'sls/put-zstd',
      says: 'PutLogs accepts a zstd frame',
      mark: 'verified',
      believed: 'comes back',
      observe: compressed('zstd', (raw) => zstdCompressSync(raw)),
    },
    {
      id: 'sls/put-deflate',
      says: 'PutLogs accepts a zlib stream as deflate',
      mark: 'verified',
      believed: 'comes back',
      observe: compressed('deflate', (raw) => deflateSync(raw)),
    },
    {
      id: 'sls/put-gzip',
      says: 'PutLogs accepts gzip, as some tools send it',
      mark: 'unverified',
      believed: 'comes back',
      observe: compressed('gzip', (raw) => gzipSync(raw)),
    },
    {
      id: 'sls/put-invalid-utf8',
      says: 'A value that is not UTF-8 comes back as the same bytes',
      mark: 'unverified',
      believed: 'the same bytes',
      reliedOnBy: [...reliedOnBy, 'src/pipeline/encoder.ts'],
      observe: kept({ contents: [['k', INVALID_UTF8]] }, ({ values: [value] }) =>
        value?.equals(INVALID_UTF8) ? 'the same bytes' : `${value?.toString('hex')}`,
      ),
    },
    {
      id: 'sls/put-time-ns',
      says: 'Time_ns comes back',
      mark: 'verified',
      believed: '123456789',
      observe: kept({ timeNs: 123_456_789 }, ({ timeNs }) => String(timeNs)),
    },
    {
      id: 'sls/put-no-time-ns',
      says: 'A log written without Time_ns comes back without it',
      mark: 'unverified',
      believed: 'none',
      observe: kept({}, ({ timeNs }) => String(timeNs ?? 'none')),
    },
    {
      id: 'sls/put-repeated-keys',
      says: 'Repeated keys and empty values come back, in order',
      mark: 'unverified',
      believed: 'k=1 e= k=2',
      observe: kept(
        {
          contents: [
            ['k', '1'],
            ['e', ''],
            ['k', '2'],
          ],
        },
        ({ keys, values }) => keys.map((key, index) => `${key}=${values[index]}`).join(' '),
      ),
    },
    {
      id: 'sls/put-1-mib',
      says: 'A value of 1 MiB comes back complete',
      mark: 'verified',
      believed: '1048576 bytes',
      observe: kept({ contents: [['k', 'x'.repeat(1_048_576)]] }, ({ values: [value] }) => `${value?.length} bytes`),
    },
    {
      id: 'sls/put-over-1-mib',
      says: 'A value of more than 1 MiB is refused',
      mark: 'unverified',
      believed: '400 PostBodyInvalid',
      observe: kept({ contents: [['k', 'x'.repeat(1_048_577)]] }, ({ values: [value] }) => `${value?.length} bytes`),
    },
    {
      id: 'sls/put-key-128',
      says: 'A key of 128 bytes comes back',
      mark: 'verified',
      believed: '128 bytes',
      observe: kept({ contents: [['k'.repeat(128), 'v']] }, ({ keys: [key] }) => `${key?.length} bytes`),
    },
    {
      id: 'sls/put-key-129',
      says: 'A key of 129 bytes is refused',
      mark: 'unverified',
      believed: '400 InvalidKey',
      observe: kept({ contents: [['k'.repeat(129), 'v']] }, ({ keys: [key] }) => `${key?.length} bytes`),
    },
    {
      id: 'sls/put-empty-key',
      says: 'An empty key is refused',
      mark: 'unverified',
      believed: '400 InvalidKey',
      observe: kept({ contents: [['', 'v']] }, ({ keys: [key] }) => `${key?.length} bytes`),
    },
  ])
}

function nowOf(sls: SlsService): number {
  return Math.floor(sls.now() / 1000)
}

function decoded(group: Buffer) {
  const { logs } = decodeLogGroup(group)
  const contents = logs[0]?.contents ?? []
  return {
    ...{ logs: logs.length, timeNs: logs[0]?.timeNs },
    ...{ keys: contents.map(([key]) => key), values: contents.map(([, value]) => value) },
  }
}
