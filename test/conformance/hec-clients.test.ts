import { execFile } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { IndexedEvent } from '../../src/emulator/hec/index.ts'
import type { HecReceiver, HecReceiverOptions } from '../../src/emulator/hec/server.ts'
import { startHecReceiver } from '../../src/emulator/hec/server.ts'
import { polled } from '../support/polled.ts'
import { selfSigned } from '../unit/emulator/hec/certificate.ts'
import { chosen } from './client.ts'
import { temporaryFolder } from './collector.ts'
import type { OtlpAttribute, OtlpLog } from './collector-client.ts'
import { CollectorAsClient } from './collector-client.ts'
import { startHttpProxy } from './proxies.ts'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const TOKEN = '11111111-2222-3333-4444-555555555555'
const TEXT = '操作成功 👩‍👩‍👧 é \u0000 \n \r \t " \\ </script> \u2028 \u007f'

async function receiver(options: HecReceiverOptions = {}): Promise<HecReceiver> {
  const hec = await startHecReceiver({ token: TOKEN, ...options })
  onTestFinished(() => hec.close())
  return hec
}

/** A proxy to the receiver that records each request's path, encoding and content type. */
async function watched(hec: HecReceiver): Promise<{ url: string; seen: Set<string> }> {
  const seen = new Set<string>()
  const proxy = await startHttpProxy(hec.port, ({ method, url, headers }) => {
    seen.add(`${method} ${url} ${headers['content-encoding'] ?? 'identity'} ${headers['content-type'] ?? '-'}`)
  })
  onTestFinished(() => proxy.close())
  return { url: `http://127.0.0.1:${proxy.port}`, seen }
}

async function eventually(met: () => boolean): Promise<void> {
  expect(await polled(met, 30_000)).toBe(true)
}

/** The envelope with the original text of its time. */
function spelled({ line, envelope }: IndexedEvent): object {
  return { ...envelope, time: /"time":("?[^",}]+"?)/.exec(line)?.[1] }
}

const text = (value: string) => ({ stringValue: value })
const attribute = (key: string, value: OtlpAttribute['value']): OtlpAttribute => ({ key, value })

