import { describe, expect, onTestFinished, test } from 'vitest'
import { temporaryFiles } from '../given-environment.ts'
import { accepted, fileOf, refused, SOURCE, told } from './given-file.ts'

describe('a file becomes the model', () => {
  test('that the environment makes, too', () => {
    const { config, warnings } = accepted(fileOf())
    expect(warnings).toEqual([])
    expect(config).toMatchObject({
      sources: [
        {
          name: 'trail',
          endpoint: 'https://cn-hangzhou.log.aliyuncs.com',
          project: 'audit-hz',
          logstores: ['actiontrail'],
          consumerGroup: 'siem',
          consumer: 'siem-host-1-42',
          start: { kind: 'begin' },
          groupTimeoutMs: 60_000,
          topics: [],
          shape: [],
        },
      ],
      sinks: [
        { type: 'splunk_hec', name: 'splunk', urls: ['https://splunk.example.com:8088'], ack: 'auto', gzip: true },
      ],
      routing: { routes: [{ name: 'all', to: ['splunk'], set: {}, shape: [], continue: false }], unmatched: 'error' },
      eventIdScope: 'project',
      maxInFlightBytes: 67_108_864,
    })
    expect(config.sinks[0]?.type === 'splunk_hec' && config.sinks[0].token.reveal()).toBe('a-token')
  })

  test('with several of everything, in the order of the file', () => {
    const { config } = accepted(
      fileOf({
        sources: `
  b: {endpoint: 127.0.0.1:80, project: web, logstore: [access, errors], group: siem, topics: ["", audit*], fetch_count: 10}
  a: ${SOURCE}`,
        sinks: `
  two: {type: splunk_hec, url: ["https://a:8088", "https://b:8088"], token: "\${TOKEN}", max_bytes: 5000, tls: {verify: no}}
  one: {type: file, path: out.jsonl, keep: 2}`,
        routes: '[{name: r, to: [two, one]}]',
      }),
    )
    expect(config.sources.map(({ name, logstores, topics }) => ({ name, logstores, topics }))).toEqual([
      { name: 'b', logstores: ['access', 'errors'], topics: ['', 'audit*'] },
      { name: 'a', logstores: ['actiontrail'], topics: [] },
    ])
    expect(config.sinks).toMatchObject([
      { name: 'two', urls: ['https://a:8088', 'https://b:8088'], maxBytes: 5000, tls: { verify: false } },
      { name: 'one', type: 'file', maxBytes: 104_857_600, keep: 2 },
    ])
    expect(config.routing.routes[0]?.to).toEqual(['two', 'one'])
  })

  test('with conditions, macros and lists', () => {
    const { config } = accepted(
      fileOf({
        lists: '{probes: [/healthz, /readyz]}',
        macros: '{probe: "uri in probes"}',
        routes: '[{name: p, when: probe and status = 200, drop: health-check}, {name: all, to: splunk}]',
      }),
    )
    expect(config.routing.routes[0]).toMatchObject({
      drop: 'health-check',
      to: [],
      when: { expression: { kind: 'and', parts: [{ kind: 'in', to: ['/healthz', '/readyz'] }, { kind: '=' }] } },
    })
  })

  test('with steps, and a default for those that fail', () => {
    const route = `
  - name: all
    to: splunk
    set: {index: "{app}", sourcetype: auto}
    on_failure: drop
    shape:
      - json: event
      - json: {field: [a, b], into: merge, required: true, on_failure: keep}
      - time: {field: event.t, format: [iso8601, yyyy-MM-dd HH:mm:ss], zone: Asia/Shanghai}
      - rename: {constructor_: b}
      - remove: [x]
      - keep: [y, z]
      - add: {site: "hz-{host}"}
      - raw: content`
    const { config } = accepted(fileOf({ routes: route }))
    expect(config.routing.routes[0]).toMatchObject({
      set: { index: { text: '{app}' }, sourcetype: 'auto' },
      shape: [
        { name: 'json', fields: ['event'], into: 'value', required: false, onFailure: 'drop' },
        { name: 'json', fields: ['a', 'b'], into: 'merge', required: true, onFailure: 'keep' },
        { name: 'time', field: { text: 'event.t' }, zone: 'Asia/Shanghai', onFailure: 'drop' },
        { name: 'rename', names: new Map([['constructor_', 'b']]) },
        { name: 'remove', fields: new Set(['x']) },
        { name: 'keep', fields: new Set(['y', 'z']) },
        { name: 'add', values: new Map([['site', expect.objectContaining({ text: 'hz-{host}' })]]) },
        { name: 'raw', field: 'content' },
      ],
    })
  })

  test('with tests, whose values keep the types that YAML gives them', () => {
    const { config } = accepted(
      fileOf({
        tests: `
  - name: n
    source: trail
    log: {status: 404, __topic__: audit, nested: {a: 1}, gone: null, text: "null"}
    expect: [{route: all, sink: splunk, time: 1.5, event: {n: 12345678901234567890, s: "1", t: on, b: true, x: null}}]
  - {name: nothing, source: trail, log: {}, expect: []}`,
      }),
    )
    expect(config.tests).toMatchObject([
      {
        name: 'n',
        place: expect.stringMatching(/bridge\.yaml:6:5$/),
        log: new Map([
          ['status', '404'],
          ['__topic__', 'audit'],
          ['nested', '{"a":1}'],
          ['text', 'null'],
        ]),
        expect: [
          {
            route: 'all',
            sink: 'splunk',
            time: '1.5',
            event: '{"n":12345678901234567890,"s":"1","t":"on","b":true,"x":null}',
          },
        ],
      },
      { name: 'nothing', expect: [] },
    ])
  })

  test('that is frozen', () => {
    const { config } = accepted(fileOf())
    expect(Object.isFrozen(config.routing.routes[0])).toBe(true)
  })
})

