import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { policyOf } from '../../../src/config/file/audit-policy.ts'
import type { Log } from '../../../src/pipeline/reference/log.ts'
import { factsOf, readLog } from '../../../src/pipeline/reference/log.ts'
import { LogGroup, logGroupsOf } from '../../../src/pipeline/reference/log-group.ts'
import { applyShape } from '../../../src/pipeline/reference/shape.ts'
import type { AuditPolicyStep, Step } from '../../../src/routing/step.ts'
import { position } from './encode-all.ts'
import { content, group, list, log, time } from './wire.ts'

/** The event of the vectors: tim gets the pod busybox, recorded with both bodies. */
const E = {
  kind: 'Event',
  apiVersion: 'audit.k8s.io/v1',
  level: 'RequestResponse',
  auditID: '1',
  stage: 'ResponseComplete',
  requestURI: '/api/v1/namespaces/default/pods/busybox',
  verb: 'get',
  user: { username: 'tim', groups: ['humans', 'developers'] },
  objectRef: { resource: 'pods', namespace: 'default', name: 'busybox', apiVersion: 'v1' },
  responseStatus: { code: 200 },
  requestObject: { a: [1, '}'] },
  responseObject: { b: '"' },
  annotations: { 'authorization.k8s.io/decision': 'allow' },
}
type Event = Partial<Record<keyof typeof E, unknown>> & { readonly impersonatedUser?: unknown }
const L: Event = { ...E, objectRef: { ...E.objectRef, subresource: 'log' } }
const RBAC = 'rbac.authorization.k8s.io'
const C: Event = { ...E, objectRef: { resource: 'clusterroles', name: 'edit', apiGroup: RBAC } }
const N = (requestURI: string): Event => ({ ...E, objectRef: undefined, requestURI })

function logOf(contents: Readonly<Record<string, string | Buffer>>): Log {
  const pairs = Object.entries(contents).map(([key, value]) => content(key, value))
  const [bytes] = logGroupsOf(list(group(log(time(1_790_000_000), ...pairs))))
  const parsed = new LogGroup(bytes as Buffer)
  const [first] = parsed.logs()
  return readLog(factsOf(parsed, position), first as Buffer, 'override')
}

function stepOf(policy: string, more: Partial<AuditPolicyStep> = { field: 'event' }): Step {
  const found = policyOf(policy, 'policy.yaml')
  if ('problems' in found) throw new Error(JSON.stringify(found.problems))
  return { name: 'k8s_audit_policy', policy: found.policy, onFailure: 'keep', ...more }
}

const policyWith = (rules: string, more = ''): string =>
  `apiVersion: audit.k8s.io/v1\nkind: Policy\n${more}\nrules: [${rules}]\n`

const decided = (step: Step, text: string | Buffer): Log => applyShape(logOf({ event: text }), [step], 'route')
const eventIn = ({ members }: Log): Event => JSON.parse(members.get('event')?.bytes.toString() ?? '')

/** `-` if it is dropped; else its level and the bodies it has: `M`, `RQ` with a request, `RR` with both. */
function outcomeOf(step: Step, event: Event): string {
  const log = decided(step, JSON.stringify(event))
  if (log.fate === 'drop') return `- ${log.reason}`
  const { level, ...rest } = eventIn(log)
  const bodies = Object.keys(rest).filter((key) => key.endsWith('Object'))
  return [level, ...bodies].join(' ')
}

const DROPPED = '- k8s_audit_policy'
const M = 'Metadata'
const RQ = 'Request requestObject'
const RR = 'RequestResponse requestObject responseObject'
const ALL = '{level: Metadata}'
const pods = (level: string, resource: string, more = ''): string =>
  `{level: ${level}, resources: [{group: "", resources: ["${resource}"]${more}}]}`

