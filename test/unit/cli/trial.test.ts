import { PassThrough, Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { checkCommand } from '../../../src/cli/check.ts'
import { deadLetterCommand } from '../../../src/cli/dead-letter.ts'
import { explainCommand } from '../../../src/cli/explain.ts'
import { lagCommand } from '../../../src/cli/lag.ts'
import { reconcileCommand } from '../../../src/cli/reconcile.ts'
import { runCommand } from '../../../src/cli/run.ts'
import { testCommand } from '../../../src/cli/test.ts'
import { temporaryFiles } from '../config/given-environment.ts'

const FILE = `version: 1
sources:
  trail: {endpoint: a.b, project: audit-hz, logstore: [one, two], group: siem, topics: ["", audit*]}
  web: {endpoint: a.b, project: web, logstore: access, group: siem}
sinks:
  splunk: {type: splunk_hec, url: "https://a:1", token: "\${NOT_SET}", index: cloud}
  archive: {type: file, path: out.jsonl}
lists: {probes: [/healthz]}
macros: {denied: event.errorCode startswith Forbidden}
routes:
  - {name: probes, from: [web], when: uri in probes, drop: health-check}
  - {name: denied, when: denied, to: archive, set: {host: "{who}"}, continue: true}
  - {name: rest, to: splunk, shape: [{json: event}, {json: {field: strict, required: true}}]}
`

async function ran(command: typeof testCommand, file: string, args: readonly string[] = [], stdin = '') {
  const { directory, write } = temporaryFiles()
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const io = { env: {}, stdin: Readable.from([stdin]), stdout, stderr, signal: new AbortController().signal }
  const code = await command(['--config', write('bridge.yaml', file), ...args], io)
  const said = (stream: PassThrough) => String(stream.read() ?? '').replaceAll(`${directory}/`, '')
  return { code, out: said(stdout), err: said(stderr) }
}

describe('test', () => {
  const tested = (tests: string) => ran(testCommand, `${FILE}tests:\n${tests}`)

  test('passes where all copies leave as expected, without a connection and without secrets', async () => {
    const tests = `
  - name: denied
    source: trail
    log: {event: '{"errorCode":"Forbidden.RAM","n":12345678901234567890}', who: alice, __time__: "1700000000.5"}
    expect:
      - {route: denied, sink: archive, host: alice, source: sls://audit-hz/one, event: {event: '{"errorCode":"Forbidden.RAM","n":12345678901234567890}'}}
      - {route: rest, sink: splunk, index: cloud, sourcetype: "aliyun:sls", time: 1700000000.5, event: {event: {n: 12345678901234567890}}}
  - {name: dropped, source: web, log: {uri: /healthz}, expect: []}
  - {name: topic, source: trail, log: {__topic__: other}, expect: []}
  - {name: logstore, source: trail, logstore: two, log: {}, expect: [{source: sls://audit-hz/two}]}
  - {name: exact, source: web, log: {a: 1, __tag__:k: v, __source__: 10.0.0.1}, expect: [{host: 10.0.0.1, event_is: {__topic__: "", __source__: 10.0.0.1, "__tag__:k": v, a: "1"}}]}
`
    expect(await tested(tests)).toEqual({
      code: 0,
      out: 'ok    denied\nok    dropped\nok    topic\nok    logstore\nok    exact\n5 passed\n',
      err: '',
    })
  })

  test('shows log, way and difference of a test that fails, and ends with 1', async () => {
    const tests = `
  - {name: wrong, source: web, log: {uri: /x, event: '{"errorCode":"Forbidden.RAM"}'}, expect: [{route: denied, event: {uri: /y, gone: 1}}]}
  - {name: right, source: web, log: {uri: /x}, expect: [{route: rest}]}
`
    const { code, out } = await tested(tests)
    expect(code).toBe(1)
    expect(out).toBe(`FAIL  wrong (bridge.yaml:16:5)
      source web, log {"uri":"/x","event":"{\\"errorCode\\":\\"Forbidden.RAM\\"}"}
      route probes: does not take it
        false  uri in probes   (uri = "/x")
      route denied: makes a copy, and it goes on
        true   event.errorCode startswith Forbidden   (event.errorCode = "Forbidden.RAM")
      route rest: takes it
      → expected 1 copy, and 2 copies leave: denied → archive, rest → splunk
      → copy 1: event.uri: expected "/y", found "/x"
      → copy 1: event.gone: expected 1, found nothing
ok    right
1 of 2 failed
`)
  })

  test.for([
    ['a key that is there', '{event_is: {uri: /x}}', 'event.__topic__: expected nothing, found ""'],
    ['a number that is a text', '{event: {event: {n: "1"}}}', 'event.event.n: expected "1", found 1'],
    ['a number in another spelling', '{event: {event: {n: 1.0}}}', 'event.event.n: expected 1.0, found 1'],
    ['an element of a list', '{event: {event: {l: [1, 3]}}}', 'event.event.l[1]: expected 3, found 2'],
    ['a list of another length', '{event: {event: {l: [1]}}}', 'event.event.l: expected [1], found [1,2]'],
    ['the time', '{time: 5}', 'time: expected 5, found 4.000000000'],
    ['the index', '{index: other}', 'index: expected "other", found "cloud"'],
  ] as const)('sees a difference in %s', async ([, expected, difference]) => {
    const log = `{uri: /x, event: '{"n":1,"l":[1,2]}', __time__: 4}`
    const { out } = await tested(`  - {name: n, source: web, log: ${log}, expect: [${expected}]}\n`)
    expect(out).toContain(`→ copy 1: ${difference}\n`)
  })

  test('says so where there are none, and ends with 2 for a wrong file', async () => {
    expect(await ran(testCommand, FILE)).toEqual({ code: 0, out: 'no tests\n', err: '' })
    const wrong = await tested('  - {name: n, source: nope, log: {}, expect: []}\n')
    expect(wrong).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringContaining('bridge.yaml:15:23  tests[0].source: nope'),
    })
  })
})

