import { describe, expect, test } from 'vitest'
import { SOURCE_KINDS, SourceLogs } from '../../../src/emulator/source-logs.ts'
import { parseApacheCombined } from '../../../src/pipeline/lines/apache.ts'
import { parseSysdig } from '../../../src/pipeline/lines/containers.ts'
import { parseIptables } from '../../../src/pipeline/lines/iptables.ts'
import { parseSyslog } from '../../../src/pipeline/lines/syslog.ts'

const NOW = Date.parse('2026-07-05T09:30:00.500Z')
type Kind = (typeof SOURCE_KINDS)[number]

const contentsOf = (kind: Kind, count = 300) =>
  new SourceLogs(7).group(kind, count, NOW).logs.map(({ content }) => content)
const jsonOf = (kind: Kind, key: string) => contentsOf(kind).map((contents) => JSON.parse(contents[key] ?? ''))
const keysOf = (all: readonly object[]): Set<string> => new Set(all.flatMap((one) => Object.keys(one)))

describe('logs as real sources write them', () => {
  test.each(SOURCE_KINDS)('%s: the same seed makes the same logs, another seed makes others', (kind) => {
    const group = (seed: number) => new SourceLogs(seed).group(kind, 50, NOW)
    expect(group(7)).toEqual(group(7))
    expect(group(7).logs.map(({ content }) => content)).not.toEqual(group(8).logs.map(({ content }) => content))
  })

  test.each(SOURCE_KINDS)('%s: contents are texts, and no time is later than now', (kind) => {
    for (const { timestamp, timestampNsPart, content } of new SourceLogs(7).group(kind, 300, NOW).logs) {
      expect(Object.values(content).every((value) => typeof value === 'string')).toBe(true)
      expect(timestamp * 1000 + timestampNsPart / 1_000_000).toBeLessThan(NOW + 1)
    }
  })

  test('actiontrail: the fields of its table, in one content', () => {
    const events = jsonOf('actiontrail', 'event')
    for (const key of [
      ...['eventId', 'eventVersion', 'eventCategory', 'eventName', 'eventSource', 'eventTime', 'eventType', 'eventRW'],
      ...['acsRegion', 'recipientAccountId', 'serviceName', 'sourceIpAddress', 'userAgent', 'requestId', 'apiVersion'],
      ...['isGlobal', 'userIdentity'],
    ])
      expect(events.every((event) => key in event)).toBe(true)
    expect(keysOf(events)).toContain('errorCode')
    expect(keysOf(events)).toContain('additionalEventData')
    expect(events[0].eventTime).toMatch(/^2026-07-05T09:30:00Z$|^2026-07-05T09:29:59Z$/)
    const keys = [...keysOf(events.map(({ userIdentity }) => userIdentity))]
    expect(keys).toEqual(['type', 'accountId', 'principalId', 'userName', 'accessKeyId', 'sessionContext'])
  })

  test('k8s_audit: the bodies of its level, and times in microseconds', () => {
    const events = jsonOf('k8s_audit', 'event')
    for (const { kind, apiVersion, level, objectRef, responseObject, requestObject, stageTimestamp } of events) {
      expect([kind, apiVersion]).toEqual(['Event', 'audit.k8s.io/v1'])
      expect(objectRef).toHaveProperty('resource')
      if (level === 'Metadata') expect([requestObject, responseObject]).toEqual([undefined, undefined])
      if (level !== 'RequestResponse') expect(responseObject).toBeUndefined()
      expect(stageTimestamp).toMatch(/T[\d:]{8}\.\d{6}Z$/)
    }
    expect(new Set(events.map(({ level }) => level))).toEqual(new Set(['Metadata', 'Request', 'RequestResponse']))
  })

  test('waf: an action only where a module matched', () => {
    const logs = contentsOf('waf')
    const attacks = logs.filter(({ final_action: action }) => action !== undefined)
    expect(attacks.length).toBeGreaterThan(30)
    expect(attacks.length).toBeLessThan(200)
    expect(attacks[0]).toMatchObject({ final_plugin: 'waf', waf_test: 'false', status: '405' })
  })

  test('vpc_flow: names with dashes, in the order of the table', () => {
    const [log] = contentsOf('vpc_flow')
    expect(Object.keys(log ?? {})).toEqual([
      ...[
        'version',
        'vswitch-id',
        'vm-id',
        'vpc-id',
        'account-id',
        'eni-id',
        'region',
        'srcaddr',
        'srcport',
        'dstaddr',
      ],
      ...['dstport', 'protocol', 'direction', 'packets', 'bytes', 'start', 'end', 'log-status', 'action', 'tcp-flags'],
      ...['traffic_path', 'srctype', 'dsttype'],
    ])
    expect(
      keysOf(contentsOf('vpc_flow').map((one) => ({ [one['log-status'] ?? '']: 1, [one['action'] ?? '']: 1 }))),
    ).toEqual(new Set(['OK', 'NODATA', 'ACCEPT', 'REJECT', '-']))
  })

  test('falco: priorities of several severities, and null where a field does not apply', () => {
    const alerts = jsonOf('falco', 'content')
    expect(new Set(alerts.map(({ priority }) => priority)).size).toBeGreaterThan(3)
    expect(alerts.some(({ output_fields: fields }) => fields['k8s.pod.name'] === null)).toBe(true)
    expect(alerts[0].time).toMatch(/\.\d{9}Z$/)
  })

  test('docker: text and JSON from both streams, with the fields of the collector', () => {
    const logs = contentsOf('docker')
    expect(logs.some(({ content = '' }) => content.startsWith('{'))).toBe(true)
    expect(new Set(logs.map(({ _source_: stream }) => stream))).toEqual(new Set(['stdout', 'stderr']))
    expect([...keysOf(logs)]).toEqual([
      ...['_time_', '_source_', '_image_name_', '_container_name_', '_container_ip_', '_pod_name_', '_pod_uid_'],
      ...['_namespace_', 'content'],
    ])
  })

  test.each([
    ['apache', parseApacheCombined],
    ['syslog', parseSyslog],
    ['iptables', parseSyslog],
    ['iptables', parseIptables],
    ['sysdig', parseSysdig],
  ] as const)('%s: every line has the shape of its parser', (kind, parse) => {
    for (const { content = '' } of contentsOf(kind)) expect([content, parse(content)]).not.toEqual([content, undefined])
  })
})
