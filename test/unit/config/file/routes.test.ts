import { describe, expect, test } from 'vitest'
import { formatProblems } from '../../../../src/config/problems.ts'
import { accepted, fileOf, refused, SOURCE, told } from './given-file.ts'

/** A file with two sources and these routes, one a line from line 5 on. */
function withRoutes(routes: readonly string[], more: Readonly<Record<string, string>> = {}): string {
  const sources = `{trail: ${SOURCE}, web: {endpoint: a.b, project: web, logstore: [one, two], group: siem}}`
  return fileOf({ sources, routes: `\n${routes.map((route) => `  - ${route}\n`).join('')}`.trimEnd(), ...more })
}

const ALL = '{name: all, to: splunk}'

describe('names', () => {
  test.for([
    ['a sink', ['{name: a, to: splnk}'], '5:19 routes[0].to: there is no sink of this name; did you mean splunk?'],
    [
      'one of several sinks',
      ['{name: a, to: [splunk, qradar]}'],
      '5:28 routes[0].to[1]: there is no sink of this name',
    ],
    [
      'a source',
      ['{name: a, from: [wbe], to: splunk}', ALL],
      '5:22 routes[0].from[0]: there is no source of this name; did you mean web?',
    ],
    [
      'a list',
      ['{name: a, when: x in prob, to: splunk}', ALL],
      "5:26 routes[0].when: list expected: '(' or the name of a list; there is no list 'prob'",
    ],
    [
      'a macro',
      ['{name: a, when: not probe, to: splunk}', ALL],
      "5:25 routes[0].when: there is no macro 'probe', and no operator follows the field",
    ],
  ] as const)('%s that is not there is a problem at its place', ([, routes, problem]) => {
    expect(told(withRoutes(routes))).toContain(problem)
  })

  test('of a sink for unmatched logs, of credentials, and in tests', () => {
    const more = { unmatched: 'errorr', tests: '[{name: n, source: tail, log: {}, expect: [{route: al, sink: x}]}]' }
    expect(told(withRoutes([ALL], more))).toEqual([
      '6:12 unmatched: there is no sink of this name; did you mean error?',
      '7:27 tests[0].source: there is no source of this name; did you mean trail?',
      '7:59 tests[0].expect[0].route: there is no route of this name; did you mean all?',
      '7:69 tests[0].expect[0].sink: there is no sink of this name',
    ])
  })

  test('a logstore that its source does not have', () => {
    const tests =
      '[{name: n, source: web, logstore: three, log: {}, expect: []}, {name: m, source: web, logstore: two, log: {}, expect: []}]'
    expect(told(withRoutes([ALL], { tests }))).toEqual([
      '6:42 tests[0].logstore: the source web has no logstore of this name',
    ])
  })

  test('of routes are unique', () => {
    expect(told(withRoutes(['{name: all, when: a = b, to: splunk}', ALL]))).toEqual([
      '6:12 routes[1].name: another route has this name',
    ])
  })

  test.for(['constructor', '__proto__', 'a b', '', '.x'])('%j is no name', (name) => {
    expect(told(fileOf({ sources: `{${JSON.stringify(name)}: ${SOURCE}}` }))).toEqual([
      expect.stringMatching(/^2:11 sources\./),
    ])
  })

  test('that nothing uses are warnings at their places', () => {
    const more = {
      sinks: '{splunk: {type: file, path: x}, idle: {type: file, path: y}}',
      credentials: '{main: {type: ecs_ram_role}}',
      lists: '{used: [a], idle: [b], by_macro: [c]}',
      macros: '{used: "x in by_macro", through: used, idle: "x = 1"}',
    }
    const { warnings } = accepted(withRoutes(['{name: a, when: y in used and through, to: splunk}', ALL], more))
    expect(warnings).toEqual([
      'bridge.yaml:3:40 sinks.idle: nothing uses this sink',
      'bridge.yaml:7:15 credentials.main: nothing uses this entry of credentials',
      'bridge.yaml:8:20 lists.idle: nothing uses this list',
      'bridge.yaml:9:48 macros.idle: nothing uses this macro',
    ])
  })
})

