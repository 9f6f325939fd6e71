import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/load.ts'
import { renderDocs, renderEnvExample } from '../../../src/config/render.ts'
import { SETTING_NAMES, SETTINGS } from '../../../src/config/settings.ts'

const file = (name: string) => readFileSync(new URL(`../../../${name}`, import.meta.url), 'utf8')

/** The table of the contract, typed in from there, and what names the "other credential source" it allows. */
const CONTRACT =
  `BRIDGE_CONFIG SLS_ENDPOINT SLS_AK_ID SLS_AK_KEY SLS_STS_TOKEN SLS_REGION SLS_PROJECT SLS_LOGSTORE SLS_CG SLS_CONSUMER
SLS_START SLS_HEARTBEAT_SECONDS SLS_FETCH_INTERVAL_SECONDS SLS_FETCH_COUNT SLS_QUERY SLS_IN_ORDER SLS_EXPIRED_CURSOR
FILTER_TOPICS EVENT_JSON_FIELDS EVENT_RESERVED_KEYS SPLUNK_HEC_URL SPLUNK_HEC_TOKEN SPLUNK_HEC_INDEX SPLUNK_HEC_SOURCETYPE SPLUNK_HEC_SOURCE SPLUNK_HEC_HOST
SPLUNK_HEC_ACK SPLUNK_HEC_TIMEOUT_SECONDS SPLUNK_HEC_ACK_POLL_SECONDS SPLUNK_HEC_ACK_TIMEOUT_SECONDS SPLUNK_HEC_GZIP
SPLUNK_HEC_MAX_BYTES SPLUNK_HEC_CONCURRENCY SPLUNK_HEC_TLS_VERIFY SPLUNK_HEC_TLS_CA_FILE SPLUNK_HEC_TLS_CERT_FILE
SPLUNK_HEC_TLS_KEY_FILE SPLUNK_HEC_TLS_SERVER_NAME SYSLOG_URL SYSLOG_FORMAT SYSLOG_HEADER SYSLOG_FRAMING SYSLOG_CONFIRM
SYSLOG_FACILITY SYSLOG_SEVERITY SYSLOG_HOSTNAME SYSLOG_APP_NAME SYSLOG_SD_ID SYSLOG_MAX_BYTES SYSLOG_MAX_EPS SYSLOG_OVERSIZE SYSLOG_CONNECTIONS SYSLOG_TIMEZONE SYSLOG_RAW_FIELD SYSLOG_KV_SEPARATOR
SYSLOG_TLS_VERIFY SYSLOG_TLS_CA_FILE SYSLOG_TLS_CERT_FILE SYSLOG_TLS_KEY_FILE SYSLOG_TLS_SERVER_NAME DEAD_LETTER_DIR MAX_IN_FLIGHT_BYTES
HTTPS_PROXY HTTP_PROXY NO_PROXY ADMIN_HOST ADMIN_PORT ADMIN_ALLOWED_HOSTS
SHUTDOWN_GRACE_SECONDS LOG_LEVEL LOG_FILE LOG_FILE_MAX_BYTES LOG_FILE_KEEP
SLS_CREDENTIALS SLS_STS_ENDPOINT ALIBABA_CLOUD_ROLE_ARN ALIBABA_CLOUD_OIDC_PROVIDER_ARN ALIBABA_CLOUD_OIDC_TOKEN_FILE
ALIBABA_CLOUD_STS_REGION ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED ALIBABA_CLOUD_CREDENTIALS_URI ALIBABA_CLOUD_CREDENTIALS_FILE
ALIBABA_CLOUD_PROFILE ALIBABA_CLOUD_ECS_METADATA
SPLUNK_SEARCH_URL SPLUNK_SEARCH_TOKEN SPLUNK_SEARCH_TLS_VERIFY
SPLUNK_SEARCH_TLS_CA_FILE SPLUNK_SEARCH_TLS_SERVER_NAME`.split(/\s+/)

test('the settings are those of the contract', () => {
  expect([...SETTING_NAMES].sort()).toEqual([...CONTRACT].sort())
})

describe('docs/configuration.md', () => {
  test('is what the settings render to (node src/config/render.ts)', () => {
    expect(file('docs/configuration.md')).toBe(renderDocs())
  })

  test('has one row per variable and no other', () => {
    const rows = [...file('docs/configuration.md').matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, name]) => name)
    expect(rows).toEqual(SETTING_NAMES)
  })
})

describe('.env.example', () => {
  test('is what the settings render to (node src/config/render.ts)', () => {
    expect(file('.env.example')).toBe(renderEnvExample())
  })

  test('begins with what most replicas need, each with its meaning in the line above', () => {
    const first = file('.env.example').split('\n').slice(0, 40).join('\n')
    const explained = [...first.matchAll(/(?<=\n\n)# .+\n#?([A-Z_]+)=/g)].map(([, name]) => name)
    const wanted = 'SLS_ENDPOINT SLS_AK_ID SLS_AK_KEY SLS_PROJECT SLS_LOGSTORE SLS_CG SPLUNK_HEC_URL SPLUNK_HEC_TOKEN'
    expect(explained).toEqual(expect.arrayContaining([...wanted.split(' '), 'FILTER_TOPICS']))
  })

  test('works as it is', () => {
    const loaded = loadConfig(parseEnv(file('.env.example')))
    expect(loaded).toMatchObject({ warnings: [] })
  })

  test('with everything that is commented out set but the other sink, only the files it names are missing', () => {
    const loaded = loadConfig(parseEnv(file('.env.example').replace(/^#(?!SYSLOG_URL)(?=[A-Z_]+=)/gm, '')))
    const problems = 'problems' in loaded ? loaded.problems.map(({ variable }) => variable) : []
    expect(problems).toEqual([
      'SPLUNK_HEC_TLS_CA_FILE',
      'SPLUNK_HEC_TLS_CERT_FILE',
      'SPLUNK_HEC_TLS_KEY_FILE',
      'SPLUNK_SEARCH_TLS_CA_FILE',
      'SYSLOG_TLS_CA_FILE',
      'SYSLOG_TLS_CERT_FILE',
      'SYSLOG_TLS_KEY_FILE',
    ])
  })
})

test('the example and the default of every setting are values it takes', () => {
  for (const name of SETTING_NAMES) {
    const { parser, example, default: fallback } = SETTINGS[name]
    expect(parser.parse(example), name).toHaveProperty('value')
    if (fallback !== undefined) expect(parser.parse(fallback), name).toHaveProperty('value')
  }
})
