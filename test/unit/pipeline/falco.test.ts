import { describe, expect, test } from 'vitest'
import { holds } from '../../../src/pipeline/reference/conditions.ts'
import type { Log } from '../../../src/pipeline/reference/log.ts'
import { factsOf, readLog } from '../../../src/pipeline/reference/log.ts'
import { LogGroup, logGroupsOf } from '../../../src/pipeline/reference/log-group.ts'
import { applyShape } from '../../../src/pipeline/reference/shape.ts'
import { parseCondition } from '../../../src/routing/condition.ts'
import { parsePath } from '../../../src/routing/path.ts'
import type { Step } from '../../../src/routing/step.ts'
import { position } from './encode-all.ts'
import { content, group, list, log, time } from './wire.ts'

function logOf(contents: Readonly<Record<string, string>>): Log {
  const pairs = Object.entries(contents).map(([key, value]) => content(key, value))
  const [bytes] = logGroupsOf(list(group(log(time(1_790_000_000), ...pairs))))
  const parsed = new LogGroup(bytes as Buffer)
  const [first] = parsed.logs()
  return readLog(factsOf(parsed, position), first as Buffer, 'override')
}

/** Macros that Falco's own rules bring. */
const macros = new Map([
  ['container', 'container.id != host'],
  ['spawned_process', 'evt.type in (execve, execveat) and evt.dir=<'],
])

function decides(condition: string, shaped: Log): boolean {
  const parsed = parseCondition(condition, { macros, lists: new Map() })
  if ('problem' in parsed) throw new Error(`${condition}: ${parsed.problem}`)
  return holds(parsed.expression, shaped)
}

const sudo = { 'evt.type': 'execve', 'evt.dir': '<', 'container.id': '3ad7b26ded6d', 'proc.name': 'sudo' }
const nginx = { ...sudo, 'container.image': 'nginx:1.27', 'proc.name': 'bash' }
const SUDO = 'evt.type = execve and evt.dir=< and container.id != host and proc.name = sudo'
const NGINX = 'spawned_process and container and container.image startswith nginx and not proc.name in (nginx)'

describe('conditions of sysdig and Falco hold as they are written', () => {
  test.each<[string, Readonly<Record<string, string>>, boolean]>([
    ['proc.name=kubelet', { 'proc.name': 'kubelet' }, true],
    ['proc.name=calico', { 'proc.name': 'kubelet' }, false],
    ['evt.type=accept', { 'evt.type': 'accept' }, true],
    ['fd.name contains /etc', { 'fd.name': '/etc/hosts' }, true],
    ['container.name=web1', { 'container.name': 'web1' }, true],
    ['container.name=web', { 'container.name': 'web1' }, false],
    ['fd.type=file', { 'fd.type': 'file' }, true],
    ['proc.name=etcd', { 'proc.name': 'etcd' }, true],
    ['fd.directory=/tmp/', { 'fd.directory': '/tmp/' }, true],
    ['evt.num >= 59509 and evt.cpu < 2', { 'evt.num': '65611', 'evt.cpu': '1' }, true],
    ['evt.args exists', { 'evt.num': '1' }, false],
    [SUDO, sudo, true],
    [SUDO, { ...sudo, 'container.id': 'host' }, false],
    [SUDO, { ...sudo, 'evt.dir': '>' }, false],
    [NGINX, nginx, true],
    [NGINX, { ...nginx, 'proc.name': 'nginx' }, false],
    [NGINX, { ...nginx, 'container.image': 'ubuntu:24.04' }, false],
    [NGINX, { ...nginx, 'container.id': 'host' }, false],
  ])('%s', (condition, contents, expected) => expect(decides(condition, logOf(contents))).toBe(expected))

  test('on a line of sysdig, parsed', () => {
    const field = parsePath('content')
    if ('problem' in field) throw new Error(field.problem)
    const step: Step = { name: 'parse', field, as: 'sysdig', prefix: '', onFailure: 'keep' }
    const line = '59509 23:59:19.023099531 0 kubelet (1738) < epoll_ctl'
    expect(
      decides(
        'proc.name=kubelet and evt.dir=< and evt.type = epoll_ctl',
        applyShape(logOf({ content: line }), [step], 'r'),
      ),
    ).toBe(true)
  })
})

describe('an alert of Falco', () => {
  const alert = {
    hostname: 'node-1',
    priority: 'Warning',
    rule: 'Unauthorized process on nginx containers',
    output_fields: { 'proc.name': 'bash', 'k8s.pod.name': null, 'container.id': 'host' },
    tags: ['users', 'container'],
    message: null,
  }
  const merge: Step = { name: 'json', fields: ['content'], into: 'merge', required: false, onFailure: 'keep' }
  const merged = applyShape(logOf({ content: JSON.stringify(alert), _source_: 'stdout' }), [merge], 'route')

  test('is lifted into the event as it is', () => {
    const event = Object.fromEntries(
      [...merged.members].map(([key, { bytes, isJson }]) => [
        key,
        isJson ? JSON.parse(bytes.toString()) : bytes.toString(),
      ]),
    )
    expect(event).toEqual({ __topic__: '', __source__: '', _source_: 'stdout', ...alert })
  })

  test.each<[string, boolean]>([
    ['severity(priority) = 4', true],
    ['severity(priority) <= 3', false],
    ['severity(message) <= 7', false],
    ['output_fields["proc.name"] = bash', true],
    ['output_fields["k8s.pod.name"] exists', false],
    ['output_fields["k8s.pod.name"] != web', false],
    ['not output_fields["k8s.pod.name"] exists', true],
    ['message exists', false],
    ['tags intersects (container)', true],
  ])('%s is %s', (condition, expected) => expect(decides(condition, merged)).toBe(expected))

  test.each(['Emergency', 'Alert', 'Critical', 'Error', 'Warning', 'Notice', 'Informational', 'Debug'])(
    'of priority %s has the severity of syslog',
    (priority) => {
      const names = ['Emergency', 'Alert', 'Critical', 'Error', 'Warning', 'Notice', 'Informational', 'Debug']
      expect(decides(`severity(priority) = ${names.indexOf(priority)}`, logOf({ priority }))).toBe(true)
    },
  )
})