describe('a policy decides as kube-apiserver does', () => {
  test.each<[number, string, Event, string]>([
    [1, '', E, DROPPED],
    [2, ALL, E, M],
    [3, '{level: None, users: [tim]}, {level: RequestResponse}', E, DROPPED],
    [4, `{level: Request, verbs: [create]}, ${ALL}`, E, M],
    [5, `{level: Request, users: [tim], userGroups: ["system:masters"]}, ${ALL}`, E, M],
    [6, '{level: Request, userGroups: [x, developers]}', E, RQ],
    [7, `{level: Request, userGroups: [humans]}, ${ALL}`, { ...E, user: {} }, M],
    [8, pods('RequestResponse', 'pods'), L, DROPPED],
    [9, pods('Request', 'pods/log'), L, RQ],
    [10, `${pods('Request', 'pods/log')}, ${ALL}`, E, M],
    [11, pods('Request', '*/log'), L, RQ],
    [12, pods('Request', '*/log'), E, DROPPED],
    [13, pods('Request', 'pods/*'), L, RQ],
    [14, pods('Request', 'pods/*'), E, RQ],
    [15, pods('Request', '*'), L, RQ],
    [16, '{level: Request, resources: [{resources: ["*"]}]}', C, DROPPED],
    [
      17,
      '{level: RequestResponse, resources: [{group: "*", resources: ["*/status"]}]}',
      { ...C, objectRef: { ...(C.objectRef as object), subresource: 'status' } },
      RR,
    ],
    [18, `{level: Request, resources: [{group: ${RBAC}}]}`, C, RQ],
    [19, `${pods('None', 'pods', ', resourceNames: [busybox]')}, ${ALL}`, E, DROPPED],
    [
      20,
      `${pods('None', 'pods', ', resourceNames: [busybox]')}, ${ALL}`,
      { ...E, verb: 'list', objectRef: { resource: 'pods', namespace: 'default' } },
      M,
    ],
    [21, `{level: Request, namespaces: [""]}, ${ALL}`, C, RQ],
    [22, `{level: Request, namespaces: [""]}, ${ALL}`, E, M],
    [23, `{level: Request, namespaces: [""]}, ${ALL}`, N('/healthz'), M],
    [24, `{level: None, nonResourceURLs: ["/healthz*"]}, ${ALL}`, N('/healthz/etcd?verbose'), DROPPED],
    [25, `{level: None, nonResourceURLs: [/version]}, ${ALL}`, N('/version?timeout=32s'), DROPPED],
    [26, `{level: None, nonResourceURLs: ["*"]}, ${ALL}`, E, M],
    [27, '{level: RequestResponse, omitStages: [ResponseComplete]}', E, DROPPED],
    [28, `${ALL}, {level: RequestResponse, omitStages: [ResponseComplete]}`, E, M],
    [
      29,
      '{level: RequestResponse}',
      { ...E, level: 'Metadata', requestObject: undefined, responseObject: undefined },
      M,
    ],
    [30, `{level: None, users: [bob]}, ${ALL}`, { ...E, impersonatedUser: { username: 'bob' } }, M],
  ])('vector %i', (_, rules, event, expected) => {
    expect(outcomeOf(stepOf(policyWith(rules)), event)).toBe(expected)
  })

  test('stages that the policy omits are omitted under every rule', () => {
    const step = stepOf(policyWith(ALL, 'omitStages: [RequestReceived]'))
    expect(outcomeOf(step, { ...E, stage: 'RequestReceived' })).toBe(DROPPED)
    expect(outcomeOf(step, E)).toBe(M)
  })

  test('a path is compared as it is meant, not as it is written', () => {
    const step = stepOf(policyWith('{level: None, nonResourceURLs: ["/a b*"]}, {level: Metadata}'))
    expect(outcomeOf(step, N('/a%20b/c'))).toBe(DROPPED)
    expect(outcomeOf(step, N('/%zz'))).toBe(M)
  })
})

