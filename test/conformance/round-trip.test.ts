import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Secret } from '../../src/core/secret.ts'
import { startHecReceiver } from '../../src/emulator/hec/server.ts'
import type { SlsEmulator } from '../../src/emulator/sls/server.ts'
import { startSlsEmulator } from '../../src/emulator/sls/server.ts'
import { OfficialClient } from '../../src/sls/official-client.ts'
import { startCommand } from '../support/bridge-process.ts'
import type { ClientOptions, Language, Route } from './client.ts'
import { chosen, startClient } from './client.ts'
import type { LogGroupLine } from './log-groups.ts'
import { canonical, eventText, flattened, forNode, groupsFor, shardOf, writerOf } from './log-groups.ts'
import type { Detour } from './proxies.ts'
import { startHttpProxy, startSocksProxy } from './proxies.ts'

type Wire = Pick<ClientOptions, 'compression' | 'signature'>

const WRITERS: Array<[Language | 'node', Wire]> = [
  ['python', { compression: 'lz4', signature: 'v1' }],
  ['python', { compression: 'zstd', signature: 'v4' }],
  ['python', { compression: 'none', signature: 'v1' }],
  ['go', { compression: 'lz4', signature: 'v1' }],
  ['go', { compression: 'zstd', signature: 'v4' }],
  ['go', { compression: 'none', signature: 'v4' }],
  ['java', { compression: 'lz4', signature: 'v1' }],
  ['java', { compression: 'zstd', signature: 'v4' }],
  ['java', { compression: 'deflate', signature: 'v1' }],
  ['java', { compression: 'none', signature: 'v4' }],
  ['node', { compression: 'none', signature: 'v1' }],
]

const READERS: Array<[Language, Wire]> = [
  ['python', { compression: 'lz4', signature: 'v1' }],
  ['python', { compression: 'zstd', signature: 'v4' }],
  ['go', { compression: 'lz4', signature: 'v1' }],
  ['go', { compression: 'zstd', signature: 'v4' }],
  ['java', { compression: 'lz4', signature: 'v1' }],
]

const ABILITIES = {
  python: { bytes: true, hashKeys: true, repeatedKeys: true },
  go: { bytes: true, hashKeys: true, repeatedKeys: true },
  java: { bytes: false, hashKeys: true, repeatedKeys: true },
  node: { bytes: false, hashKeys: false, repeatedKeys: false },
}

const nameOf = ([language, { compression, signature }]: [string, Wire]) => `${language}, ${compression}, ${signature}`
const writers = WRITERS.filter(([language]) => chosen(language)).map((writer) => ({
  name: nameOf(writer),
  language: writer[0],
  wire: writer[1],
  groups: groupsFor(nameOf(writer), ABILITIES[writer[0]]),
}))
const all = writers.flatMap(({ groups }) => groups)

interface Seen {
  signature: 'v1' | 'v4'
  /** Of a body that is sent or requested. */
  compression: string
}

let sls: SlsEmulator
let http: Detour
let socks: Detour
/** Compression and signature of the requests since the last call. */
let seen: Seen[] = []
let route: Route

beforeAll(async () => {
  sls = await startSlsEmulator({ projects: { conformance: { audit: {} } }, shards: 2 })
  http = await startHttpProxy(sls.port, ({ method, url = '', headers }) => {
    const pull = /[?&]type=logs?(&|$)/.test(url)
    if (method !== 'POST' && !pull) return
    if (url.includes('/consumergroups')) return
    const signature = headers.authorization?.startsWith('SLS4-HMAC-SHA256 ') ? 'v4' : 'v1'
    const compression = `${(pull ? headers['accept-encoding'] : headers['x-log-compresstype']) ?? 'none'}`
    seen.push({ signature, compression })
  })
  socks = await startSocksProxy(http.port)
  route = { sls, proxyPort: http.port, socksPort: socks.port }
})

/** Whether a client ignores its settings for compression and signature. */
function expectSeen(wire: Wire): void {
  expect(seen.length).toBeGreaterThan(0)
  expect(new Set(seen.map((each) => JSON.stringify(each)))).toEqual(
    new Set([JSON.stringify({ signature: wire.signature, compression: wire.compression })]),
  )
  seen = []
}

afterAll(async () => {
  await socks.close()
  await http.close()
  await sls.close()
})

describe('official writers', () => {
  test.for(writers)('$name: every log group is accepted', async ({ language, wire, groups }) => {
    if (language === 'node') return writeWithNode(groups)
    const writer = startClient(language, route, { command: 'write', ...wire })
    for (const group of groups) writer.child.stdin?.write(`${JSON.stringify(group)}\n`)
    writer.child.stdin?.end()
    expect(await writer.exited, writer.stderr).toEqual({ code: 0, signal: null })
    expectSeen(wire)
  })
})

