import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { chosen } from './client.ts'
import { Rsyslog } from './rsyslog.ts'
import { expectedMessage, expectedPairs, HARD, PLAIN_TOPIC, sorted } from './syslog-logs.ts'
import { SyslogRun } from './syslog-run.ts'

const TOOLS = fileURLToPath(new URL('.tools/', import.meta.url))
const VRL = fileURLToPath(new URL('vrl/parse.py', import.meta.url))

let folder: string
let run: SyslogRun
/** The payloads of a format, as they are. */
const sent = { cef: [] as string[], leef: [] as string[] }

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'syslog-formats-'))
  run = await SyslogRun.start(HARD, folder)
  for (const format of ['cef', 'leef'] as const) {
    const connections = await run.bytes({ SYSLOG_FORMAT: format, SYSLOG_HEADER: 'none' })
    sent[format] = connections.flatMap((bytes) => bytes.toString().split('\n').filter(Boolean))
  }
})

afterAll(async () => {
  await run[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

/** The output of a program that reads `input`, each line JSON. */
async function judged(program: string, args: string[], input: Buffer | string): Promise<Record<string, unknown>[]> {
  const text = await new Promise<string>((resolve, reject) => {
    const options = { maxBuffer: 100_000_000 }
    const child = execFile(program, args, options, (error, stdout) => (error ? reject(error) : resolve(stdout)))
    child.stdin?.end(input)
  })
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
}

describe.runIf(chosen('go-syslog'))('go-syslog reads every message back', () => {
  const WAYS = ['5424 octet', '5424 lf', '3164 octet', '3164 lf'] as const

  test.for(WAYS)('RFC %s', async (way) => {
    const [header, framing = ''] = way.split(' ')
    const connections = await run.bytes({ SYSLOG_HEADER: `rfc${header}`, SYSLOG_FRAMING: framing })
    const read = await Promise.all(
      connections.map((bytes) => judged(`${TOOLS}go-syslog`, [`${header}`, framing], readable(bytes, header))),
    )
    for (const { priority } of read.flat()) expect(priority).toBe(14)
    const messages = read.flat().map(({ timestamp, hostname, appname, structuredData, message }) => ({
      ...{ time: timeOf(String(timestamp), header), host: hostname, app: appname, event: JSON.parse(String(message)) },
      ...(header === '5424' && { data: (structuredData as Record<string, unknown>)['sls@32473'] }),
    }))
    const expected = run.ledger.map((entry) => {
      const { data, event, time, ...rest } = expectedMessage(entry, 'parameters')
      if (header === '5424') return { ...rest, time, data, event }
      const own = JSON.stringify({ ...entry.event, sls_event_id: entry.id })
      const read = readable(Buffer.from(own), header).toString()
      return { ...rest, time: timeOf(time, header), event: JSON.parse(read) }
    })
    expect(sorted(messages)).toEqual(sorted(expected))
  })
})

/** It takes no DEL in RFC 3164; every other judge does. */
function readable(bytes: Buffer, header: string | undefined): Buffer {
  return header === '3164' ? Buffer.from(bytes.map((byte) => (byte === 0x7f ? 0x78 : byte))) : bytes
}

/** RFC 3164 has neither year nor fraction. Go prints no zeros at the end of a fraction. */
function timeOf(text: string, header: string | undefined): string {
  if (header === '3164') return text.slice(5, 19)
  const [seconds = '', fraction = ''] = text.replace('Z', '').split('.')
  return `${seconds}.${fraction.padEnd(6, '0')}Z`
}

describe.runIf(chosen('vrl'))("Vector's functions", () => {
  test('parse_cef reads every extension back', async () => {
    const input = sent.cef.map((line) => `${JSON.stringify(line)}\n`).join('')
    const parsed = await judged(`${TOOLS}vrl/bin/python`, [VRL, 'parse_cef'], input)
    const HEAD = /^(cefVersion|deviceEventClassId|deviceProduct|deviceVendor|deviceVersion|name|severity)$/
    // It reads CR as LF.
    const lines = (value: unknown): unknown => String(value).replaceAll('\n', '\r')
    const own = (pairs: Record<string, unknown>) => Object.entries(pairs).filter(([key]) => !HEAD.test(key))
    expect(parsed).toHaveLength(run.ledger.length)
    const byId = new Map(parsed.map((pairs) => [pairs['slsEventId'], pairs]))
    for (const entry of run.ledger.filter(({ event }) => event['__topic__'] === PLAIN_TOPIC)) {
      const pairs = byId.get(entry.id) as Record<string, unknown>
      expect(pairs).toMatchObject({ deviceEventClassId: PLAIN_TOPIC, deviceVendor: 'Alibaba Cloud', severity: '3' })
      const texts = own(pairs).map(([key, value]) => [key, lines(value)])
      const expected = Object.entries(expectedPairs(entry, 'cef')).map(([key, value]) => [key, lines(value)])
      expect(Object.fromEntries(texts)).toEqual(Object.fromEntries(expected))
    }
  })

  test('parse_syslog reads every message back', async () => {
    const connections = await run.bytes({ SYSLOG_FRAMING: 'lf' })
    const lines = connections.flatMap((bytes) => bytes.toString().split('\n').filter(Boolean))
    const input = lines.map((line) => `${JSON.stringify(line)}\n`).join('')
    const parsed = await judged(`${TOOLS}vrl/bin/python`, [VRL, 'parse_syslog'], input)
    const read = parsed.map((message) => ({
      time: timeOf(String(message['timestamp']).replace(' ', 'T').replace('+00:00', 'Z'), '5424'),
      ...{ host: message['hostname'], app: message['appname'], data: message['sls@32473'] },
      event: JSON.parse(String(message['message'])),
    }))
    expect(sorted(read)).toEqual(sorted(run.ledger.map((entry) => expectedMessage(entry, 'parameters'))))
  })
})

describe.runIf(chosen('syslog'))('rsyslog keeps every payload as it is', () => {
  let rsyslog: Rsyslog
  beforeAll(async () => {
    rsyslog = await Rsyslog.start({ folder })
  })
  afterAll(() => rsyslog.end('SIGKILL'))

  async function payloads(env: Record<string, string>): Promise<string[]> {
    const before = rsyslog.records().length
    await run.deliver({ SYSLOG_URL: rsyslog.url('tcp'), ...env })
    return rsyslog
      .records()
      .slice(before)
      .map(({ msg }) => msg)
  }

  test.for(['cef', 'leef'] as const)('%s', async (format) => {
    expect((await payloads({ SYSLOG_FORMAT: format })).sort()).toEqual(sent[format].toSorted())
  })

  test('kv, with the separator of the vendor before each key', async () => {
    const expected = run.ledger.map(({ event }) =>
      Object.entries(event)
        .map((pair) => `||${pair.map((text) => text.replace(/[\r\n\0]/g, ' ')).join('=')}`)
        .join(''),
    )
    expect((await payloads({ SYSLOG_FORMAT: 'kv' })).sort()).toEqual(expected.sort())
  })

  test('raw, where the log has the field, and JSON where it has not', async () => {
    const expected = run.ledger.map(({ event }) => event['forged'] ?? event)
    const read = (await payloads({ SYSLOG_FORMAT: 'raw', SYSLOG_RAW_FIELD: 'forged' })).map((text) =>
      text.startsWith('{') ? JSON.parse(text) : text,
    )
    const text = (value: unknown): string => JSON.stringify(value)
    expect(read.map(text).sort()).toEqual(expected.map(text).sort())
  })
})