describe('YAML', () => {
  test('is 1.2: on and no are texts, and 404 is taken as it is written', () => {
    const { config } = accepted(
      fileOf({
        lists: '{l: [404, on, no, 1.50, 0x1F]}',
        routes: '[{name: a, when: x in l, to: splunk}]',
        unmatched: 'drop',
      }),
    )
    expect(config.routing.routes[0]?.when?.expression).toMatchObject({ to: ['404', 'on', 'no', '1.50', '0x1F'] })
  })

  test('shares values by anchors', () => {
    const { config } = accepted(
      fileOf({
        sources: `{a: &s ${SOURCE}, b: {endpoint: x.com, project: other, logstore: abc, group: siem}, c: {<<: x}}`,
      }).replace(', c: {<<: x}', ''),
    )
    expect(config.sources).toHaveLength(2)
    const shared = accepted(
      fileOf({
        routes: '[{name: a, when: x = 1, to: splunk, shape: &s [{json: e}]}, {name: b, to: splunk, shape: *s}]',
      }),
    )
    expect(shared.config.routing.routes.map(({ shape }) => shape)).toMatchObject([
      [{ fields: ['e'] }],
      [{ fields: ['e'] }],
    ])
  })

  test.for([
    [
      'a flow that is not closed',
      'version: [1\n',
      /^2:1 : is not YAML: the indentation does not fit, or a { or \[ above is not closed$/,
    ],
    ['a tab', 'routes:\n\t- a\n', /^2:1 : is not YAML: a tab indents this line$/],
    ['a colon in a value', 'a: b: c\n', /^1:4 : is not YAML: there is a second ": " in this line$/],
    [
      'a key that is indented too much',
      'a:\n  - b: c d\n     e: f\n    g: h\n',
      /^3:1 : is not YAML: this line is indented more than the key above it, which has a value already$/,
    ],
    [
      'an item that is indented too little',
      'a:\n  - {b: c}\n - {b: d}\n',
      /^3:1 : is not YAML: this item is indented less than the others of its list$/,
    ],
    ['a colon that is missing', 'a\nb: c\n', /^1:1 : is not YAML: there is no ": " behind a key$/],
    ['a second document', `${fileOf()}---\nversion: 1\n`, /^5:1 : a second YAML document begins here/],
    ['a tag that YAML does not know', fileOf({ version: '!x 1' }), /^1:10 : is not YAML: a value begins with !/],
    ['a quote that is not closed', 'a: "x\nb: 1\n', /^\d+:\d+ : is not YAML: a quote is not closed/],
    ['a quote inside quotes', "a: 'it's'\n", /^1:8 : is not YAML: something stands behind a value that is complete/],
    [
      'a value that begins with @',
      'a: @project = x\n',
      /^1:4 : is not YAML: a value begins with a character that needs/,
    ],
    ['a pattern in double quotes', 'a: "\\d"\n', /^1:\d+ : is not YAML: a \\ in "…" is no escape/],
    ['an alias without an anchor', fileOf({ routes: '*nope' }), /^4:9 : the alias \*nope is no anchor above/],
    ['a list', '- 1\n', /^1:1 : is a list, not a map/],
    ['a text', 'hello\n', /^1:1 : is text, not a map/],
    ['a list of a list', fileOf({ routes: '&r [*r]' }), /^4:13 : the alias \*r contains itself/],
  ] as const)('%s is one clear problem', ([, text, problem]) => {
    expect(told(text)[0]).toMatch(problem)
  })

  test('a key that stands twice is a problem at its second place, beside all others', () => {
    const text = fileOf({ sources: `\n  trail: ${SOURCE}\n  web:\n    group: g1\n    project: p\n    group: g2` })
    expect(told(text)).toContain('7:5 : the key "group" stands twice in this map')
    expect(told(text)).toContain('6:14 sources.web.project: does not have the right form')
  })

  test.for([
    [
      'a bomb of aliases',
      `a: &a [x, x, x, x, x, x, x, x, x]\n${[...'bcdefghij'].map((k, i) => `${k}: &${k} [${Array(9).fill(`*${'abcdefghij'[i]}`)}]\n`).join('')}`,
      /stand for too many values/,
    ],
    ['a file of 10 MB', `x: ${'a'.repeat(10_000_000)}`, /is larger than 1 MiB/],
    ['brackets without end', '['.repeat(1_000_000), /nested too deep/],
    ['lists without end', '- '.repeat(500_000), /nested too deep/],
    ['quotes without end', '"'.repeat(1_000_000), /too many values/],
    ['keys without end', Array.from({ length: 100_000 }, (_, i) => `k${i}: 1`).join('\n'), /too many values/],
    ['nothing', '\n \n', /is empty/],
    ['only a comment', '# nothing\n', /holds nothing/],
  ] as const)('%s is one problem, quickly', ([, text, problem]) => {
    const begin = performance.now()
    const problems = refused(text)
    expect(problems.map((one) => one.problem)).toEqual([expect.stringMatching(problem)])
    expect(performance.now() - begin).toBeLessThan(5_000)
  })

  test('a file that is not UTF-8 is refused with the place of the first wrong byte', () => {
    const [problem] = refused(Buffer.concat([Buffer.from('a: \uFFFD'), Buffer.from([0xff]), Buffer.from(' b')]))
    expect(problem).toMatchObject({ problem: 'is not UTF-8 (byte 7)', allowed: expect.stringContaining('UTF-8') })
  })
})

describe('values are replaced', () => {
  test.for([
    ['from the environment', '${A}', 'x'],
    ['inside a text', 'a-${A}-b', 'a-x-b'],
    ['with a default', '${NOPE:-d}', 'd'],
    ['with a default that is not needed', '${A:-d}', 'x'],
    ['from a file beside this one', '${file:secret}', 'of-file'],
    ['from the file of NAME_FILE', '${B}', 'of-file'],
    ['not at all behind $$', '$${A}', '${A}'],
    ['not at all without a brace', '$A', '$A'],
  ] as const)('%s', ([, written, index]) => {
    const { config } = accepted(
      fileOf({ lists: `{l: ['${written}']}`, routes: '[{name: a, when: x in l, to: splunk}]', unmatched: 'drop' }),
      {
        env: { A: 'x', B_FILE: temporaryFiles().write('b', ' of-file\n') },
        files: { secret: 'of-file\n' },
      },
    )
    expect(config.routing.routes[0]?.when?.expression).toMatchObject({ to: [index] })
  })

  test('a value that comes out empty counts as not set', () => {
    const { config } = accepted(
      fileOf({ sources: `{trail: {endpoint: a.b, project: abc, logstore: abc, group: siem, region: "\${REGION:-}"}}` }),
    )
    expect(config.sources[0]).not.toHaveProperty('region')
  })

  test.for([
    ['a variable that is not set', '${NOPE}', 'the environment variable NOPE is not set'],
    ['a brace that is not closed', '${A', '${ has no }'],
    ['another form', '${a b}', 'this ${…} is none of the known forms'],
    ['a file that is not there', '${file:nope}', 'the file cannot be read: ENOENT: no such file or directory'],
    ['an empty file', '${file:empty}', 'the file is empty'],
  ] as const)('%s is a problem at its place', ([, written, problem]) => {
    const problems = told(fileOf({ unmatched: `"xx${written}"` }), { files: { empty: ' ' } })
    expect(problems).toEqual([`5:15 unmatched: ${problem}`])
  })

  test('a secret that is a file alone is read again when it changes', () => {
    const { config, directory } = accepted(
      fileOf({
        credentials:
          '{main: {access_key_id: "${ID}", access_key_secret: "${file:key}", security_token: "x${file:key}"}}',
        sources: `{trail: {endpoint: a.b, project: abc, logstore: abc, group: siem, credentials: main}}`,
      }),
      { files: { key: 'k' }, env: { ID: 'i', SLS_AK_ID: '', SLS_AK_KEY: '' } },
    )
    expect(config.sources[0]?.credentials).toMatchObject({
      accessKeyId: 'i',
      files: { accessKeySecret: `${directory}/key` },
    })
    expect(config.sources[0]?.credentials).not.toHaveProperty('files.securityToken')
  })

  test('a refused value shows what is written, never what it stands for', () => {
    const [problem] = refused(
      fileOf({ sources: `{trail: {endpoint: "\${EP}", project: abc, logstore: abc, group: siem}}` }),
      { env: { EP: 'ftp://hush' } },
    )
    expect(problem).toMatchObject({ value: '${EP}' })
    expect(JSON.stringify(problem)).not.toContain('hush')
  })
})

test('a file sink keeps at least one full file, or events would go when the file is full', () => {
  const sinks = '{archive: {type: file, path: a.jsonl, keep: 0}}'
  expect(told(fileOf({ sinks, routes: '[{name: all, to: archive}]' }))).toEqual([
    '3:52 sinks.archive.keep: is less than 1',
  ])
})

describe('credentials', () => {
  const using = (credentials: string) => ({
    credentials,
    sources: `{a: {endpoint: a.b, project: abc, logstore: abc, group: siem, credentials: main}, b: {endpoint: a.b, project: abd, logstore: abc, group: siem, credentials: main}}`,
  })
  const NO_KEYS = { env: { SLS_AK_ID: '', SLS_AK_KEY: '' } }

  test.for([
    ['{type: ecs_ram_role, ecs_metadata: role}', { ALIBABA_CLOUD_ECS_METADATA: 'role' }],
    ['{type: profile, profile: audit}', { ALIBABA_CLOUD_PROFILE: 'audit' }],
    ['{type: uri, credentials_uri: "http://127.0.0.1/c"}', { ALIBABA_CLOUD_CREDENTIALS_URI: 'http://127.0.0.1/c' }],
    [
      '{type: oidc, role_arn: "acs:ram::1:role/r", oidc_provider_arn: "acs:ram::1:oidc-provider/p", oidc_token_file: t}',
      { ALIBABA_CLOUD_ROLE_ARN: 'acs:ram::1:role/r' },
    ],
  ] as const)('%s', ([credentials, environment]) => {
    const { config } = accepted(fileOf(using(`{main: ${credentials}}`)), NO_KEYS)
    expect(config.sources[0]?.credentials).toMatchObject({ environment })
    expect(config.sources[0]?.credentials).toBe(config.sources[1]?.credentials)
  })

  test('a path of theirs starts at the folder of the file', () => {
    const credentials = '{main: {type: profile, credentials_file: keys/c}}'
    const { config, directory } = accepted(fileOf(using(credentials)), NO_KEYS)
    expect(config.sources[0]?.credentials).toMatchObject({
      environment: { ALIBABA_CLOUD_CREDENTIALS_FILE: `${directory}/keys/c` },
    })
  })

  test('problems of theirs name the keys of the file', () => {
    expect(told(fileOf(using('{main: {type: uri, credentials_uri: nope}}')), NO_KEYS)).toEqual([
      '5:50 credentials.main.credentials_uri: is not a URL',
    ])
    expect(told(fileOf(using('{main: {type: oicd}}')), NO_KEYS)).toEqual([
      '5:28 credentials.main.type: is no known type; did you mean oidc?',
    ])
    expect(told(fileOf(using('{main: {access_key_id: x}}')), NO_KEYS)).toEqual([
      '5:15 credentials.main.access_key_secret: is required and not set',
    ])
  })

  test('a source without them needs those of the environment', () => {
    expect(told(fileOf(), NO_KEYS)).toEqual([
      expect.stringMatching(/^environment SLS_AK_ID: is required/),
      expect.stringMatching(/^environment SLS_AK_KEY: is required/),
    ])
  })
})

describe('two truths', () => {
  test.for(['SLS_PROJECT', 'FILTER_TOPICS', 'SPLUNK_HEC_TOKEN_FILE', 'SLS_TYPO', 'EVENT_JSON_FIELDS', 'SYSLOG_URL'])(
    '%s beside a file is a problem',
    (variable) => {
      expect(told(fileOf(), { env: { [variable]: 'x' } })).toEqual([
        expect.stringMatching(`^environment ${variable}: is set, and the configuration file .* does not quote it`),
      ])
    },
  )

  test('unless the file quotes it', () => {
    const file = fileOf({ sinks: `{splunk: {type: splunk_hec, url: "https://a:1", token: "\${SPLUNK_HEC_TOKEN}"}}` })
    expect(accepted(file, { env: { SPLUNK_HEC_TOKEN: 'x' } }).warnings).toEqual([])
  })

  test('not meant are the consumer, the launcher’s variables, those of Kubernetes, and empty ones', () => {
    const env = {
      SLS_CONSUMER: 'me',
      SLS_SIEM_BRIDGE_LAUNCHED: '1',
      SPLUNK_HEC_SERVICE_HOST: '10.0.0.1',
      SPLUNK_HEC_PORT: 'tcp://10.0.0.1:8088',
      SLS_PROJECT: ' ',
    }
    expect(accepted(fileOf(), { env }).config.sources[0]?.consumer).toBe('me')
  })

  test('keys in the environment that no source uses are a problem', () => {
    const file = fileOf({
      credentials: '{main: {type: ecs_ram_role}}',
      sources: '{trail: {endpoint: a.b, project: abc, logstore: abc, group: siem, credentials: main}}',
    })
    expect(told(file)).toEqual([expect.stringContaining('SLS_AK_ID'), expect.stringContaining('SLS_AK_KEY')])
  })
})

describe('files beside the file', () => {
  test('are named from its folder', () => {
    const sinks = '{splunk: {type: splunk_hec, url: "https://a:1", token: "${TOKEN}", tls: {ca_file: ca.pem}}}'
    expect(told(fileOf({ sinks }), { files: { 'ca.pem': 'x' } })).toEqual([
      '3:90 sinks.splunk.tls.ca_file: is not in PEM form',
    ])
  })

  test('and secrets of a peer that the command does not ask may be missing', () => {
    const sinks = '{splunk: {type: splunk_hec, url: nonsense, token: "${NOPE}", tls: {ca_file: nope.pem}}}'
    expect(accepted(fileOf({ sinks }), { asked: [] }).config.sinks).toMatchObject([{ name: 'splunk', urls: [] }])
  })
})

test('a secret that looks as if it had a variable in it is not shown', () => {
  const problems = refused(
    fileOf({ sinks: '{splunk: {type: splunk_hec, url: "https://a:1", token: "hush${ss w}ord"}}' }),
  )
  expect(problems).toHaveLength(1)
  expect(JSON.stringify(problems)).not.toMatch(/hush|ss w/)
})

test('a literal secret is a warning with its place', () => {
  const { warnings } = accepted(fileOf({ sinks: `{splunk: {type: splunk_hec, url: "https://a:1", token: hush}}` }))
  expect(warnings).toEqual([
    'bridge.yaml:3:56 sinks.splunk.token: is a secret that stands in the file: write ${NAME} or ${file:/path} instead',
  ])
})

test.for([
  ['a default that is used', '${TOK:-hush}', 'is a secret whose default stands in the file'],
  ['a default that is a part of the value', '${TOKEN}${TOK:-hush}', 'is a secret whose default stands in the file'],
  ['a literal ${', '$${hush}', 'is a secret that stands in the file'],
] as const)('a secret that is %s is a warning, too', ([, token, warning]) => {
  const { warnings } = accepted(
    fileOf({ sinks: `{splunk: {type: splunk_hec, url: "https://a:1", token: "${token}"}}` }),
  )
  expect(warnings).toEqual([
    `bridge.yaml:3:56 sinks.splunk.token: ${warning}: write \${NAME} or \${file:/path} instead`,
  ])
})

test.for(['${TOKEN:-hush}', '${TOK:-}${TOKEN}', 'Bearer-${TOKEN}'])(
  'a secret %s from outside is no warning',
  (token) => {
    const { warnings } = accepted(
      fileOf({ sinks: `{splunk: {type: splunk_hec, url: "https://a:1", token: "${token}"}}` }),
    )
    expect(warnings).toEqual([])
  },
)

test('rules of several keys speak of keys, not of variables', () => {
  const hec = (more: string) => fileOf({ sinks: `{splunk: {type: splunk_hec, token: "\${TOKEN}", ${more}}}` })
  expect(told(hec('url: "https://a:1", ack_poll_seconds: 9, ack_timeout_seconds: 3'))).toEqual([
    '3:93 sinks.splunk.ack_poll_seconds: acknowledgements are polled every 9 s and given up after 3 s',
  ])
  expect(accepted(hec('url: "http://a.example:1"')).warnings).toEqual([
    expect.stringMatching(/^bridge\.yaml:3:55 sinks\.splunk\.url: the connection to http:\/\/a\.example:1 is not encr/),
  ])
})

test('files that others may change are warnings: the configuration file, and those that it names', () => {
  const shape = '[{k8s_audit_policy: {field: event, file: policy.yaml}}]'
  const text = fileOf({
    sinks: '{splunk: {type: splunk_hec, url: "https://a:1", token: "${file:token}"}}',
    routes: `[{name: all, to: splunk, shape: ${shape}}]`,
  })
  const files = {
    token: 'hush',
    'policy.yaml': 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Request}]\n',
  }
  const before = process.umask(0)
  onTestFinished(() => void process.umask(before))
  expect(accepted(text, { files }).warnings).toEqual([
    'bridge.yaml:3:56 sinks.splunk.token: others may choose what its file holds: everybody may change it',
    'bridge.yaml:4:76 routes[0].shape[0].k8s_audit_policy.file: others may choose what it holds: everybody may change it',
    'bridge.yaml: others may choose what it holds: everybody may change it',
  ])
})