describe('signatures', () => {
  test.for(writers.filter(({ language }) => language !== 'node'))(
    '$name: a wrong secret is refused',
    async ({ language, wire, groups }) => {
      const before = sls.state().logstores[0]?.shards.map(({ end }) => end)
      const options = { command: 'write', ...wire, accessKeySecret: 'wrong' } as const
      const writer = startClient(language as Language, route, options)
      writer.child.stdin?.end(JSON.stringify(groups[0]))
      expect((await writer.exited).code).toBeGreaterThan(0)
      expect(writer.stderr).toMatch(/SignatureNotMatch/)
      expect(sls.state().logstores[0]?.shards.map(({ end }) => end)).toEqual(before)
      seen = []
    },
  )
})

async function writeWithNode(groups: LogGroupLine[]): Promise<void> {
  const client = new OfficialClient({
    ...{ endpoint: sls.url, project: sls.logstore().project, logstore: sls.logstore().name, userAgent: 'conformance' },
    ...{ accessKeyId: sls.accessKeyId, accessKeySecret: new Secret(sls.accessKeySecret) },
  })
  for (const group of groups) await client.write(forNode(group))
  client.close()
}

describe.for(READERS.filter(([language]) => chosen(language)))('official reader: %s, %o', ([language, wire]) => {
  let read: LogGroupLine[] = []
  let onEnd: () => Promise<void> = async () => {}
  afterAll(() => onEnd())

  beforeAll(async () => {
    const reader = startClient(language, route, {
      ...{ command: 'consume', ...wire, group: `read-${language}-${wire.compression}`, consumer: 'reader' },
      ...{ heartbeatSeconds: 1, timeoutSeconds: 6 },
    })
    // Also when it read something unexpected.
    onEnd = async () => {
      if (reader.running) await reader.kill('SIGKILL')
    }
    const complete = new Promise<void>((resolve) => {
      reader.onGroup = () => reader.groups.length >= all.length && resolve()
    })
    await Promise.race([complete, reader.exited, timeout(60_000)])
    expect(reader.groups.length, reader.stderr).toBe(all.length)
    expect(await reader.kill('SIGTERM'), reader.stderr).toEqual({ code: 0, signal: null })
    read = reader.groups
    expectSeen(wire)
  })

  test.for(writers)('gets byte for byte what was written by $name', ({ name, groups }) => {
    const got = read.filter((group) => writerOf(group) === name)
    expect(got.map(canonical).sort()).toEqual(groups.map(canonical).sort())
  })

  test('finds groups with a hash key in the shard of that key', () => {
    for (const group of all.filter(({ hashKey }) => hashKey !== undefined)) {
      const found = read.find((each) => canonical(each) === canonical(group))
      expect(found?.shard, canonical(group)).toBe(shardOf(group))
    }
  })

  test('committed the end of every shard', () => {
    const group = sls
      .state()
      .logstores[0]?.consumerGroups.find(({ name }) => name.startsWith(`read-${language}-${wire.compression}`))
    expect(group?.shards.map(({ behind }) => behind)).toEqual([0, 0])
  })
})

describe('the bridge as a reader', () => {
  test.for(['v1', 'v4'])('signing %s, it delivers what every writer wrote', async (signature) => {
    let indexed = 0
    const hec = await startHecReceiver({ onIndexed: (events) => (indexed += events.length) })
    const deadLetters = mkdtempSync(join(tmpdir(), 'dead-letter-'))
    const expected = all.flatMap(flattened).sort()
    const bridge = startCommand(['run'], {
      ...{ SLS_ENDPOINT: sls.url, SLS_PROJECT: sls.logstore().project, SLS_LOGSTORE: sls.logstore().name },
      ...{ SLS_AK_ID: sls.accessKeyId, SLS_AK_KEY: sls.accessKeySecret, SLS_CG: `bridge-${signature}` },
      ...{ SLS_HEARTBEAT_SECONDS: '1', SLS_FETCH_INTERVAL_SECONDS: '0.1', SLS_CONSUMER: 'reader' },
      ...(signature === 'v4' && { SLS_REGION: 'cn-local' }),
      ...{ SPLUNK_HEC_URL: hec.url, SPLUNK_HEC_TOKEN: hec.token, SPLUNK_HEC_MAX_BYTES: '20000000' },
      ...{ DEAD_LETTER_DIR: deadLetters, ADMIN_PORT: '0' },
    })
    const deadline = performance.now() + 60_000
    while (indexed < expected.length && bridge.child.exitCode === null && performance.now() < deadline)
      await timeout(50)
    expect((await bridge.kill('SIGTERM')).code, bridge.transcript()).toBe(0)
    const delivered = hec.events.map(({ line, envelope }) => {
      // As text: a double cannot hold nine decimal places.
      const time = /"time":([0-9.]+)/.exec(line)?.[1] as string
      return eventText(time, envelope.event as Record<string, string>)
    })
    expect(delivered.sort()).toEqual(expected)
    await hec.close()
    rmSync(deadLetters, { recursive: true })
  })
})

function timeout(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
