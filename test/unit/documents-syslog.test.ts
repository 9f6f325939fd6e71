import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { SETTING_NAMES } from '../../src/config/settings.ts'
import { minimal } from './config/given-environment.ts'

/** docs/syslog.md: its settings exist, and each example of a SIEM is a configuration that starts. */

const PAGE = readFileSync(new URL('../../docs/syslog.md', import.meta.url), 'utf8')
const CA = new URL('sinks/tls/ca.pem', import.meta.url).pathname
const { SPLUNK_HEC_URL: _, SPLUNK_HEC_TOKEN: __, ...SLS } = minimal

const examples = PAGE.split(/^## /m).flatMap((section) => {
  const [of = ''] = section.split('\n')
  return [...section.matchAll(/^```env\n(.*?)^```$/gms)].map(([, env = '']) => ({ of, env }))
})

test.each(examples)('the settings for $of make a configuration', ({ env }) => {
  const given = Object.fromEntries(env.split('\n').map((line) => line.split(/=(.*)/s, 2)))
  delete given['']
  if (given['SYSLOG_TLS_CA_FILE']) given['SYSLOG_TLS_CA_FILE'] = CA
  const loaded = loadConfig({ ...SLS, ...given })
  if ('problems' in loaded) throw new Error(JSON.stringify(loaded.problems))
  expect(loaded.config.sinks).toMatchObject([{ type: 'syslog' }])
  expect(loaded.warnings.filter((warning) => !warning.includes('is not encrypted'))).toEqual([])
})

test('there are examples for every collector that the page is about', () => {
  const named = new Set(examples.map(({ of }) => of))
  expect(named).toEqual(
    new Set(['QRadar', 'ArcSight', 'FortiSIEM', 'LogRhythm', 'Wazuh', 'Graylog', 'Elastic', 'Logstash']),
  )
})

test('every variable that the page names exists', () => {
  const names = [...PAGE.matchAll(/\b(?:SYSLOG|SLS|EVENT|SPLUNK_HEC)_[A-Z0-9_]+\b/g)].map(([name]) => name)
  expect(names.filter((name) => name !== 'SYSLOG_' && !SETTING_NAMES.some((known) => known === name))).toEqual([])
})
