import { readFileSync } from 'node:fs'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Secret } from '../../src/core/secret.ts'
import { startSlsEmulator } from '../../src/emulator/sls/server.ts'
import { OfficialClient } from '../../src/sls/official-client.ts'
import type { BridgeProcess } from '../support/bridge-process.ts'
import { startCommand } from '../support/bridge-process.ts'
import { issueCertificates } from './certificates.ts'
import { chosen } from './client.ts'
import { temporaryFolder } from './collector.ts'
import { Rsyslog } from './rsyslog.ts'

const LOGS_PER_GROUP = 200

/** An rsyslog with every input, a logstore, and a real replica between them. */
async function between(env: (rsyslog: Rsyslog, ca: string) => Record<string, string>) {
  const folder = temporaryFolder()
  const certificates = await issueCertificates(folder)
  const rsyslog = await Rsyslog.start({ folder, certificates })
  onTestFinished(() => rsyslog.end('SIGKILL'))
  const sls = await startSlsEmulator({ projects: { conformance: { audit: {} } }, shards: 2 })
  const client = new OfficialClient({
    ...{ endpoint: sls.url, project: 'conformance', logstore: 'audit', userAgent: 'conformance' },
    ...{ accessKeyId: sls.accessKeyId, accessKeySecret: new Secret(sls.accessKeySecret) },
  })
  onTestFinished(async () => {
    client.close()
    await sls.close()
  })
  let written = 0
  return {
    rsyslog,
    /** Groups of logs of so many bytes. */
    async write(groups: number, pad: number): Promise<void> {
      for (let group = 0; group < groups; group++) {
        const logs = Array.from({ length: LOGS_PER_GROUP }, () => {
          return { timestamp: 1_790_000_000, content: { serial: String(written++), pad: 'x'.repeat(pad) } }
        })
        await client.write({ topic: 'audit_log', source: '10.0.0.1', logs })
      }
    },
    replica(): BridgeProcess {
      return startCommand(['run'], {
        ...{ ...sls.environment(), SLS_CG: 'siem', ADMIN_PORT: '0', DEAD_LETTER_DIR: `${folder}/dead-letter` },
        ...{ SLS_HEARTBEAT_SECONDS: '1', SLS_FETCH_INTERVAL_SECONDS: '0.1', ...env(rsyslog, certificates.ca) },
      })
    },
    caughtUp: () => sls.logstore().caughtUp('siem', { timeoutMs: 30_000 }),
    /** Numbers that rsyslog does not have. */
    missing(): number[] {
      const has = new Set(rsyslog.records().map(({ msg }) => Number(JSON.parse(msg).serial)))
      return Array.from({ length: written }, (_, n) => n).filter((n) => !has.has(n))
    },
  }
}

describe.runIf(chosen('syslog'))('with real rsyslog', () => {
  test('a target that wants a client certificate rests alone; the other one takes everything', async () => {
    const { rsyslog, write, replica, caughtUp, missing } = await between((of, ca) => {
      return { SYSLOG_URL: `${of.url('mtls-ossl')},${of.url('tls-ossl')}`, SYSLOG_TLS_CA_FILE: ca }
    })
    await write(10, 300)
    const bridge = replica()
    await caughtUp()
    expect(missing()).toEqual([])
    expect(new Set(rsyslog.records().map(({ input }) => input))).toEqual(new Set(['tls-ossl']))
    expect((await bridge.ready()).status).toBe(200)
    // The reset may overtake the alert that names the certificate.
    const faults = bridge.lines.flatMap(({ fault }) => (fault === undefined ? [] : [JSON.stringify(fault)]))
    expect(faults).not.toEqual([])
    for (const fault of faults) expect(fault).toContain(rsyslog.url('mtls-ossl'))
  })

  test('SYSLOG_MAX_EPS spreads the messages', async () => {
    const { rsyslog, write, replica, caughtUp, missing } = await between((of) => {
      return { SYSLOG_URL: of.url('relp'), SYSLOG_MAX_EPS: '500' }
    })
    await write(8, 300)
    replica()
    await caughtUp()
    expect(missing()).toEqual([])
    // Not each second: a busy machine lets rsyslog read two of them at once.
    const times = rsyslog.records().map(({ at }) => Date.parse(at))
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(((times.length - 100) / 500) * 1000)
  })

  test('while it is stopped, the memory of a replica is bounded, and nothing is lost', async () => {
    const limit = 8_000_000
    const { rsyslog, write, replica, caughtUp, missing } = await between((of) => {
      return { SYSLOG_URL: of.url('tcp'), MAX_IN_FLIGHT_BYTES: String(limit) }
    })
    await write(100, 3_000)
    const bridge = replica()
    await bridge.adminUrl()
    const stopped = rsyslog.pause(6_000)
    let most = 0
    let resident = 0
    for (let look = 0; look < 25; look++) {
      await new Promise((resolve) => setTimeout(resolve, 200))
      most = Math.max(most, Number(/^sls_bridge_in_flight_bytes(?:\{\S*\})? (\d+)/m.exec(await bridge.metrics())?.[1]))
      const status = readFileSync(`/proc/${bridge.child.pid}/status`, 'utf8')
      resident = Math.max(resident, Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024)
    }
    expect(most).toBeGreaterThan(limit / 2)
    expect(most).toBeLessThanOrEqual(limit)
    expect(resident).toBeLessThan(250)
    await stopped
    await caughtUp()
    expect(missing()).toEqual([])
  })
})
