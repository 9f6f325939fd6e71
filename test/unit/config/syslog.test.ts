import { describe, expect, test } from 'vitest'
import { confirmationsOf } from '../../../src/config/confirmation.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { syslogUrls } from '../../../src/config/syslog-parsers.ts'
import { minimal } from './given-environment.ts'

const { SPLUNK_HEC_URL: _, SPLUNK_HEC_TOKEN: __, ...sls } = minimal
const load = (env: Record<string, string>) => loadConfig({ ...sls, ...env })
const blamed = (env: Record<string, string>) => {
  const loaded = load(env)
  return 'problems' in loaded ? loaded.problems.map(({ variable }) => variable) : []
}
const sinkOf = (env: Record<string, string>) => {
  const loaded = load({ SYSLOG_URL: 'tcp://siem.example.com', ...env })
  return 'config' in loaded ? loaded.config.sinks[0] : loaded.problems
}

describe('SYSLOG_URL', () => {
  test('without a scheme shows how it could be written', () => {
    expect(syslogUrls.parse('siem:514')).toEqual({
      refused: 'is not such a URL: siem:514; write tcp://siem:514 or another of these',
    })
  })

  test('is enough for a sink with the defaults of the contract', () => {
    expect(sinkOf({})).toEqual({
      ...{ type: 'syslog', name: 'syslog', urls: ['tcp://siem.example.com:514'] },
      ...{ format: 'json', timezone: 'UTC', rawField: 'content', kvSeparator: '||' },
      ...{ header: 'rfc5424', framing: 'octet', confirm: 'drain', facility: 1, severity: 6 },
      ...{ hostname: '{project}', appName: 'sls', sdId: 'sls@32473' },
      ...{ maxBytes: 8_000, oversize: 'truncate', connections: 2, tls: { verify: true, files: {} } },
    })
  })

  test('and Splunk beside it are an error that names each variable of Splunk', () => {
    const splunk = { SPLUNK_HEC_URL: 'https://splunk.example.com:8088', SPLUNK_HEC_TOKEN: 'a-token' }
    expect(blamed({ SYSLOG_URL: 'tcp://a', ...splunk })).toEqual(['SPLUNK_HEC_URL', 'SPLUNK_HEC_TOKEN'])
  })

  test('that is wrong is the only problem', () => {
    expect(blamed({ SYSLOG_URL: 'http://a' })).toEqual(['SYSLOG_URL'])
  })

  test('missing, like Splunk, is told as Splunk missing', () => {
    expect(blamed({})).toEqual(['SPLUNK_HEC_URL', 'SPLUNK_HEC_TOKEN'])
  })

  test.each([
    ['tcp://a:1514, tcp://b,tcp://a:1514', ['tcp://a:1514', 'tcp://b:514']],
    ['tls://a', ['tls://a:6514']],
    ['tcp://[::1]:99/', ['tcp://[::1]:99']],
    ['relp://a, relp+tls://b', ['relp://a:2514', 'relp+tls://b:6514']],
    ['udp://a,udp://[::1]:5', ['udp://a:514', 'udp://[::1]:5']],
    ['tls+relp://a', undefined],
    ['tcp://a:0', undefined],
    ['tcp://a:65536', undefined],
    ['tcp://user@a', undefined],
    ['a:514', undefined],
    [',', undefined],
  ])('%j is %j', (text, urls) => {
    const parsed = syslogUrls.parse(text)
    expect('value' in parsed ? parsed.value : undefined).toEqual(urls)
  })
})

test.each([
  [{ SYSLOG_HEADER: 'none' }, { header: 'none', framing: 'lf' }],
  [{ SYSLOG_FRAMING: 'lf' }, { header: 'rfc5424', framing: 'lf' }],
  [
    { SYSLOG_FACILITY: 'LOCAL7', SYSLOG_SEVERITY: 'error' },
    { facility: 23, severity: 3 },
  ],
  [{ SYSLOG_MAX_EPS: '500' }, { maxEps: 500 }],
  [
    { SYSLOG_FORMAT: 'leef', SYSLOG_SEVERITY: 'Auto' },
    { format: 'leef', severity: 'auto' },
  ],
  [
    { SYSLOG_FACILITY: '13', SYSLOG_SEVERITY: '0' },
    { facility: 13, severity: 0 },
  ],
])('%j', (env, expected) => {
  expect(sinkOf(env)).toMatchObject(expected)
})

test.each([
  ['SYSLOG_FACILITY', '24'],
  ['SYSLOG_SEVERITY', 'loud'],
  ['SYSLOG_SD_ID', 'a b'],
  ['SYSLOG_SD_ID', 'a]b'],
  ['SYSLOG_HOSTNAME', '{project'],
  ['SYSLOG_FORMAT', 'cef3'],
  ['SYSLOG_CONFIRM', 'udp'],
  ['SYSLOG_TIMEZONE', 'Mars'],
  ['SYSLOG_MAX_EPS', '0'],
])('%s=%s is refused', (name, value) => {
  expect(blamed({ SYSLOG_URL: 'tcp://a', [name]: value })).toEqual([name])
})

describe('UDP', () => {
  const warnings = (env: Record<string, string>) => {
    const loaded = load(env)
    return 'config' in loaded ? loaded.warnings.join('\n') : loaded.problems
  }

  test('is a warning that says what is lost, and what to use instead', () => {
    expect(warnings({ SYSLOG_URL: 'tcp://127.0.0.1' })).toBe('')
    expect(warnings({ SYSLOG_URL: 'tcp://127.0.0.1,udp://127.0.0.1' })).toMatch(
      /^SYSLOG_URL: udp:\/\/127\.0\.0\.1:514 confirms nothing\. .* is lost, and nobody is told\. Use tcp:.*$/,
    )
    expect(warnings({ SYSLOG_URL: 'udp://siem', SYSLOG_TLS_SERVER_NAME: 'x' })).toMatch(
      /udp:\/\/siem:514 is not encrypted\. .* Use tls:\/\/\.\nSYSLOG_TLS_SERVER_NAME: no effect/,
    )
  })

  test('takes no message that is longer than a datagram', () => {
    expect(blamed({ SYSLOG_URL: 'udp://a', SYSLOG_MAX_BYTES: '65507' })).toEqual([])
    expect(blamed({ SYSLOG_URL: 'udp://a', SYSLOG_MAX_BYTES: '65508' })).toEqual(['SYSLOG_MAX_BYTES'])
    expect(blamed({ SYSLOG_URL: 'tcp://a', SYSLOG_MAX_BYTES: '65508' })).toEqual([])
  })
})

test('each target says how it confirms, whatever SYSLOG_CONFIRM is', () => {
  const urls = ['tcp://a:1', 'tls://a:1', 'relp://a:1', 'relp+tls://a:1', 'udp://a:1']
  expect(confirmationsOf({ urls, confirm: 'drain' })).toEqual(['drain', 'relp', 'none'])
  expect(confirmationsOf({ urls: ['relp+tls://a:1'], confirm: 'written' })).toEqual(['relp'])
  expect(confirmationsOf({ urls: ['tls://a:1'], confirm: 'written' })).toEqual(['written'])
})