describe.runIf(chosen('otel'))('the exporter of the OpenTelemetry Collector', () => {
  const RESOURCE = [
    attribute('host.name', text('höst-1.example')),
    attribute('com.splunk.source', text('审计')),
    attribute('com.splunk.sourcetype', text('aliyun:sls')),
    attribute('com.splunk.index', text('audit')),
    attribute('service.name', text('bridge')),
  ]
  const object: OtlpAttribute['value'] = {
    kvlistValue: {
      values: [
        attribute('text', text(TEXT)),
        attribute('empty', text('')),
        attribute('deep', { kvlistValue: { values: [attribute('list', { arrayValue: { values: [text('a')] } })] } }),
      ],
    },
  }
  const LOGS: Array<{ log: OtlpLog; event: unknown; time: string; fields: object }> = [
    {
      log: {
        ...{ timeUnixNano: '1795255040316400000', body: text(TEXT) },
        ...{ severityNumber: 9, severityText: 'INFO' },
        ...{ traceId: '0102030405060708090a0b0c0d0e0f10', spanId: '0102030405060708' },
      },
      ...{ event: TEXT, time: '1795255040.316' },
      fields: {
        ...{ 'otel.log.severity.text': 'INFO', 'otel.log.severity.number': 9 },
        ...{ trace_id: '0102030405060708090a0b0c0d0e0f10', span_id: '0102030405060708' },
      },
    },
    {
      log: {
        ...{ timeUnixNano: '1000000', body: object },
        attributes: [
          attribute('count', { intValue: '7' }),
          attribute('share', { doubleValue: 0.25 }),
          attribute('open', { boolValue: true }),
          attribute('tags', { arrayValue: { values: [text('a'), text('b')] } }),
          attribute('nested', { kvlistValue: { values: [attribute('key', text('flattened'))] } }),
        ],
      },
      event: { text: TEXT, empty: '', deep: { list: ['a'] } },
      time: '0.001',
      fields: { count: 7, share: 0.25, open: true, tags: ['a', 'b'], 'nested.key': 'flattened' },
    },
    {
      log: { timeUnixNano: '4294967295999000000', body: { arrayValue: { values: [text('x'), { intValue: '2' }] } } },
      ...{ event: ['x', 2], time: '4294967295.999', fields: {} },
    },
    {
      log: { timeUnixNano: '1795255041000000000', body: text('large'.repeat(20_000)) },
      ...{ event: 'large'.repeat(20_000), time: '1795255041', fields: {} },
    },
  ]

  test.for([
    { name: 'gzip', encoding: 'gzip', tls: false },
    { name: 'plain', encoding: 'identity', tls: false },
    { name: 'TLS', encoding: 'gzip', tls: true },
  ])('$name: every log arrives once with its metadata', async ({ encoding, tls }) => {
    const certificate = selfSigned('receiver')
    const hec = await receiver({ indexes: ['main', 'audit', '_internal'], ...(tls && { tls: certificate }) })
    const { url, seen } = tls ? { url: hec.url, seen: new Set<string>() } : await watched(hec)
    const authority = join(temporaryFolder(), 'ca.pem')
    writeFileSync(authority, certificate.cert)
    const client = await CollectorAsClient.start({
      ...{ endpoint: url, token: TOKEN, disable_compression: encoding === 'identity' },
      ...{ health_check_enabled: true, heartbeat: { startup: true, interval: '200ms' } },
      ...(tls && { tls: { ca_file: authority } }),
    })
    await client.send(
      RESOURCE,
      LOGS.map(({ log }) => log),
    )
    const inIndex = (index: string) => hec.events.filter(({ envelope }) => envelope.index === index)
    await eventually(() => inIndex('audit').length >= LOGS.length && inIndex('_internal').length >= 3)
    await client.process.stop()

    expect(inIndex('audit').map(spelled)).toEqual(
      LOGS.map(({ event, time, fields }) => ({
        ...{ host: 'höst-1.example', source: '审计', sourcetype: 'aliyun:sls', index: 'audit' },
        ...{ time, event, fields: { 'service.name': 'bridge', ...fields } },
      })),
    )
    for (const { envelope } of inIndex('_internal')) {
      expect(envelope).toMatchObject({ source: 'otelcol', sourcetype: 'heartbeat' })
      expect(envelope.event).toMatch(/^HeartbeatInfo /)
    }
    const { requests } = hec.state()
    expect(requests['/services/collector/health 200 17']).toBe(1)
    expect(Object.keys(requests).sort()).toEqual(['/services/collector 200 0', '/services/collector/health 200 17'])
    if (!tls) expect(seen).toContain(`POST /services/collector ${encoding} application/json`)
  })

  test('sends again what a busy receiver refused', async () => {
    const hec = await receiver({ faults: [{ times: 2, action: { code: 9 } }] })
    const client = await CollectorAsClient.start({
      ...{ endpoint: hec.url, token: TOKEN, retry_on_failure: { initial_interval: '50ms' } },
    })
    await client.send([], [{ timeUnixNano: '1795255040000000000', body: text('again') }])
    await eventually(() => hec.state().events > 0)
    await client.process.stop()
    expect(hec.events.map(({ envelope }) => envelope.event)).toEqual(['again'])
    expect(hec.state().requests).toEqual({ '/services/collector 503 9': 2, '/services/collector 200 0': 1 })
  })

  test('sends raw lines', async () => {
    const hec = await receiver()
    const client = await CollectorAsClient.start({
      ...{ endpoint: `${hec.url}/services/collector/raw`, token: TOKEN, export_raw: true },
    })
    await client.send([], [{ body: text('one line') }, { body: text('操作成功') }])
    await eventually(() => hec.state().events >= 2)
    await client.process.stop()
    expect(hec.events.map(({ envelope }) => envelope.event)).toEqual(['one line', '操作成功'])
  })

  test('does not start when the receiver reports that it is not healthy', async () => {
    const hec = await receiver()
    hec.condition({ shuttingDown: true })
    const starting = CollectorAsClient.start({ endpoint: hec.url, token: TOKEN, health_check_enabled: true })
    await expect(starting).rejects.toThrow(/health check failed/)
  })
})

/** Runs a program around an npm client and parses its output. */
async function run(program: string, options: object): Promise<unknown[]> {
  if (!existsSync(`${HERE}.tools/node/node_modules/splunk-logging`)) {
    throw new Error('splunk-logging is not installed: run `npm run test:conformance`, or leave node out of CONFORMANCE')
  }
  const { stdout } = await promisify(execFile)(process.execPath, [`${HERE}node/${program}`, JSON.stringify(options)])
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
}

const EVENT_PATH = '/services/collector/event/1.0'
const SUCCESS = { status: 200, body: { text: 'Success', code: 0 } }

