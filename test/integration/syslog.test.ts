import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Secret } from '../../src/core/secret.ts'
import { startSlsEmulator } from '../../src/emulator/sls/server.ts'
import type { SyslogReceiver } from '../../src/emulator/syslog/server.ts'
import { startSyslogReceiver } from '../../src/emulator/syslog/server.ts'
import { OfficialClient } from '../../src/sls/official-client.ts'
import { startCommand } from '../support/bridge-process.ts'

/** A logstore with two shards, a collector, and a folder for what a replica writes. */
async function logstoreAndCollector() {
  const sls = await startSlsEmulator({ projects: { audit: { trail: { shards: 2 } } } })
  const collector = await startSyslogReceiver()
  const folder = mkdtempSync(join(tmpdir(), 'syslog-'))
  const store = sls.logstore('audit', 'trail')
  const { accessKeyId, accessKeySecret, url: endpoint } = sls
  const secret = new Secret(accessKeySecret)
  const client = new OfficialClient({
    ...{ endpoint, project: 'audit', logstore: 'trail', accessKeyId, accessKeySecret: secret, userAgent: 'test' },
  })
  onTestFinished(async () => {
    client.close()
    await sls.close()
    await collector.close()
    rmSync(folder, { recursive: true })
  })
  let written = 0
  return {
    ...{ sls, collector, folder, store },
    common: {
      ...{ SLS_AK_ID: accessKeyId, SLS_AK_KEY: accessKeySecret },
      ...{ ADMIN_PORT: '0', DEAD_LETTER_DIR: join(folder, 'dead-letter') },
    },
    env: {
      ...{ SLS_ENDPOINT: endpoint, SLS_PROJECT: 'audit', SLS_LOGSTORE: 'trail', SLS_CG: 'siem' },
      ...{ SLS_HEARTBEAT_SECONDS: '1', SLS_FETCH_INTERVAL_SECONDS: '0.1', SYSLOG_URL: collector.url },
    },
    async write(groups: number): Promise<void> {
      for (let group = 0; group < groups; group++) {
        const logs = Array.from({ length: 10 }, () => {
          return { timestamp: 1_790_000_000, content: { n: String(++written), pad: 'x'.repeat(500) } }
        })
        await client.write({ topic: 'audit', source: '10.0.0.1', logs })
      }
    },
    numbers: () => Array.from({ length: written }, (_, i) => i + 1),
    caughtUp: () => store.caughtUp('siem', { timeoutMs: 20_000 }),
  }
}

/** Each number once, in order. */
function numbersIn({ messages }: SyslogReceiver): number[] {
  const all = messages.map((message) => Number(/"n":"(\d+)"/.exec(message.toString())?.[1]))
  return [...new Set(all)].sort((a, b) => a - b)
}

test('SYSLOG_URL sends every log to a collector that is killed meanwhile, and none is lost', async () => {
  const { collector, common, env, write, numbers, caughtUp } = await logstoreAndCollector()
  collector.fault({ does: 'stop', afterMessages: 100, times: 2 })
  await write(60)
  const replica = startCommand(['run'], { ...common, ...env })
  expect(await replica.line(/starting/)).toMatchObject({ syslog: [collector.url], confirm: 'drain' })
  await collector.until(() => collector.messages.length >= 100)
  await collector.kill()
  await replica.line(/delivery failed.*tcp:/)
  collector.clearFaults()
  await collector.listen()
  await caughtUp()
  expect(numbersIn(collector)).toEqual(numbers())
  const [message = ''] = collector.messages.map(String)
  expect(message).toMatch(
    /^<14>1 2026-09-21T14:13:20\.000000Z audit sls - - \[sls@32473 id="trail:\d:\d+:\d+" topic="audit" source="10\.0\.0\.1" shard="\d"\] \{"__topic__":"audit",/,
  )
  const metrics = (await replica.metrics()) as string
  expect(metrics).toContain(`sls_bridge_events_delivered_total{sink="syslog"} 600`)
  expect(metrics).toContain('sls_bridge_syslog_frames_total{sink="syslog",result="confirmed"} 600')
  expect(metrics).toMatch(/sls_bridge_syslog_connections_total\{sink="syslog",end="reset"\} [1-9]/)
  expect((await replica.kill('SIGTERM')).code).toBe(0)
})

test('no checkpoint moves before the collector has confirmed', async () => {
  const { collector, common, env, store, write, caughtUp } = await logstoreAndCollector()
  collector.fault({ does: 'deaf', times: 0 })
  await write(1)
  const replica = startCommand(['run'], { ...common, ...env })
  await collector.until(() => collector.messages.length === 10)
  // Commits would come each second.
  const behind = () => store.state().consumerGroups[0]?.shards.reduce((sum, shard) => sum + (shard.behind ?? 0), 0)
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  expect(behind()).toBe(1)
  collector.clearFaults()
  await replica.kill('SIGKILL')
  startCommand(['run'], { ...common, ...env })
  await caughtUp()
  expect(collector.messages).toHaveLength(20)
})

test('a syslog sink of the file gets the host of its route, and check says how it confirms', async () => {
  const { sls, collector, common, folder, write, numbers, caughtUp } = await logstoreAndCollector()
  const path = join(folder, 'bridge.yaml')
  writeFileSync(
    path,
    `version: 1
sources: {trail: {endpoint: ${sls.url}, project: audit, logstore: trail, group: siem, heartbeat_seconds: 1, fetch_interval_seconds: 0.1}}
sinks:
  siem: {type: syslog, url: "${collector.url}", hostname: "{project}/{topic}", app_name: bridge, facility: local0, severity: notice}
routes:
  - {name: first, when: 'n = "1"', to: siem, set: {host: "{pad}"}}
  - {name: rest, to: siem}
`,
  )
  await write(2)
  const replica = startCommand(['run'], { ...common, BRIDGE_CONFIG: path })
  await caughtUp()
  expect(numbersIn(collector)).toEqual(numbers())
  const heads = collector.messages.map((message) => /^<133>1 \S+ (\S+) bridge - - \[/.exec(message.toString())?.[1])
  expect(heads.filter((host) => host === 'audit/audit')).toHaveLength(19)
  expect(heads.filter((host) => host === 'x'.repeat(255))).toHaveLength(1)
  await replica.kill('SIGTERM')
  const check = startCommand(['check'], { ...common, BRIDGE_CONFIG: path })
  await check.exited
  expect(check.transcript()).toMatch(/ok +syslog .*connected, and confirms by drain/)
})
