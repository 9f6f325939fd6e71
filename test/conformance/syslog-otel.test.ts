import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { issueCertificates } from './certificates.ts'
import { chosen } from './client.ts'
import type { CollectedMessage } from './collector-syslog.ts'
import { CollectorAsSyslog } from './collector-syslog.ts'
import { expectedMessage, expectedPairs, HARD, PLAIN_TOPIC, sorted } from './syslog-logs.ts'
import { SyslogRun } from './syslog-run.ts'

/** Some of the keys that the log of ActionTrail must have. */
const MAPPED = {
  cef: { src: '10.1.2.3', suser: 'alice', rt: String(Date.parse('2026-11-29T10:53:42.123Z')) },
  leef: { src: '10.1.2.3', usrName: 'alice', devTime: String(Date.parse('2026-11-29T10:53:42.123Z')) },
} as const

let folder: string
let run: SyslogRun

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'syslog-otel-'))
  run = await SyslogRun.start(HARD, folder)
})

afterAll(async () => {
  await run[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

/** Parsed extensions by event id are those of the contract, and every event is there. */
function expectPairs(parsed: readonly Record<string, unknown>[], format: 'cef' | 'leef'): void {
  const byId = new Map(parsed.map((pairs) => [pairs['slsEventId'], pairs]))
  expect(parsed).toHaveLength(run.ledger.length)
  for (const entry of run.ledger) {
    const pairs = byId.get(entry.id)
    if (entry.event['__topic__'] === PLAIN_TOPIC) expect(pairs).toEqual(expectedPairs(entry, format))
    if (entry.event['__topic__'] === 'actiontrail_audit_event') expect(pairs).toMatchObject(MAPPED[format])
    expect(pairs).toBeDefined()
  }
}

describe.runIf(chosen('otel'))('an OpenTelemetry Collector', () => {
  async function collected(format: 'json' | 'cef' | 'leef', tls = false): Promise<CollectedMessage[]> {
    const certificates = tls ? await issueCertificates(folder) : undefined
    const collector = await CollectorAsSyslog.start({ format, ...(certificates && { certificates }) })
    const ca = certificates && { SYSLOG_TLS_CA_FILE: certificates.ca }
    await run.deliver({ SYSLOG_URL: collector.url, SYSLOG_FORMAT: format, ...ca })
    await collector.process.stop()
    return collector.messages()
  }

  test.for([false, true])('reads every message of RFC 5424 back (TLS: %s)', async (tls) => {
    const read = (await collected('json', tls)).map(({ nanoseconds, attributes }) => ({
      ...{ nanoseconds, host: attributes['hostname'], app: attributes['appname'] },
      data: (attributes['structured_data'] as Record<string, unknown>)['sls@32473'],
      event: JSON.parse(String(attributes['message'])),
    }))
    const expected = run.ledger.map((entry) => {
      const { host, app, data, event } = expectedMessage(entry, 'parameters')
      return { nanoseconds: (entry.nanoseconds / 1_000n) * 1_000n, host, app, data, event }
    })
    expect(sorted(read)).toEqual(sorted(expected))
  })

  test.for(['cef', 'leef'] as const)('parses every extension of %s back', async (format) => {
    const parsed = (await collected(format)).map(({ attributes }) => attributes['parsed'] as Record<string, unknown>)
    expectPairs(
      parsed.map((each) => each[format === 'cef' ? 'cef.extensions' : 'leef.attributes'] as Record<string, unknown>),
      format,
    )
  })
})
