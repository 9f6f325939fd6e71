import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { startHecReceiver } from '../../src/emulator/hec/server.ts'
import { startSlsEmulator } from '../../src/emulator/sls/server.ts'
import { SOURCE_KINDS, SourceLogs } from '../../src/emulator/source-logs.ts'
import { startCommand } from '../support/bridge-process.ts'

interface File {
  sources: Record<string, object>
  sinks: Record<string, object>
  routes: { name: string; from?: string[]; to?: string }[]
  lists?: object
  unmatched?: string
}

const folder = new URL('../../examples/', import.meta.url)

/** Logs of each kind. */
const GROUP = 40

/** Sources of the examples, and the topic of the logs that each gets here. */
const SOURCES: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'audit-two-regions': { trail: ['actiontrail_audit_event'], waf: ['waf_access_log'] },
  'kubernetes-audit': { k8s: ['k8s_audit'] },
  'web-access': { web: ['nginx_access'] },
  'apache-lines': { access: ['apache_access'] },
  'syslog-by-service': { sys: ['syslog', 'iptables'] },
  containers: { containers: ['container_stdout'] },
  falco: { falco: ['falco'] },
  sysdig: { sysdig: ['sysdig'] },
  'vpc-flow': { flow: ['flow_log'] },
}

/** The sources and routes of the examples as one file. Each example sends to a source of events of its own name. */
function merged(place: object, sink: object): string {
  const all = {
    version: 1,
    sources: {} as Record<string, object>,
    sinks: { splunk: sink },
    routes: [] as object[],
    lists: {},
    unmatched: 'drop',
  }
  for (const [name, topics] of Object.entries(SOURCES)) {
    const example = parse(readFileSync(new URL(`${name}.yaml`, folder), 'utf8')) as File
    for (const [source, wanted] of Object.entries(topics)) {
      all.sources[source] = { ...example.sources[source], ...place, region: undefined, group: source, topics: wanted }
    }
    const routes = example.routes.map((route) => ({
      ...route,
      name: `${name}.${route.name}`.replaceAll('.', '-'),
      from: (route.from ?? Object.keys(topics)).filter((source) => source in topics),
      ...(route.to !== undefined && { to: 'splunk' }),
    }))
    all.routes.push(...routes.filter(({ from }) => from.length > 0))
    Object.assign(all.lists, example.lists)
  }
  return stringify(all)
}

/** The same logs as `produce --kind sources --seed 3` writes. */
const samples = new SourceLogs(3)
const WRITTEN = Object.fromEntries(
  SOURCE_KINDS.map((kind) => [kind, samples.group(kind, GROUP).logs.map(({ content }) => content)]),
)

function number(kind: string, isMeant: (log: Readonly<Record<string, string>>) => boolean): number {
  return WRITTEN[kind]?.filter(isMeant).length ?? 0
}

/** Of the audit events that the generator makes, the policy drops these. */
function kept({ verb, objectRef }: { verb: string; objectRef: { resource: string } }): boolean {
  return objectRef.resource !== 'nodes' && !(verb === 'watch' && objectRef.resource === 'services')
}

const isSecret = ({ event = '' }): boolean => JSON.parse(event).objectRef.resource === 'secrets'
const isServerError = ({ status = '', content = '' }): boolean => status === '502' || / 502 /.test(content)
const isProbe = (log: Readonly<Record<string, string>>): boolean =>
  log['request_uri'] === '/healthz' || /^kube-probe/.test(log['http_user_agent'] ?? '')
const isSerious = ({ content = '' }): boolean => /"priority":"(?:Critical|Error)"/.test(content)
const isInformational = ({ content = '' }): boolean => /"priority":"Informational"/.test(content)
const isLogin = ({ content = '' }): boolean => / sshd \(\S+\) [<>] (?:accept|write)/.test(content)
const isPoll = ({ content = '' }): boolean => content.includes(' epoll_ctl')