describe('conditions', () => {
  test('that cannot be read are problems at the place inside their text', () => {
    const routes = `
  - name: a
    when: >
      status >= 400 and
      path startwith /api
    to: splunk
  - {name: b, when: "x = 'it''s' and y >= abc", to: splunk}
  - {name: all, to: splunk}`
    expect(told(fileOf({ routes }))).toEqual([
      "8:12 routes[0].when: unknown operator 'startwith' (did you mean 'startswith'?)",
      expect.stringMatching(/^10:\d+ routes\[1\]\.when: /),
    ])
  })

  test('are shown whole, with patterns and names that elsewhere could begin a secret', () => {
    const problems = refused(
      withRoutes(["{name: a, when: 'uri glob /a?b and @project = x and z ~ #1', to: splunk}", ALL]),
    )
    expect(problems.map(({ value }) => value)).toEqual(['uri glob /a?b and @project = x and z ~ #1'])
    expect(formatProblems(problems)).toMatch(/docs\/conditions\.md describes conditions\. docs\/configuration-file\.md/)
  })

  test('hide the credentials of a URL', () => {
    const [problem] = refused(withRoutes(["{name: a, when: 'url = https://me:hunter2@h y', to: splunk}", ALL]))
    expect(problem?.value).toBe('url = https://[secret]@h y')
  })

  test('a value under a key that looks like one of a secret is not shown, whatever is wrong with it', () => {
    const problems = refused(withRoutes(["{name: a, to: splunk, shape: [{add: {db_password: '{hunter2'}}]}"]))
    expect(problems).toMatchObject([{ variable: expect.stringMatching(/db_password$/) }])
    expect(formatProblems(problems)).not.toContain('hunter2')
  })

  test('are found behind a value that was replaced', () => {
    const routes = ['{name: a, when: "x = ${LONG} and y > abc", to: splunk}', ALL]
    expect(told(withRoutes(routes), { env: { LONG: 'a'.repeat(50) } })).toEqual([
      "5:42 routes[0].when: number expected behind '>', found 'abc'",
    ])
  })

  test('that can never hold are warnings at their places', () => {
    const more = { macros: '{none: "x in ()"}' }
    const routes = [
      '{name: a, when: y = 1 or none, to: splunk}',
      '{name: b, when: "z exists and not z exists", to: splunk}',
      ALL,
    ]
    expect(accepted(withRoutes(routes, more)).warnings).toEqual([
      expect.stringMatching(
        /^bridge\.yaml:5:30 routes\[0\]\.when: has a part that can never hold: .*the list is empty/,
      ),
      expect.stringMatching(/^bridge\.yaml:6:22 routes\[1\]\.when: can never hold: .*exclude one another/),
    ])
  })

  test('that logs pass because they lack a field are remarks, no warnings', () => {
    const routes = [
      '{name: a, when: x = 1 and not user in (root), to: splunk}',
      '{name: b, when: user exists and not user = root, to: splunk}',
      ALL,
    ]
    const { warnings, remarks } = accepted(withRoutes(routes))
    expect(warnings).toEqual([])
    expect(remarks).toEqual([
      "bridge.yaml:5:35 routes[0].when: logs without user pass here, because 'user in (root)' is false for them: " +
        "add 'user exists' if they should not",
    ])
  })

  test('a wrong macro is one problem at its own place, however many use it', () => {
    const macros = '{m: x startwith a, n: m and y = 1, o: p, p: o}'
    const routes = ['{name: a, when: m, to: splunk}', '{name: b, when: n or z = 1, to: splunk}', ALL]
    expect(told(withRoutes(routes, { macros }))).toEqual([
      "8:15 macros.m: unknown operator 'startwith' (did you mean 'startswith'?)",
      expect.stringMatching(/^8:47 macros\.o: .*uses itself/),
    ])
  })
})