describe.runIf(chosen('node'))('splunk-logging', () => {
  const METADATA = { host: 'höst-1', source: '审计', sourcetype: 'aliyun:sls', index: 'audit' }
  const EVENTS = [
    { message: TEXT, severity: 'warn', metadata: { ...METADATA, time: 1_795_255_040_316 } },
    { message: { text: TEXT, empty: '', list: [1, null, { deep: true }] }, metadata: { time: '1795255041.5' } },
    { message: ['x', 2], metadata: { ...METADATA, time: 1_795_255_042 } },
    { message: 'large'.repeat(20_000), metadata: { ...METADATA, time: 1_795_255_043_000 } },
  ]
  const TIMES = ['1795255040.316', '1795255041.500', '1795255042.000', '1795255043.000']

  test.for([
    { name: 'one by one', batch: 1, tls: false },
    { name: 'in batches', batch: 3, tls: false },
    { name: 'over TLS', batch: 3, tls: true },
  ])('$name: every event arrives with its time, text and metadata', async ({ batch, tls }) => {
    const hec = await receiver({ indexes: ['main', 'audit'], ...(tls && { tls: selfSigned('receiver') }) })
    const { url, seen } = tls ? { url: hec.url, seen: new Set<string>() } : await watched(hec)
    const config = { url, token: TOKEN, maxBatchCount: batch }
    const answers = await run('splunk-logging.cjs', { config, events: EVENTS })
    expect(answers).toEqual(Array(Math.ceil(EVENTS.length / batch)).fill(SUCCESS))
    const own = { host: new URL(url).host, source: 'http:sls', sourcetype: 'httpevent', index: 'main' }
    const byTime = (a: IndexedEvent, b: IndexedEvent) => Number(a.envelope.time) - Number(b.envelope.time)
    expect(hec.events.sort(byTime).map(spelled)).toEqual(
      EVENTS.map(({ message, severity = 'info', metadata: { time: _, ...metadata } }, i) => ({
        ...{ ...own, ...metadata, time: `"${TIMES[i]}"` },
        event: { message, severity },
      })),
    )
    expect(new Set(hec.events.map(({ request }) => request.path))).toEqual(new Set([EVENT_PATH]))
    if (!tls) expect([...seen]).toEqual([`POST ${EVENT_PATH} identity application/x-www-form-urlencoded`])
  })

  test('reads our refusals', async () => {
    const hec = await receiver()
    const refused = await run('splunk-logging.cjs', {
      ...{ config: { url: hec.url, token: 'not-the-token' }, events: [{ message: 'refused' }] },
    })
    expect(refused).toContainEqual({ error: 'Invalid token', code: 4 })
    expect(refused).toContainEqual({ status: 403, body: { text: 'Invalid token', code: 4 } })
    expect(hec.state().events).toBe(0)
  })
})

describe.runIf(chosen('node'))('winston-splunk-httplogger', () => {
  test.for([false, true])('every entry arrives with its level and extra fields (TLS: %s)', async (tls) => {
    const hec = await receiver(tls ? { tls: selfSigned('receiver') } : {})
    const { url, seen } = tls ? { url: hec.url, seen: new Set<string>() } : await watched(hec)
    const entries = [
      { level: 'info', message: TEXT, user: 'alice', nested: { empty: '', list: [1, null] } },
      { level: 'error', message: 'named', splunk: { source: '审计', sourcetype: 'aliyun:sls', index: 'audit' } },
      { level: 'silly', message: 'below the level of the transport' },
    ]
    expect(await run('winston.cjs', { config: { url, token: TOKEN, host: undefined }, entries })).toEqual([])
    const [first, second] = entries
    const own = { source: 'winston', sourcetype: 'winston-splunk-logger', index: 'winston-index' }
    const byMessage = (a: object, b: object) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)
    expect(hec.events.map(spelled).sort(byMessage)).toEqual(
      [
        { ...own, event: { message: { msg: TEXT, meta: first }, severity: 'info' } },
        { ...second?.splunk, event: { message: { msg: 'named', meta: second }, severity: 'error' } },
      ]
        .map((envelope) => ({
          ...{ time: expect.stringMatching(/^"\d{10}\.\d{3}"$/), host: new URL(url).host },
          ...envelope,
        }))
        .sort(byMessage),
    )
    expect(new Set(hec.events.map(({ request }) => request.path))).toEqual(new Set([EVENT_PATH]))
    if (!tls) expect([...seen]).toEqual([`POST ${EVENT_PATH} identity application/x-www-form-urlencoded`])
  })
})
