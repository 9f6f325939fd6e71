import { describe, expect, test } from 'vitest'
import { parseCef } from '../../../../src/pipeline/lines/cef.ts'
import { Framer } from '../../../../src/sinks/syslog/frames.ts'
import type { MessageOptions } from '../../../../src/sinks/syslog/message.ts'
import { envelopes, MESSAGES } from './syslog-bench.ts'

const ID = 'trail:3:1447299606896632356:12'
const TIME = '1795949622.123456789'

/** The message of a log, without its line end. */
function written(event: unknown, options: Partial<MessageOptions>): string {
  const batch = envelopes([{ id: ID, event, time: TIME }])
  const framer = new Framer({ ...MESSAGES, header: 'none', framing: 'lf', ...options })
  const pieces = [...framer.pieces(batch, { from: 0, to: 1 }, ({ length }) => expect.fail(`too long: ${length}`))]
  const text = Buffer.concat(pieces.map(({ bytes }) => bytes)).toString()
  expect(text.endsWith('\n')).toBe(true)
  return text.slice(0, -1)
}
const cef = (event: unknown, more: Partial<MessageOptions> = {}) => written(event, { format: 'cef', ...more })
const leef = (event: unknown, more: Partial<MessageOptions> = {}) => written(event, { format: 'leef', ...more })
const logOf = (topic: string, contents: object) => ({ __topic__: topic, __source__: '', ...contents })
const trail = (event: object) => logOf('actiontrail_audit_event', { event: JSON.stringify(event) })

const STOP = {
  eventName: 'StopInstance',
  eventTime: '2026-11-29T10:53:42.123Z',
  eventRW: 'Write',
  eventType: 'ApiCall',
  sourceIpAddress: '10.1.2.3',
  userIdentity: { userName: 'alice', type: 'ram-user', accountId: 12345678901234567890n.toString() },
}

/** Keys and values of an extension as a reader of LEEF finds them. */
function leefPairs(text: string): Record<string, string> {
  const pairs = text.split('|').slice(5).join('|').split('\t')
  return Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]))
}

