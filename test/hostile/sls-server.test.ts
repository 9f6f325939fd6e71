import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { deflateSync, zstdCompressSync } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { MAX_RAW_BYTES } from '../../src/sls/client.ts'
import { lz4Compress } from '../../src/sls/lz4.ts'
import { selfSigned } from '../unit/emulator/hec/certificate.ts'
import { bytesField } from '../unit/pipeline/wire.ts'
import * as behave from './behaviours.ts'
import type { Behaviour, FrontRequest } from './front.ts'
import { answerOf } from './front.ts'
import type { Row, Trial } from './trial.ts'
import { MUST_NOT_SHOW, survives } from './trial.ts'

const MIB = 1 << 20
/** One log group without logs, as large as a pull may be. */
const LARGEST = bytesField(1, bytesField(15, Buffer.alloc(MAX_RAW_BYTES - 20)))
/** Of one of the two shards: the other one and the heartbeats must go on. */
const PULLS = ['PullLogs 0']
const BEATS = ['ConsumerGroupHeartBeat']
const STARTS = ['GetCheckPoint', 'GetCursor 0', 'GetCursor 1']

/** The cursor behind one log group more. An answer that does not move the cursor would be refused for that alone. */
function nextCursor({ target }: FrontRequest): string {
  const cursor = new URL(target, 'http://x').searchParams.get('cursor') ?? ''
  return Buffer.from(String(BigInt(Buffer.from(cursor, 'base64').toString()) + 1n)).toString('base64')
}

/** A pull answered with this body and these headers, which moves the cursor by one log group. */
function pulled(body: Buffer | string, headers: Record<string, string> = {}): Behaviour {
  return ({ socket, request }) => {
    const all = { 'x-log-cursor': nextCursor(request), 'x-log-count': '1', 'x-log-compresstype': 'lz4', ...headers }
    socket.write(answerOf(200, Object.entries(all), body).bytes)
  }
}

/** A pull answered with this body, which holds no log and does not move the cursor. */
function pulledNothing(body: Buffer, headers: Record<string, string>): Behaviour {
  return (met) => {
    const cursor = new URL(met.request.target, 'http://x').searchParams.get('cursor') ?? ''
    return pulled(body, { 'x-log-cursor': cursor, 'x-log-count': '0', ...headers })(met)
  }
}

/** For the name the bridge asks for: `<project>.<host>`. */
const TLS = selfSigned('emulator.localhost')
const CA_FILE = join(mkdtempSync(join(tmpdir(), 'hostile-ca-')), 'ca.pem')
writeFileSync(CA_FILE, TLS.cert)
afterAll(() => rmSync(dirname(CA_FILE), { recursive: true }))

const STS = {
  accessKeyId: 'sts-id',
  accessKeySecret: `secret-${MUST_NOT_SHOW}`,
  securityToken: `token/${MUST_NOT_SHOW}`,
}
const WITH_TOKEN = {
  sls: { credentials: [STS] },
  env: { SLS_AK_ID: STS.accessKeyId, SLS_AK_KEY: STS.accessKeySecret, SLS_STS_TOKEN: STS.securityToken },
}

/** An LZ4 block that is nothing but literals. */
function stored(raw: Buffer): Buffer {
  const rest = raw.length - 15
  const length = Buffer.concat([Buffer.alloc(Math.floor(rest / 255), 255), Buffer.of(rest % 255)])
  return Buffer.concat([Buffer.of(0xf0), length, raw])
}

/** Its head with these lines, and the body to follow. */
const pullHead =
  (...lines: string[]) =>
  (request: FrontRequest): string =>
    ['HTTP/1.1 200 OK', `x-log-cursor: ${nextCursor(request)}`, 'x-log-count: 1', ...lines, '', ''].join('\r\n')

const SMALL = 'x-log-bodyrawsize: 5000'

/** A behaviour whose head depends on the request. */
const headed =
  (head: (request: FrontRequest) => string, make: (head: string) => Behaviour): Behaviour =>
  (met) =>
    make(head(met.request))(met)

const json = (body: unknown): Behaviour => behave.answers(200, JSON.stringify(body))
const slsError = (status: number, errorCode: string, errorMessage: string): Behaviour =>
  behave.answers(status, JSON.stringify({ errorCode, errorMessage }))

async function theOtherShardGoesOn({ scenario }: Trial): Promise<void> {
  await scenario.eventually(() => scenario.group()?.shards.find(({ shard }) => shard === 1)?.behind === 0)
}

