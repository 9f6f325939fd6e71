import { hostname } from 'node:os'
import { Secret } from '../core/secret.ts'
import { nameOf } from '../core/text.ts'
import { credentialsChoice, credentialsConfig } from './credentials.ts'
import type { Environment } from './environment.ts'
import type { Collected, Given } from './given.ts'
import { collectGiven, unknownVariables } from './given.ts'
import type { Config, SourceConfig, SplunkHecConfig } from './model.ts'
import { DEFAULT_ROUTE, DEFAULT_SINK, DEFAULT_SOURCE } from './names.ts'
import type { PemFiles } from './pem-files.ts'
import { readPemFiles } from './pem-files.ts'
import type { Problem } from './problems.ts'
import { shown } from './problems.ts'
import { crossCheck } from './rules.ts'
import type { CredentialsChoice, Peer, Setting, SettingName, Values } from './settings.ts'
import { PEERS, SETTINGS, settingsToAsk } from './settings.ts'

export type Loaded = { config: Config; warnings: string[] } | { problems: Problem[] }

/** The parts of the surroundings that the configuration depends on, besides the environment. */
export interface Surroundings {
  hostname: string
  pid: number
  nowSeconds: number
}

const here = (): Surroundings => ({ hostname: hostname(), pid: process.pid, nowSeconds: Date.now() / 1000 })

/** Stand-ins for settings about a peer that the command does not ask. */
const NOT_ASKED = {
  SPLUNK_HEC_URL: [],
  SPLUNK_HEC_TOKEN: new Secret('not-asked'),
  SPLUNK_HEC_TLS_VERIFY: true,
  SPLUNK_SEARCH_TLS_VERIFY: true,
} satisfies Partial<Values>

/**
 * Returns a whole configuration, or all its problems at once. Settings about a peer that the command does not ask are
 * ignored: an operator's machine lacks the certificates of a replica, and the reverse.
 */
export function loadConfig(
  env: Environment,
  surroundings: Surroundings = here(),
  asked: readonly Peer[] = PEERS,
): Loaded {
  const names = settingsToAsk(asked)
  const { given, unusable } = collectGiven(env, names)
  const problems: Problem[] = []
  const values: Partial<Values> = { ...NOT_ASKED }
  const credentials = choiceOf(given, unusable)
  for (const name of names) {
    const parsed = unusable.get(name) ?? parse(name, given.get(name), credentials)
    if ('parsed' in parsed) Object.assign(values, { [name]: parsed.parsed })
    else problems.push(parsed)
  }
  const { nowSeconds } = surroundings
  const pem = readPemFiles(values)
  const findings = crossCheck({ values, given, unusable, credentials, pem, nowSeconds })
  problems.push(...findings.problems)
  if (problems.length > 0) return { problems }
  const warnings = [...findings.warnings, ...unknownVariables(env)]
  const understood = { values: values as Values, given, credentials, pem: pem.contents, env }
  return { config: freeze(build(understood, surroundings)), warnings }
}

/** The settings `names` alone, or everything that is wrong with them. For a command that is no part of a replica. */
export function loadSettings<N extends SettingName>(
  env: Environment,
  names: readonly N[],
): { values: Pick<Values, N> } | { problems: Problem[] } {
  const { given, unusable } = collectGiven(env, names)
  const found = names.map((name) => [name, unusable.get(name) ?? parse(name, given.get(name), 'access_key')] as const)
  const problems = found.flatMap(([, one]) => ('parsed' in one ? [] : [one]))
  if (problems.length > 0) return { problems }
  const values = found.map(([name, one]) => [name, 'parsed' in one ? one.parsed : undefined])
  return { values: Object.fromEntries(values) as Pick<Values, N> }
}

/** Users copy the address with the project in it. */
export function endpointOf({ SLS_ENDPOINT, SLS_PROJECT }: Pick<Values, 'SLS_ENDPOINT' | 'SLS_PROJECT'>): string {
  return SLS_ENDPOINT.replace(`//${SLS_PROJECT}.`, '//')
}

/** Comes first, because the choice decides which settings are required. */
function choiceOf(given: Collected['given'], unusable: Collected['unusable']): CredentialsChoice {
  const text = given.get('SLS_CREDENTIALS')?.text
  const named = text === undefined ? undefined : SETTINGS.SLS_CREDENTIALS.parser.parse(text)
  const choice = named !== undefined && 'value' in named ? named.value : undefined
  return credentialsChoice(choice, (name) => given.has(name) || unusable.has(name))
}