describe('CEF', () => {
  test('has the header and the keys of a call in ActionTrail, then the rest and the id', () => {
    const text = cef(trail(STOP))
    const at = Date.parse(STOP.eventTime)
    expect(text).toMatch(
      `CEF:0|Alibaba Cloud|ActionTrail|1|StopInstance|StopInstance|3|rt=${at} src=10.1.2.3 suser=alice outcome=success cat=ApiCall act=StopInstance spriv=ram-user cs1=12345678901234567890 cs1Label=accountId topic=actiontrail\\_audit\\_event event=`.replaceAll(
        '\\_',
        '_',
      ),
    )
    expect(text.endsWith(` slsEventId=${ID}`)).toBe(true)
    expect(JSON.parse(parseCef(text)?.get('event') ?? '')).toEqual(STOP)
  })

  test('finds the same in an event that is JSON, with its white space, and beside it', () => {
    const spaced = logOf('actiontrail_event', { event: JSON.stringify(STOP, null, 2) })
    for (const log of [logOf('actiontrail_event', { event: STOP }), spaced, logOf('actiontrail_event', STOP)]) {
      expect(cef(log)).toContain(
        ' src=10.1.2.3 suser=alice outcome=success cat=ApiCall act=StopInstance spriv=ram-user ',
      )
    }
  })

  test.each([
    ['/a?b=c|d', '/a?b\\=c|d'],
    ['C:\\dir\\', 'C:\\\\dir\\\\'],
    ['l1\r\nl2', 'l1\\r\\nl2'],
    ['user=bob src=9.9.9.9', 'user\\=bob src\\=9.9.9.9'],
    ['\\n is two bytes', '\\\\n is two bytes'],
    ['{"q":"a=b","p":"C:\\\\x"}', '{"q":"a\\=b","p":"C:\\\\\\\\x"}'],
    ['张三', '张三'],
    ['a\tb\u0000c  ', 'a b c'],
  ])('escapes the value %j', (value, expected) => {
    expect(cef({ a: value, b: 'x' })).toBe(
      `CEF:0|Alibaba Cloud|Log Service|1|log|log|3|rt=1795949622123 a=${expected} b=x slsEventId=${ID}`,
    )
  })

  test('escapes bars and backslashes of its header, and nothing else', () => {
    expect(cef(logOf('a|b\\c=d\ne', {}))).toMatch(
      /^CEF:0\|Alibaba Cloud\|Log Service\|1\|a\\\|b\\\\c=d e\|a\\\|b\\\\c=d e\|3\|/,
    )
  })

  test('names what it does not know by letters and digits, never as what the standard means', () => {
    const log = {
      src: 'x',
      '__tag__:__hostname__': 'h',
      'a-b': '1',
      ab: '2',
      'a.b': '3',
      张: '4',
      '-': '5',
      cs1Label: '6',
      slsEventId: '7',
      empty: '',
    }
    expect(cef(log)).toBe(
      `CEF:0|Alibaba Cloud|Log Service|1|log|log|3|rt=1795949622123 slsSrc=x taghostname=h ab=1 ab2=2 ab3=3 slsField=4 slsField2=5 slsCs1Label=6 slsEventId2=7 slsEventId=${ID}`,
    )
  })

  test.each([
    ['10.1.2.3', 'src=10.1.2.3'],
    ['2001:db8::1', 'c6a2=2001:db8::1 c6a2Label=Source IPv6 Address'],
    ['oss.aliyuncs.com', 'shost=oss.aliyuncs.com'],
  ])('puts the address %s where it belongs', (sourceIpAddress, expected) => {
    expect(cef(trail({ ...STOP, sourceIpAddress }))).toContain(` ${expected} suser=`)
  })

  test('a dash and an empty text are nothing, and a time in seconds becomes milliseconds', () => {
    const log = {
      srcaddr: '10.0.0.1',
      dstaddr: '-',
      protocol: '6',
      action: 'REJECT',
      start: '1795949000',
      'eni-id': 'eni-1',
    }
    expect(cef(logOf('flow_log', log))).toBe(
      `CEF:0|Alibaba Cloud|VPC Flow Log|1|flow_log|flow_log|3|rt=1795949000000 src=10.0.0.1 proto=tcp act=blocked start=1795949000000 deviceExternalId=eni-1 topic=flow_log dstaddr=- protocol=6 action=REJECT slsStart=1795949000 slsEventId=${ID}`,
    )
  })

  test('has no TAG before it in RFC 3164, and structured data in RFC 5424', () => {
    expect(cef({ a: 'b' }, { header: 'rfc3164' })).toMatch(/^<14>Nov 29 \d\d:\d\d:42 prod CEF:0\|/)
    expect(cef({ a: 'b' }, { header: 'rfc5424' })).toMatch(/shard="3"\] CEF:0\|.* slsEventId=trail/)
  })

  test('carries an event that is no object, and JSON that is broken', () => {
    expect(cef('a line')).toContain(' slsField=a line ')
    expect(cef(logOf('actiontrail_event', { event: '{"eventName":' }))).toContain(' event={"eventName": slsEventId')
  })

  test('is read back whole wherever it is cut', () => {
    const value = 'a=\\|\n😀é张 '.repeat(200)
    const log = trail({ ...STOP, requestParameters: { value }, errorMessage: value })
    const whole = Buffer.byteLength(cef(log, { maxBytes: 100_000 }))
    for (let maxBytes = 700; maxBytes < 760; maxBytes++) {
      const text = cef(log, { maxBytes })
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(maxBytes)
      expect(text).not.toMatch(/\ufffd|[^\\]= |[^\\]=$/)
      const read = parseCef(text)
      expect(read?.get('slsTruncated')).toBe(String(whole))
      expect(read?.get('slsEventId')).toBe(ID)
      expect(read?.get('rt')).toBe(String(Date.parse(STOP.eventTime)))
      expect(value.startsWith(read?.get('msg') ?? 'absent')).toBe(true)
    }
  })
})

