import { hostname } from 'node:os'
import { Secret } from '../core/secret.ts'
import { nameOf } from '../core/text.ts'
import type { Given } from './given.ts'
import type { Config, ProcessConfig, SourceConfig, SplunkHecConfig, SyslogConfig } from './model.ts'
import type { PemFiles } from './pem-files.ts'
import type { SettingName, Values } from './settings.ts'

/** The parts of the surroundings that the configuration depends on, besides the environment. */
export interface Surroundings {
  hostname: string
  pid: number
  nowSeconds: number
}

export const here = (): Surroundings => ({ hostname: hostname(), pid: process.pid, nowSeconds: Date.now() / 1000 })

/** Settings that were read and checked: values, how they were given, and the files that they name. */
export interface Understood {
  readonly values: Values
  readonly given: ReadonlyMap<SettingName, Given>
  readonly pem: PemFiles['contents']
}

/** Documented with SLS_HEARTBEAT_SECONDS. */
const GROUP_TIMEOUT_HEARTBEATS = 3
/**
 * After a crash, events of this interval and those in flight are repeated. One write per shard and interval is little for
 * the service. A user with a shorter heartbeat wants shorter take-overs and less repetition.
 */
const COMMIT_INTERVAL_MS = 3_000

export function sourceOf(
  name: string,
  values: Values,
  { hostname, pid }: Surroundings,
): Omit<SourceConfig, 'credentials'> {
  const host = nameOf(hostname, 100, '-')
  const heartbeatMs = ms(values.SLS_HEARTBEAT_SECONDS)
  return {
    name,
    endpoint: endpointOf(values),
    ...present({ region: values.SLS_REGION, query: values.SLS_QUERY }),
    project: values.SLS_PROJECT,
    logstores: values.SLS_LOGSTORE,
    consumerGroup: values.SLS_CG,
    consumer: values.SLS_CONSUMER ?? `${values.SLS_CG}-${host}-${pid}`,
    start: values.SLS_START,
    heartbeatMs,
    groupTimeoutMs: heartbeatMs * GROUP_TIMEOUT_HEARTBEATS,
    commitIntervalMs: Math.min(COMMIT_INTERVAL_MS, heartbeatMs),
    fetchIntervalMs: ms(values.SLS_FETCH_INTERVAL_SECONDS),
    fetchCount: values.SLS_FETCH_COUNT,
    inOrder: values.SLS_IN_ORDER,
    expiredCursor: values.SLS_EXPIRED_CURSOR,
    topics: values.FILTER_TOPICS ?? [],
    reservedKeys: values.EVENT_RESERVED_KEYS,
    shape: jsonFields(values.EVENT_JSON_FIELDS),
  }
}

function jsonFields(fields: Values['EVENT_JSON_FIELDS']): SourceConfig['shape'] {
  if (fields === undefined) return []
  const chosen = fields.includes('*') ? '*' : fields
  return [{ name: 'json', fields: chosen, into: 'value', required: false, onFailure: 'keep' }]
}

/** Users copy the address with the project in it. */
export function endpointOf({ SLS_ENDPOINT, SLS_PROJECT }: Pick<Values, 'SLS_ENDPOINT' | 'SLS_PROJECT'>): string {
  return SLS_ENDPOINT.replace(`//${SLS_PROJECT}.`, '//')
}

export function splunkHecOf(name: string, { values, given, pem }: Understood): SplunkHecConfig {
  const maxBytes = values.SPLUNK_HEC_MAX_BYTES
  return {
    type: 'splunk_hec',
    name,
    urls: values.SPLUNK_HEC_URL,
    token: values.SPLUNK_HEC_TOKEN,
    ...present({ index: values.SPLUNK_HEC_INDEX, source: values.SPLUNK_HEC_SOURCE, host: values.SPLUNK_HEC_HOST }),
    sourcetype: values.SPLUNK_HEC_SOURCETYPE,
    ack: values.SPLUNK_HEC_ACK,
    timeoutMs: ms(values.SPLUNK_HEC_TIMEOUT_SECONDS),
    ackPollMs: ms(values.SPLUNK_HEC_ACK_POLL_SECONDS),
    ackTimeoutMs: ms(values.SPLUNK_HEC_ACK_TIMEOUT_SECONDS),
    gzip: values.SPLUNK_HEC_GZIP,
    // A user who lowers only the memory limit need not know that the default body would no longer fit below it.
    maxBytes: given.has('SPLUNK_HEC_MAX_BYTES') ? maxBytes : Math.min(maxBytes, values.MAX_IN_FLIGHT_BYTES),
    concurrency: values.SPLUNK_HEC_CONCURRENCY,
    tls: tlsOf('SPLUNK_HEC', values, pem),
  }
}