/** Events by the route that they come by. */
const EXPECTED = {
  'audit-two-regions-trail': GROUP,
  'audit-two-regions-waf-attacks': number('waf', ({ final_action: action }) => action !== undefined),
  'kubernetes-audit-secrets': number('k8s_audit', isSecret),
  'kubernetes-audit-rest': number('k8s_audit', (log) => !isSecret(log) && kept(JSON.parse(log['event'] ?? ''))),
  'web-access-errors': number('nginx', (log) => isServerError(log) && !isProbe(log)),
  'web-access-all': number('nginx', (log) => !isProbe(log)),
  'apache-lines-server-errors': number('apache', isServerError),
  'apache-lines-access': GROUP,
  'syslog-by-service-attackers': number('syslog', ({ content = '' }) => content.includes('authentication failure')),
  'syslog-by-service-logins': number('syslog', ({ content = '' }) => / (?:sshd|sudo)[ [:]/.test(content)),
  'syslog-by-service-iptables': GROUP,
  'syslog-by-service-network': number('syslog', ({ content = '' }) =>
    / (?:dhclient|NetworkManager)[ [:]/.test(content),
  ),
  'syslog-by-service-rest': number('syslog', ({ content = '' }) => / CRON[ [:]/.test(content)),
  'containers-docker': GROUP,
  'falco-serious': number('falco', isSerious),
  'falco-alerts': number('falco', (log) => !isSerious(log) && !isInformational(log)),
  'sysdig-logins': number('sysdig', isLogin),
  'sysdig-rest': number('sysdig', (log) => !isLogin(log) && !isPoll(log)),
  'vpc-flow-refused': number('vpc_flow', ({ action }) => action === 'REJECT'),
  'vpc-flow-accepted': number('vpc_flow', ({ action }) => action === 'ACCEPT'),
}

test('what produce writes of every source goes through the examples, and nothing of it fails to be parsed', async () => {
  const sls = await startSlsEmulator({ projects: { infra: { everything: { shards: 1 } } } })
  const hec = await startHecReceiver()
  const home = mkdtempSync(join(tmpdir(), 'sources-'))
  onTestFinished(async () => {
    await Promise.all([sls.close(), hec.close()])
    rmSync(home, { recursive: true })
  })
  const config = merged(
    { endpoint: sls.url, project: 'infra', logstore: 'everything', fetch_interval_seconds: 0.1 },
    { type: 'splunk_hec', url: hec.url, token: hec.token, index: 'main' },
  )
  writeFileSync(join(home, 'bridge.yaml'), config)
  copyFileSync(new URL('kubernetes-audit-policy.yml', folder), join(home, 'kubernetes-audit-policy.yml'))
  const keys = { SLS_AK_ID: sls.accessKeyId, SLS_AK_KEY: sls.accessKeySecret }
  const logs = SOURCE_KINDS.length * GROUP
  const produce = startCommand(
    ['produce', '--kind', 'sources', '--logs', String(logs), '--group-size', String(GROUP), '--seed', '3'],
    { ...keys, SLS_ENDPOINT: sls.url, SLS_PROJECT: 'infra', SLS_LOGSTORE: 'everything' },
  )
  expect([(await produce.exited).code, produce.stderr]).toEqual([0, expect.stringContaining(`wrote ${logs} logs`)])
  const replica = startCommand(['run'], {
    ...keys,
    ADMIN_PORT: '0',
    DEAD_LETTER_DIR: join(home, 'dead'),
    BRIDGE_CONFIG: join(home, 'bridge.yaml'),
  })
  const logstore = sls.logstore('infra', 'everything')
  await Promise.all(
    Object.values(SOURCES)
      .flatMap((topics) => Object.keys(topics))
      .map((group) => logstore.caughtUp(group, { timeoutMs: 30_000 })),
  )
  const metrics = await replica.metrics()
  const counts = (pattern: RegExp) =>
    Object.fromEntries([...metrics.matchAll(pattern)].map(([, name, count]) => [name, Number(count)]))
  expect(counts(/^sls_bridge_events_routed_total\{.*route="([^"]*)"\} (\d+)$/gm)).toEqual(EXPECTED)
  expect(counts(/^sls_bridge_parse_failures_total\{.*step="([^"]*)"\} ([1-9]\d*)$/gm)).toEqual({})
  expect(counts(/^sls_bridge_logs_filtered_total\{.*reason="(k8s_audit_policy|no-data|polls)"\} (\d+)$/gm)).toEqual({
    k8s_audit_policy: number('k8s_audit', ({ event }) => !kept(JSON.parse(event ?? ''))),
    'no-data': number('vpc_flow', (log) => log['log-status'] !== 'OK'),
    polls: number('sysdig', isPoll),
  })
  const eventOf = (sourcetype: string, part: string) =>
    hec.events.find(({ line, envelope }) => envelope.sourcetype === sourcetype && line.includes(part))?.envelope.event
  expect(eventOf('aliyun:actiontrail', 'userIdentity')).toMatchObject({
    event: { eventVersion: '1', userIdentity: {} },
  })
  expect(eventOf('kube:audit', 'secrets')).toMatchObject({
    event: { level: 'Metadata', objectRef: { resource: 'secrets' } },
  })
  expect(eventOf('apache:access', 'GET')).toMatchObject({
    verb: 'GET',
    httpversion: '1.1',
    response: expect.any(String),
  })
  expect(eventOf('linux:iptables', 'docker0')).toMatchObject({ PROTO: 'TCP', DF: 'true', URGP: '0' })
  expect(eventOf('linux_secure', 'sshd')).toEqual(expect.stringContaining('sshd'))
  expect(eventOf('httpevent', 'paid')).toMatchObject({
    line: { msg: 'order "paid" <ok>' },
    tag: expect.stringMatching(/^registry.*\/$/),
  })
  expect(eventOf('falcosidekick', 'null')).toMatchObject({ source: 'syscall', output_fields: { 'k8s.pod.name': null } })
  expect(eventOf('aliyun:vpcflow', 'blocked')).toMatchObject({
    action: 'blocked',
    src: expect.any(String),
    'log-status': 'OK',
  })

  const policy = join(home, 'kubernetes-audit-policy.yml')
  writeFileSync(policy, 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{levle: None}]\n')
  replica.child.kill('SIGHUP')
  const { problems } = await replica.line(/the configuration is refused, and the old one stays in use/)
  expect(problems).toMatch(/kubernetes-audit-policy\.yml:3:10 +rules\[0\]\.levle/)
  writeFileSync(policy, 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None}]\n')
  replica.child.kill('SIGHUP')
  await replica.line(/the configuration is in use/)
  logstore.write(WRITTEN['k8s_audit'] ?? [], { topic: 'k8s_audit' })
  await logstore.caughtUp('k8s', { timeoutMs: 30_000 })
  const dropped = number('k8s_audit', ({ event }) => !kept(JSON.parse(event ?? ''))) + GROUP
  expect(await replica.metrics()).toMatch(new RegExp(`reason="k8s_audit_policy"\\} ${dropped}$`, 'm'))
  expect((await replica.kill('SIGTERM')).code).toBe(0)
})