describe('run', () => {
  test('refuses a file with tests that fail, names each and its difference, and ends with 2', async () => {
    const file = FILE.replace('${NOT_SET}', 'x').replaceAll('group: siem', 'group: siem, credentials: main')
    const tests = `tests:
  - {name: wrong, source: web, log: {uri: /x}, expect: [{route: denied}]}
  - {name: right, source: web, log: {uri: /x}, expect: [{route: rest}]}
  - {name: too much, source: web, log: {uri: /healthz}, expect: [{}]}
`
    const { code, out, err } = await ran(runCommand, `${file}credentials: {main: {type: ecs_ram_role}}\n${tests}`)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err.split('\n').filter((line) => line.startsWith('  ') && !line.includes('allowed:'))).toEqual([
      '  bridge.yaml:16:5  test: wrong',
      '      fails: copy 1: route: expected "denied", found "rest"',
      '  bridge.yaml:18:5  test: too much',
      '      fails: expected 1 copy, and nothing leaves',
    ])
  })
})

describe('check --static', () => {
  const checked = (expected: string) => {
    const file = FILE.replace('${NOT_SET}', 'x').replaceAll('group: siem', 'group: siem, credentials: main')
    const tests = `tests: [{name: n, source: web, log: {uri: /x}, expect: ${expected}}]\n`
    return ran(checkCommand, `${file}credentials: {main: {type: ecs_ram_role}}\n${tests}`, ['-t'])
  }

  test('runs the tests of the file', async () => {
    const { code, out } = await checked('[{route: rest}]')
    expect({ code, out }).toEqual({ code: 0, out: expect.stringMatching(/\nok {4}tests +1 passed\nready\n$/) })
  })

  test('ends with 1 where one fails', async () => {
    const { code, out } = await checked('[]')
    expect({ code, out }).toEqual({
      code: 1,
      out: expect.stringMatching(
        /\nFAIL {2}tests +bridge\.yaml:15:9 n: expected no copy, and 1 copy leaves?: .*\n.*\nnot ready: 1 failed\n$/,
      ),
    })
  })
})

