import { expect, test } from 'vitest'
import { needsRestart } from '../../../src/config/restart.ts'
import { accepted, temporaryFiles } from './given-environment.ts'

const running = accepted().config.whole
const changed = (extra: Record<string, string | undefined>) => needsRestart(running, accepted(extra).config.whole)

test('a configuration without a difference needs no restart', () => {
  expect(changed({})).toEqual([])
})

test('every change of an end of the bridge is named, secrets included', () => {
  expect(changed({ SPLUNK_HEC_TOKEN: 'another' })).toEqual(['sinks.splunk_hec.token'])
  expect(changed({ SPLUNK_HEC_URL: 'https://a:1,https://b:2' })).toEqual([
    'sinks.splunk_hec.urls.0',
    'sinks.splunk_hec.urls.1',
  ])
  expect(changed({ SLS_AK_KEY: 'another', FILTER_TOPICS: 'audit' }).sort()).toEqual([
    'sources.default.credentials.accessKeySecret',
    'sources.default.topics.0',
  ])
  expect(changed({ MAX_IN_FLIGHT_BYTES: '5000000' })).toEqual(['maxInFlightBytes'])
})

test('routes, shapes and tests need none', () => {
  const [source] = running.sources
  const [route] = running.routing.routes
  if (source === undefined || route === undefined) throw new Error('no source or no route')
  const shape = [{ name: 'remove' as const, fields: new Set(['password']) }]
  const wanted = {
    ...running,
    sources: [{ ...source, shape }],
    routing: { routes: [{ ...route, name: 'another' }, route], unmatched: 'drop' as const },
    tests: [{ name: 't', place: 'f:1:1', source: 'default', log: new Map(), expect: [] }],
  }
  expect(needsRestart(running, wanted)).toEqual([])
})

test('a file whose content changes is read again by the replica, another file needs a restart', () => {
  const { write } = temporaryFiles()
  const [one, other] = [write('key', 'a'), write('other', 'a')]
  const given = (path: string) => accepted({ SLS_AK_KEY: undefined, SLS_AK_KEY_FILE: path }).config.whole
  const before = given(one)
  write('key', 'b')
  expect(needsRestart(before, given(one))).toEqual([])
  expect(needsRestart(before, given(other))).toEqual(['sources.default.credentials.files.accessKeySecret'])
})
