import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseApacheCombined, parseApacheCommon, parseApacheError } from '../../../../src/pipeline/lines/apache.ts'
import { parseCef } from '../../../../src/pipeline/lines/cef.ts'
import { parseCri, parseKlog, parseSysdig } from '../../../../src/pipeline/lines/containers.ts'
import { parseIptables } from '../../../../src/pipeline/lines/iptables.ts'
import { parseKeyValue, parseLogfmt } from '../../../../src/pipeline/lines/key-value.ts'
import { parseSyslog, parseSyslog3164, parseSyslog5424 } from '../../../../src/pipeline/lines/syslog.ts'
import { cpuMillisOf } from '../../../support/cpu-time.ts'

const object = (fields: ReadonlyMap<string, string> | undefined) => fields && Object.fromEntries(fields)

test.each<[string, object | undefined]>([
  [
    '2016-10-06T00:17:09.669794202Z stdout F a line',
    { time: '2016-10-06T00:17:09.669794202Z', stream: 'stdout', flag: 'F', message: 'a line' },
  ],
  [
    '2016-10-06T00:17:09+08:00 stderr P  part',
    { time: '2016-10-06T00:17:09+08:00', stream: 'stderr', flag: 'P', message: ' part' },
  ],
  ['2016-10-06T00:17:09Z stdout F', { time: '2016-10-06T00:17:09Z', stream: 'stdout', flag: 'F', message: '' }],
  ['2016-10-06T00:17:09Z stdin F x', undefined],
  ['2016-10-06T00:17:09Z stdout X x', undefined],
  ['yesterday stdout F x', undefined],
  ['', undefined],
])('cri: %s', (line, expected) => expect(object(parseCri(line))).toEqual(expected))

test.each<[string, object | undefined]>([
  [
    'I0102 15:04:05.000000       7 file.go:9] text: x] y',
    { level: 'I', timestamp: '0102 15:04:05.000000', thread: '7', file: 'file.go', line: '9', message: 'text: x] y' },
  ],
  [
    'E0102 15:04:05.000000 1 a.go:1]',
    { level: 'E', timestamp: '0102 15:04:05.000000', thread: '1', file: 'a.go', line: '1', message: '' },
  ],
  ['D0102 15:04:05.000000 1 a.go:1] x', undefined],
  ['I0102 15:04:05 1 a.go:1] x', undefined],
  ['', undefined],
])('klog: %s', (line, expected) => expect(object(parseKlog(line))).toEqual(expected))

test.each<[string, object | undefined]>([
  [
    '59509 23:59:19.023099531 0 kubelet (1738) < epoll_ctl args',
    {
      ...{ 'evt.num': '59509', 'evt.outputtime': '23:59:19.023099531', 'evt.cpu': '0', 'proc.name': 'kubelet' },
      ...{ 'thread.tid': '1738', 'evt.dir': '<', 'evt.type': 'epoll_ctl', 'evt.args': 'args' },
    },
  ],
  [
    '1 00:00:00.1 12 a (b) c (-1) > switch',
    {
      ...{ 'evt.num': '1', 'evt.outputtime': '00:00:00.1', 'evt.cpu': '12', 'proc.name': 'a (b) c' },
      ...{ 'thread.tid': '-1', 'evt.dir': '>', 'evt.type': 'switch', 'evt.args': '' },
    },
  ],
  [
    '65611 05:29:20.772919597 1 sshd (22944.22945) > write fd=3(<4t>192.168.130.1:58986->192.168.130.147:22) size=4148',
    {
      ...{ 'evt.num': '65611', 'evt.outputtime': '05:29:20.772919597', 'evt.cpu': '1', 'proc.name': 'sshd' },
      ...{ 'proc.pid': '22944', 'thread.tid': '22945', 'evt.dir': '>', 'evt.type': 'write' },
      'evt.args': 'fd=3(<4t>192.168.130.1:58986->192.168.130.147:22) size=4148',
    },
  ],
  ['1 00:00:00.1 12 a b', undefined],
  ['', undefined],
])('sysdig: %s', (line, expected) => expect(object(parseSysdig(line))).toEqual(expected))