describe('the event', () => {
  const metadata = stepOf(policyWith(ALL))

  test('keeps every byte of what the level has', () => {
    const text =
      '{ "kind":"Event", "level" : "RequestResponse","stage":"ResponseComplete", "n":12345678901234567890, "u":"\\u0026" ,"requestObject":{"x":1},"verb":"get", "responseObject":[]}'
    expect(decided(metadata, text).members.get('event')?.bytes.toString()).toBe(
      '{"kind":"Event","level" : "Metadata","stage":"ResponseComplete", "n":12345678901234567890, "u":"\\u0026","verb":"get"}',
    )
  })

  test('is the very same bytes if its level has everything', () => {
    const text = JSON.stringify({ ...E, stage: 'Panic' }, undefined, 1)
    expect(
      decided(stepOf(policyWith('{level: RequestResponse}')), text)
        .members.get('event')
        ?.bytes.toString(),
    ).toBe(text)
  })

  test('may be JSON by an earlier step, and stays JSON', () => {
    const json: Step = { name: 'json', fields: ['event'], into: 'value', required: false, onFailure: 'keep' }
    const log = applyShape(logOf({ event: JSON.stringify(E) }), [json, metadata], 'route')
    expect(log.members.get('event')?.isJson).toBe(true)
    expect(eventIn(log)).toEqual({ ...E, level: 'Metadata', requestObject: undefined, responseObject: undefined })
  })

  test('may be spread over the contents of the log, as text or as JSON', () => {
    const contents = Object.entries(E).map(([key, value]) => [
      key,
      typeof value === 'string' ? value : JSON.stringify(value),
    ])
    const flat = stepOf(policyWith('{level: None, users: [bob]}, {level: Request, verbs: [get]}'), {})
    const log = applyShape(logOf(Object.fromEntries(contents)), [flat], 'route')
    expect([...log.members.keys()]).toEqual([
      '__topic__',
      '__source__',
      ...Object.keys(E).filter((key) => key !== 'responseObject'),
    ])
    expect(log.members.get('level')?.bytes.toString()).toBe('Request')
    const merge: Step = { name: 'json', fields: ['event'], into: 'merge', required: false, onFailure: 'keep' }
    const merged = applyShape(logOf({ event: JSON.stringify(E) }), [merge, flat], 'route')
    expect(merged.members.get('level')).toMatchObject({ isJson: true, bytes: Buffer.from('"Request"') })
    expect(merged.members.has('responseObject')).toBe(false)
  })

  test('loses managed fields where the policy or the rule says so: of an object, of a list, of a table', () => {
    const meta = { name: 'n', managedFields: [{ manager: 'kubectl' }] }
    const event = {
      ...E,
      requestObject: { metadata: meta, spec: { managedFields: 1 } },
      responseObject: { items: [{ metadata: meta }, 1], rows: [{ object: { metadata: meta } }], metadata: { a: 1 } },
    }
    const expected = {
      requestObject: { metadata: { name: 'n' }, spec: { managedFields: 1 } },
      responseObject: {
        items: [{ metadata: { name: 'n' } }, 1],
        rows: [{ object: { metadata: { name: 'n' } } }],
        metadata: { a: 1 },
      },
    }
    const bodies = (rule: string, more: string) =>
      eventIn(decided(stepOf(policyWith(`{level: RequestResponse, ${rule}}`, more)), JSON.stringify(event)))
    expect(bodies('', 'omitManagedFields: true')).toEqual({ ...event, ...expected })
    expect(bodies('omitManagedFields: true', '')).toEqual({ ...event, ...expected })
    expect(bodies('omitManagedFields: false', 'omitManagedFields: true')).toEqual(event)
    expect(bodies('', '')).toEqual(event)
  })

  test.each<[string, string | Buffer]>([
    ['no JSON', 'I1102 klog'],
    ['empty', ''],
    ['another kind', '{"kind":"Pod","level":"RequestResponse","requestObject":1}'],
    ['an event of the core API', '{"kind":"Event","apiVersion":"v1","reason":"Killing"}'],
    ['an array', '[{"kind":"Event"}]'],
  ])('stays as it is, and is no failure, where it is %s', (_, text) => {
    const log = decided(metadata, text)
    expect(log).toMatchObject({ fate: 'keep', failures: [] })
    expect(log.members.get('event')?.bytes.toString()).toBe(text.toString())
  })

  test.each<[string, string | Buffer]>([
    ['cut off', JSON.stringify(E).slice(0, -20)],
    ['followed by something', `${JSON.stringify(E)}x`],
    ['with a key twice', '{"kind":"Event","level":"Metadata","verb":"get","verb":"delete"}'],
    ['with a key twice, once in escapes', '{"kind":"Event","level":"Metadata","verb":"get","ver\\u0062":"delete"}'],
    ['without a level', '{"kind":"Event","apiVersion":"audit.k8s.io/v1","verb":"get"}'],
    ['with an unknown level', '{"kind":"Event","level":"Everything"}'],
    ['a list of events', '{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[]}'],
    ['nested 1,000 deep', JSON.stringify(E).replace('"}', `"${'['.repeat(1000)}`)],
    [
      'not UTF-8',
      Buffer.concat([
        Buffer.from('{"kind":"Event","level":"Metadata","verb":"'),
        Buffer.from([0xff]),
        Buffer.from('"}'),
      ]),
    ],
  ])('stays as it is, and is a failure, where it is %s', (_, text) => {
    const log = decided(metadata, text)
    expect(log).toMatchObject({ fate: 'keep', failures: [{ where: 'route', step: 'k8s_audit_policy' }] })
    expect(log.members.get('event')?.bytes.equals(Buffer.from(text))).toBe(true)
  })

  test.each([
    ['one string', JSON.stringify({ ...E, requestObject: 'x\\"'.repeat(300_000) })],
    ['brackets', `{"kind":"Event","level":"Request","requestObject":[${'[],'.repeat(300_000)}1]}`],
    ['an open quote', `{"kind":"Event","verb":"${'\\\\'.repeat(500_000)}`],
  ])('takes little time where it is 1 MB of %s', (_, text) => {
    const start = performance.now()
    decided(metadata, text)
    expect(performance.now() - start).toBeLessThan(1000)
  })
})

