import { gzipSync } from 'node:zlib'
import { systemClock } from '../../src/core/clock.ts'
import { Secret } from '../../src/core/secret.ts'
import { NO_TELEMETRY } from '../../src/core/telemetry.ts'
import { preflight } from '../../src/sinks/splunk-hec/probe.ts'
import type { Fact } from './fact.ts'
import { noClientCan, section } from './fact.ts'
import type { HecRequest, HecService } from './hec-service.ts'
import { GZIP, said } from './hec-service.ts'

const reliedOnBy = ['src/emulator/hec/http.ts', 'src/emulator/hec/tokens.ts', 'src/sinks/splunk-hec/response.ts']
const DEAD = { ...{ source: 'hec-protocol §5', mark: 'unverified' as const } }

/** Paths, methods, tokens, health, connections. Nothing here is ever indexed. */
export function accessFacts(hec: HecService): Fact[] {
  const answered = (request: HecRequest) => async () => said(await hec.send(request))
  const preflighted = (token: () => string | undefined) => async () => {
    const text = token()
    if (text === undefined) return answered({ token: 'ack' })()
    const { tls, url } = hec.access
    const connection = { token: new Secret(text), timeoutMs: 30_000, tls, userAgent: 'sls-siem-bridge-conformance' }
    const client = { ...connection, sink: 'splunk_hec', clock: systemClock, telemetry: NO_TELEMETRY }
    const signal = AbortSignal.timeout(60_000)
    const { ack, gzip } = await preflight(url, { connection: client, signal, wantsAck: true })
    return `acknowledgement ${ack ? 'on' : 'off'}, gzip ${gzip ? 'accepted' : 'refused'}`
  }
  /** Sends two requests in a row: does the connection survive the first? */
  const kept = (userAgent: string | null) => async () => {
    await hec.send({ userAgent })
    return (await hec.send({ userAgent })).reused ? 'kept' : 'closed'
  }
  return [
    ...section('hec-protocol §1', reliedOnBy, [
      {
        id: 'hec/options',
        says: 'OPTIONS needs no token and lists the allowed methods',
        mark: 'verified',
        believed: '200, POST allowed',
        observe: async () => {
          const answer = await hec.send({ method: 'OPTIONS', authorization: null })
          return `${answer.status}, POST ${answer.header('allow')?.includes('POST') ? 'allowed' : 'not named'}`
        },
      },
      {
        id: 'hec/unknown-path',
        says: 'An unknown path is 404, in JSON with a code that is not a HEC code',
        mark: 'verified',
        believed: '404 404',
        observe: answered({ path: '/no-such-thing' }),
      },
      {
        id: 'hec/get-event',
        says: 'GET instead of POST is 405, with the same body',
        mark: 'verified',
        believed: '405 404',
        observe: answered({ method: 'GET' }),
      },
      {
        id: 'hec/paths',
        says: '/services/collector, /event and /event/1.0 are the same',
        mark: 'verified',
        believed: '400 5, 400 5, 400 5',
        observe: async () => {
          const answers = ['', '/event', '/event/1.0'].map(async (path) => said(await hec.send({ path })))
          return (await Promise.all(answers)).join(', ')
        },
      },
      {
        id: 'hec/connection',
        says: 'A connection stays open for clients with a User-Agent',
        source: 'hec-protocol §2, §7',
        mark: 'verified',
        believed: 'kept',
        reliedOnBy: ['src/emulator/hec/wire.ts', 'src/sinks/splunk-hec/client.ts'],
        observe: kept('sls-siem-bridge-conformance'),
      },
      {
        id: 'hec/connection-without-agent',
        says: 'Without User-Agent the connection is closed after each answer',
        source: 'hec-protocol §2',
        mark: 'verified',
        believed: 'closed',
        reliedOnBy: ['src/emulator/hec/wire.ts', 'src/sinks/splunk-hec/client.ts'],
        observe: kept(null),
      },
      {
        id: 'hec/health',
        says: 'Health needs no token, also with the version and for acknowledgement',
        source: 'hec-protocol §9',
        mark: 'verified',
        believed: '200 17, 200 17, 200 17',
        observe: async () => {
          const paths = ['/health', '/health/1.0', '/health?ack=true']
          const get = async (path: string) => said(await hec.send({ path, method: 'GET', authorization: null }))
          return (await Promise.all(paths.map(get))).join(', ')
        },
      },
      {
        id: 'hec/health-token',
        says: 'Health with a good token is healthy',
        source: 'hec-protocol §9',
        mark: 'verified',
        believed: '200 17',
        observe: answered({ path: '/health', method: 'GET' }),
      },
      {
        id: 'hec/health-wrong-token',
        says: 'Health with a wrong token has its own code',
        source: 'hec-protocol §9',
        mark: 'verified',
        believed: '400 21',
        observe: answered({ path: '/health', method: 'GET', authorization: 'Splunk no-such-token' }),
      },
    ]),
    ...section('hec-protocol §2, §5', reliedOnBy, [
      {
        id: 'hec/no-token',
        says: 'Without Authorization the token is required',
        mark: 'verified',
        believed: '401 2',
        observe: answered({ authorization: null }),
      },
      {
        id: 'hec/bearer',
        says: 'A Bearer token is refused',
        mark: 'verified',
        believed: '401 3',
        observe: async () => said(await hec.send({ authorization: `Bearer ${hec.access.token}` })),
      },
      {
        id: 'hec/basic',
        says: 'Basic with the token as password is accepted, with any user',
        mark: 'verified',
        believed: '400 5',
        observe: async () => {
          const pair = Buffer.from(`anybody:${hec.access.token}`).toString('base64')
          return said(await hec.send({ authorization: `Basic ${pair}` }))
        },
      },
      {
        id: 'hec/wrong-token',
        says: 'An unknown token is refused before the body is checked',
        mark: 'verified',
        believed: '403 4',
        observe: answered({ authorization: 'Splunk no-such-token', body: 'no JSON' }),
      },
      {
        id: 'hec/query-token',
        says: 'A token in the query is refused unless enabled, even with a valid header',
        mark: 'verified',
        believed: '400 16',
        // Not the real token, which would appear in an access log.
        observe: answered({ path: '/event?token=no-such-token' }),
      },
      {
        id: 'hec/gzip',
        says: 'A gzip body is inflated: an empty one holds no data',
        mark: 'verified',
        believed: '400 5',
        reliedOnBy: ['src/emulator/hec/body.ts', 'src/sinks/splunk-hec/probe.ts'],
        observe: answered({ body: gzipSync(''), headers: GZIP }),
      },
      {
        id: 'hec/gzip-damaged',
        says: 'A body with a false gzip header is an invalid data format',
        mark: 'unverified',
        believed: '400 6 #0',
        reliedOnBy: ['src/emulator/hec/body.ts', 'src/sinks/splunk-hec/response.ts'],
        observe: answered({ body: 'plain text', headers: GZIP }),
      },
      {
        id: 'hec/deflate',
        says: 'deflate is not supported: 415, in HTML',
        mark: 'verified',
        believed: '415 HTML',
        reliedOnBy: ['src/emulator/hec/body.ts', 'src/sinks/splunk-hec/response.ts'],
        observe: answered({ body: '{}', headers: { 'Content-Encoding': 'deflate' } }),
      },
      {
        id: 'hec/preflight',
        says: 'The bridge’s own preflight detects a token without acknowledgement that accepts gzip',
        source: 'hec-protocol §9',
        mark: 'verified',
        believed: 'acknowledgement off, gzip accepted',
        reliedOnBy: ['src/sinks/splunk-hec/probe.ts'],
        observe: preflighted(() => hec.access.token),
      },
      {
        id: 'hec/preflight-ack',
        says: 'The bridge’s own preflight detects a token with acknowledgement',
        source: 'hec-protocol §9',
        mark: 'verified',
        believed: 'acknowledgement on, gzip accepted',
        reliedOnBy: ['src/sinks/splunk-hec/probe.ts'],
        observe: preflighted(() => hec.access.ackToken),
      },
      {
        id: 'hec/token-spreading',
        says: 'A new token is briefly refused with code 4 while a cluster distributes it',
        ...DEAD,
        believed: '403 4',
        ...noClientCan('only an administrator who changes tokens of a cluster can see it'),
      },
      {
        id: 'hec/shutdown',
        says: 'A splunkd that shuts down answers 503 with code 23 and Connection: close',
        source: 'hec-protocol §5, §7',
        mark: 'unverified',
        believed: '503 23',
        ...noClientCan('only the person who stops splunkd can see it'),
      },
    ]),
  ]
}
