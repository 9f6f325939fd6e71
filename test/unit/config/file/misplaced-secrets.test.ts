import { expect, test } from 'vitest'
import { fileDescription } from '../../../../src/config/file/description.ts'
import type { Described } from '../../../../src/config/file/shape.ts'
import { descriptionOf } from '../../../../src/config/file/shape.ts'
import { PEERS } from '../../../../src/config/setting.ts'
import { refused } from './given-file.ts'

const MARKER = 'LTAI5tHush/hush-key'

type Put = (value: unknown) => unknown

/** Files with the marker as a text where a map or a list belongs, one for each map and list of the description. */
function* filesOf(described: Described<unknown>, put: Put): Generator<string> {
  const description = descriptionOf(described)
  switch (description.kind) {
    case 'map': {
      yield JSON.stringify(put(MARKER))
      const type = description.keys['type'] && descriptionOf(description.keys['type'])
      const typed = type?.kind === 'text' ? { type: type.allowed } : {}
      for (const [key, of] of Object.entries(description.keys)) {
        yield* filesOf(of, (value) => put({ ...typed, [key]: value }))
      }
      return
    }
    case 'named':
      yield JSON.stringify(put(MARKER))
      yield* filesOf(description.of, (value) => put({ some: value }))
      return
    case 'list':
      if (!description.orOne) yield JSON.stringify(put(MARKER))
      yield* filesOf(description.of, (value) => put([value]))
      return
    case 'choice':
      for (const of of description.of) yield* filesOf(of, put)
      return
    case 'anything':
      yield JSON.stringify(put(MARKER))
      return
    case 'text':
  }
}

test('a text where a map or a list belongs is refused, and no problem shows it', () => {
  const refusals = new Set<string>()
  for (const file of filesOf(fileDescription(PEERS), (value) => value)) {
    const problems = refused(file)
    expect(JSON.stringify(problems), file).not.toMatch(/LTAI|hush/i)
    for (const { variable, problem } of problems) {
      if (/^is (?:text, not a (?:map|list)|no step|no log)$/.test(problem)) refusals.add(variable)
    }
  }
  expect([...refusals].sort()).toEqual([
    '',
    'credentials',
    'credentials.some',
    'lists',
    'lists.some',
    'macros',
    'routes',
    'routes[0]',
    'routes[0].set',
    'routes[0].shape',
    'routes[0].shape[0]',
    'routes[0].shape[0].add',
    'routes[0].shape[0].docker',
    'routes[0].shape[0].docker.attrs',
    'routes[0].shape[0].geoip',
    'routes[0].shape[0].grok',
    'routes[0].shape[0].k8s_audit_policy',
    'routes[0].shape[0].kv',
    'routes[0].shape[0].parse',
    'routes[0].shape[0].rename',
    'routes[0].shape[0].replace',
    'routes[0].shape[0].time',
    'sinks',
    'sinks.some',
    'sinks.some.tls',
    'sources',
    'sources.some',
    'sources.some.shape',
    'sources.some.shape[0]',
    'sources.some.shape[0].add',
    'sources.some.shape[0].docker',
    'sources.some.shape[0].docker.attrs',
    'sources.some.shape[0].geoip',
    'sources.some.shape[0].grok',
    'sources.some.shape[0].k8s_audit_policy',
    'sources.some.shape[0].kv',
    'sources.some.shape[0].parse',
    'sources.some.shape[0].rename',
    'sources.some.shape[0].replace',
    'sources.some.shape[0].time',
    'tests',
    'tests[0]',
    'tests[0].expect',
    'tests[0].expect[0]',
    'tests[0].log',
  ])
})
