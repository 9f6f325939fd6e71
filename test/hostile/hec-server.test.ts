import { readdirSync, readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { selfSigned } from '../unit/emulator/hec/certificate.ts'
import * as behave from './behaviours.ts'
import type { Behaviour, FrontRequest } from './front.ts'
import { answerOf } from './front.ts'
import type { Row } from './trial.ts'
import { MUST_NOT_SHOW, survives } from './trial.ts'

const MIB = 1 << 20
const SUCCESS = '{"text":"Success","code":0}'
/** The probes as well as the events. */
const ALL = ['event', 'probe', 'ack']

const json = (status: number, body: unknown): Behaviour =>
  behave.answers(status, typeof body === 'string' ? body : JSON.stringify(body))

const FRAMING: Row[] = [
  {
    name: 'a Content-Length too short',
    behave: behave.withHead('Content-Length: 10'),
    says: /paused \(hec_configuration.*HTTP 200/,
    times: 1,
  },
  { name: 'a Content-Length too long', behave: behave.withHead('Content-Length: 1000'), says: /did not answer within/ },
  {
    name: 'a Content-Length too long, then the end',
    behave: async (met) => {
      await behave.withHead('Content-Length: 1000')(met)
      met.socket.end()
    },
    says: /closed/,
  },
  {
    name: 'a negative Content-Length',
    behave: behave.withHead('Content-Length: -5'),
    says: /paused.*does not speak HTTP/,
    times: 1,
  },
  {
    name: 'two different Content-Lengths',
    behave: behave.withHead('Content-Length: 27', 'Content-Length: 28'),
    says: /may or may not.*content-length/,
  },
  {
    name: 'an endless body, announced',
    behave: behave.endless('HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n', Buffer.alloc(65_536, 'x')),
    says: /paused.*HTTP 200 without Splunk's answer: xxx/,
    times: 1,
  },
  {
    name: 'an endless body that begins with success',
    behave: behave.endless(`HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n${SUCCESS}`, ' '.repeat(65_536)),
    says: /paused.*HTTP 200/,
    times: 1,
  },
  {
    name: 'an endless body in chunks',
    behave: behave.endlessChunks(Buffer.alloc(65_536, 'x')),
    says: /paused.*HTTP 200 without Splunk's answer: xxx/,
    times: 1,
  },
  {
    name: 'an endless body of an error',
    behave: behave.endless(
      'HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n',
      `10000\r\n${'x'.repeat(65_536)}\r\n`,
    ),
    says: /delivery failed.*HTTP 503: xxx/,
  },
  { name: 'an answer of a byte at a time', behave: behave.dripped(200), says: /did not answer within 2 s/, times: 2 },
  {
    name: 'headers that never end',
    behave: behave.endless('HTTP/1.1 200 OK\r\n', 'X-More: and more\r\n'.repeat(50)),
    says: /header/i,
  },
  {
    name: 'headers that never end, slowly',
    behave: behave.endless('HTTP/1.1 200 OK\r\n', 'X: y\r\n', 100),
    says: /did not answer within 2 s/,
    times: 2,
  },
  { name: 'one header of 1 MB', behave: behave.withHead(`X-Big: ${'x'.repeat(MIB)}`), says: /header/i },
  {
    name: 'a chunk extension that never ends',
    behave: behave.endless('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;', 'x'.repeat(65_536)),
    says: /did not answer within 2 s/,
    times: 2,
  },
  {
    name: 'NUL in a header',
    behave: behave.withHead('X-Node: a\0b', 'Content-Length: 27'),
    says: /paused.*does not speak HTTP/,
    times: 1,
  },
  {
    name: 'HTTP/0.9: bytes without a head',
    behave: behave.sends(SUCCESS),
    says: /paused.*does not speak HTTP/,
    times: 1,
  },
  { name: 'a TLS alert', of: ALL, behave: behave.speaksTls, says: /paused.*does not speak HTTP/, times: 1 },
  { name: 'its side closed without an answer', behave: behave.halfCloses, says: /closed/ },
  { name: 'a reset', behave: behave.hangsUp, says: /ECONNRESET/ },
  { name: 'silence', behave: behave.silence, says: /did not answer within 2 s/, times: 2 },
  {
    name: 'a flood of early hints instead of an answer',
    behave: behave.endless('', 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'.repeat(100)),
    says: /did not answer within 2 s/,
    times: 2,
  },
  {
    name: 'early hints before the answer',
    behave: behave.spoilt(({ bytes }) =>
      Buffer.concat([Buffer.from('HTTP/1.1 103 Early Hints\r\nSet-Cookie: a=b\r\n\r\n'.repeat(50)), bytes]),
    ),
    times: 1,
  },
  {
    name: 'another protocol to switch to',
    behave: behave.sends('HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n'),
    says: /bad upgrade/,
  },
  {
    name: 'plain HTTP where it was TLS',
    of: ALL,
    env: { SPLUNK_HEC_TLS_VERIFY: 'false' },
    tls: selfSigned('hec'),
    behave: behave.silence,
    says: /paused.*TLS/,
    times: 1,
  },
]

const EARLY: Row[] = [
  {
    name: 'busy, before the body was read, and the connection cut',
    of: ({ target }) => target.endsWith('/event'),
    beforeBody: true,
    behave: (met) => {
      json(503, { text: 'Server is busy', code: 9 })(met)
      met.socket.destroySoon()
    },
    says: /delivery failed|may or may not/,
  },
  {
    name: 'refused, before the body was read, and the rest of it taken for requests',
    of: ({ target }) => target.endsWith('/event'),
    beforeBody: true,
    behave: json(401, { text: 'Token is required', code: 2 }),
    says: /paused.*Token is required/,
    times: 1,
  },
]

const REDIRECTS: Row[] = [
  ['to itself for ever', 301, '/services/collector/event'],
  ['to another host', 307, 'http://127.0.0.2:1/services/collector/event'],
  ['to https', 308, 'https://127.0.0.1:1/services/collector/event'],
  ['to a file', 302, 'file:///etc/passwd'],
  ['to itself, with the token in the address', 307, '/services/collector/event?token=TOKEN'],
].map(([name, status, location]) => ({
  name: String(name),
  of: ALL,
  behave: ((met) => {
    const token = met.request.headers['authorization']?.split(' ')[1] ?? ''
    return behave.redirects(Number(status), String(location).replace('TOKEN', token))(met)
  }) satisfies Behaviour,
  says: new RegExp(`paused.*HTTP ${status}: sends us to`),
  times: 1,
}))

const BOMBS: Row[] = [
  { name: 'a gzip bomb', behave: behave.bomb('gzip', SUCCESS), says: /paused.*the answer is compressed/, times: 1 },
  {
    name: 'a gzip bomb in an ack answer',
    of: ['ack'],
    behave: behave.bomb('gzip', '{"acks":{'),
    says: /the answer is compressed/,
    times: 1,
  },
  {
    name: 'twelve thousand unrequested acks',
    of: ['ack'],
    hec: { ack: true },
    behave: json(200, { acks: Object.fromEntries(Array.from({ length: 12_000 }, (_, id) => [id + 1000, true])) }),
    env: { SPLUNK_HEC_ACK_TIMEOUT_SECONDS: '2' },
    times: 3,
  },
  {
    name: 'a million brackets',
    behave: json(200, '['.repeat(1_000_000)),
    says: /paused.*HTTP 200 without Splunk's answer: \[/,
    times: 1,
  },
]

/** Answers that are no success, however much they look like one. */
const NO_SUCCESS: Row[] = [
  ['code 0 as text', 200, { text: 'Success', code: '0' }],
  ['code 0 in a list', 200, [{ text: 'Success', code: 0 }]],
  ['a code that is half a number', 200, { text: 'Success', code: 0.5 }],
  ['a code below 0', 200, { text: 'Success', code: -1 }],
  ['code true', 200, { text: 'Success', code: true }],
  ['code 0 under a prototype', 200, '{"__proto__":{"code":0},"text":"Success"}'],
  ['code 0, then another', 200, '{"code":0,"text":"Success","code":99}'],
  ['success with status 201', 201, { text: 'Success', code: 0 }],
  ['success with status 204 and a body', 204, { text: 'Success', code: 0 }],
  ['success behind a byte order mark', 200, `\ufeff${SUCCESS}`],
  ['success, then more', 200, `${SUCCESS}${SUCCESS}`],
].map(([name, status, body]) => ({
  name: String(name),
  behave: json(Number(status), body),
  says: /paused \(hec_configuration/,
  times: 1,
}))

/** Refusals that name no event, or none there can be; none of the events is to blame. */
const NOBODY_TO_BLAME: Row[] = [
  ['code 6 with a 404', 404, { text: 'not found', code: 6 }, /paused/],
  ['code 12 with a 500', 500, { text: 'oops', code: 12 }, /may or may not/],
  ['code 15 with a 503', 503, { text: 'gateway', code: 15 }, /delivery failed/],
  ['code 6 as text', 400, { text: 'Invalid data format', code: '6' }, /paused/],
  ['code 6 with status 200', 200, { text: 'Invalid data format', code: 6, 'invalid-event-number': 0 }, /paused/],
  ['code 5 for a body full of events', 400, { text: 'No data', code: 5, 'invalid-event-number': 0 }, /paused/],
  [
    'code 7 that names an event in the middle',
    400,
    { text: 'Incorrect index', code: 7, 'invalid-event-number': 3 },
    /paused/,
  ],
  [
    'busy after more events than there were',
    503,
    { text: 'busy', code: 9, 'invalid-event-number': 1e9 },
    /delivery failed/,
  ],
  ['busy after -1 events', 503, { text: 'busy', code: 9, 'invalid-event-number': -1 }, /delivery failed/],
].map(([name, status, body, says]) => ({
  name: String(name),
  behave: json(Number(status), body),
  says: says as RegExp,
  times: says === (says as RegExp) && /paused/.test(String(says)) ? 1 : 3,
}))

const HEADERS: Row[] = [
  {
    name: 'a cookie no request can carry',
    behave: behave.spoilt(
      ({ status, headers, body }) =>
        answerOf(status, [...headers, ['Set-Cookie', Buffer.from('lb=日本').toString('latin1')]], body).bytes,
    ),
    times: 1,
  },
  {
    name: 'cookies that fill every request',
    behave: behave.spoilt(({ status, headers, body }) => {
      const cookies = Array.from({ length: 3 }, (_, n) => ['Set-Cookie', `c${n}=${'x'.repeat(5_000)}`] as const)
      return answerOf(status, [...headers, ...cookies], body).bytes
    }),
    times: 1,
    after: async ({ replica }) => expect(replica.lines.filter(({ level }) => level !== 'info')).toEqual([]),
  },
  ...['-5', 'soon', '1e9', 'Sun, 99 Nov 2026 00:00:00 GMT'].map((value) => ({
    name: `Retry-After: ${value}`,
    behave: behave.answers(503, '{"text":"busy","code":9}', [['Retry-After', value]]),
    says: /delivery failed/,
  })),
]

const TEXTS: Row[] = [
  {
    name: 'an error text of 10 MB',
    behave: json(503, { text: 'x'.repeat(10 * MIB), code: 9 }),
    says: /delivery failed/,
  },
  {
    name: 'an error text of 200 KB',
    behave: json(503, { text: 'x'.repeat(200_000), code: 9 }),
    says: /delivery failed.*xxx/,
  },
  {
    name: 'line breaks, escapes and reversed text in an error',
    behave: json(503, { text: '\r\n{"level":"fatal"}\u001b[2J\u202e\u2028forged\u0085', code: 9 }),
    says: /delivery failed.*forged/,
  },
  {
    name: 'another status and code each time',
    behave: (met) =>
      json(500 + Math.floor(Math.random() * 99), { text: 'no', code: Math.floor(Math.random() * 1e9) })(met),
    says: /may or may not/,
    times: 6,
  },
  {
    name: 'the request shown in its error, token and all',
    of: ALL,
    behave: behave.echoes(503, (text) => JSON.stringify({ text, code: 9 })),
    says: /authorization: Splunk \[secret\]/,
  },
  {
    name: 'the request shown on a page',
    of: ALL,
    behave: behave.echoes(200, (text) => `<pre>${text}</pre>`),
    says: /paused.*authorization: Splunk \[secret\]/,
    times: 1,
  },
  {
    name: 'a token with quotes and slashes shown as JSON has it',
    of: ALL,
    hec: { token: `"${MUST_NOT_SHOW}"/\\x` },
    env: { SPLUNK_HEC_TOKEN: `"${MUST_NOT_SHOW}"/\\x` },
    behave: behave.echoes(503, (text) => JSON.stringify({ text, code: 9 }).replaceAll('/', '\\/')),
    says: /authorization: Splunk \[secret\]/,
  },
]

/** Queries about posted events. The probe's own query passes. */
function aboutEvents(): (request: FrontRequest) => boolean {
  const channels = new Set<string>()
  return ({ api, headers }) => {
    const channel = String(headers['x-splunk-request-channel'])
    if (api === 'event') channels.add(channel)
    return api === 'ack' && channels.has(channel)
  }
}

const ACKS: Row[] = [
  {
    name: 'a page',
    behave: json(200, '<html>Sign in</html>'),
    says: /acks failed.*HTTP 200 without Splunk's answer: <html>Sign in/,
  },
  { name: 'a redirect', behave: behave.redirects(302, '/login'), says: /paused.*sends us to \/login/, times: 1 },
  { name: 'busy', behave: json(503, { text: 'Server is busy', code: 9 }), says: /acks failed.*Server is busy/ },
  { name: 'silence', behave: behave.silence, says: /acks failed.*did not answer within/ },
  { name: 'a reset', behave: behave.hangsUp, says: /acks failed.*ECONNRESET/ },
  { name: 'no HTTP', behave: behave.sends('220 ready\r\n'), says: /paused.*does not speak HTTP/, times: 1 },
  {
    name: 'an endless body',
    behave: behave.endlessChunks(Buffer.alloc(65_536, 'x')),
    says: /acks failed.*HTTP 200 without Splunk's answer: xxx/,
  },
  { name: 'a list', behave: json(200, { acks: [true, true] }), says: /acks failed.*HTTP 200/ },
  { name: 'true as text', behave: json(200, { acks: { 0: 'true', 1: 'true' } }) },
  {
    name: 'true for names that are no ids',
    behave: json(200, '{"acks":{"0x":true,"__proto__":true,"-0":true,"0.0":true}}'),
  },
].map((row) => ({
  times: 3,
  ...row,
  name: `${row.name} for an answer`,
  of: aboutEvents(),
  hec: { ack: true },
  env: { SPLUNK_HEC_ACK_TIMEOUT_SECONDS: '5' },
}))

const REFUSED: Row[] = [
  {
    name: 'an event refused in 200 KB of terminal escapes',
    behave: refusesOneEvent(json(400, { code: 12, text: '\u001b[2J\n'.repeat(20_000), 'invalid-event-number': 0 })),
    says: /refused events for good/,
    deadLettered: 1,
    times: 1,
    after: async ({ scenario }) => {
      const [file] = readdirSync(scenario.deadLetterDir)
      const letter = readFileSync(join(scenario.deadLetterDir, String(file)), 'utf8')
      expect(JSON.parse(letter).reason.text).toMatch(/^[\x20-\x7e]{1,200}$/)
    },
  },
]

/** Refuses the first event that it meets, each time it begins a request: an event refused alone is tried again. */
function refusesOneEvent(refusal: Behaviour): Behaviour {
  let refused: string | undefined
  return async (met) => {
    const { body, headers } = met.request
    const text = (headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body).toString()
    const first = /"sls_event_id":"([^"]+)"/.exec(text)?.[1]
    refused ??= first
    if (first === refused) return refusal(met)
    return met.socket.write((await met.trueAnswer()).bytes)
  }
}

/**
 * On each connection the first request is answered twice, in one piece, and any other is refused: taken for an answer to the
 * next request, the one too many would be a delivery that never was.
 */
function answersTwice(): Behaviour {
  const answered = new WeakSet<Socket>()
  const spare = answerOf(200, behave.JSON_TYPE, SUCCESS).bytes
  return async (met) => {
    if (answered.has(met.socket)) return json(503, { text: 'Server is busy', code: 9 })(met)
    answered.add(met.socket)
    const { bytes } = await met.trueAnswer()
    return met.socket.write(Buffer.concat([bytes, spare]))
  }
}

const TWICE: Row[] = [
  {
    name: 'behind each of many small requests',
    behave: answersTwice(),
    env: { SPLUNK_HEC_MAX_BYTES: '4000', SPLUNK_HEC_CONCURRENCY: '1' },
    times: 20,
  },
]

describe.each([
  ['framing', FRAMING],
  ['early answers', EARLY],
  ['redirects', REDIRECTS],
  ['bombs', BOMBS],
  ['no success', NO_SUCCESS],
  ['no certain fault', NOBODY_TO_BLAME],
  ['headers', HEADERS],
  ['texts', TEXTS],
  ['acks', ACKS],
  ['refused', REFUSED],
  ['an answer too many', TWICE],
] as const)('a hostile HEC: %s', (_, rows) => {
  test.each(rows.map((row) => [row.name, row] as const))('%s', (__, row) => survives('hec', { of: ['event'], ...row }))
})
