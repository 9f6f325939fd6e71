import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Bridge } from '../../src/bridge.ts'
import { reconcileCommand } from '../../src/cli/reconcile.ts'
import { loadConfigFile } from '../../src/config/file/load.ts'
import { Secret } from '../../src/core/secret.ts'
import { NO_TELEMETRY } from '../../src/core/telemetry.ts'
import type { HecFaultRule } from '../../src/emulator/hec/server.ts'
import { startHecReceiver } from '../../src/emulator/hec/server.ts'
import { startSlsEmulator } from '../../src/emulator/sls/server.ts'
import { OfficialClient } from '../../src/sls/official-client.ts'

const SEARCH_TOKEN = 'eyJraWQiOiJzcGx1bmsifQ'
/** A cursor by time names a log of that second, and `--to now` ends before it: so logs are written some seconds before. */
const AGE_MS = 2_000
const LOGS = 10

type Counts = Record<'wanted' | 'found' | 'missing' | 'duplicated' | 'deadLettered' | 'pending', number>
interface Reconciled {
  ok: boolean
  total: Counts
  logstores: Array<{ project: string; logstore: string; total: Counts; missing: Array<{ id: string; index?: string }> }>
  notes: string[]
}

/**
 * Two logstores with the logs 0 to 9 each, and a bridge that has delivered them. `denied` logs, the even ones, go to the index
 * `sec` too. `hecFault`: what Splunk does meanwhile.
 */
async function delivered(hecFault?: HecFaultRule) {
  const projects = { audit: { trail: { shards: 1 } }, web: { access: { shards: 1 } } }
  let behindMs = AGE_MS
  const sls = await startSlsEmulator({ projects, now: () => Date.now() - behindMs })
  const hec = await startHecReceiver({
    keep: true,
    searchToken: SEARCH_TOKEN,
    refuse: [{ contains: 'poison', code: 6 }],
  })
  if (hecFault) hec.faults.add(hecFault)
  const folder = mkdtempSync(join(tmpdir(), 'reconcile-file-'))
  onTestFinished(async () => {
    await Promise.all([sls.close(), hec.close()])
    rmSync(folder, { recursive: true })
  })
  const { accessKeyId, accessKeySecret, url: endpoint } = sls
  for (const [project, logstore] of [
    ['audit', 'trail'],
    ['web', 'access'],
  ] as const) {
    const secret = new Secret(accessKeySecret)
    const writer = new OfficialClient({
      ...{ endpoint, project, logstore, accessKeyId, accessKeySecret: secret, userAgent: 'test' },
    })
    const logs = Array.from({ length: LOGS }, (_, n) => ({
      timestamp: Math.floor(Date.now() / 1000),
      content: { n: String(n), denied: String(n % 2 === 0), ...(project === 'web' && n === 3 && { text: 'poison' }) },
    }))
    await writer.write({ topic: 't', source: '10.0.0.1', logs })
    writer.close()
  }
  const common = `endpoint: ${endpoint}, group: siem, heartbeat_seconds: 1, fetch_interval_seconds: 0.1`
  const { SPLUNK_HEC_URL: url, SPLUNK_HEC_TOKEN: TOKEN } = hec.environment()
  const file = join(folder, 'bridge.yaml')
  writeFileSync(
    file,
    `version: 1
sources:
  trail: {${common}, project: audit, logstore: trail}
  web: {${common}, project: web, logstore: access}
sinks:
  splunk: {type: splunk_hec, url: ["${url}"], token: "\${TOKEN}", index: main}
  archive: {type: file, path: out.jsonl}
routes:
  - {name: denied, when: 'denied = true', to: [splunk, archive], set: {index: sec}, continue: true}
  - {name: rest, to: splunk}
`,
  )
  const env = {
    ...{ SLS_AK_ID: accessKeyId, SLS_AK_KEY: accessKeySecret, TOKEN: TOKEN as string, BRIDGE_CONFIG: file },
    ...{ DEAD_LETTER_DIR: join(folder, 'dead-letter'), ADMIN_PORT: '0' },
  }
  const loaded = loadConfigFile(file, env)
  if (!('config' in loaded)) throw new Error(JSON.stringify(loaded.problems))
  const bridge = new Bridge(loaded.config, NO_TELEMETRY)
  const running = bridge.run()
  for (const logstore of [sls.logstore('audit', 'trail'), sls.logstore('web', 'access')]) {
    await logstore.caughtUp('siem', { timeoutMs: 20_000 })
  }
  await bridge.stop(10_000)
  await running
  behindMs = 0
  return {
    async reconcile(...args: string[]): Promise<{ code: number; text: string; said: Reconciled; stderr: string }> {
      const [stdout, stderr] = [new PassThrough(), new PassThrough()]
      const settings = { ...env, SPLUNK_SEARCH_URL: hec.url, SPLUNK_SEARCH_TOKEN: SEARCH_TOKEN }
      const io = { env: settings, stdout, stderr, signal: new AbortController().signal }
      const code = await reconcileCommand(['--from', '-1h', '--to', 'now', ...args], io)
      const text = String(stdout.read() ?? '')
      const said = (text.startsWith('{') ? JSON.parse(text) : {}) as Reconciled
      return { code, text, said, stderr: String(stderr.read() ?? '') }
    },
  }
}

