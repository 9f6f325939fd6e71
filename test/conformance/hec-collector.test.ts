import { once } from 'node:events'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Secret } from '../../src/core/secret.ts'
import type { SlsEmulator } from '../../src/emulator/sls/server.ts'
import type { WrittenLogs } from '../../src/sls/official-client.ts'
import { OfficialClient } from '../../src/sls/official-client.ts'
import { startCommand } from '../support/bridge-process.ts'
import { Scenario } from '../support/scenario.ts'
import type { Certificates } from './certificates.ts'
import { issueCertificates } from './certificates.ts'
import { chosen } from './client.ts'
import { temporaryFolder } from './collector.ts'
import type { CollectedEvent, HecServerOptions } from './collector-server.ts'
import { CollectorAsServer } from './collector-server.ts'
import type { LedgerEntry } from './ledger.ts'
import { ledgerOf } from './ledger.ts'
import { eventText, forNode, groupsFor } from './log-groups.ts'
import { startHttpProxy } from './proxies.ts'

const LARGE = 100_000
const RESTARTS = 3
const CONTROLS = Array.from({ length: 0x20 }, (_, code) => String.fromCharCode(code)).join('')

/** Texts that a third-party parser may misread. */
const HARD: WrittenLogs[] = [
  ...groupsFor('collector', { bytes: false, hashKeys: false, repeatedKeys: false }).map(forNode),
  {
    topic: 'large',
    source: '',
    logs: ['x', '"', '\\', '<', '\u0001', '值', '👩‍👩‍👧'].map((text, i) => ({
      ...{ timestamp: 1_795_255_040, timestampNsPart: 316_000_000 + i },
      content: { text, large: text.repeat(LARGE / text.length), empty: '', controls: CONTROLS, [CONTROLS]: 'key' },
    })),
  },
  {
    topic: '{"event":"not this"}',
    source: '10.0.0.1',
    logs: ['0', '1e400', 'null', 'true', '[]', '{}', ' ', '\u2028', '</script>', '-0'].map((value, i) => ({
      ...{ timestamp: 1_795_255_041 + i, timestampNsPart: 999_999_999 },
      content: { value, event: value, time: value, 'a.b': value },
    })),
  },
]
const HARD_LOGS = HARD.reduce((sum, { logs }) => sum + logs.length, 0)

async function writeHard(sls: SlsEmulator): Promise<void> {
  const client = new OfficialClient({
    ...{ endpoint: sls.url, project: sls.logstore().project, logstore: sls.logstore().name, userAgent: 'conformance' },
    ...{ accessKeyId: sls.accessKeyId, accessKeySecret: new Secret(sls.accessKeySecret) },
  })
  for (const group of HARD) await client.write(group)
  client.close()
}

/** Everything of an event except its time, short enough for a test's report. */
function textOf(id: unknown, metadata: object, event: object): string {
  return `${id} ${JSON.stringify(metadata)}${eventText('', event as Record<string, string>)}`
}

function written({ id, host, source, sourcetype, event }: LedgerEntry): string {
  return textOf(id, { ...(host && { host }), source, sourcetype }, event)
}

function arrived({ metadata, event, fields: { sls_event_id: id, ...rest } }: CollectedEvent): string {
  const { 'host.name': host, 'com.splunk.source': source, 'com.splunk.sourcetype': sourcetype, ...more } = metadata
  return textOf(id, { ...(host !== undefined && { host }), source, sourcetype, ...more, ...rest }, event as object)
}

/** The collector stores time as a double of seconds, then of nanoseconds. Returns the value after that rounding. */
function asTheCollectorKeepsIt(nanoseconds: bigint): bigint {
  const text = nanoseconds.toString().padStart(10, '0')
  return BigInt(Math.trunc(Number(`${text.slice(0, -9)}.${text.slice(-9)}`) * 1e9))
}

function expectTimes(events: CollectedEvent[], ledger: LedgerEntry[]): void {
  const exact = new Map(ledger.map(({ id, nanoseconds }) => [id, nanoseconds]))
  for (const { fields, nanoseconds } of events) {
    const wanted = exact.get(String(fields['sls_event_id'])) as bigint
    expect(nanoseconds, `${fields['sls_event_id']}`).toBe(asTheCollectorKeepsIt(wanted))
    expect(Math.abs(Number(nanoseconds - wanted))).toBeLessThan(512)
  }
}

/** Runs `check` and returns its output and exit code. */
async function check(
  env: Record<string, string>,
  ...options: string[]
): Promise<{ code: number | null; said: string }> {
  const process = startCommand(['check', ...options], env)
  const [code] = await once(process.child, 'close')
  return { code, said: process.lines.map(({ msg }) => msg).join('\n') }
}

