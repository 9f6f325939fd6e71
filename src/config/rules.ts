import { X509Certificate } from 'node:crypto'
import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { createSecureContext } from 'node:tls'
import { mayComeLater, messageOf } from '../core/errors.ts'
import { obstacleTo } from '../core/folder.ts'
import { assertPlainFile } from '../core/plain-file.ts'
import { ACCESS_KEY_SETTINGS } from './credentials.ts'
import { exposedFiles } from './exposed-files.ts'
import type { Given } from './given.ts'
import type { PemFiles, PemSetting } from './pem-files.ts'
import type { Problem } from './problems.ts'
import { shown, withoutPath } from './problems.ts'
import { regionOf } from './region.ts'
import type { CredentialsChoice } from './setting.ts'
import type { SettingName, Values } from './settings.ts'
import { SETTINGS } from './settings.ts'

/** The rules look at this: the values that could be parsed, defaults included, and the texts that the user gave. */
export interface Known {
  values: Partial<Values>
  given: ReadonlyMap<SettingName, Given>
  /** Given as well, but without a text that could be read. */
  unusable: ReadonlyMap<SettingName, Problem>
  credentials: CredentialsChoice
  pem: PemFiles
  nowSeconds: number
}

export interface Findings {
  problems: Problem[]
  warnings: string[]
}

/** Checks that need more than one variable, or a file. */
export function crossCheck(known: Known): Findings {
  const findings: Findings = { problems: [], warnings: [] }
  for (const rule of [
    accessKey,
    vendorCredentials,
    endpoint,
    start,
    ack,
    sizes,
    udp,
    ports,
    encryption,
    tls,
    paths,
    shutdown,
  ])
    rule(known, findings)
  findings.warnings.push(...exposedFiles(known.given))
  return findings
}

function wasGiven({ given, unusable }: Known, name: SettingName): boolean {
  return given.has(name) || unusable.has(name)
}

/** A problem with one of the variables of a rule. */
function problem({ given }: Known, name: SettingName, text: string, allowed: string, example?: string): Problem {
  const value = given.get(name)
  return {
    variable: value?.variable ?? name,
    ...(value !== undefined && !('secret' in SETTINGS[name]) && { value: shown(value.text) }),
    problem: text,
    allowed,
    example: `${name}=${example ?? SETTINGS[name].example}`,
  }
}

/** Of a user, and of temporary credentials. Secrets have 30 characters or more, and no such beginning. */
const ACCESS_KEY_ID = /^(?:LTAI|STS\.)\w{12,}$/

function accessKey(known: Known, { problems }: Findings): void {
  const { credentials, given } = known
  const extra = ACCESS_KEY_SETTINGS.find((name) => given.has(name))
  if (credentials !== 'access_key' && extra !== undefined) {
    const text = `names another source of credentials, but ${extra} is set`
    const allowed = 'access_key; or another source, without SLS_AK_ID, SLS_AK_KEY and SLS_STS_TOKEN'
    problems.push(problem(known, 'SLS_CREDENTIALS', text, allowed))
    return
  }
  const { SLS_AK_ID: id, SLS_AK_KEY: key } = known.values
  if (id !== undefined && !ACCESS_KEY_ID.test(id) && ACCESS_KEY_ID.test(key?.reveal() ?? '')) {
    // The service would tell the secret back, as an id that does not exist.
    problems.push(problem(known, 'SLS_AK_KEY', 'is an access key id: it and SLS_AK_ID are swapped', 'the secret'))
  }
  const pair = wasGiven(known, 'SLS_AK_ID') || wasGiven(known, 'SLS_AK_KEY')
  if (known.given.has('SLS_STS_TOKEN') && !pair) {
    problems.push(
      problem(known, 'SLS_STS_TOKEN', 'is set without an access key pair', 'together with SLS_AK_ID and SLS_AK_KEY'),
    )
  }
}

const ROLE = /^acs:ram::\d+:role\/\S+$/
const OIDC_PROVIDER = /^acs:ram::\d+:oidc-provider\/\S+$/