describe('key=value', () => {
  test.each<[string, object]>([
    [
      'authentication failure; logname= uid=0 tty=ssh ruser= rhost=203.0.113.9  user=root',
      { logname: '', uid: '0', tty: 'ssh', ruser: '', rhost: '203.0.113.9', user: 'root' },
    ],
    [`a="two words" b='it is' c=(x y) d=[1 2] e=f"g`, { a: 'two words', b: 'it is', c: 'x y', d: '1 2', e: 'f"g' }],
    ['a="say \\"hi\\" C:\\\\x \\n"', { a: 'say "hi" C:\\x \\n' }],
    ['a="open b=2', { a: '"open', b: '2' }],
    ['a="x"y b=2', { a: '"x"y', b: '2' }],
    ['a=1 a=2 a_2=3 a=4', { a: '1', a_2: '2', a_2_2: '3', a_3: '4' }],
    ['a=b=c =d word', { a: 'b=c' }],
    ['__proto__=1 constructor=2', JSON.parse('{"__proto__":"1","constructor":"2"}')],
    ['', {}],
  ])('%s', (text, expected) => expect(object(parseKeyValue(text))).toEqual(expected))

  test('other characters may stand between', () => {
    expect(object(parseKeyValue('a:1|b:two words|c: 3', '|', ':'))).toEqual({
      a: '1',
      b: 'two words',
      c: ' 3',
    })
    expect(object(parseKeyValue('a=1;b=2, c=3', ';, '))).toEqual({ a: '1', b: '2', c: '3' })
  })
})

test.each<[string, object | undefined]>([
  [
    'level=info msg="two \\"words\\"\\n\\u00e9" took=1.5s debug',
    { level: 'info', msg: 'two "words"\né', took: '1.5s' },
  ],
  ['a= b=(x y)', { a: '', b: '(x' }],
  ['a="\\x\\q\\u12 C:\\\\t\\/"', { a: '\\x\\q\\u12 C:\\t/' }],
  ['plain words', undefined],
])('logfmt: %s', (line, expected) => expect(object(parseLogfmt(line))).toEqual(expected))

test.each<[string, object | undefined]>([
  [
    'CEF:0|Security|threatmanager|1.0|100|worm successfully stopped|10|src=10.0.0.1 dst=2.1.2.2 spt=1232',
    {
      ...{ version: '0', vendor: 'Security', product: 'threatmanager', device_version: '1.0', signature: '100' },
      ...{ name: 'worm successfully stopped', severity: '10', src: '10.0.0.1', dst: '2.1.2.2', spt: '1232' },
    },
  ],
  [
    'Jul  5 09:30:00 h CEF:1|a\\|b|c\\\\|1|2|n=x|Low|msg=two words \\= one\\nline  cs1Label=a.b cs1= act=blocked a \\\\ ',
    {
      ...{
        version: '1',
        vendor: 'a|b',
        product: 'c\\',
        device_version: '1',
        signature: '2',
        name: 'n=x',
        severity: 'Low',
      },
      ...{ msg: 'two words = one\nline', cs1Label: 'a.b', cs1: '', act: 'blocked a \\' },
    },
  ],
  [
    'CEF:0|a|b|c|d|e|f|',
    { version: '0', vendor: 'a', product: 'b', device_version: 'c', signature: 'd', name: 'e', severity: 'f' },
  ],
  ['CEF:0|a|b|c|d|e|f', undefined],
  ['XCEF:0|a|b|c|d|e|f|', undefined],
  ['', undefined],
])('cef: %s', (line, expected) => expect(object(parseCef(line))).toEqual(expected))

const PARSERS = {
  parseCef,
  ...{ parseApacheCommon, parseApacheCombined, parseApacheError, parseCri, parseKlog, parseSysdig },
  ...{ parseIptables, parseKeyValue, parseLogfmt, parseSyslog, parseSyslog3164, parseSyslog5424 },
}

describe.each(Object.entries(PARSERS))('%s', (_, parse) => {
  test('takes any text without an error', () => {
    const pieces = [
      ...'[]()<>"\\=:;-+. \n\t\u0000é0123aZ',
      'IN=',
      ' OUT=',
      '[client ',
      '(1) < ',
      '<34>1 ',
      'Jul  5 09:30:00 ',
      '[10/Oct/2000:13:55:36 -0700] ',
    ]
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...pieces), maxLength: 60 }), (text) => void parse(text)),
      { numRuns: 200 },
    )
  })

  test('a hostile line of 100 kB takes no time', () => {
    const starts = [
      '',
      '1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 1 "',
      '<34>1 - - - - - [a ',
      'Jul  5 09:30:00 h ',
      'IN=a OUT=b ',
      'CEF:0|a|b|c|d|e|f|',
      '1 00:00:00.1 0 ',
      '[Wed Oct 11 14:32:52 2000] [error] (1)',
    ]
    const units = [
      '"',
      '\\',
      'a="',
      'a=(',
      'a=(b ',
      "a=' ",
      'a=1 ',
      ' ',
      '[',
      'x',
      ': ',
      'b="c" ',
      '[client ',
      '(1) < ',
      '(1',
      '\\"',
      'a=[b=(c="d ',
    ]
    for (const start of starts) {
      for (const unit of units) {
        const text = start + unit.repeat(100_000 / unit.length)
        expect(
          cpuMillisOf(() => parse(text)),
          JSON.stringify([start, unit]),
        ).toBeLessThan(100)
      }
    }
  })
})
