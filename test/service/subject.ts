import { readFileSync } from 'node:fs'
import { hecUrls, slsEndpoint } from '../../src/config/parsers.ts'
import { Secret } from '../../src/core/secret.ts'
import type { Tls } from '../../src/net/tls.ts'
import type { Credentials } from '../../src/sls/signature.ts'

export interface SlsAccess {
  endpoint: string
  project: string
  credentials: Credentials
  /** Sign V4 for it, as the bridge does. */
  region: string | undefined
  /** A user's logstore with expired logs: read once, never written. */
  oldLogstore: string | undefined
}

export interface HecAccess {
  url: string
  token: string
  ackToken: string | undefined
  tls: Tls
  /** Splunk's management port, to search indexed events. */
  search: { url: string; authorization: string } | undefined
}

export interface Subject {
  /** `undefined`: our own emulator is tested. */
  sls: SlsAccess | undefined
  hec: HecAccess | undefined
  /** Write some megabytes as well. */
  large: boolean
  /** Create consumer groups until the service refuses. */
  quota: boolean
  /** File for the JSON report. */
  report: string | undefined
}

type Environment = Readonly<Record<string, string | undefined>>

const SLS_NAMES = ['SLS_ENDPOINT', 'SLS_AK_ID', 'SLS_AK_KEY', 'SLS_PROJECT']
const HEC_NAMES = ['SPLUNK_HEC_URL', 'SPLUNK_HEC_TOKEN']

/** The services to test. Throws for incomplete credentials, or when writing to a real service is not allowed. */
export function subjectOf(environment: Environment): Subject {
  const env = withFiles(environment)
  const sls = chosen(env, SLS_NAMES) ? slsAccess(env) : undefined
  const hec = chosen(env, HEC_NAMES) ? hecAccess(env) : undefined
  const yes = (name: string) => env[name] === 'yes'
  const subject = {
    ...{ sls, hec, report: env['SERVICE_REPORT'] },
    ...{ large: yes('SERVICE_TEST_LARGE'), quota: yes('SERVICE_TEST_QUOTA') },
  }
  if ((sls || hec) && !yes('SERVICE_TEST_WRITE')) {
    throw new Error(`SERVICE_TEST_WRITE=yes is not set, so nothing was done. ${intentions(subject)}`)
  }
  return subject
}

/** Description of what a run with this access writes. */
function intentions({ sls, hec, large, quota }: Subject): string {
  const what: string[] = []
  if (sls) {
    what.push(
      `in project ${sls.project} of ${sls.endpoint} it creates logstores sls-siem-bridge-conformance-<time>-* (kept for 1 ` +
        `day, 1 or 2 shards, one of them split), writes about 3 MB of logs${large ? ' and 23 MB more' : ''} ` +
        `into them, creates consumer groups there${quota ? ' until the service refuses' : ''}, deletes all of it at the ` +
        'end, and touches nothing else',
    )
  }
  if (hec) {
    what.push(
      `to ${hec.url} it posts about a hundred small events${large ? ' and 17 MB of large ones' : ''} whose texts begin with ` +
        'slssiembridgeconformance, into the default index of the token: HEC cannot delete them again',
    )
  }
  return `This is what the run does: ${what.join('; ')}.`
}

/** Supports `NAME_FILE` in place of `NAME`, like the bridge. An empty value counts as not set. */
function withFiles(environment: Environment): Environment {
  const env: Record<string, string | undefined> = {}
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined || value.trim() === '') continue
    if (/^(SLS|SPLUNK)_.*_FILE$/.test(name) && !name.includes('_TLS_')) {
      env[name.replace(/_FILE$/, '')] ??= readFileSync(value, 'utf8').trim()
    } else env[name] = value.trim()
  }
  return env
}

function chosen(env: Environment, names: readonly string[]): boolean {
  const missing = names.filter((name) => env[name] === undefined)
  if (missing.length === 0) return true
  if (missing.length === names.length) return false
  const given = names.filter((name) => env[name] !== undefined)
  throw new Error(`${given.join(', ')} given, but not ${missing.join(', ')}: give all of them, or none`)
}

function slsAccess(env: Environment): SlsAccess {
  const endpoint = slsEndpoint.parse(env['SLS_ENDPOINT'] as string)
  if ('refused' in endpoint) throw new Error(`SLS_ENDPOINT ${endpoint.refused}`)
  const token = env['SLS_STS_TOKEN']
  return {
    endpoint: endpoint.value,
    project: env['SLS_PROJECT'] as string,
    credentials: {
      accessKeyId: env['SLS_AK_ID'] as string,
      accessKeySecret: new Secret(env['SLS_AK_KEY'] as string),
      ...(token !== undefined && { securityToken: new Secret(token) }),
    },
    region: env['SLS_REGION'],
    oldLogstore: env['SERVICE_TEST_OLD_LOGSTORE'],
  }
}

function hecAccess(env: Environment): HecAccess {
  const urls = hecUrls.parse(env['SPLUNK_HEC_URL'] as string)
  if ('refused' in urls) throw new Error(`SPLUNK_HEC_URL ${urls.refused}`)
  const pem = (name: string) => (env[name] === undefined ? undefined : readFileSync(env[name], 'utf8'))
  const [ca, cert, key] = ['CA', 'CERT', 'KEY'].map((name) => pem(`SPLUNK_HEC_TLS_${name}_FILE`))
  const serverName = env['SPLUNK_HEC_TLS_SERVER_NAME']
  return {
    url: urls.value[0] as string,
    token: env['SPLUNK_HEC_TOKEN'] as string,
    ackToken: env['SPLUNK_HEC_ACK_TOKEN'],
    tls: {
      verify: !/^(false|0|no|off)$/i.test(env['SPLUNK_HEC_TLS_VERIFY'] ?? 'true'),
      ...{
        ...(ca && { ca }),
        ...(cert && { cert }),
        ...(key && { key: new Secret(key) }),
        ...(serverName && { serverName }),
      },
    },
    search: searchAccess(env),
  }
}

function searchAccess(env: Environment): HecAccess['search'] {
  const url = env['SPLUNK_SEARCH_URL']
  if (url === undefined) return undefined
  const { SPLUNK_SEARCH_TOKEN: token, SPLUNK_SEARCH_USER: user, SPLUNK_SEARCH_PASSWORD: password } = env
  if (token !== undefined) return { url, authorization: `Bearer ${token}` }
  if (user === undefined || password === undefined) {
    throw new Error('SPLUNK_SEARCH_URL needs SPLUNK_SEARCH_TOKEN, or SPLUNK_SEARCH_USER and SPLUNK_SEARCH_PASSWORD')
  }
  return { url, authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` }
}