function tlsOf(prefix: 'SPLUNK_HEC' | 'SYSLOG', values: Values, pem: Understood['pem']): SplunkHecConfig['tls'] {
  const key = pem.get(`${prefix}_TLS_KEY_FILE`)
  return {
    verify: values[`${prefix}_TLS_VERIFY`],
    ...present({
      ca: pem.get(`${prefix}_TLS_CA_FILE`),
      cert: pem.get(`${prefix}_TLS_CERT_FILE`),
      key: key === undefined ? undefined : new Secret(key),
      serverName: values[`${prefix}_TLS_SERVER_NAME`],
    }),
    files: present({
      ca: values[`${prefix}_TLS_CA_FILE`],
      cert: values[`${prefix}_TLS_CERT_FILE`],
      key: values[`${prefix}_TLS_KEY_FILE`],
    }),
  }
}

export function syslogOf(name: string, { values, pem }: Pick<Understood, 'values' | 'pem'>): SyslogConfig {
  const header = values.SYSLOG_HEADER
  return {
    type: 'syslog',
    name,
    urls: values.SYSLOG_URL ?? [],
    format: values.SYSLOG_FORMAT,
    header,
    framing: values.SYSLOG_FRAMING ?? (header === 'rfc5424' ? 'octet' : 'lf'),
    confirm: values.SYSLOG_CONFIRM,
    facility: values.SYSLOG_FACILITY,
    severity: values.SYSLOG_SEVERITY,
    hostname: values.SYSLOG_HOSTNAME,
    appName: values.SYSLOG_APP_NAME,
    sdId: values.SYSLOG_SD_ID,
    timezone: values.SYSLOG_TIMEZONE,
    rawField: values.SYSLOG_RAW_FIELD,
    kvSeparator: values.SYSLOG_KV_SEPARATOR,
    maxBytes: values.SYSLOG_MAX_BYTES,
    oversize: values.SYSLOG_OVERSIZE,
    connections: values.SYSLOG_CONNECTIONS,
    ...present({ maxEps: values.SYSLOG_MAX_EPS }),
    tls: tlsOf('SYSLOG', values, pem),
  }
}

/** The settings that only the environment has, also beside a file. */
export function processOf({ values, given, pem }: Understood): ProcessConfig {
  return {
    search: search(values, pem),
    proxies: { ...present({ http: values.HTTP_PROXY, https: values.HTTPS_PROXY }), except: values.NO_PROXY ?? [] },
    deadLetterDir: values.DEAD_LETTER_DIR,
    maxInFlightBytes: values.MAX_IN_FLIGHT_BYTES,
    admin: {
      host: values.ADMIN_HOST.replace(/^\[(.*)\]$/, '$1'),
      port: values.ADMIN_PORT,
      portWasSet: given.has('ADMIN_PORT'),
      allowedHosts: values.ADMIN_ALLOWED_HOSTS ?? [],
    },
    shutdownGraceMs: ms(values.SHUTDOWN_GRACE_SECONDS),
    log: {
      level: values.LOG_LEVEL,
      ...present({ file: values.LOG_FILE }),
      fileBytes: values.LOG_FILE_MAX_BYTES,
      filesKept: values.LOG_FILE_KEEP,
    },
  }
}

function search(values: Values, pem: Understood['pem']): Config['search'] {
  return {
    ...present({ url: values.SPLUNK_SEARCH_URL, token: values.SPLUNK_SEARCH_TOKEN }),
    tls: {
      verify: values.SPLUNK_SEARCH_TLS_VERIFY,
      ...present({ ca: pem.get('SPLUNK_SEARCH_TLS_CA_FILE'), serverName: values.SPLUNK_SEARCH_TLS_SERVER_NAME }),
      files: present({ ca: values.SPLUNK_SEARCH_TLS_CA_FILE }),
    },
  }
}

function ms(seconds: number): number {
  return Math.round(seconds * 1000)
}

/** Leaves out options that are undefined. */
export function present<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> }
}

/** Objects of classes stay as they are: some of them remember things. */
export function freeze<T extends object>(value: T): T {
  if (!Array.isArray(value) && Object.getPrototypeOf(value) !== Object.prototype) return value
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) freeze(inner)
  return Object.freeze(value)
}
