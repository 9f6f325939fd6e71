import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { SampleKind } from '../../src/emulator/sample-logs.ts'

/** A program that delivers the backlog to the sink. */
export interface Contender {
  readonly name: string
  readonly program: string
  readonly args: readonly string[]
  /** Added to the settings of source and sink. */
  readonly env?: Record<string, string>
  /** The same, by kind of log. */
  readonly envOf?: (kind: SampleKind) => Record<string, string>
  /** Indexer acknowledgement. */
  readonly ack?: boolean
  /** On both sides. */
  readonly tls?: boolean
  readonly replicas?: number
  /** One source, two sinks, three routes (routes.ts), in a configuration file. */
  readonly routes?: true
  /** To a syslog collector by this transport, instead of HEC. */
  readonly syslog?: 'tcp' | 'tls' | 'relp'
  /** Approximate speed, MB of raw logs per CPU-second. It decides the size of the backlog. */
  readonly about: number
  /** CPU-seconds that its compilers need before the measurement starts. */
  readonly warmUpSeconds: number
  /** One request per event, so that the sink can count all events. */
  readonly singles?: boolean
}

export const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url))
const SAMPLE = fileURLToPath(new URL('../rivals/sample.py', import.meta.url))

/** The longest content of each kind. */
const LINES: Record<SampleKind, string> = {
  audit: 'request_parameters',
  kubernetes: 'event',
  access: 'http_user_agent',
}
const PLAIN = { SPLUNK_HEC_GZIP: 'false' }

function bridge(name: string, about: number, options: Partial<Contender> = {}): Contender {
  return { name, about, warmUpSeconds: 4, program: process.execPath, args: [MAIN, 'run'], ...options }
}

export const BRIDGE = {
  plain: bridge('bridge', 300, { env: PLAIN }),
  acknowledged: bridge('bridge, indexer ack', 300, {
    ...{ ack: true, env: { ...PLAIN, SPLUNK_HEC_ACK_POLL_SECONDS: '0.5', MAX_IN_FLIGHT_BYTES: String(256 << 20) } },
  }),
  tls: bridge('bridge, HTTPS both ways', 200, { tls: true, env: PLAIN }),
  gzip: bridge('bridge, gzip', 130, { env: { SPLUNK_HEC_GZIP: 'true' } }),
  /** SLS regroups the logs it returns, so event ids are hashes. */
  query: bridge('bridge, with a query', 200, { env: { ...PLAIN, SLS_QUERY: '*' } }),
  gzipQuery: bridge('bridge, gzip, with a query', 110, { env: { SPLUNK_HEC_GZIP: 'true', SLS_QUERY: '*' } }),
  /** The default configuration. */
  gzipTls: bridge('bridge, gzip, HTTPS both ways', 120, { tls: true, env: { SPLUNK_HEC_GZIP: 'true' } }),
  routes: bridge('bridge, two sinks, three routes', 300, { routes: true }),
  syslogJson: bridge('bridge, syslog, json over TCP', 250, { syslog: 'tcp' }),
  syslogTls: bridge('bridge, syslog, json over TLS', 150, { syslog: 'tls' }),
  syslogRelp: bridge('bridge, syslog, json over RELP', 150, { syslog: 'relp' }),
  syslogCef: bridge('bridge, syslog, cef over TCP', 200, { syslog: 'tcp', env: { SYSLOG_FORMAT: 'cef' } }),
  syslogLeef: bridge('bridge, syslog, leef over TCP', 200, { syslog: 'tcp', env: { SYSLOG_FORMAT: 'leef' } }),
  syslogKv: bridge('bridge, syslog, kv over TCP', 200, { syslog: 'tcp', env: { SYSLOG_FORMAT: 'kv' } }),
  syslogRaw: bridge('bridge, syslog, raw over TCP', 200, {
    ...{ syslog: 'tcp', env: { SYSLOG_FORMAT: 'raw' }, envOf: (kind) => ({ SYSLOG_RAW_FIELD: LINES[kind] }) },
  }),
  twoPlain: bridge('bridge, two replicas', 300, { env: PLAIN, replicas: 2 }),
  twoGzip: bridge('bridge, two replicas, gzip', 130, { env: { SPLUNK_HEC_GZIP: 'true' }, replicas: 2 }),
} satisfies Record<string, Contender>

/** The vendor's SDK with its sample's behaviour, on the installed interpreters (bench/install.sh). */
export function rivals(): Contender[] {
  const runtimes = [
    { runtime: 'CPython', shipped: 0.5, batched: 12, warmUpSeconds: 1 },
    // It needs 25 to 45 s to reach full speed.
    { runtime: 'PyPy', shipped: 1.2, batched: 9, warmUpSeconds: 30 },
  ]
  return runtimes.flatMap(({ runtime, shipped, batched, warmUpSeconds }) => {
    const program = fileURLToPath(new URL(`../.tools/${runtime.toLowerCase()}/bin/python`, import.meta.url))
    if (!existsSync(program)) return []
    const sample = (how: string, about: number, singles: boolean): Contender => ({
      ...{ name: `sample on ${runtime}, ${how === 'shipped' ? 'as shipped' : how}`, program, args: [SAMPLE, how] },
      ...{ about, warmUpSeconds, singles },
    })
    return [sample('shipped', shipped, true), sample('batched', batched, false)]
  })
}