describe('explain of a syslog sink', () => {
  const log = [
    '--log',
    '{"__topic__":"actiontrail_event","__time__":"1790000000","event":"{\\"eventName\\":\\"StopInstance\\"}"}',
  ]
  const last = async (sink: string) => {
    const file = `version: 1
sources: {trail: {endpoint: a.b, project: audit, logstore: trail, group: siem}}
sinks: {qradar: {type: syslog, ${sink}}}
routes: [{name: all, to: qradar}]
`
    const { out } = await ran(explainCommand, file, ['--source', 'trail', ...log])
    return out.slice(out.indexOf('(route all)\n') + '(route all)\n'.length)
  }
  const HEAD = '<14>Sep 21 14:13:20 audit '
  const LEEF =
    'LEEF:1.0|Alibaba Cloud|ActionTrail|1|StopInstance|devTime=1790000000000\tsev=1\ttopic=actiontrail_event\tevent={"eventName":"StopInstance"}\tslsEventId=audit/trail:0:0:0'

  test.for([
    ['url: "tcp://a", format: leef, header: none', `${LEEF}\n`],
    ['url: "tcp://a", format: leef, header: rfc3164', `${HEAD}${LEEF}\n`],
    ['url: "tcp://a", format: leef, header: rfc3164, framing: octet', `${HEAD.length + LEEF.length} ${HEAD}${LEEF}\n`],
    ['url: "relp://a", format: leef, header: rfc3164', `${HEAD}${LEEF}\n`],
    ['url: "udp://a", format: leef, header: rfc3164', `${HEAD}${LEEF}\n`],
  ] as const)('shows the message as it would leave: %s', async ([sink, message]) => {
    expect(await last(sink)).toBe(message)
  })

  test('says that a message is too long', async () => {
    const sink =
      'url: "tcp://a", max_bytes: 480, oversize: dead-letter, app_name: a-name-of-48-letters-which-is-the-longest-allowed'
    expect(await last(`${sink}, hostname: "${'h'.repeat(250)}"`)).toMatch(
      /^nothing: the message would have \d+ bytes, and max_bytes is 480\n$/,
    )
  })
})