describe('whatever an event holds', () => {
  const body = fc.oneof(
    fc.record({
      metadata: fc.record({ name: fc.string(), managedFields: fc.jsonValue({ maxDepth: 2 }) }, { requiredKeys: [] }),
    }),
    fc.record({
      items: fc.array(
        fc.record({ metadata: fc.constant({ managedFields: 1, a: 2 }), b: fc.jsonValue({ maxDepth: 1 }) }),
      ),
    }),
    fc.jsonValue({ maxDepth: 4 }),
  )
  const events = fc.record(
    {
      kind: fc.constant('Event'),
      annotations: fc.jsonValue({ maxDepth: 3 }),
      level: fc.constantFrom('Metadata', 'Request', 'RequestResponse'),
      user: fc.jsonValue({ maxDepth: 2 }),
      verb: fc.string({ unit: 'binary' }),
      requestObject: body,
      objectRef: fc.jsonValue({ maxDepth: 2 }),
      responseObject: body,
    },
    { requiredKeys: ['kind', 'level'], noNullPrototype: true },
  )
  const RULES = ['Metadata', 'Request', 'RequestResponse'] as const
  const STEPS = RULES.map((level) => stepOf(policyWith(`{level: ${level}, omitManagedFields: true}`)))

  /** The same with objects. */
  function naive(event: Record<string, unknown>, level: number): object {
    const now = Math.min(level, RULES.indexOf(event['level'] as 'Metadata'))
    const strip = (value: unknown): unknown =>
      typeof value !== 'object' || value === null || Array.isArray(value)
        ? value
        : Object.fromEntries(
            Object.entries(value).map(([key, inner]) => [
              key,
              key === 'metadata' ? bare(inner) : key === 'items' ? each(inner) : inner,
            ]),
          )
    const bare = (meta: unknown): unknown =>
      typeof meta !== 'object' || meta === null || Array.isArray(meta)
        ? meta
        : Object.fromEntries(Object.entries(meta).filter(([key]) => key !== 'managedFields'))
    const each = (items: unknown): unknown =>
      Array.isArray(items) ? items.map((item) => (Array.isArray(item) ? item : metadataOf(item))) : items
    const metadataOf = (item: unknown): unknown =>
      typeof item !== 'object' || item === null
        ? item
        : Object.fromEntries(
            Object.entries(item).map(([key, inner]) => [key, key === 'metadata' ? bare(inner) : inner]),
          )
    return Object.fromEntries(
      Object.entries(event).flatMap(([key, value]): [string, unknown][] => {
        if (key === 'level') return [[key, RULES[now]]]
        if (key === 'requestObject') return now === 0 ? [] : [[key, strip(value)]]
        if (key === 'responseObject') return now < 2 ? [] : [[key, strip(value)]]
        return [[key, value]]
      }),
    )
  }

  test('cutting the bytes is the same as cutting objects', () => {
    fc.assert(
      fc.property(events, fc.nat(2), (event, level) => {
        const text = JSON.stringify(event)
        // A surrogate that stands alone is not what bytes can say.
        fc.pre(text.isWellFormed() && !/\\ud[89a-f]/.test(text))
        expect(
          decided(STEPS[level] as Step, text)
            .members.get('event')
            ?.bytes.toString(),
        ).toBe(JSON.stringify(naive(JSON.parse(text), level)))
      }),
      { numRuns: 300 },
    )
  })

  test('a byte that is wrong never makes it something else: it is left as it is, dropped, or still JSON', () => {
    fc.assert(
      fc.property(events, fc.nat(), fc.nat(255), (event, at, byte) => {
        const bytes = Buffer.from(JSON.stringify(event))
        bytes[at % bytes.length] = byte
        const { fate, failures, members } = decided(STEPS[0] as Step, bytes)
        const after = members.get('event')?.bytes ?? Buffer.alloc(0)
        if (fate === 'drop' || after.equals(bytes)) return
        expect(failures).toEqual([])
        expect(Object.keys(JSON.parse(after.toString()))).not.toContain('responseObject')
      }),
      { numRuns: 300 },
    )
  })
})

