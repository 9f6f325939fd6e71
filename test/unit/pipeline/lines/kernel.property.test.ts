import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Program } from '../../../../src/pipeline/program.ts'
import { TopicSelection } from '../../../../src/pipeline/select.ts'
import type { LineShape, Step } from '../../../../src/routing/step.ts'
import { assertFor, compare, expectNoHandOver } from '../both-engines.ts'
import { expressionOf, pathOf, templateOf } from '../condition-logs.ts'
import { position } from '../encode-all.ts'
import { content, group, list, log, time } from '../wire.ts'

const ACCESS = [
  '127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326',
  '2001:db8::1 - - [10/Oct/2000:13:55:36 +0000] "-" 408 -',
  '10.0.0.1 - john smith [11/Dec/2013:00:01:45 -0800] "GET /x" 304 0 "-" "curl/8.0"',
  '10.0.0.1 - - [11/Dec/2013:00:01:45 -0800] "" 400 0 "-" "-"',
  '10.0.0.1 - - [11/Dec/2013:00:01:45 -0800] "POST /a?b=\\"c\\" HTTP/2" 502 3891 "http://a/b" "Mozilla/5.0 (X11) \\"q\\"" 0.5',
  '10.0.0.1 - - [11/Dec/2013:00:01:45 -0800] "\\x16\\x03" 400 226 "-" "-"\r\n',
]
const SYSLOG = [
  '<38>Jul  5 09:30:00 web-1 sshd[42]: Failed password for root',
  'Jul 15 09:30:00.123 web-1 kernel: [1.5] IN=eth0 OUT= ',
  'Jul 5 09:30:00 web-1 no program here',
  '<191>2026-07-05T09:30:00.5+08:00 web-1 CRON[7]:',
  '<0>2026-07-05T09:30:00Z web-1\n',
  '<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 - \ufeffAn application event',
  '<34>1 - - - - - -',
  '<165>1 2003-10-11T22:14:15.003Z host app 42 ID47 [sd@1 key="va\\"lue"] message',
  '<86>1 2026-12-01T13:23:45.041Z web-1 sshd 8039 - [a@1 ip="10.1.2.3" user="é"][b x="1" x="2"] pam',
]
const IPTABLES = [
  '[8415191.429757] IN=docker0 OUT=eth0 PHYSIN=veth2 SRC=172.17.0.4 DST=172.16.0.10 LEN=52 ID=15759 DF PROTO=TCP RES=0x00 ACK URGP=0 ',
  '[ 12.5] DROP: IN=eth0 OUT= LEN=76 PROTO=UDP LEN=56',
  'IN= OUT=lo PROTO=ICMP TYPE=3 [SRC=127.0.0.1 DST=127.0.0.1 LEN=60 ] MARK=0x1',
  'IN=a OUT=b OPT (020405B4) ACK message=1 OUT=c',
]
const LINES: Partial<Record<LineShape, readonly string[]>> = {
  apache_common: ACCESS,
  apache_combined: ACCESS,
  nginx_combined: ACCESS,
  syslog: SYSLOG,
  syslog_3164: SYSLOG,
  syslog_5424: SYSLOG,
  iptables: IPTABLES,
  cef: SYSLOG,
}
const shapeNames = Object.keys(LINES) as LineShape[]

/** A line of an example, mostly with something in it that does not belong there, or without something that does. */
const line = fc
  .tuple(
    fc.constantFrom(...ACCESS, ...SYSLOG, ...IPTABLES),
    fc.nat(),
    fc.constantFrom(0, 0, 0, 1, 2, 10),
    fc.constantFrom(
      ...[
        '',
        '',
        '',
        ' ',
        '  ',
        '"',
        '\\',
        '[',
        ']',
        '<',
        '>',
        ':',
        '-',
        '1',
        '999',
        'é',
        '\n',
        '\t',
        '\0',
        '\u00a0',
        ' [',
        '=',
        ' IN=',
        ' OUT=',
        ' LEN=1',
        '_2=',
      ],
    ),
  )
  .map(([text, at, cut, piece]) => {
    const place = at % (text.length + 1)
    return Buffer.from(text.slice(0, place) + piece + text.slice(place + cut))
  })