interface Way {
  name: string
  acks: boolean
  tls: 'none' | 'server' | 'mutual'
  env: Record<string, string>
}

const WAYS: Way[] = [
  { name: 'plain', acks: false, tls: 'none', env: { SPLUNK_HEC_GZIP: 'false' } },
  { name: 'gzip', acks: false, tls: 'none', env: {} },
  { name: 'acknowledged', acks: true, tls: 'none', env: {} },
  { name: 'acknowledged, not compressed', acks: true, tls: 'none', env: { SPLUNK_HEC_GZIP: 'false' } },
  { name: 'TLS', acks: false, tls: 'server', env: {} },
  { name: 'mutual TLS, acknowledged', acks: true, tls: 'mutual', env: {} },
]

function serverOptions({ acks, tls }: Pick<Way, 'acks' | 'tls'>, { ca, server }: Certificates): HecServerOptions {
  const identity = { cert_file: server.cert, key_file: server.key }
  if (tls === 'none') return { acks }
  return { acks, tls: { ...identity, ...(tls === 'mutual' && { client_ca_file: ca }) } }
}

function tlsEnvironment(tls: Way['tls'], { ca, client }: Certificates): Record<string, string> {
  if (tls === 'none') return {}
  const ours = { SPLUNK_HEC_TLS_CERT_FILE: client.cert, SPLUNK_HEC_TLS_KEY_FILE: client.key }
  return { SPLUNK_HEC_TLS_CA_FILE: ca, ...(tls === 'mutual' && ours) }
}

