import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startHecReceiver } from '../../src/emulator/hec/server.ts'
import { startSlsEmulator } from '../../src/emulator/sls/server.ts'
import { startCommand } from '../support/bridge-process.ts'

const LINES = [
  'Jul  5 09:30:00 web-1 sshd[42]: authentication failure; rhost=203.0.113.9 user=root',
  'Jul  5 09:30:01 web-1 kernel: [12.5] IN=eth0 OUT= SRC=203.0.113.9 DST=10.0.0.1 PROTO=TCP DPT=22 SYN',
  'Jul  5 09:30:02 web-1 audit[1]: { "result": "denied" }',
  'no syslog at all',
  'Jul  5 09:30:03 web-1 refused[1]: x',
  'Jul  5 09:30:04 web-1 dropped[1]: x',
]

const CONFIG = `
sinks:
  splunk: {type: splunk_hec, url: "\${HEC_URL}", token: "\${HEC_TOKEN}"}
routes:
  - name: ssh
    when: program = sshd
    to: splunk
    set: {sourcetype: linux_secure, host: "{host}"}
    shape: [{raw: content}]
  - name: firewall
    when: program = kernel
    to: splunk
    shape: [{parse: {field: message, as: iptables}}, {keep: [SRC, DPT, SYN]}]
  - name: audit
    when: program = audit
    to: splunk
    shape: [{json: {field: message, into: merge}}, {keep: result}]
  - name: refused
    when: program = refused
    to: splunk
    on_failure: dead_letter
    shape: [{json: {field: message, required: true}}]
  - name: dropped
    when: program = dropped
    to: splunk
    shape: [{json: {field: message, required: true, on_failure: drop}}]
  - {name: rest, to: splunk}
`

test('steps of a file shape what leaves, and a step that fails is marked, counted, dropped or dead-lettered', async () => {
  const sls = await startSlsEmulator({ projects: { infra: { syslog: { shards: 1 } } } })
  const hec = await startHecReceiver()
  const folder = mkdtempSync(join(tmpdir(), 'shaping-'))
  onTestFinished(async () => {
    await Promise.all([sls.close(), hec.close()])
    rmSync(folder, { recursive: true })
  })
  const source = `{endpoint: ${sls.url}, project: infra, logstore: syslog, group: siem, fetch_interval_seconds: 0.1, shape: [{parse: {field: content, as: syslog}}, {time: {field: timestamp, format: syslog}}]}`
  writeFileSync(join(folder, 'bridge.yaml'), `version: 1\nsources: {linux: ${source}}\n${CONFIG}`)
  const logstore = sls.logstore('infra', 'syslog')
  logstore.write(
    LINES.map((content) => ({ content })),
    { topic: 't', time: Date.parse('2026-07-05T12:00:00Z') / 1000 },
  )
  const replica = startCommand(['run'], {
    ...{ SLS_AK_ID: sls.accessKeyId, SLS_AK_KEY: sls.accessKeySecret, HEC_URL: hec.url, HEC_TOKEN: hec.token },
    ...{ ADMIN_PORT: '0', DEAD_LETTER_DIR: join(folder, 'dead'), BRIDGE_CONFIG: join(folder, 'bridge.yaml') },
  })
  await logstore.caughtUp('siem', { timeoutMs: 20_000 })
  const [ssh, firewall, audit, other, ...none] = hec.events.map(({ envelope }) => envelope)
  expect(none).toEqual([])
  expect(ssh).toMatchObject({ event: LINES[0], host: 'web-1', sourcetype: 'linux_secure' })
  expect(firewall?.event).toEqual({ __topic__: 't', __source__: '', SRC: '203.0.113.9', DPT: '22', SYN: 'true' })
  expect(audit?.event).toEqual({ __topic__: 't', __source__: '', result: 'denied' })
  expect(other).toMatchObject({ event: { content: LINES[3] }, fields: { sls_parse_error: 'linux/parse' } })
  expect(hec.events.map(({ line }) => /"time":([\d.]+)/.exec(line)?.[1])).toEqual([
    ...['1783243800.000000000', '1783243801.000000000', '1783243802.000000000', '1783252800.000000000'],
  ])
  const letters = readdirSync(join(folder, 'dead')).flatMap((name) =>
    readFileSync(join(folder, 'dead', name), 'utf8')
      .split('\n')
      .filter(Boolean),
  )
  expect(letters.map((line) => JSON.parse(line))).toMatchObject([
    {
      reason: { code: 'parse_failure' },
      origin: { route: 'refused', sink: 'splunk' },
      event: { event: { message: 'x' }, fields: { sls_parse_error: 'refused/json' } },
    },
  ])
  const metrics = await replica.metrics()
  for (const [route, step] of [
    ['linux', 'parse'],
    ['refused', 'json'],
    ['dropped', 'json'],
  ] as const) {
    expect(metrics).toMatch(
      new RegExp(`^sls_bridge_parse_failures_total\\{[^}]*route="${route}",step="${step}"[^}]*\\} 1$`, 'm'),
    )
  }
  expect(metrics).toMatch(/^sls_bridge_logs_filtered_total\{[^}]*reason="parse_failure"[^}]*\} 1$/m)
  expect((await replica.kill('SIGTERM')).code).toBe(0)
})
