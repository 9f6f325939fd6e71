import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Certificates } from './certificates.ts'
import { issueCertificates } from './certificates.ts'
import { chosen } from './client.ts'
import type { Input, RsyslogRecord } from './rsyslog.ts'
import { Rsyslog } from './rsyslog.ts'
import type { ReadMessage } from './syslog-logs.ts'
import { expectedMessage, HARD, sorted } from './syslog-logs.ts'
import type { SyslogNgInput } from './syslog-ng.ts'
import { SyslogNg } from './syslog-ng.ts'
import { SyslogRun, tlsSettings } from './syslog-run.ts'

let folder: string
let certificates: Certificates
let run: SyslogRun

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'syslog-judges-'))
  certificates = await issueCertificates(folder)
  run = await SyslogRun.start(HARD, folder)
})

afterAll(async () => {
  await run[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

/** The time of RFC 3164: no year, no fraction. */
const SECONDS = /^\d{4}-(.{14})/

describe.runIf(chosen('syslog'))('rsyslog reads every message back', () => {
  let rsyslog: Rsyslog
  beforeAll(async () => {
    rsyslog = await Rsyslog.start({ folder, certificates })
  })
  afterAll(() => rsyslog.end('SIGKILL'))

  const WAYS: { input: Input; framing: 'octet' | 'lf' }[] = [
    { input: 'tcp', framing: 'octet' },
    { input: 'tcp', framing: 'lf' },
    { input: 'tls', framing: 'octet' },
    { input: 'tls-ossl', framing: 'octet' },
    { input: 'mtls', framing: 'octet' },
    { input: 'mtls-ossl', framing: 'lf' },
    { input: 'relp', framing: 'octet' },
    { input: 'relp-tls', framing: 'octet' },
    { input: 'relp-mtls', framing: 'octet' },
  ]

  async function received(input: Input, env: Record<string, string>): Promise<RsyslogRecord[]> {
    const before = rsyslog.records().length
    const tls = input.includes('tls') ? tlsSettings(certificates, input.includes('mtls')) : {}
    await run.deliver({ SYSLOG_URL: rsyslog.url(input), ...tls, ...env })
    return rsyslog.records().slice(before)
  }

  test.for(WAYS)('over $input ($framing)', async ({ input, framing }) => {
    const records = await received(input, { SYSLOG_FRAMING: framing })
    for (const record of records) expect(record).toMatchObject({ input, pri: '14' })
    const read = records.map(({ ts, host, app, sd, msg }): ReadMessage => {
      return { time: ts.replace('+00:00', 'Z'), host, app, data: sd, event: JSON.parse(msg) }
    })
    expect(sorted(read)).toEqual(sorted(run.ledger.map((entry) => expectedMessage(entry, 'wire'))))
  })

  test.for(['tcp', 'relp'] as const)('with headers of RFC 3164 over %s', async (input) => {
    const records = await received(input, { SYSLOG_HEADER: 'rfc3164' })
    const read = records.map(({ ts, host, app, msg }) => {
      return { time: SECONDS.exec(ts)?.[1], host, app, event: JSON.parse(msg) }
    })
    const expected = run.ledger.map((entry) => {
      const { time, host, app } = expectedMessage(entry, 'wire')
      return { time: SECONDS.exec(time)?.[1], host, app, event: { ...entry.event, sls_event_id: entry.id } }
    })
    expect(sorted(read)).toEqual(sorted(expected))
  })
})

describe.runIf(chosen('syslog'))('syslog-ng reads every message back', () => {
  let syslogNg: SyslogNg
  beforeAll(async () => {
    syslogNg = await SyslogNg.start(folder, certificates)
    const deliver = (input: SyslogNgInput, env: Record<string, string> = {}) =>
      run.deliver({ SYSLOG_URL: syslogNg.url(input), ...tlsSettings(certificates, input === 'mtls'), ...env })
    for (const input of ['tcp', 'tls', 'mtls'] as const) await deliver(input)
    await deliver('lines', { SYSLOG_HEADER: 'rfc3164' })
    await syslogNg.end()
  })

  test.for(['tcp', 'tls', 'mtls'] as const)('over %s', (input) => {
    const records = syslogNg.records(input)
    const read = records.map(({ AT, HOST, PROGRAM, SDATA, MESSAGE }) => {
      return { time: AT, host: HOST, app: PROGRAM, data: SDATA, event: JSON.parse(MESSAGE) }
    })
    const expected = run.ledger.map((entry) => ({
      ...expectedMessage(entry, 'wire'),
      time: `${entry.nanoseconds / 1_000_000_000n}.${String((entry.nanoseconds / 1000n) % 1_000_000n).padStart(6, '0')}`,
    }))
    expect(sorted(read)).toEqual(sorted(expected))
  })

  test('as lines with headers of RFC 3164', () => {
    const records = syslogNg.records('lines')
    const read = records.map(({ HOST, PROGRAM, MESSAGE }) => ({ host: HOST, app: PROGRAM, event: JSON.parse(MESSAGE) }))
    const expected = run.ledger.map(({ id, event }) => {
      return { host: 'conformance', app: 'sls', event: { ...event, sls_event_id: id } }
    })
    expect(sorted(read)).toEqual(sorted(expected))
  })
})