describe.runIf(chosen('otel'))('into the OpenTelemetry Collector', () => {
  test.for(WAYS)('$name: the collector has exactly what was written', async (way) => {
    const certificates = await issueCertificates(temporaryFolder())
    const collector = await CollectorAsServer.start(serverOptions(way, certificates))
    const seen = new Set<string>()
    const proxy = await startHttpProxy(collector.port, ({ url, headers }) => {
      seen.add(`${url} ${headers['content-encoding'] ?? 'identity'}`)
    })
    onTestFinished(() => proxy.close())
    // Requests over TLS cannot be recorded.
    const url = way.tls === 'none' ? `http://127.0.0.1:${proxy.port}` : collector.url
    const env = { SPLUNK_HEC_URL: url, ...tlsEnvironment(way.tls, certificates), ...way.env }
    const scenario = await Scenario.start({ sls: { projects: { conformance: { audit: {} } }, shards: 2 }, env })
    await writeHard(scenario.sls)
    await scenario.write(30, { kinds: ['audit', 'kubernetes', 'access'] })
    const ledger = ledgerOf(scenario.sls)
    expect(ledger).toHaveLength(HARD_LOGS + 600)

    const checked = await check(scenario.environment())
    expect(checked.code, checked.said).toBe(0)
    expect(checked.said).toContain(`accepted, indexer acknowledgement ${way.acks ? 'on' : 'off'}`)
    expect(collector.received).toBe(0)
    seen.clear()

    const bridge = scenario.replica()
    await scenario.caughtUp()
    const metrics = await bridge.metrics()
    expect((await bridge.kill('SIGTERM')).code, bridge.transcript()).toBe(0)
    await collector.process.stop()

    const events = collector.events()
    expect(events.map(arrived).sort()).toEqual(ledger.map(written).sort())
    expectTimes(events, ledger)
    expect(scenario.tally().deadLettered).toBe(0)
    expect(/^sls_bridge_hec_ack_seconds_count [1-9]/m.test(metrics)).toBe(way.acks)
    expect(metrics.match(/^sls_bridge_hec_(ambiguous|resends)_total\S* [1-9]\d*/gm)).toBe(null)
    if (way.tls === 'none') {
      const encoding = way.env['SPLUNK_HEC_GZIP'] === 'false' ? 'identity' : 'gzip'
      expect(seen).toContain(`/services/collector/event ${encoding}`)
    }
  })

  test.for([false, true])('after a restart during delivery nothing is missing (acknowledged: %s)', async (acks) => {
    const collector = await CollectorAsServer.start({ acks })
    const scenario = await Scenario.start({
      sls: { projects: { conformance: { audit: {} } }, shards: 4 },
      env: {
        ...{ SPLUNK_HEC_URL: collector.url, SPLUNK_HEC_MAX_BYTES: '20000' },
        // A restart of the collector loses its acknowledgements, but not the events.
        SPLUNK_HEC_ACK_TIMEOUT_SECONDS: '3',
      },
    })
    const bridge = scenario.replica()
    const writing = scenario.write(600, { kinds: ['audit', 'kubernetes', 'access'], perSecond: 100 })
    for (let restart = 0; restart < RESTARTS; restart++) {
      const before = collector.received
      await scenario.eventually(() => collector.received > before + 300_000)
      await collector.process.stop()
      await collector.process.run()
    }
    await writing
    await scenario.caughtUp(60_000)
    expect(await bridge.metrics()).toMatch(/^sls_bridge_hec_requests_total\{status="error",code="[^"]+"\} [1-9]/m)
    expect((await bridge.kill('SIGTERM')).code, bridge.transcript()).toBe(0)
    await collector.process.stop()

    const ledger = ledgerOf(scenario.sls)
    const events = collector.events().map(arrived)
    expect([...new Set(events)].sort()).toEqual(ledger.map(written).sort())
    expect(scenario.tally().deadLettered).toBe(0)
    const repeated = events.length - ledger.length
    console.log(`${ledger.length} logs, ${repeated} repeated after ${RESTARTS} restarts (acknowledged: ${acks})`)
  })

  // It reports a body that is too large as malformed, gives no position, and accepts none of it.
  test.for([true, false])('with a body limit: only single events over it are refused (gzip: %s)', async (gzip) => {
    const collector = await CollectorAsServer.start({ maxBodyBytes: 60_000 })
    const env = { SPLUNK_HEC_URL: collector.url, SPLUNK_HEC_GZIP: `${gzip}` }
    const scenario = await Scenario.start({ sls: { projects: { conformance: { audit: {} } }, shards: 1 }, env })
    await scenario.write(20, { kinds: ['audit', 'kubernetes', 'access'], logsPerGroup: 50 })
    await scenario.writeLog({ large: 'x'.repeat(60_000) })
    await scenario.write(20, { kinds: ['audit', 'kubernetes', 'access'], logsPerGroup: 50 })
    const bridge = scenario.replica()
    await scenario.caughtUp()
    expect((await bridge.kill('SIGTERM')).code, bridge.transcript()).toBe(0)
    await collector.process.stop()

    const fit = ledgerOf(scenario.sls).filter(({ event }) => event['large'] === undefined)
    expect(collector.events().map(arrived).sort()).toEqual(fit.map(written).sort())
    expect(fit).toHaveLength(2000)
    expect(scenario.tally().deadLettered).toBe(1)
  })
})

describe.runIf(chosen('otel'))('check against the OpenTelemetry Collector', () => {
  test('sends a test event that arrives', async () => {
    const collector = await CollectorAsServer.start({ acks: true })
    const scenario = await Scenario.start({ env: { SPLUNK_HEC_URL: collector.url } })
    const { code, said } = await check(scenario.environment(), '--send-test-event')
    expect(code, said).toBe(0)
    await collector.process.stop()
    expect(collector.events().map(({ event }) => event)).toEqual([expect.objectContaining({ group: 'scenario' })])
  })

  const FAILURES: Array<{
    name: string
    tls: Way['tls']
    env: (url: string, made: Certificates) => Record<string, string>
    says: RegExp
  }> = [
    {
      ...{ name: 'that acknowledgement is wanted and not there', tls: 'none' },
      env: () => ({ SPLUNK_HEC_ACK: 'true' }),
      says: /FAIL +HEC token .*acknowledgement off\n +→ .*SPLUNK_HEC_ACK=auto/,
    },
    {
      ...{ name: 'that the certificate authority is not known', tls: 'server' },
      env: () => ({}),
      says: /FAIL +HEC TLS .*\n +→ .*SPLUNK_HEC_TLS_CA_FILE/,
    },
    {
      ...{ name: 'that a client certificate is wanted', tls: 'mutual' },
      env: (_, made) => tlsEnvironment('server', made),
      says: /FAIL +HEC address .*\n +→ .*SPLUNK_HEC_TLS_CERT_FILE/,
    },
    {
      ...{ name: 'that HTTP was spoken to its HTTPS port', tls: 'server' },
      env: (url) => ({ SPLUNK_HEC_URL: url.replace('https:', 'http:') }),
      says: /FAIL +HEC address .*HTTPS server.*\n +→ .*SPLUNK_HEC_URL/,
    },
    {
      ...{ name: 'that HTTPS was spoken to its HTTP port', tls: 'none' },
      env: (url) => ({ SPLUNK_HEC_URL: url.replace('http:', 'https:') }),
      says: /FAIL +HEC TLS .*wrong version number.*\n +→ .*SPLUNK_HEC_URL/,
    },
  ]

  test.for(FAILURES)('reports $name', async ({ tls, env, says }) => {
    const made = await issueCertificates(temporaryFolder())
    const collector = await CollectorAsServer.start(serverOptions({ acks: false, tls }, made))
    const scenario = await Scenario.start({ env: { SPLUNK_HEC_URL: collector.url, ...env(collector.url, made) } })
    const { code, said } = await check(scenario.environment())
    expect(code).toBe(1)
    expect(said).toMatch(says)
  })
})