/** Other programs may use the vendor's variables too, so their values are checked only if this program uses them. */
function vendorCredentials(known: Known, { problems, warnings }: Findings): void {
  const { credentials, values, given } = known
  if (given.has('SLS_STS_ENDPOINT') && credentials !== 'oidc') {
    warnings.push(
      `SLS_STS_ENDPOINT has no effect: only SLS_CREDENTIALS=oidc uses it, and the credentials come from ${credentials}`,
    )
  }
  const form = (name: 'ALIBABA_CLOUD_ROLE_ARN' | 'ALIBABA_CLOUD_OIDC_PROVIDER_ARN', pattern: RegExp) => {
    const value = values[name]
    if (value === undefined || pattern.test(value)) return
    problems.push(
      problem(known, name, 'is not an ARN of this kind', SETTINGS[name].example.replace(/\d{16}/, '<account id>')),
    )
  }
  if (credentials === 'oidc') {
    form('ALIBABA_CLOUD_ROLE_ARN', ROLE)
    form('ALIBABA_CLOUD_OIDC_PROVIDER_ARN', OIDC_PROVIDER)
  }
  const file = (name: 'ALIBABA_CLOUD_OIDC_TOKEN_FILE' | 'ALIBABA_CLOUD_CREDENTIALS_FILE') => {
    try {
      // A file that is not there yet is asked for again while the replica runs.
      assertPlainFile(values[name] ?? '')
    } catch (error) {
      const text = `cannot be used: ${withoutPath(error)}`
      problems.push({ ...problem(known, name, text, 'path of a regular file'), passing: mayComeLater(error) })
    }
  }
  if (credentials === 'oidc') file('ALIBABA_CLOUD_OIDC_TOKEN_FILE')
  if (credentials === 'profile') file('ALIBABA_CLOUD_CREDENTIALS_FILE')
  const uri = values.ALIBABA_CLOUD_CREDENTIALS_URI
  if (credentials === 'uri' && uri !== undefined && !(/^https?:\/\//.test(uri) && URL.canParse(uri))) {
    problems.push(problem(known, 'ALIBABA_CLOUD_CREDENTIALS_URI', 'is not a URL', 'http:// or https:// URL'))
  }
}

/** A region alone; the host of an endpoint has dots. */
const REGION = /^(?:cn|ap|us|eu|me|na)-[a-z0-9-]+$/

function endpoint({ values }: Known, { warnings }: Findings): void {
  const { SLS_ENDPOINT, SLS_REGION, SLS_PROJECT } = values
  if (SLS_ENDPOINT === undefined) return
  const { hostname } = new URL(SLS_ENDPOINT)
  if (SLS_PROJECT !== undefined && hostname.startsWith(`${SLS_PROJECT}.`)) {
    warnings.push(
      'SLS_ENDPOINT starts with the project. Set the endpoint without it; the project is added to every request',
    )
  }
  if (REGION.test(hostname)) {
    warnings.push(`SLS_ENDPOINT is a region: the endpoint of Log Service there is ${hostname}.log.aliyuncs.com`)
  }
  const region = regionOf(SLS_ENDPOINT)
  if (SLS_REGION !== undefined && region !== undefined && region !== SLS_REGION) {
    warnings.push(
      `SLS_REGION is ${SLS_REGION}, but SLS_ENDPOINT is in ${region}: the service will refuse the signatures`,
    )
  }
}

function start({ values, nowSeconds }: Known, { warnings }: Findings): void {
  const position = values.SLS_START
  if (position?.kind === 'time' && position.unixSeconds > nowSeconds) {
    warnings.push('SLS_START is in the future: shards without a checkpoint start with new logs')
  }
}

function ack(known: Known, { problems, warnings }: Findings): void {
  const { SPLUNK_HEC_ACK, SPLUNK_HEC_ACK_POLL_SECONDS: poll, SPLUNK_HEC_ACK_TIMEOUT_SECONDS: timeout } = known.values
  if (SPLUNK_HEC_ACK === false) {
    for (const name of ['SPLUNK_HEC_ACK_POLL_SECONDS', 'SPLUNK_HEC_ACK_TIMEOUT_SECONDS'] as const) {
      if (known.given.has(name)) warnings.push(`${name} has no effect: SPLUNK_HEC_ACK is false`)
    }
  } else if (poll !== undefined && timeout !== undefined && poll >= timeout) {
    const name = known.given.has('SPLUNK_HEC_ACK_POLL_SECONDS')
      ? 'SPLUNK_HEC_ACK_POLL_SECONDS'
      : 'SPLUNK_HEC_ACK_TIMEOUT_SECONDS'
    problems.push(
      problem(
        known,
        name,
        `acknowledgements are polled every ${poll} s and given up after ${timeout} s`,
        'SPLUNK_HEC_ACK_POLL_SECONDS less than SPLUNK_HEC_ACK_TIMEOUT_SECONDS',
      ),
    )
  }
}

function sizes(known: Known, { problems }: Findings): void {
  const { SPLUNK_HEC_MAX_BYTES: body, MAX_IN_FLIGHT_BYTES: inFlight } = known.values
  if (known.given.has('SPLUNK_HEC_MAX_BYTES') && body !== undefined && inFlight !== undefined && body > inFlight) {
    problems.push(
      problem(
        known,
        'SPLUNK_HEC_MAX_BYTES',
        `is more than MAX_IN_FLIGHT_BYTES (${inFlight}), so a request could never be full`,
        `at most MAX_IN_FLIGHT_BYTES (${inFlight})`,
        String(Math.min(inFlight, 1_000_000)),
      ),
    )
  }
}

/** Payload of the longest datagram of IPv4. */
const LONGEST_DATAGRAM = 65_507

function udp(known: Known, { problems, warnings }: Findings): void {
  const { SYSLOG_URL: urls = [], SYSLOG_MAX_BYTES: most = 0 } = known.values
  const url = urls.find((each) => each.startsWith('udp:'))
  if (url === undefined) return
  warnings.push(
    `SYSLOG_URL: ${url} confirms nothing. Checkpoints move when datagrams have left, and what the network or the collector drops is lost, and nobody is told. Use tcp://, tls:// or relp://.`,
  )
  if (most > LONGEST_DATAGRAM) {
    problems.push(
      problem(
        known,
        'SYSLOG_MAX_BYTES',
        `is more than a datagram holds, and SYSLOG_URL has ${url}`,
        `at most ${LONGEST_DATAGRAM} with udp://`,
        '1400',
      ),
    )
  }
}

/** As Splunk is installed. */
const OTHER_PORTS: Readonly<Record<string, string>> = {
  8000: 'Splunk Web',
  8089: "Splunk's management",
  9997: "Splunk's forwarders",
}

function ports({ values }: Known, { warnings }: Findings): void {
  for (const base of values.SPLUNK_HEC_URL ?? []) {
    const { port } = new URL(base)
    const other = OTHER_PORTS[port]
    if (other === undefined) continue
    warnings.push(`SPLUNK_HEC_URL: ${port} is mostly the port of ${other}. HEC has 8088, and 443 on Splunk Cloud`)
  }
}

function encryption({ values, credentials }: Known, { warnings }: Findings): void {
  const look = (name: SettingName, text: string | undefined, what: string) => {
    const url = URL.parse(text ?? '')
    const isPlain = url !== null && ['http:', 'tcp:', 'udp:', 'relp:'].includes(url.protocol)
    if (!url || !isPlain || LOOPBACK.test(url.hostname)) return
    const [to, instead] =
      url.protocol === 'http:' ? [url.origin, 'https://'] : [text, `${url.protocol === 'relp:' ? 'relp+' : ''}tls://`]
    warnings.push(
      `${name}: the connection to ${to} is not encrypted. Anyone on the network can read ${what}. Use ${instead}.`,
    )
  }
  look('SLS_ENDPOINT', values.SLS_ENDPOINT, 'all logs, and the STS token if there is one')
  for (const base of values.SPLUNK_HEC_URL ?? []) look('SPLUNK_HEC_URL', base, 'the token and all logs')
  for (const url of values.SYSLOG_URL ?? []) look('SYSLOG_URL', url, 'all logs')
  look('SPLUNK_SEARCH_URL', values.SPLUNK_SEARCH_URL, 'the token')
  const uri = credentials === 'uri' ? values.ALIBABA_CLOUD_CREDENTIALS_URI : undefined
  look('ALIBABA_CLOUD_CREDENTIALS_URI', uri, 'the keys')
}

const LOOPBACK = /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/

function tls(known: Known, findings: Findings): void {
  const { values, given } = known
  const { warnings } = findings
  sinkTls(known, findings, {
    prefix: 'SPLUNK_HEC',
    urls: values.SPLUNK_HEC_URL,
    plain: 'http://',
    what: 'the token and the logs',
  })
  sinkTls(known, findings, { prefix: 'SYSLOG', urls: values.SYSLOG_URL, plain: 'tcp://', what: 'the logs' })
  if (values.SPLUNK_SEARCH_TLS_VERIFY === false && values.SPLUNK_SEARCH_URL?.startsWith('https://')) {
    warnings.push(
      'SPLUNK_SEARCH_TLS_VERIFY is off: a server in between can read the token. Use it only for experiments',
    )
    if (given.has('SPLUNK_SEARCH_TLS_CA_FILE'))
      warnings.push('SPLUNK_SEARCH_TLS_CA_FILE has no effect: SPLUNK_SEARCH_TLS_VERIFY is off')
  }
  tlsFiles(known, findings)
}

interface SinkTls {
  readonly prefix: 'SPLUNK_HEC' | 'SYSLOG'
  readonly urls: readonly string[] | undefined
  /** The scheme without TLS. */
  readonly plain: string
  /** A server in between could read it. */
  readonly what: string
}

function sinkTls(known: Known, { problems, warnings }: Findings, { prefix, urls = [], plain, what }: SinkTls): void {
  const { values, given } = known
  const names = (['CA_FILE', 'CERT_FILE', 'KEY_FILE', 'SERVER_NAME', 'VERIFY'] as const)
    .map((suffix) => `${prefix}_TLS_${suffix}` as const)
    .filter((name) => given.has(name))
  if (
    names.length > 0 &&
    urls.length > 0 &&
    urls.every((url) => [plain, 'relp://', 'udp://'].some((each) => url.startsWith(each)))
  ) {
    warnings.push(`${names.join(', ')}: no effect, because ${prefix}_URL is ${plain}`)
  } else if (values[`${prefix}_TLS_VERIFY`] === false) {
    warnings.push(`${prefix}_TLS_VERIFY is off: a server in between can read ${what}. Use it only for experiments`)
    if (given.has(`${prefix}_TLS_CA_FILE`))
      warnings.push(`${prefix}_TLS_CA_FILE has no effect: ${prefix}_TLS_VERIFY is off`)
  }
  for (const [has, lacks] of [
    [`${prefix}_TLS_CERT_FILE`, `${prefix}_TLS_KEY_FILE`],
    [`${prefix}_TLS_KEY_FILE`, `${prefix}_TLS_CERT_FILE`],
  ] as const) {
    if (given.has(has) && !wasGiven(known, lacks)) {
      problems.push(problem(known, lacks, `is not set, but ${has} is: mutual TLS needs both`, 'path of a PEM file'))
    }
  }
}

/** OpenSSL looks at the files now, so that a key that does not fit its certificate is a problem at the start. */
function tlsFiles(known: Known, { problems }: Findings): void {
  const { contents, unusable } = known.pem
  for (const [name, { problem: text, passing = false }] of unusable) {
    problems.push({ ...problem(known, name, text, 'path of a readable PEM file'), passing })
  }
  const usable = (name: PemSetting, use: () => void) => {
    try {
      use()
    } catch (error) {
      const text = `cannot be used: ${messageOf(error)}`
      problems.push(problem(known, name, text, 'a certificate and the key that fits it'))
    }
  }
  for (const name of ['SPLUNK_HEC_TLS_CA_FILE', 'SPLUNK_SEARCH_TLS_CA_FILE', 'SYSLOG_TLS_CA_FILE'] as const) {
    const ca = contents.get(name)
    if (ca !== undefined) usable(name, () => certificatesOf(ca))
  }
  for (const prefix of ['SPLUNK_HEC', 'SYSLOG'] as const) {
    const cert = contents.get(`${prefix}_TLS_CERT_FILE`)
    const key = contents.get(`${prefix}_TLS_KEY_FILE`)
    if (cert !== undefined && key !== undefined)
      usable(`${prefix}_TLS_CERT_FILE`, () => createSecureContext({ cert, key }))
  }
}

/** A secure context ignores a broken certificate among the authorities, so each certificate is parsed here. */
function certificatesOf(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN (?:\w+ )?CERTIFICATE-----.*?(?:-----END (?:\w+ )?CERTIFICATE-----|$)/gs)
  if (blocks === null) throw new Error('contains no certificate')
  return blocks.map((block) => new X509Certificate(block))
}