describe('LEEF', () => {
  test('has the header and the keys of a call in ActionTrail', () => {
    const text = leef(trail(STOP))
    expect(
      text.startsWith(
        `LEEF:1.0|Alibaba Cloud|ActionTrail|1|StopInstance|devTime=${Date.parse(STOP.eventTime)}\tsrc=10.1.2.3\tusrName=alice\tcat=ApiCall\trole=ram-user\taccountName=12345678901234567890\tsev=3\t`,
      ),
    ).toBe(true)
    expect(leefPairs(text)).toMatchObject({
      topic: 'actiontrail_audit_event',
      event: JSON.stringify(STOP),
      slsEventId: ID,
    })
  })

  test('replaces what it cannot escape', () => {
    expect(leef(logOf('E|x', { msg: 'tab\there line1\nline2', url: '/a?b=c' }))).toBe(
      `LEEF:1.0|Alibaba Cloud|Log Service|1|E_x|devTime=1795949622123\tsev=2\ttopic=E|x\tmsg=tab here line1\\nline2\tslsUrl=/a?b=c\tslsEventId=${ID}`,
    )
  })

  test('takes IPv6 as an address, and a name not', () => {
    expect(leef(trail({ ...STOP, sourceIpAddress: '2001:db8::1' }))).toContain('\tsrc=2001:db8::1\t')
    expect(leef(trail({ ...STOP, sourceIpAddress: 'sls.aliyuncs.com' }))).not.toContain('\tsrc=')
  })

  test('keeps its form when it is cut', () => {
    const text = leef(logOf('t', { long: '张\n'.repeat(3_000), short: 'kept' }), { maxBytes: 1_000 })
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(1_000)
    expect(leefPairs(text)).toMatchObject({ devTime: '1795949622123', sev: '2', short: 'kept', slsEventId: ID })
    expect(Number(leefPairs(text)['slsTruncated'])).toBeGreaterThan(12_000)
  })
})

test.each([
  [trail({ ...STOP, eventType: 'ConsoleSignin', errorCode: 'x' }), [4, 7, 7]],
  [trail({ ...STOP, userIdentity: { type: 'root-account' } }), [4, 7, 7]],
  [trail({ ...STOP, errorCode: 'Forbidden.RAM' }), [4, 6, 6]],
  [trail({ ...STOP, errorCode: 'Throttling' }), [5, 4, 4]],
  [trail(STOP), [5, 3, 3]],
  [trail({ ...STOP, eventRW: 'Read', errorCode: '' }), [6, 1, 1]],
  [logOf('waf_access_log', { final_action: 'block', final_rule_type: 'sqli' }), [3, 8, 8]],
  [logOf('waf_access_log', { final_action: 'captcha', final_rule_type: 'cc' }), [4, 6, 6]],
  [logOf('waf_access_log', { waf_test: 'true' }), [5, 4, 4]],
  [logOf('waf_access_log', { status: '200' }), [6, 3, 2]],
  [logOf('', { priority: 'Emergency', rule: 'r', output: 'o' }), [0, 10, 10]],
  [logOf('', { priority: 'Debug', rule: 'r', output: 'o' }), [7, 0, 1]],
  [logOf('', { auditID: 'a', verb: 'get', responseStatus: '{"code":403}' }), [4, 6, 6]],
  [logOf('', { event: { auditID: 'a', verb: 'get', responseStatus: { code: 404 } } }), [5, 4, 4]],
  [logOf('', { auditID: 'a', verb: 'get', responseStatus: '{"code":500}' }), [3, 5, 5]],
  [logOf('', { auditID: 'a', verb: 'create', objectRef: '{"resource":"secrets"}' }), [5, 5, 5]],
  [logOf('', { auditID: 'a', verb: 'create', objectRef: '{"resource":"pods","subresource":"exec"}' }), [5, 5, 5]],
  [logOf('', { auditID: 'a', verb: 'get', stage: 'Panic' }), [2, 8, 8]],
  [logOf('app', { level: 'WARN' }), [4, 6, 6]],
  [logOf('app', { severity: '3' }), [3, 8, 8]],
  [logOf('app', { level: 'loud' }), [6, 3, 2]],
])('the severity of %j is %j', (log, [ofSyslog = -1, ofCef, ofLeef]) => {
  expect(cef(log)).toContain(`|${ofCef}|rt=`)
  expect(leef(log)).toContain(`\tsev=${ofLeef}\t`)
  const auto = written(log, { format: 'json', header: 'rfc5424', severity: 'auto' })
  expect(auto.startsWith(`<${8 + ofSyslog}>1 `)).toBe(true)
})
