import { describe, expect, test } from 'vitest'
import { BatchMemory } from '../../../src/pipeline/batch-memory.ts'
import { holds } from '../../../src/pipeline/reference/conditions.ts'
import { WasmEngine } from '../../../src/pipeline/wasm/engine.ts'
import { Kernel } from '../../../src/pipeline/wasm/kernel.ts'
import type { Condition } from '../../../src/routing/condition.ts'
import { expressionOf, logWith } from './condition-logs.ts'
import { position, programOf } from './encode-all.ts'
import { content, group, list, log } from './wire.ts'

/** The vectors of the contract. */
const A = {
  status: '404',
  uri: '/healthz',
  ua: 'kube-probe/1.31',
  size: '1200',
  ip: '10.1.2.3',
  empty: '',
  msg: 'Failed password for root from 203.0.113.9',
  path: '/etc/shadow.d/x',
  'a.b': 'dotted',
  a: '{"b":"nested"}',
  Name: 'Bob',
}
const B = {
  event:
    '{"eventName":"DeleteTrail","errorCode":null,"userIdentity":{"userName":"alice"},"n":403,"ok":true,"groups":["admins","ops"],"annotations":{"authorization.k8s.io/decision":"forbid"},"list":[{"id":"a"},{"id":"b"}]}',
}
const NAMES = {
  macros: new Map([['probe', 'ua startswith kube-probe/']]),
  lists: new Map([
    ['bad', ['404', '500']],
    ['more', ['301']],
  ]),
}

/** What both engines say. */
function answers(text: string, contents: Readonly<Record<string, string>>): boolean[] {
  const expression = expressionOf(text, NAMES)
  return [holds(expression, logWith(contents)), takes({ text, expression }, contents)]
}

/** Whether the fast engine takes a log by this condition. */
function takes(when: Condition, contents: Readonly<Record<string, string>>): boolean {
  const memory = new BatchMemory()
  const kernel = Kernel.open({ maxBatchBytes: 10_000, memory }, 1 << 20)
  if (kernel === undefined) throw new Error('no WebAssembly here')
  const body = list(group(log(...Object.entries(contents).map(([key, value]) => content(key, value)))))
  const place = kernel.slots.take(body.length) as number
  const placed = kernel.bytes.subarray(place, place + body.length)
  placed.set(body)
  const { routes, ...program } = programOf()
  const walk = new WasmEngine(kernel).open(placed, position, {
    ...program,
    routes: routes.map((one) => ({ ...one, when })),
  })
  return walk.nextBatch() !== undefined
}

describe('the vectors of the contract, in both engines', () => {
  test.for([
    'status = 404',
    'status == "404"',
    'status >= 400 and status < 500',
    'size > 1e3',
    'not nope = x',
    'not nope in (a, b)',
    'not nope exists',
    'empty exists',
    'empty = ""',
    'status in (200, 404)',
    'status in bad',
    'status in (more, bad)',
    'probe and uri = /healthz',
    'a = x or status = 404 and uri = /healthz',
    'status = 404 or status = 1 and uri = /x',
    'not not status = 404',
    'not status = 404 or uri = /healthz',
    'msg contains "Failed password"',
    'msg icontains FAILED',
    'ua glob kube-*/?.*',
    'Name iglob b?b',
    'path pmatch (/etc)',
    'path pmatch (/etc/shadow.*)',
    'msg regex "Failed.*"',
    'msg matches "from ([0-9]+\\\\.){3}[0-9]+$"',
    'tolower(Name) = bob',
    'len(Name) = 3',
    'basename(path) = x',
    'status = val(status)',
    'ip cidr (10.0.0.0/8)',
    'a.b = dotted',
  ])('A: %s', (text) => {
    expect(answers(text, A)).toEqual([true, true])
  })

  test.for([
    'status = 0404',
    'uri > 5',
    'nope = x',
    'nope != x',
    'nope in (a, b)',
    'nope exists',
    'not(status = 404)',
    'status in ()',
    'probe and uri = /x',
    '(status = 404 or status = 1) and uri = /x',
    'not probe',
    'msg contains failed',
    'Name glob b?b',
    'path pmatch (/etc/shadow)',
    'msg regex "password"',
    'ip cidr (192.168.0.0/16, 172.16.0.0/12)',
    'status.x exists',
  ])('A, not: %s', (text) => {
    expect(answers(text, A)).toEqual([false, false])
  })

  test.for([
    'event.userIdentity.userName = alice',
    'event.n > 400',
    'event.ok = true',
    'event.groups intersects (admins, x)',
    'event.groups in (admins, ops, z)',
    'event.groups = ops',
    'event.list[1].id = b',
    'event.annotations["authorization.k8s.io/decision"] = forbid',
  ])('B: %s', (text) => {
    expect(answers(text, B)).toEqual([true, true])
  })

  test.for([
    'event.errorCode exists',
    'event.errorCode != x',
    'event.groups in (admins)',
    'event.groups != ops',
    'event.list[5].id exists',
  ])('B, not: %s', (text) => {
    expect(answers(text, B)).toEqual([false, false])
  })
})