function paths(known: Known, { problems }: Findings): void {
  for (const [name, kind] of [
    ['DEAD_LETTER_DIR', 'directory'],
    ['LOG_FILE', 'plain file'],
  ] as const) {
    const path = known.values[name]
    if (path === undefined) continue
    try {
      const isFile = kind === 'plain file'
      const found = isFile ? statSync(path, { throwIfNoEntry: false }) : undefined
      const isTaken = found !== undefined && !found.isFile()
      const obstacle = isTaken
        ? { why: 'exists and is not a plain file', passing: false }
        : obstacleTo(isFile ? dirname(path) : path)
      if (obstacle === undefined) continue
      const { why, passing } = obstacle
      problems.push({ ...problem(known, name, why, `path of a ${kind}`), ...(passing && { passing }) })
    } catch (error) {
      const text = `cannot be used: ${withoutPath(error)}`
      problems.push({ ...problem(known, name, text, `path of a ${kind}`), passing: mayComeLater(error) })
    }
  }
}

function shutdown({ values }: Known, { warnings }: Findings): void {
  if (values.SHUTDOWN_GRACE_SECONDS === 0) {
    warnings.push(
      'SHUTDOWN_GRACE_SECONDS is 0: nothing is drained at the end, so another replica sends the events in flight again',
    )
  }
}
