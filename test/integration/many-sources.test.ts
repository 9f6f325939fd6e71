import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Secret } from '../../src/core/secret.ts'
import { startHecReceiver } from '../../src/emulator/hec/server.ts'
import { startSlsEmulator } from '../../src/emulator/sls/server.ts'
import { OfficialClient } from '../../src/sls/official-client.ts'
import { startCommand } from '../support/bridge-process.ts'
import { polled } from '../support/polled.ts'

const SOURCES = 20
const SHARDS = 4
/** An idle replica with one source has about 100 MB. */
const MOST_RESIDENT_BYTES = 250e6

test(`${SOURCES} sources with ${SHARDS} shards each: one bridge takes them all within 30 s, keeps its leases, and delivers`, async () => {
  const names = Array.from({ length: SOURCES }, (_, i) => `team-${String(i).padStart(2, '0')}`)
  const sls = await startSlsEmulator({
    projects: Object.fromEntries(names.map((name) => [name, { audit: { shards: SHARDS } }])),
  })
  const hec = await startHecReceiver({ keep: false })
  const folder = mkdtempSync(join(tmpdir(), 'many-sources-'))
  onTestFinished(async () => {
    await Promise.all([sls.close(), hec.close()])
    rmSync(folder, { recursive: true })
  })
  const path = join(folder, 'bridge.yaml')
  const { SPLUNK_HEC_URL: url, SPLUNK_HEC_TOKEN: token } = hec.environment()
  writeFileSync(
    path,
    `version: 1
sources:
${names.map((name) => `  ${name}: {endpoint: ${sls.url}, project: ${name}, logstore: audit, group: siem, heartbeat_seconds: 2}`).join('\n')}
sinks: {splunk: {type: splunk_hec, url: ["${url}"], token: "\${TOKEN}"}}
routes: [{name: all, to: splunk}]
`,
  )
  const started = performance.now()
  const replica = startCommand(['run', '--config', path], {
    ...{ SLS_AK_ID: sls.accessKeyId, SLS_AK_KEY: sls.accessKeySecret, TOKEN: String(token) },
    ...{ ADMIN_PORT: '0', DEAD_LETTER_DIR: join(folder, 'dead-letter') },
  })
  const leased = async (): Promise<number> =>
    [...(await replica.metrics()).matchAll(/^sls_bridge_shard_leased\{.*\} 1$/gm)].length
  expect(await polled(async () => (await leased()) === SOURCES * SHARDS, 30_000)).toBe(true)
  console.log(`${SOURCES * SHARDS} shards leased after ${((performance.now() - started) / 1000).toFixed(1)} s`)
  for (const project of names) {
    const secret = new Secret(sls.accessKeySecret)
    const client = new OfficialClient({
      ...{ endpoint: sls.url, project, logstore: 'audit' },
      ...{ accessKeyId: sls.accessKeyId, accessKeySecret: secret, userAgent: 'test' },
    })
    const logs = Array.from({ length: 50 }, (_, n) => ({ timestamp: 1_790_000_000, content: { n: String(n) } }))
    for (let group = 0; group < 4; group++) await client.write({ topic: 't', source: 's', logs })
    client.close()
  }
  for (const project of names) await sls.logstore(project, 'audit').caughtUp('siem', { timeoutMs: 20_000 })
  const metrics = await replica.metrics()
  const resident = Number(/^process_resident_memory_bytes (\S+)$/m.exec(metrics)?.[1])
  console.log(`${(resident / 1e6).toFixed(0)} MB resident`)
  expect(resident).toBeLessThan(MOST_RESIDENT_BYTES)
  expect((await replica.ready()).status).toBe(200)
  expect((await replica.kill('SIGTERM')).code).toBe(0)
  expect(replica.lines.filter(({ msg }) => /heartbeat (failed|rejected)|^lost shard/.test(msg))).toEqual([])
  expect(hec.state()).toMatchObject({ uniqueIds: SOURCES * 200, duplicateIds: 0 })
}, 90_000)