function parse(
  name: SettingName,
  given: Given | undefined,
  credentials: CredentialsChoice,
): { parsed: unknown } | Problem {
  const setting: Setting<unknown> = SETTINGS[name]
  const allowed = setting.parser.allowed
  const text = given?.text ?? setting.default
  if (text === undefined) {
    if (!setting.required && setting.neededBy !== credentials) return { parsed: undefined }
    return { variable: name, problem: missing(setting), allowed, example: `${name}=${setting.example}` }
  }
  const parsed = setting.parser.parse(text)
  if ('value' in parsed) return { parsed: parsed.value }
  return {
    variable: given?.variable ?? name,
    ...(!setting.secret && { value: shown(text) }),
    problem: parsed.refused,
    allowed,
    example: `${name}=${setting.example}`,
  }
}

function missing({ neededBy }: Setting<unknown>): string {
  if (neededBy === undefined) return 'is required and not set'
  if (neededBy !== 'access_key') return `is required with SLS_CREDENTIALS=${neededBy} and not set`
  return 'is required and not set, unless SLS_CREDENTIALS names another source of credentials'
}

/** Documented with SLS_HEARTBEAT_SECONDS. */
const GROUP_TIMEOUT_HEARTBEATS = 3
/**
 * After a crash, events of this interval and those in flight are repeated. One write per shard and interval is little for
 * the service. A user with a shorter heartbeat wants shorter take-overs and less repetition.
 */
const COMMIT_INTERVAL_MS = 3_000

interface Understood {
  values: Values
  given: ReadonlyMap<SettingName, Given>
  credentials: CredentialsChoice
  pem: PemFiles['contents']
  env: Environment
}

function build({ values, given, credentials, pem, env }: Understood, { hostname, pid }: Surroundings): Config {
  return {
    sources: [{ ...source(values, hostname, pid), credentials: credentialsConfig(credentials, values, given, env) }],
    sinks: [splunkHec(values, given, pem)],
    routing: {
      routes: [{ name: DEFAULT_ROUTE, to: [DEFAULT_SINK], set: {}, shape: [], continue: false }],
      unmatched: 'error',
    },
    eventIdScope: 'logstore',
    search: search(values, pem),
    proxies: { ...present({ http: values.HTTP_PROXY, https: values.HTTPS_PROXY }), except: values.NO_PROXY ?? [] },
    deadLetterDir: values.DEAD_LETTER_DIR,
    maxInFlightBytes: values.MAX_IN_FLIGHT_BYTES,
    admin: {
      host: values.ADMIN_HOST.replace(/^\[(.*)\]$/, '$1'),
      port: values.ADMIN_PORT,
      portWasSet: given.has('ADMIN_PORT'),
    },
    shutdownGraceMs: ms(values.SHUTDOWN_GRACE_SECONDS),
    log: { level: values.LOG_LEVEL, ...present({ file: values.LOG_FILE }) },
  }
}

function source(values: Values, hostname: string, pid: number): Omit<SourceConfig, 'credentials'> {
  const host = nameOf(hostname, 100, '-')
  const heartbeatMs = ms(values.SLS_HEARTBEAT_SECONDS)
  return {
    name: DEFAULT_SOURCE,
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

function splunkHec(values: Values, given: Understood['given'], pem: Understood['pem']): SplunkHecConfig {
  const maxBytes = values.SPLUNK_HEC_MAX_BYTES
  const key = pem.get('SPLUNK_HEC_TLS_KEY_FILE')
  return {
    type: 'splunk_hec',
    name: DEFAULT_SINK,
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
    tls: {
      verify: values.SPLUNK_HEC_TLS_VERIFY,
      ...present({
        ca: pem.get('SPLUNK_HEC_TLS_CA_FILE'),
        cert: pem.get('SPLUNK_HEC_TLS_CERT_FILE'),
        key: key === undefined ? undefined : new Secret(key),
        serverName: values.SPLUNK_HEC_TLS_SERVER_NAME,
      }),
      files: present({
        ca: values.SPLUNK_HEC_TLS_CA_FILE,
        cert: values.SPLUNK_HEC_TLS_CERT_FILE,
        key: values.SPLUNK_HEC_TLS_KEY_FILE,
      }),
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
function present<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> }
}

function freeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && !(inner instanceof Secret)) freeze(inner)
  return Object.freeze(value)
}
