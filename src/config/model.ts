import type { Secret } from '../core/secret.ts'
import type { StartPosition } from '../core/start-position.ts'
import type { Routing } from '../routing/route.ts'
import type { Step } from '../routing/step.ts'
import type { CredentialsConfig } from './credentials.ts'
import type { ProxyUrl, SearchToken } from './parsers.ts'

/**
 * The configuration of a replica, checked, ready to use and frozen. The environment and the configuration file both make it,
 * and everything else knows only this. Times are milliseconds.
 */
export interface Config extends ProcessConfig {
  /** One at least. Names are unique. */
  sources: readonly SourceConfig[]
  /** One at least. Names are unique. */
  sinks: readonly SinkConfig[]
  routing: Routing
  /** Event ids begin with the logstore's name, or with `<project>/<logstore>`. */
  eventIdScope: 'logstore' | 'project'
  /** Those of the configuration file. */
  tests: readonly RoutingTest[]
}

/** A log, and what has to become of it. */
export interface RoutingTest {
  readonly name: string
  /** `file:line:column`. */
  readonly place: string
  readonly source: string
  /** Absent: the first one of the source. */
  readonly logstore?: string
  /** Contents by name, with `__topic__`, `__source__`, `__tag__:K` and `__time__` (unix seconds) as in `explain`. */
  readonly log: ReadonlyMap<string, string>
  /** Every copy that leaves, in the order of the walk. */
  readonly expect: readonly ExpectedCopy[]
}

/** Absent members are not compared. */
export interface ExpectedCopy {
  readonly route?: string
  readonly sink?: string
  readonly index?: string
  readonly sourcetype?: string
  readonly source?: string
  readonly host?: string
  readonly time?: string
  /** JSON: the event has at least this, at any depth. Numbers are as they were written. */
  readonly event?: string
  /** JSON: the whole event. */
  readonly eventIs?: string
}

/** The settings that only the environment has. */
export interface ProcessConfig {
  /** Only for `reconcile`. */
  search: {
    url?: string
    token?: SearchToken
    tls: TlsConfig
  }
  proxies: { http?: ProxyUrl; https?: ProxyUrl; except: readonly string[] }
  deadLetterDir: string
  maxInFlightBytes: number
  admin: { host: string; port: number; portWasSet: boolean; allowedHosts: readonly string[] }
  shutdownGraceMs: number
  log: { level: string; file?: string; fileBytes: number; filesKept: number }
}

/** Logstores of one project that are read in the same way. Each has a consumer group of this name. */
export interface SourceConfig {
  name: string
  /** `http(s)://host[:port]`, without the project. */
  endpoint: string
  /** The same object for sources that share credentials. */
  credentials: CredentialsConfig
  region?: string
  project: string
  /** One at least, each once. */
  logstores: readonly string[]
  consumerGroup: string
  consumer: string
  start: StartPosition
  heartbeatMs: number
  /** Without a heartbeat for this long the service gives our shards away. Whole seconds. */
  groupTimeoutMs: number
  /** The longest that a moved low-water mark waits to be committed. */
  commitIntervalMs: number
  fetchIntervalMs: number
  fetchCount: number
  query?: string
  inOrder: boolean
  expiredCursor: 'begin' | 'fail'
  /** Empty: all of them. */
  topics: readonly string[]
  /** Whether contents named `__topic__`, `__source__` or `__tag__:…` override these, or are called `__content__:…`. */
  reservedKeys: 'override' | 'rename'
  /** Done once, before the routes. */
  shape: readonly Step[]
}

export type SinkConfig = SplunkHecConfig | SyslogConfig | FileConfig

export interface SplunkHecConfig {
  type: 'splunk_hec'
  name: string
  /** Base URLs without trailing slash, to which `/services/collector…` is added. Empty if the command does not ask HEC. */
  urls: readonly string[]
  token: Secret
  index?: string
  sourcetype: string
  /** Absent: `sls://<project>/<logstore>`. */
  source?: string
  /** Absent: the log's own `__source__`. */
  host?: string
  ack: 'auto' | boolean
  timeoutMs: number
  ackPollMs: number
  ackTimeoutMs: number
  gzip: boolean
  maxBytes: number
  concurrency: number
  tls: TlsConfig
}

export interface SyslogConfig {
  type: 'syslog'
  name: string
  /** `tcp://`, `tls://`, `udp://`, `relp://` or `relp+tls://`, host and port. */
  urls: readonly string[]
  format: 'json' | 'kv' | 'raw' | 'cef' | 'leef'
  header: 'rfc5424' | 'rfc3164' | 'none'
  framing: 'octet' | 'lf'
  confirm: 'drain' | 'written'
  /** 0–23. */
  facility: number
  /** 0–7; `auto` is by what the log says. */
  severity: number | 'auto'
  /** With fields of the log in braces, also `{project}`, `{logstore}`, `{topic}` and `{source}`. */
  hostname: string
  appName: string
  sdId: string
  timezone: string
  rawField: string
  kvSeparator: string
  /** Of a message, without its count. */
  maxBytes: number
  oversize: 'truncate' | 'dead-letter'
  /** To one target. */
  connections: number
  /** Events a second, all connections together. */
  maxEps?: number
  tls: TlsConfig
}

/** One HEC envelope a line. */
export interface FileConfig {
  type: 'file'
  name: string
  /** `-`: standard output. */
  path: string
  /** A file of this size is rotated. */
  maxBytes: number
  /** Rotated files that are kept. */
  keep: number
}

/** PEM texts as they were read at the start, and the files they came from. The files may change while the process runs. */
interface TlsConfig {
  verify: boolean
  ca?: string
  cert?: string
  key?: Secret
  serverName?: string
  files: { ca?: string; cert?: string; key?: string }
}
