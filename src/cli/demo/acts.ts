import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SAMPLE_KINDS, SAMPLE_TOPICS } from '../../emulator/sample-logs.ts'
import type { Act, Ends } from './act.ts'
import { GROUP, PROJECT } from './act.ts'

const WANTED_TOPICS = [SAMPLE_TOPICS.audit, SAMPLE_TOPICS.kubernetes]

/** One logstore, one sink, the environment alone; a replica is killed. */
const killedReplica: Act = {
  title: 'act 1: one logstore, one sink, two replicas, one kill -9',
  story: [`wanted topics: ${WANTED_TOPICS.join(', ')}`, 'splunk has indexer acknowledgement on'],
  share: 0.75,
  writingSeconds: 11,
  logstores: { audit: { shards: 8, kinds: SAMPLE_KINDS } },
  sinks: { splunk: { type: 'splunk_hec', ack: true, wants: (topic) => WANTED_TOPICS.includes(topic) } },
  replicas: ['replica-1', 'replica-2'],
  settings: ({ sls, receivers }) => ({
    ...sls.environment(),
    ...receivers.get('splunk')?.environment(),
    SLS_CG: GROUP,
    SLS_HEARTBEAT_SECONDS: '1',
    SLS_FETCH_INTERVAL_SECONDS: '0.2',
    FILTER_TOPICS: WANTED_TOPICS.join(','),
    SPLUNK_HEC_ACK_POLL_SECONDS: '0.5',
  }),
  incident: async (stage) => {
    await stage.killReplica('replica-1')
    stage.startReplica('replica-3')
  },
}

const DENIED = 'Forbidden'
const NOT_MODIFIED = '304'
const REFUSED_SERIAL = '20'
const DOWN_SECONDS = 2.5

/** Two logstores, two sinks, three routes, a configuration file; a sink is killed and comes back. */
export const killedSink: Act = {
  title: 'act 2: two logstores, two sinks, three routes, one sink killed and back',
  story: [
    'route denied: calls that were denied, a copy to soc',
    'route cached: answers 304 are dropped on purpose',
    'route rest: everything else, and the denied calls, to splunk',
    `splunk refuses one event for good (serial ${REFUSED_SERIAL}): a dead letter`,
  ],
  share: 0.25,
  writingSeconds: 8,
  logstores: { trail: { shards: 2, kinds: ['audit'] }, web: { shards: 2, kinds: ['access'] } },
  sinks: {
    splunk: {
      type: 'splunk_hec',
      ack: true,
      wants: (_, { status }) => status !== NOT_MODIFIED,
      refuses: `"serial":"${REFUSED_SERIAL}"`,
    },
    soc: { type: 'splunk_hec', wants: (_, { error_code: code = '' }) => code.startsWith(DENIED) },
  },
  replicas: ['replica-1'],
  settings: (ends) => {
    const file = join(ends.folder, 'bridge.yaml')
    writeFileSync(file, routesFile(ends))
    const { accessKeyId: SLS_AK_ID, accessKeySecret: SLS_AK_KEY } = ends.sls
    const tokens = [...ends.receivers].map(([name, { token }]) => [variable(name), token ?? ''])
    return { SLS_AK_ID, SLS_AK_KEY, ...Object.fromEntries(tokens), BRIDGE_CONFIG: file }
  },
  incident: async (stage) => {
    await stage.killSink('soc')
    await stage.wait(DOWN_SECONDS)
    await stage.startSink('soc')
  },
}

const STALLED_SECONDS = 1.5

/** One logstore and a syslog collector, which reads no more, is killed, and comes back. */
const killedCollector: Act = {
  title: 'one logstore, one syslog collector that is killed and back, one kill -9',
  story: [
    `wanted topics: ${WANTED_TOPICS.join(', ')}`,
    'syslog over TCP has no answers. The bridge half-closes a connection,',
    'and believes only a collector that closes it after that.',
  ],
  share: 1,
  writingSeconds: 14,
  logstores: { audit: { shards: 8, kinds: SAMPLE_KINDS } },
  sinks: { syslog: { type: 'syslog', wants: (topic) => WANTED_TOPICS.includes(topic) } },
  replicas: ['replica-1', 'replica-2'],
  settings: ({ sls, receivers }) => ({
    ...sls.environment(),
    ...receivers.get('syslog')?.environment(),
    SLS_CG: GROUP,
    SLS_HEARTBEAT_SECONDS: '1',
    SLS_FETCH_INTERVAL_SECONDS: '0.2',
    FILTER_TOPICS: WANTED_TOPICS.join(','),
  }),
  incident: async (stage) => {
    stage.stallSink('syslog')
    await stage.wait(STALLED_SECONDS)
    await stage.killSink('syslog')
    await stage.killReplica('replica-1')
    stage.startReplica('replica-3')
    await stage.wait(DOWN_SECONDS)
    await stage.startSink('syslog')
  },
}

/** By the type of their sinks. */
export const ACTS: Readonly<Record<'splunk_hec' | 'syslog', readonly Act[]>> = {
  splunk_hec: [killedReplica, killedSink],
  syslog: [killedCollector],
}

function routesFile({ sls, receivers }: Ends): string {
  const source = `endpoint: "${sls.url}", project: ${PROJECT}, group: ${GROUP}, heartbeat_seconds: 1, fetch_interval_seconds: 0.2`
  const sinks = [...receivers].map(
    ([name, { url }]) =>
      `  ${name}: {type: splunk_hec, url: "${url}", token: "\${${variable(name)}}", ack_poll_seconds: 0.5}`,
  )
  return `version: 1
sources:
  trail: {${source}, logstore: trail}
  web: {${source}, logstore: web}
sinks:
${sinks.join('\n')}
routes:
  - {name: denied, from: [trail], when: 'error_code startswith ${DENIED}', to: soc, continue: true}
  - {name: cached, from: [web], when: 'status = "${NOT_MODIFIED}"', drop: not-modified}
  - {name: rest, to: splunk}
`
}

function variable(sink: string): string {
  return `${sink.toUpperCase()}_TOKEN`
}
