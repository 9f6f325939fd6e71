import { basename } from 'node:path'
import { describe, expect, test } from 'vitest'
import { accepted, fileOf, refused } from './given-file.ts'

const STEP = '[{k8s_audit_policy: {field: event, file: policy.yaml}}]'
const file = fileOf({ routes: `[{name: all, to: splunk, shape: ${STEP}}]` })
const HEAD = 'apiVersion: audit.k8s.io/v1\nkind: Policy\n'

/** `file:line:column key: problem` of each problem. */
function told(policy: string): string[] {
  return refused(file, { files: { 'policy.yaml': policy } }).map(
    ({ place = '', variable, problem }) => `${basename(place)} ${variable}: ${problem}`,
  )
}

describe('an audit policy', () => {
  test('is read from the file that a step names, also in a source, and each file once', () => {
    const sources = `{trail: {endpoint: cn-hangzhou.log.aliyuncs.com, project: audit, logstore: audit, group: siem, shape: ${STEP}}}`
    const text = fileOf({ sources, routes: `[{name: all, to: splunk, shape: ${STEP}}]` })
    const policy = `---\n${HEAD}metadata: {name: a}\nrules:\n- level: Request\n  users: ["\${NOT_REPLACED}", 7]\n  verbs:\n`
    const { config } = accepted(text, { files: { 'policy.yaml': policy } })
    const rule = {
      ...{ level: 'Request', users: [`\${NOT_REPLACED}`, '7'], userGroups: [], verbs: [], namespaces: [] },
      ...{ resources: [], nonResourceURLs: [], omitStages: [], omitManagedFields: false },
    }
    const step = { name: 'k8s_audit_policy', field: 'event', onFailure: 'keep', policy: { rules: [rule] } }
    expect(config.sources[0]?.shape).toEqual([step])
    expect(config.routing.routes[0]?.shape).toEqual([step])
  })

  test.each<[string, string, string[]]>([
    [
      'an unknown field',
      `${HEAD}rules:\n- level: None\n  user: [tim]\n`,
      ['policy.yaml:5:3 rules[0].user: is not a key here; did you mean users?'],
    ],
    [
      'an unknown field of resources',
      `${HEAD}rules: [{level: None, resources: [{groups: apps}]}]\n`,
      ['policy.yaml:3:36 rules[0].resources[0].groups: is not a key here; did you mean group?'],
    ],
    [
      'a level in another case',
      `${HEAD}rules: [{level: none}]\n`,
      ['policy.yaml:3:17 rules[0].level: is not one of these'],
    ],
    ['no level', `${HEAD}rules: [{users: [a]}]\n`, ['policy.yaml:3:9 rules[0].level: is required and not set']],
    [
      'an unknown stage',
      `${HEAD}omitStages: [Received]\nrules: []\n`,
      ['policy.yaml:3:14 omitStages[0]: is not one of these'],
    ],
    ['no rules', HEAD, ['policy.yaml:1:1 rules: is required and not set']],
    [
      'another kind',
      'apiVersion: audit.k8s.io/v1\nkind: Event\nrules: []\n',
      ['policy.yaml:2:7 kind: is not one of these'],
    ],
    [
      'a version of long ago',
      'apiVersion: audit.k8s.io/v1alpha1\nkind: Policy\nrules: []\n',
      ['policy.yaml:1:13 apiVersion: is not one of these'],
    ],
    [
      'paths that are none',
      `${HEAD}rules: [{level: None, nonResourceURLs: [healthz, /a*b, "*", /ok*]}]\n`,
      [
        'policy.yaml:3:41 rules[0].nonResourceURLs[0]: does not begin with /',
        'policy.yaml:3:50 rules[0].nonResourceURLs[1]: has a * that is not its last character',
      ],
    ],
    [
      'paths beside namespaces',
      `${HEAD}rules: [{level: None, namespaces: [a], nonResourceURLs: [/a]}]\n`,
      ['policy.yaml:3:40 rules[0].nonResourceURLs: stands beside resources or namespaces, and no request has both'],
    ],
    [
      'names without resources',
      `${HEAD}rules: [{level: None, resources: [{group: apps, resourceNames: [a]}]}]\n`,
      ['policy.yaml:3:49 rules[0].resources[0].resourceNames: needs resources beside it'],
    ],
    [
      'a group with its version',
      `${HEAD}rules: [{level: None, resources: [{group: apps/v1}]}]\n`,
      ['policy.yaml:3:43 rules[0].resources[0].group: is no API group'],
    ],
    [
      'no YAML',
      `${HEAD}rules: [`,
      ['policy.yaml:3:9 : is not YAML: the indentation does not fit, or a { or [ above is not closed'],
    ],
    [
      'a field twice',
      `${HEAD}kind: Policy\nrules: []\n`,
      ['policy.yaml:3:1 : the key "kind" stands twice in this map'],
    ],
  ])('with %s is refused at its place', (_, policy, expected) => expect(told(policy)).toEqual(expected))

  test('that is not there is a problem of the step', () => {
    expect(refused(file)).toMatchObject([
      { variable: 'routes[0].shape[0].k8s_audit_policy.file', problem: expect.stringContaining('cannot be read') },
    ])
    expect(refused(file, { files: { 'policy.yaml': '' } })).toMatchObject([{ problem: 'is empty' }])
  })
})