/** Times as lines have them, near the turn of a year, in leap years, and at the ends of what a kernel knows. */
const timeText = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(...'Jan Feb Mar feb DEC Jun Xyz'.split(' ')),
      fc.constantFrom(' 1', '1', '29', '30', '31', '00', ' 9'),
      fc.constantFrom('00:00:00', '23:59:60', '24:00:00', '09:30:00', '02:30:00'),
      fc.constantFrom('', '', '.5', '.123456789123', '.'),
    )
    .map(([month, day, clock, fraction]) => `${month} ${day} ${clock}${fraction}`),
  fc
    .tuple(
      fc.constantFrom('01/Jan/1970', '29/Feb/2023', '29/Feb/2024', '31/Dec/2037', '1/Oct/2000', '10/oct/2106'),
      fc.constantFrom('00:00:00', '23:59:59'),
      fc.constantFrom('-0700', '+08:00', 'Z', '+08', '+2400', '+0060', ''),
    )
    .map(([date, clock, offset]) => `${date}:${clock} ${offset}`),
  fc
    .tuple(
      fc.constantFrom('1999-12-31', '2000-01-01', '2037-12-31', '2038-01-19', '2026-03-29', '2026-10-25'),
      fc.constantFrom('00:00:00', '23:59:59', '02:30:00'),
    )
    .map(([date, clock]) => `${date}T${clock}`),
)
const value = fc.oneof(
  { weight: 8, arbitrary: line },
  { weight: 4, arbitrary: timeText.map((text) => Buffer.from(text)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(Buffer.from('ff', 'hex'), Buffer.from(`${SYSLOG[0]}\xff`, 'latin1'), Buffer.alloc(0)),
  },
)
const KEYS = ['content', 'message', 'response', 'x.program', 'other']
const body = fc
  .array(
    fc.uniqueArray(fc.tuple(fc.constantFrom(...KEYS, 'content'), value), { selector: ([key]) => key, maxLength: 4 }),
    {
      minLength: 1,
      maxLength: 6,
    },
  )
  .chain((logs) =>
    fc
      .constantFrom(7, 1_735_689_600, 1_709_164_800, 1_796_083_200, 4_102_444_799)
      .map((at) =>
        list(group(...logs.map((contents) => log(time(at), ...contents.map(([key, text]) => content(key, text)))))),
      ),
  )

const parse = fc
  .tuple(
    fc.constantFrom(...shapeNames),
    fc.constantFrom('content', 'content', 'content', 'message', 'x.y'),
    fc.constantFrom('', '', 'x.', '__tag__:'),
    fc.constantFrom('keep' as const, 'keep' as const, 'drop' as const, 'dead_letter' as const),
  )
  .map(([as, field, prefix, onFailure]): Step => ({ name: 'parse', field: pathOf(field), as, prefix, onFailure }))
const zone = fc.constantFrom('UTC', 'Asia/Shanghai', '+08:00', '-03:30', 'Europe/Berlin')
const others: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(fc.constantFrom('timestamp', 'content'), zone).map(
    ([field, name]): Step => ({
      ...{ name: 'time', field: pathOf(field), zone: name, onFailure: 'keep' },
      formats: [{ name: 'iso8601' }, { name: 'apache' }, { name: 'syslog' }],
    }),
  ),
  fc.constantFrom<Step>(
    { name: 'remove', fields: new Set(['content', 'agent']) },
    { name: 'keep', fields: new Set(['host', 'clientip', 'x.program', 'message']) },
    {
      name: 'rename',
      names: new Map([
        ['clientip', 'src'],
        ['program', 'message'],
      ]),
    },
    { name: 'add', values: new Map([['src', templateOf('{clientip}{host}')]]) },
    { name: 'raw', field: 'message' },
    { name: 'json', fields: ['message'], into: 'value', required: false, onFailure: 'keep' },
  ),
)
const whens = fc.constantFrom(
  undefined,
  'response >= 500',
  'program = sshd and message contains password',
  'x.program exists',
  'not request exists',
)

function programOf(shape: readonly Step[], ofRoute: readonly Step[], when: string | undefined): Program {
  const layout = { source: 's', sourcetype: 't' }
  return {
    ...{ topics: new TopicSelection([]), idScope: 'lines', reservedKeys: 'override', shape },
    routes: [
      {
        ...{ name: 'some', continue: false, shape: ofRoute },
        ...(when !== undefined && { when: { text: when, expression: expressionOf(when) } }),
        copies: [{ destination: { sink: 'one', maxBatchBytes: 900 }, layout }],
      },
      {
        ...{ name: 'rest', continue: false, shape: [] },
        copies: [{ destination: { sink: 'two', maxBatchBytes: 900 }, layout }],
      },
    ],
  }
}

test('both engines make the same fields of any line', { timeout: 60_000 }, () => {
  let sent = 0
  const property = fc.property(
    body,
    fc.array(parse, { minLength: 1, maxLength: 2 }),
    fc.array(others, { maxLength: 2 }),
    whens,
    fc.tuple(fc.boolean(), fc.boolean()),
    (logs, parses, more, when, [isHashed, isOfRoute]) => {
      const program = programOf(isOfRoute ? parses : [...parses, ...more], isOfRoute ? more : [], when)
      sent += compare(logs, program, isHashed ? { ...position, firstGroup: undefined } : position)
    },
  )
  assertFor(property, () => sent > 1000)
  expect(sent).toBeGreaterThan(5)
})

test.each([
  ['apache_combined', ACCESS[4]],
  ['nginx_combined', ACCESS[2]],
  ['apache_common', ACCESS[0]],
  ['syslog', SYSLOG[0]],
  ['syslog', SYSLOG[5]],
  ['syslog_3164', SYSLOG[1]],
  ['syslog_5424', SYSLOG[6]],
  ['syslog', SYSLOG[8]],
  ['iptables', IPTABLES[0]],
  ['iptables', IPTABLES[1]],
  ['iptables', IPTABLES[3]],
] as const)('a line of %s does not leave the kernel: %s', (as, text = '') => {
  const shape: Step[] = [{ name: 'parse', field: pathOf('content'), as, prefix: '', onFailure: 'keep' }]
  const bytes = list(group(log(time(7), content('content', text))))
  expectNoHandOver(bytes, programOf(shape, [], 'program = sshd'))
})