describe('every log is decided on', () => {
  test.for([
    ['no route', [], {}, '4:1 routes: logs of trail, web may match no route, and nothing says what becomes of them'],
    ['only routes with conditions', ['{name: a, when: x = 1, to: splunk}'], {}, '4:1 routes: logs of trail, web may'],
    ['a source that no route takes', ['{name: a, from: trail, to: splunk}'], {}, '4:1 routes: logs of web may'],
    ['only copies', ['{name: a, to: splunk, continue: true}'], {}, '4:1 routes: logs of trail, web may'],
    [
      'the same, in so many words',
      ['{name: a, from: [web], to: splunk}'],
      { unmatched: 'error' },
      '6:1 unmatched: logs of trail may',
    ],
  ] as const)('%s is a problem', ([, routes, more, problem]) => {
    const text = routes.length === 0 ? withRoutes([], { routes: '[]' }) : withRoutes(routes, more)
    expect(told(text)).toEqual([expect.stringContaining(problem)])
  })

  test.for([
    ['a last route for all', [ALL], {}],
    ['a route for each source', ['{name: a, from: [web], to: splunk}', '{name: b, from: [trail], to: splunk}'], {}],
    ['a route that drops', ['{name: a, drop: noise}'], { sinks: '{}' }],
    ['unmatched: drop', ['{name: a, when: x = 1, to: splunk}'], { unmatched: 'drop' }],
    ['a sink for the unmatched', ['{name: a, when: x = 1, drop: noise}'], { unmatched: 'splunk' }],
  ] as const)('%s is none', ([, routes, more]) => {
    expect(accepted(withRoutes(routes, more)).warnings).toEqual([])
  })

  test('a source whose logs are all dropped for want of a route is a warning', () => {
    const { warnings } = accepted(withRoutes(['{name: a, from: [trail], to: splunk}'], { unmatched: 'drop' }))
    expect(warnings).toEqual([expect.stringMatching(/^bridge\.yaml:2:\d+ sources\.web: no route takes its logs/)])
  })
})

describe('a route that no log reaches', () => {
  test.for([
    ['behind one that takes all', [ALL, '{name: b, from: [web], to: splunk}'], 1],
    [
      'behind several that take all of its sources',
      ['{name: a, from: [web], to: splunk}', '{name: b, from: [trail], drop: x}', '{name: c, when: x = 1, to: splunk}'],
      2,
    ],
  ] as const)('%s is a problem', ([, routes, index]) => {
    expect(told(withRoutes(routes))).toEqual([expect.stringContaining(`routes[${index}]: no log reaches this route`)])
  })

  test.for([
    ['behind one with a condition', ['{name: a, when: x = 1, to: splunk}', ALL]],
    ['behind one that goes on', ['{name: a, to: splunk, continue: yes}', ALL]],
    ['behind one that takes only some of its sources', ['{name: a, from: [web], to: splunk}', ALL]],
  ] as const)('%s is none', ([, routes]) => {
    expect(accepted(withRoutes(routes)).warnings).toEqual([])
  })
})