describe('explain', () => {
  const explained = (args: readonly string[], stdin?: string) => ran(explainCommand, FILE, args, stdin)

  test('shows every comparison to the route that took the log, and the bytes that would leave', async () => {
    const log =
      '{"__topic__":"audit","__source__":"10.0.0.1","__time__":1700000000.25,"who":7,"event":{"errorCode":"Forbidden.X","n":1e400}}'
    expect(await explained(['--source', 'trail', '--log', log])).toEqual({
      code: 0,
      err: '',
      out: `source trail, logstore audit-hz/one
route denied: makes a copy, and it goes on
  true   event.errorCode startswith Forbidden   (event.errorCode = "Forbidden.X")
route rest: takes it
→ archive (route denied)
{"time":1700000000.250000000,"host":"7","source":"sls://audit-hz/one","sourcetype":"aliyun:sls","event":{"__topic__":"audit","__source__":"10.0.0.1","who":"7","event":"{\\"errorCode\\":\\"Forbidden.X\\",\\"n\\":1e400}"},"fields":{"sls_event_id":"audit-hz/one:0:0:0"}}
→ splunk (route rest)
{"time":1700000000.250000000,"host":"10.0.0.1","source":"sls://audit-hz/one","sourcetype":"aliyun:sls","index":"cloud","event":{"__topic__":"audit","__source__":"10.0.0.1","who":"7","event":{"errorCode":"Forbidden.X","n":1e400}},"fields":{"sls_event_id":"audit-hz/one:0:0:0"}}
`,
    })
  })

  test.for([
    ['a route', ['--source', 'web', '--log', '{"uri":"/healthz"}'], 'dropped: health-check'],
    ['the topics of the source', ['--source', 'trail', '--log', '{"__topic__":"x"}'], 'dropped: topic'],
  ] as const)('shows the reason of a log that is dropped by %s, and no bytes', async ([, args, reason]) => {
    const { code, out } = await explained(args)
    expect({ code, last: out.trimEnd().split('\n').at(-1) }).toEqual({ code: 0, last: reason })
  })

  test('reads standard input, and takes the logstore that is named', async () => {
    const { out } = await explained(['--source', 'trail', '--logstore', 'two', '--log', '-'], '{"a":"b"}\n')
    expect(out).toContain('source trail, logstore audit-hz/two\n')
    expect(out).toContain('"sls_event_id":"audit-hz/two:0:0:0"')
  })

  test('shows a step that fails', async () => {
    const { out } = await explained(['--source', 'web', '--log', '{"strict":"no JSON"}'])
    expect(out).toContain('step rest/json failed\n')
    expect(out).toContain('"sls_parse_error":"rest/json"')
  })

  const reason = { code: '6', text: 'x', status: 400 }
  const place = { project: 'audit-hz', logstore: 'two' }

  test.for([
    ['as it is', (line: string) => line],
    ['that went through jq', (line: string) => line.replaceAll(/(?<=[{,])"|(?<=":)/g, (quote) => `\n  ${quote}`)],
  ] as const)('takes a line of a dead-letter file %s, with the time of its event', async ([, printed]) => {
    const event =
      '{"time":1700000000.123456789,"host":"h","source":"s","sourcetype":"t","event":{"__topic__":"audit","who":"bob","event":{"errorCode":"Forbidden.Y"}},"fields":{"sls_event_id":"i"}}'
    const origin = { ...place, shard: 1, cursor: 'MQ==', event_id: 'i', route: 'rest', sink: 'splunk' }
    const head = JSON.stringify({ reason, origin, at: '2026-11-30T00:00:00Z' })
    const { code, out } = await explained(['--log', '-'], printed(`${head.slice(0, -1)},"event":${event}}\n`))
    expect(code).toBe(0)
    expect(out).toContain('source trail, logstore audit-hz/two\n')
    expect(out).toContain('{"time":1700000000.123456789,"host":"bob","source":"sls://audit-hz/two"')
  })

  test.for([
    { reason: 'late', origin: 'eu', event: 'login' },
    { reason, origin: place, event: 'login' },
    { reason: {}, origin: {}, event: {} },
    { reason, origin: 'eu', event: {} },
    { reason: null, origin: null, event: null },
  ])('takes a log with contents named like those of a dead letter: %j', async (log) => {
    const { code, out } = await explained(['--source', 'web', '--log', JSON.stringify(log)])
    expect(code).toBe(0)
    expect(out).toContain('source web, logstore web/access\n')
  })

  test.for([
    ['is one text', 'a line', 'a dead letter whose event is one text'],
    ['has a wrong time', undefined, '__time__ of --log is no unix time'],
  ] as const)('a dead letter whose event %s is wrong usage', async ([, text, problem]) => {
    const event = text === undefined ? { time: 'now', event: {} } : { time: 1, event: text }
    const { code, err } = await explained(['--log', JSON.stringify({ reason, origin: place, event })])
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining(problem) })
  })

  test.for([
    [
      'a source that is not there',
      ['--source', 'trial', '--log', '{}'],
      'there is no source trial; did you mean trail?',
    ],
    ['no source', ['--log', '{}'], '--source is missing; there are trail, web'],
    [
      'a logstore of another source',
      ['--source', 'web', '--logstore', 'one', '--log', '{}'],
      'source web has no logstore one',
    ],
    ['no JSON', ['--source', 'web', '--log', '{'], '--log is no JSON'],
    ['a list', ['--source', 'web', '--log', '[1]'], '--log is no JSON object'],
    ['a number', ['--source', 'web', '--log', '1'], '--log is no JSON object'],
    ['a wrong time', ['--source', 'web', '--log', '{"__time__":"now"}'], '__time__ of --log is no unix time'],
  ] as const)('%s is wrong usage', async ([, args, problem]) => {
    const { code, out, err } = await explained(args)
    expect({ code, out, err }).toEqual({ code: 2, out: '', err: expect.stringContaining(problem) })
  })
})

test.for([
  ['test', testCommand, []],
  ['explain', explainCommand, ['--source', 'default', '--log', '{}']],
  ['lag', lagCommand, []],
  ['reconcile', reconcileCommand, ['--from', '-1h']],
  ['dead-letter', deadLetterCommand, ['list']],
] as const)('%s without a file says first how to name one', async ([, command, args]) => {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const code = await command(args, { env: {}, stdout, stderr, signal: new AbortController().signal })
  expect({ code, out: stdout.read() }).toEqual({ code: 2, out: null })
  expect(String(stderr.read())).toMatch(
    /^No configuration file is named: .*--config FILE.*BRIDGE_CONFIG.*\n\n.*SLS_ENDPOINT/s,
  )
})