describe('reconcile with a configuration file', () => {
  test('compares each logstore, and counts every copy for a Splunk', async () => {
    const { reconcile } = await delivered()
    const { code, said } = await reconcile('--json')
    expect(code).toBe(0)
    const counts = { wanted: 15, found: 15, missing: 0, duplicated: 0, deadLettered: 0, notLookedFor: 0, pending: 0 }
    expect(said.logstores.map(({ project, logstore, total }) => [project, logstore, total])).toEqual([
      ['audit', 'trail', counts],
      ['web', 'access', { ...counts, found: 14, deadLettered: 1 }],
    ])
    expect(said.total.wanted).toBe(30)
    expect(said.notes).toContainEqual(
      expect.stringMatching(/^web\/access: the oldest log of shard 0 came after --from/),
    )
    const { text } = await reconcile()
    expect(text).toMatch(/^audit\/trail, received from .* group siem\n/)
    expect(text).toMatch(/\nweb\/access, received from .* group siem\n/)
    expect(text).toMatch(/\nnothing is missing\n$/)
  })

  test('names the index of a copy that Splunk lost, although another copy of the log is there', async () => {
    // A 200 for events that are not indexed. A bridge can't notice this.
    const { reconcile } = await delivered({
      match: { endpoint: 'event', contains: '"index":"sec"' },
      times: 1,
      action: { code: 0 },
    })
    const { code, said } = await reconcile('--json')
    expect(code).toBe(1)
    expect(said.total).toMatchObject({ wanted: 30, missing: 5, duplicated: 0 })
    expect(said.logstores.flatMap(({ missing }) => missing.map(({ index }) => index))).toEqual(Array(5).fill('sec'))
    expect((await reconcile()).text).toMatch(/^missing {2}shard 0 .* index sec$/m)
  })

  test('--sink compares one sink alone, and refuses one that is no Splunk', async () => {
    const { reconcile } = await delivered()
    expect((await reconcile('--json', '--sink', 'splunk')).said.total.wanted).toBe(30)
    expect(await reconcile('--sink', 'archive')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--sink archive is no Splunk of the configuration; it has splunk'),
    })
  })

  test('--print-spl prints one search for all logstores, and --ids reads its result', async () => {
    const { reconcile } = await delivered()
    expect((await reconcile('--print-spl')).text).toMatch(
      /index=\* \(sls_event_id="audit\/trail:\*" OR sls_event_id="web\/access:\*"\)/,
    )
  })
})