describe('policies of users', () => {
  const read = (name: string) => stepOf(readFileSync(new URL(`policies/${name}.yaml`, import.meta.url), 'utf8'))
  const at = (objectRef: unknown, more: Event = {}): Event => ({ ...E, objectRef, ...more })
  const as = (username: string, ...groups: string[]): Event => ({ user: { username, groups } })
  const core = (resource: string, namespace?: string, name?: string) => ({ resource, namespace, name })

  test.each<[string, Event, string]>([
    ['kube-proxy watches services', at(core('services'), { ...as('system:kube-proxy'), verb: 'watch' }), DROPPED],
    ['kube-proxy gets a service', at(core('services'), { ...as('system:kube-proxy') }), RQ],
    ['a node reads a node', at(core('nodes'), as('system:node:n1', 'system:nodes')), DROPPED],
    ['a secret is read', at(core('secrets', 'default')), M],
    ['a secret is written', at(core('secrets', 'default'), { verb: 'create' }), M],
    ['a token is reviewed', at({ apiGroup: 'authentication.k8s.io', resource: 'tokenreviews' }, { verb: 'create' }), M],
    ['a pod is read', E, RQ],
    ['a pod is deleted', { ...E, verb: 'delete' }, RR],
    ['an event is written', at(core('events', 'default'), { verb: 'create' }), DROPPED],
    ['autoscaling of Alibaba', at({ apiGroup: 'autoscaling.alibabacloud.com', resource: 'x' }, { verb: 'update' }), RR],
    ['health', N('/healthz?exclude=etcd'), DROPPED],
    ['another path', N('/openapi/v2'), M],
    ['a group that it does not know', at({ apiGroup: 'example.com', resource: 'x' }, { verb: 'create' }), M],
    ['a request that was only received', { ...E, stage: 'RequestReceived' }, DROPPED],
  ])('the default of ACK: %s', (_, event, expected) => expect(outcomeOf(read('ack-default'), event)).toBe(expected))

  test.each<[string, Event, string]>([
    ['a pod', E, RR],
    ['the log of a pod', L, M],
    ['the leader of controllers', at(core('configmaps', 'kube-system', 'controller-leader')), DROPPED],
    ['kube-proxy watches endpoints', at(core('endpoints'), { ...as('system:kube-proxy'), verb: 'watch' }), DROPPED],
    ['the list of APIs', { ...N('/apis/apps/v1?timeout=32s'), ...as('tim', 'system:authenticated') }, DROPPED],
    ['the same, without a login', { ...N('/apis/apps/v1'), ...as('system:anonymous', 'system:unauthenticated') }, M],
    ['a config map of kube-system', at(core('configmaps', 'kube-system', 'coredns'), { verb: 'update' }), RQ],
    ['a config map elsewhere', at(core('configmaps', 'default', 'a'), { verb: 'update' }), M],
    ['a service', at(core('services', 'default', 'a')), RQ],
    ['a deployment', at({ apiGroup: 'apps', resource: 'deployments', namespace: 'default' }), M],
    ['a request that was only received', { ...E, stage: 'RequestReceived' }, DROPPED],
  ])('a policy with every kind of rule: %s', (_, event, expected) =>
    expect(outcomeOf(read('article-one'), event)).toBe(expected),
  )

  test.each<[string, Event, string]>([
    ['the scheduler and a pod', { ...E, ...as('system:kube-scheduler') }, DROPPED],
    ['a person and a pod', E, M],
    ['a person and a deployment', at({ apiGroup: 'apps', resource: 'deployments' }), DROPPED],
    ['a person and the log of a pod', L, DROPPED],
  ])('a policy about pods alone: %s', (_, event, expected) =>
    expect(outcomeOf(read('article-two'), event)).toBe(expected),
  )
})