describe('a route', () => {
  test.for([
    ['without a target', '{name: a}', '5:5 routes[0]: has neither to nor drop'],
    ['with two', '{name: a, to: splunk, drop: x}', '5:27 routes[0].drop: stands beside to'],
    ['with no sink', '{name: a, to: []}', '5:19 routes[0].to: names no sink'],
    [
      'that drops and goes on',
      '{name: a, drop: x, continue: true}',
      '5:24 routes[0].continue: a route that drops a log takes it',
    ],
    ['of no source', '{name: a, from: [], to: splunk}', '5:21 routes[0].from: names no source'],
    ['with a condition that was forgotten', '{name: a, when: , to: splunk}', '5:15 routes[0].when: has no value'],
    [
      'with a condition that comes out empty',
      '{name: a, when: "${NOT_SET:-}", to: splunk}',
      '5:15 routes[0].when: has no value',
    ],
    ['without a name', '{to: splunk}', '5:5 routes[0].name: is required and not set'],
  ] as const)('%s is a problem', ([, route, problem]) => {
    expect(told(withRoutes([route]))).toContain(problem)
  })

  test('that drops has no use for set and shape', () => {
    const { warnings } = accepted(
      withRoutes(['{name: a, drop: x, set: {index: i}, shape: [{json: e}]}'], { sinks: '{}' }),
    )
    expect(warnings).toEqual([
      'bridge.yaml:5:24 routes[0].set: has no effect: this route drops its logs',
      'bridge.yaml:5:41 routes[0].shape: has no effect: this route drops its logs',
    ])
  })
})

describe('set of a route to syslog', () => {
  const sinks = `{splunk: {type: splunk_hec, url: "https://hec.example.com:8088", token: "\${TOKEN}"}, siem: {type: syslog, url: "tls://siem.example.com"}}`
  const set = 'set: {index: i, sourcetype: st, source: s, host: h}'

  test('has no use for anything but the host', () => {
    const { warnings } = accepted(withRoutes([`{name: a, when: n = "1", to: siem, ${set}}`, ALL], { sinks }))
    const ignored = 'has no effect: a syslog sink knows only host, which is its HOSTNAME'
    expect(warnings).toEqual([
      `bridge.yaml:5:46 routes[0].set.index: ${ignored}`,
      `bridge.yaml:5:56 routes[0].set.sourcetype: ${ignored}`,
      `bridge.yaml:5:72 routes[0].set.source: ${ignored}`,
    ])
  })

  test('that goes to Splunk too is used there', () => {
    expect(accepted(withRoutes([`{name: a, to: [siem, splunk], ${set}}`], { sinks })).warnings).toEqual([])
  })
})

test('sources that read the same logstore in one group are a problem', () => {
  const sources = `{a: ${SOURCE}, b: ${SOURCE.replace('endpoint: ', 'endpoint: https://')}}`
  expect(told(fileOf({ sources }))).toEqual([
    expect.stringMatching(/^2:\d+ sources\.b: reads actiontrail in the same group as sources\.a/),
  ])
})

test('a logstore that stands twice in a source is a problem at its second place', () => {
  const sources = `\n  a: ${SOURCE.replace('actiontrail', '[one, two, one]')}\n  b: ${SOURCE}`
  expect(told(fileOf({ sources }))).toEqual(['3:87 sources.a.logstore[2]: stands twice in this list'])
})

test('sinks that write one file are a problem', () => {
  const sinks =
    '{a: {type: file, path: x}, b: {type: file, path: ./x}, c: {type: file, path: "-"}, d: {type: file, path: "-"}}'
  const routes = '[{name: all, to: [a, b, c, d]}]'
  expect(told(fileOf({ sinks, routes }))).toEqual([
    expect.stringMatching(/^3:\d+ sinks\.b\.path: is the path of sinks\.a, too/),
    expect.stringMatching(/^3:\d+ sinks\.d\.path: is the path of sinks\.c, too/),
  ])
})

test('a step with two keys says what a step is', () => {
  const routes = ['{name: a, to: splunk, shape: [{json: e, raw: f}]}', '{name: b, to: splunk, shape: json}']
  expect(told(withRoutes(routes, { unmatched: 'drop' }))).toEqual(
    expect.arrayContaining([
      '5:35 routes[0].shape[0]: has several keys: json, raw',
      '6:34 routes[1].shape: is text, not a list',
    ]),
  )
})

test('a file without sources is refused', () => {
  expect(told(fileOf({ sources: '{}' }))).toContain('2:10 sources: names no source')
})