const FRAMING: Row[] = [
  { name: 'a Content-Length too short', behave: behave.withHead('Content-Length: 40'), says: /pull failed/ },
  {
    name: 'a Content-Length too long, then the end',
    behave: async (met) => {
      await behave.withHead('Content-Length: 100000')(met)
      met.socket.end()
    },
    says: /pull failed/,
  },
  {
    name: 'a negative Content-Length',
    behave: behave.withHead('Content-Length: -5'),
    says: /pull failed.*Content-Length/,
  },
  {
    name: 'a Content-Length that is no number',
    behave: behave.withHead('Content-Length: 0x28'),
    says: /pull failed.*Content-Length/,
  },
  {
    name: 'two different Content-Lengths',
    behave: behave.withHead('Content-Length: 40', 'Content-Length: 41'),
    says: /pull failed.*Content-Length/i,
  },
  {
    name: 'a length and chunks at once',
    behave: behave.withHead('Content-Length: 40', 'Transfer-Encoding: chunked'),
    says: /pull failed/,
  },
  {
    name: 'an endless body, announced',
    behave: headed(pullHead(SMALL, 'Content-Length: 999999999999'), (head) =>
      behave.endless(head, Buffer.alloc(65_536)),
    ),
    says: /pull failed.*longer than/,
  },
  {
    name: 'an endless body in chunks',
    behave: headed(pullHead(SMALL, 'Transfer-Encoding: chunked'), (head) =>
      behave.endless(head, `10000\r\n${'x'.repeat(65_536)}\r\n`),
    ),
    says: /pull failed.*longer than/,
  },
  {
    name: 'an endless body without length',
    behave: headed(pullHead(SMALL, 'Connection: close'), (head) => behave.endless(head, Buffer.alloc(65_536))),
    says: /pull failed.*longer than/,
  },
  { name: 'one header of 1 MB', behave: behave.withHead(`X-Big: ${'x'.repeat(MIB)}`), says: /pull failed.*header/i },
  {
    name: 'a hundred thousand headers',
    behave: behave.withHead(...Array.from({ length: 100_000 }, (_, n) => `X-${n}: x`)),
    says: /pull failed.*header/i,
  },
  {
    name: 'headers that never end',
    behave: behave.endless('HTTP/1.1 200 OK\r\n', 'X-More: and more\r\n'.repeat(50)),
    says: /pull failed.*header/i,
  },
  {
    name: 'a heartbeat answered a byte at a time',
    of: BEATS,
    behave: behave.dripped(100),
    says: /heartbeat failed.*took/,
  },
  { name: 'heartbeats never answered', of: BEATS, behave: behave.silence, says: /heartbeat failed.*took longer/ },
  // A pull may take a minute. Other calls must not wait for it.
  { name: 'pulls answered a byte at a time', behave: behave.dripped(300), times: 1 },
  { name: 'pulls never answered', behave: behave.silence, times: 1 },
  {
    name: 'a pull as large as they come, a byte at a time',
    behave: headed(pullHead(`x-log-bodyrawsize: ${10 * MIB}`), (head) => behave.endless(head, 'x', 100)),
    times: 1,
  },
  {
    name: 'plain HTTP where it was TLS',
    of: BEATS,
    tls: TLS,
    env: { NODE_EXTRA_CA_CERTS: CA_FILE },
    behave: behave.silence,
    says: /paused.*(wrong version|WRONG_VERSION)/,
    times: 1,
  },
  {
    name: 'a chunk extension that never ends',
    of: BEATS,
    behave: behave.endless('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;', 'x'.repeat(65_536)),
    says: /heartbeat failed.*longer than/,
  },
  {
    name: 'trailers that never end',
    of: BEATS,
    behave: behave.endless('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n', `X: ${'x'.repeat(1000)}\r\n`),
    says: /heartbeat failed/,
  },
  {
    name: 'NUL in a header',
    behave: behave.withHead('Content-Length: 0', 'x-log-requestid: a\0b'),
    says: /pull failed.*header/i,
  },
  {
    name: 'a bare CR in a header',
    behave: behave.withHead('Content-Length: 0', 'x-log-requestid: a\rX-Injected: b'),
    says: /pull failed/,
  },
  { name: 'HTTP/0.9: bytes without a head', behave: behave.sends('[0,1]\n'), says: /pull failed.*HTTP/ },
  { name: 'a TLS alert', behave: behave.speaksTls, says: /pull failed.*HTTP/ },
  { name: 'its side closed without an answer', behave: behave.halfCloses, says: /pull failed.*closed/ },
  { name: 'a reset', behave: behave.hangsUp, says: /pull failed.*ECONNRESET/ },
  {
    name: 'a flood of early hints instead of an answer',
    of: BEATS,
    behave: behave.endless('', 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'.repeat(100)),
    says: /heartbeat failed.*longer than/,
  },
  {
    name: 'an unrequested 100 Continue',
    behave: behave.spoilt(({ bytes }) => Buffer.concat([Buffer.from('HTTP/1.1 100 Continue\r\n\r\n'), bytes])),
  },
  {
    name: 'another protocol to switch to',
    behave: behave.sends('HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n'),
    says: /pull failed/,
  },
]

const REDIRECTS: Row[] = [
  {
    name: 'to itself for ever',
    times: 1,
    behave: behave.redirects(301, '/logstores/audit/shards/0'),
    says: /paused.*HTTP 301/,
  },
  { name: 'to another host', times: 1, behave: behave.redirects(307, 'http://127.0.0.2:1/'), says: /paused.*HTTP 307/ },
  { name: 'to https', times: 1, behave: behave.redirects(302, 'https://127.0.0.1:1/'), says: /paused.*HTTP 302/ },
  { name: 'to a file', times: 1, behave: behave.redirects(308, 'file:///etc/passwd'), says: /paused.*HTTP 308/ },
]

const BOMBS: Row[] = [
  {
    name: 'a raw size of 4 GB',
    behave: pulled(Buffer.alloc(100), { 'x-log-bodyrawsize': '4294967296' }),
    says: /pull failed.*4294967296 bytes announced/,
  },
  {
    name: 'the most that is taken, announced for a few bytes',
    behave: pulled(Buffer.alloc(100), { 'x-log-bodyrawsize': String(MAX_RAW_BYTES) }),
    says: /pull failed.*cannot hold/,
  },
  {
    name: 'an LZ4 block that inflates to more than announced',
    behave: pulled(lz4Compress(Buffer.alloc(32 * MIB)), { 'x-log-bodyrawsize': '5000' }),
    says: /pull failed.*longer than/,
  },
  {
    name: 'the most that is taken, as LZ4 that does not shrink',
    behave: pulledNothing(stored(LARGEST), { 'x-log-bodyrawsize': String(LARGEST.length) }),
  },
  {
    name: 'the most that is taken, out of 130 KB of LZ4',
    behave: pulledNothing(lz4Compress(LARGEST), { 'x-log-bodyrawsize': String(LARGEST.length) }),
  },
  {
    name: 'the most that is taken, without compression',
    behave: pulledNothing(LARGEST, { 'x-log-bodyrawsize': String(LARGEST.length), 'x-log-compresstype': '' }),
  },
  {
    name: 'the most that is taken, as zstd',
    behave: pulledNothing(zstdCompressSync(LARGEST), {
      'x-log-bodyrawsize': String(LARGEST.length),
      'x-log-compresstype': 'zstd',
    }),
  },
  {
    name: 'zstd that inflates to more than announced',
    behave: pulled(zstdCompressSync(Buffer.alloc(32 * MIB)), {
      'x-log-bodyrawsize': '5000',
      'x-log-compresstype': 'zstd',
    }),
    says: /pull failed.*zstd/,
  },
  {
    name: 'a Content-Encoding bomb around JSON',
    of: BEATS,
    behave: behave.bomb('gzip', '['),
    says: /heartbeat failed.*(JSON|longer than)/,
  },
  {
    name: 'a Content-Encoding bomb around a pull',
    behave: pulled(deflateSync(Buffer.alloc(64 * MIB)), { 'x-log-bodyrawsize': '5000', 'Content-Encoding': 'deflate' }),
    says: /pull failed/,
  },
]

const SIZES: Row[] = [
  {
    name: 'more groups than were asked for, and always too large to be read',
    behave: pulled(Buffer.alloc(100), { 'x-log-count': '2', 'x-log-bodyrawsize': String(20 * MIB) }),
    env: { MAX_IN_FLIGHT_BYTES: String(16 * MIB) },
    says: /pull failed.*asked for/,
    while: async (trial) => {
      const before = trial.front.metSoFar
      await theOtherShardGoesOn(trial)
      expect(trial.front.metSoFar - before, 'asked again without pause').toBeLessThan(100)
    },
  },
  {
    name: 'a hundred thousand shards to hold',
    of: BEATS,
    behave: json(Array.from({ length: 100_000 }, (_, shard) => shard)),
    says: /heartbeat failed/,
  },
  {
    name: 'a list of shards of 15 MB',
    of: ['ListShards'],
    behave: behave.answers(200, `[${'{},'.repeat(5_000_000)}{}]`),
  },
  {
    name: 'checkpoints of 15 MB',
    of: STARTS,
    behave: behave.answers(200, `[${'{},'.repeat(5_000_000)}{}]`),
    says: /pull failed/,
  },
]

const odd: ReadonlyArray<readonly [name: string, text: string]> = [
  ['nothing', ''],
  ['null', 'null'],
  ['an object', '{"shards":[0,1]}'],
  ['half a number', '[0.5]'],
  ['numbers beyond reason', '[0,1e999]'],
  ['a million brackets', '['.repeat(1_000_000)],
  ['prototypes', '[{"__proto__":0}]'],
  ['a page', '<html><body>Please sign in</body></html>'],
]

const ANSWERS: Row[] = [
  ...odd.map(([name, text]) => ({
    name: `${name} for a heartbeat`,
    of: BEATS,
    behave: behave.answers(200, text),
    says: /heartbeat failed.*unusable answer/,
  })),
  ...odd.map(([name, text]) => ({
    name: `${name} where a shard starts`,
    of: STARTS,
    behave: behave.answers(200, text),
    says: /pull failed.*unusable answer/,
  })),
  {
    name: 'a cursor that is half a surrogate pair',
    of: ['GetCursor 0', 'GetCursor 1'],
    behave: behave.answers(200, '{"cursor":"\\ud800"}'),
    says: /unusable answer/,
  },
  {
    name: 'a checkpoint that is half a surrogate pair',
    of: ['GetCheckPoint'],
    behave: behave.answers(200, '[{"shard":0,"checkpoint":"\\ud800"},{"shard":1,"checkpoint":"\\ud800"}]'),
    says: /unusable answer/,
  },
  {
    name: 'read-only shards that are not',
    of: ['ListShards'],
    behave: behave.spoilt(
      ({ status, headers, body }) =>
        answerOf(status, headers, body.toString().replaceAll('readwrite', 'readonly')).bytes,
    ),
    times: 1,
    while: async ({ scenario, replica }) => {
      await scenario.caughtUp()
      await replica.line(/read-only and was read to its end/)
    },
  },
  {
    name: 'a cursor of 1 MB with line breaks in it',
    of: ['GetCursor 0', 'GetCursor 1'],
    behave: json({ cursor: 'forged\n'.repeat(140_000) }),
    says: /unusable answer/,
  },
]

/** An empty pull that jumps far ahead: taken for the answer to the next pull, it would skip whatever lies between. */
const AHEAD = answerOf(
  200,
  [
    ['x-log-cursor', Buffer.from('9000000000000000000').toString('base64')],
    ['x-log-count', '0'],
    ['x-log-bodyrawsize', '0'],
    ['x-log-end-of-cursor', '1'],
  ],
  '',
).bytes

const TWICE: Row[] = [
  {
    name: 'behind each pull',
    of: ['PullLogs 0', 'PullLogs 1'],
    env: { SLS_FETCH_COUNT: '1' },
    behave: behave.spoilt(({ bytes }) => Buffer.concat([bytes, AHEAD])),
    times: 20,
  },
]

const ERRORS: Row[] = [
  {
    name: 'an error text of 10 MB',
    behave: slsError(500, 'InternalServerError', 'x'.repeat(10 * MIB)),
    says: /pull failed/,
  },
  {
    name: 'line breaks, escapes and reversed text in an error',
    behave: slsError(500, 'InternalServerError', '\r\n{"level":"fatal"}\u001b[2J\u202e\u2028forged\u0085'),
    says: /pull failed.*forged/,
  },
  {
    name: 'another status and error code each time',
    of: BEATS,
    times: 8,
    behave: (met) => slsError(500 + Math.floor(Math.random() * 99), `Code${Math.random()}`, 'no')(met),
    says: /heartbeat failed/,
  },
  {
    name: 'an error code that is a program',
    behave: slsError(500, '"} 1\nforged_metric{x="', 'no'),
    says: /pull failed/,
  },
  {
    name: 'the request shown in its error, STS token and all',
    ...WITH_TOKEN,
    behave: behave.echoes(500, (errorMessage) => JSON.stringify({ errorCode: 'InternalServerError', errorMessage })),
    says: /pull failed.*x-acs-security-token: \[secret\]/,
  },
  {
    name: 'the request shown on a page with status 200',
    ...WITH_TOKEN,
    of: ['GetCheckPoint'],
    behave: behave.echoes(200, (text) => `<pre>${text}</pre>`),
    says: /pull failed.*x-acs-security-token: \[secret\]/,
  },
]

describe.each([
  ['framing', FRAMING],
  ['redirects', REDIRECTS],
  ['bombs', BOMBS],
  ['sizes', SIZES],
  ['answers', ANSWERS],
  ['errors', ERRORS],
  ['an answer too many', TWICE],
] as const)('a hostile Log Service: %s', (_, rows) => {
  test.each(rows.map((row) => [row.name, row] as const))('%s', (__, row) => {
    const onOneShard = row.of === undefined
    return survives('sls', { ...(onOneShard && { of: PULLS, while: theOtherShardGoesOn }), ...row })
  })
})
