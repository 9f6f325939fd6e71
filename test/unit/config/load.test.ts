import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/load.ts'
import { formatProblems } from '../../../src/config/problems.ts'
import { unknownInDotEnv } from '../../../src/config/unknown.ts'
import { Secret } from '../../../src/core/secret.ts'
import { accepted, accessKeyOf, blamed, minimal, refused } from './given-environment.ts'
import { singleOf } from './single.ts'

describe('defaults', () => {
  test('are those of the contract', () => {
    const { config, warnings } = accepted()
    expect(warnings).toEqual([])
    const { credentials, ...sls } = config.sls
    const { accessKeySecret, ...named } = accessKeyOf(config)
    expect(accessKeySecret.reveal()).toBe('a-key')
    expect(named).toEqual({ source: 'access_key', accessKeyId: 'an-id', files: {} })
    expect(sls).toEqual({
      endpoint: 'https://cn-hangzhou.log.aliyuncs.com',
      name: 'default',
      project: 'audit-prod',
      logstores: ['audit-log'],
      logstore: 'audit-log',
      consumerGroup: 'siem',
      consumer: 'siem-host-1-42',
      start: { kind: 'begin' },
      heartbeatMs: 20_000,
      groupTimeoutMs: 60_000,
      commitIntervalMs: 3_000,
      fetchIntervalMs: 1_000,
      fetchCount: 1000,
      inOrder: false,
      expiredCursor: 'begin',
      topics: [],
      reservedKeys: 'override',
      shape: [],
    })
    const { token, ...hec } = config.hec
    expect(token.reveal()).toBe('a-token')
    expect(hec).toEqual({
      type: 'splunk_hec',
      name: 'splunk_hec',
      urls: ['https://splunk.example.com:8088'],
      sourcetype: 'aliyun:sls',
      source: 'sls://audit-prod/audit-log',
      ack: 'auto',
      timeoutMs: 120_000,
      ackPollMs: 2_000,
      ackTimeoutMs: 300_000,
      gzip: true,
      maxBytes: 1_000_000,
      concurrency: 4,
      tls: { verify: true, files: {} },
    })
    expect(config.deadLetterDir).toBe('./dead-letter')
    expect(config.maxInFlightBytes).toBe(67_108_864)
    expect(config.admin).toEqual({ host: '127.0.0.1', port: 9464, portWasSet: false, allowedHosts: [] })
    expect(config.shutdownGraceMs).toBe(25_000)
    expect(config.log).toEqual({ level: 'info', fileBytes: 20_000_000, filesKept: 5 })
  })

  test('hold for variables that are empty or blank', () => {
    const { config } = accepted({ SLS_REGION: '', SLS_FETCH_COUNT: '  ', ADMIN_PORT: '', FILTER_TOPICS: '\n' })
    expect(config.whole).toEqual(accepted().config.whole)
  })

  test('a lower memory limit lowers the default body size, not the one that was set', () => {
    expect(accepted({ MAX_IN_FLIGHT_BYTES: '500000' }).config.hec.maxBytes).toBe(500_000)
    expect(blamed({ MAX_IN_FLIGHT_BYTES: '500000', SPLUNK_HEC_MAX_BYTES: '500001' })).toEqual(['SPLUNK_HEC_MAX_BYTES'])
  })

  test('a port that was set differs from the default port, even when the number is the same', () => {
    expect(accepted({ ADMIN_PORT: '9464' }).config.admin.portWasSet).toBe(true)
  })

  test('characters of the host name that a consumer name may not have are replaced', () => {
    const loaded = loadConfig(minimal, { hostname: 'Büro PC', pid: 7, nowSeconds: 0 })
    expect('config' in loaded && singleOf(loaded.config).sls.consumer).toBe('siem-B-ro-PC-7')
  })
})

test('every variable reaches the configuration', () => {
  const { config } = accepted({
    SLS_STS_TOKEN: 'sts',
    SLS_REGION: 'cn-hangzhou',
    SLS_CONSUMER: 'replica-7',
    SLS_START: '1700000000',
    SLS_HEARTBEAT_SECONDS: '1',
    SLS_FETCH_INTERVAL_SECONDS: '0.2',
    SLS_FETCH_COUNT: '10',
    SLS_QUERY: '* | where a = 1',
    SLS_IN_ORDER: 'yes',
    SLS_EXPIRED_CURSOR: 'FAIL',
    FILTER_TOPICS: ' audit , login,,audit',
    SPLUNK_HEC_INDEX: 'aliyun_audit',
    SPLUNK_HEC_SOURCETYPE: 'st',
    SPLUNK_HEC_SOURCE: 'src',
    SPLUNK_HEC_HOST: 'h',
    SPLUNK_HEC_ACK: 'On',
    SPLUNK_HEC_TIMEOUT_SECONDS: '9',
    SPLUNK_HEC_ACK_POLL_SECONDS: '0.5',
    SPLUNK_HEC_ACK_TIMEOUT_SECONDS: '30',
    SPLUNK_HEC_GZIP: '0',
    SPLUNK_HEC_MAX_BYTES: '2000',
    SPLUNK_HEC_CONCURRENCY: '1',
    SPLUNK_HEC_TLS_VERIFY: 'no',
    SPLUNK_HEC_TLS_SERVER_NAME: 'splunk.internal',
    DEAD_LETTER_DIR: '/tmp/no-such-dir/dl',
    MAX_IN_FLIGHT_BYTES: '4000',
    ADMIN_HOST: '[::1]',
    ADMIN_PORT: '0',
    ADMIN_ALLOWED_HOSTS: 'bridge.internal, bridge',
    SHUTDOWN_GRACE_SECONDS: '3',
    LOG_LEVEL: 'Debug',
    LOG_FILE: '/tmp/no-such-dir/bridge.log',
    LOG_FILE_MAX_BYTES: '64MiB',
    LOG_FILE_KEEP: '3',
  })
  expect(accessKeyOf(config).securityToken?.reveal()).toBe('sts')
  expect(config.sls).toMatchObject({
    region: 'cn-hangzhou',
    consumer: 'replica-7',
    start: { kind: 'time', unixSeconds: 1_700_000_000 },
    heartbeatMs: 1_000,
    groupTimeoutMs: 3_000,
    commitIntervalMs: 1_000,
    fetchIntervalMs: 200,
    fetchCount: 10,
    query: '* | where a = 1',
    inOrder: true,
    expiredCursor: 'fail',
  })
  expect(config.sls.topics).toEqual(['audit', 'login'])
  expect(config.hec).toMatchObject({
    index: 'aliyun_audit',
    sourcetype: 'st',
    source: 'src',
    host: 'h',
    ack: true,
    timeoutMs: 9_000,
    ackPollMs: 500,
    ackTimeoutMs: 30_000,
    gzip: false,
    maxBytes: 2000,
    concurrency: 1,
    tls: { verify: false, serverName: 'splunk.internal' },
  })
  expect(config.deadLetterDir).toBe('/tmp/no-such-dir/dl')
  expect(config.maxInFlightBytes).toBe(4000)
  expect(config.admin).toEqual({
    host: '::1',
    port: 0,
    portWasSet: true,
    allowedHosts: ['bridge.internal', 'bridge'],
  })
  expect(config.shutdownGraceMs).toBe(3_000)
  expect(config.log).toEqual({ level: 'debug', file: '/tmp/no-such-dir/bridge.log', fileBytes: 64 << 20, filesKept: 3 })
})

test('several logstores of the project are read in the same way, each once, and all of them take the one route', () => {
  const { sources, sinks, routing, eventIdScope } = accepted({ SLS_LOGSTORE: ' audit, access ,audit' }).config.whole
  expect(sources.map(({ name, logstores }) => ({ name, logstores }))).toEqual([
    { name: 'default', logstores: ['audit', 'access'] },
  ])
  expect(sinks.map(({ name }) => name)).toEqual(['splunk_hec'])
  const route = { name: 'default', to: ['splunk_hec'], set: {}, shape: [], continue: false }
  expect(routing).toEqual({ routes: [route], unmatched: 'error' })
  expect(eventIdScope).toBe('logstore')
  expect(refused({ SLS_LOGSTORE: 'audit,Access' })[0]?.problem).toContain('Access')
})

test('the configuration is frozen all the way down', () => {
  const { whole } = accepted({ FILTER_TOPICS: 'a' }).config
  const frozen = (part: unknown): boolean =>
    typeof part !== 'object' ||
    part instanceof Secret ||
    (Object.isFrozen(part) && Object.values(part as object).every(frozen))
  expect(frozen(whole)).toBe(true)
})

test('secrets show in no printed form of the configuration', () => {
  const { config } = accepted({ SLS_AK_KEY: 'hush-key', SLS_STS_TOKEN: 'hush-sts', SPLUNK_HEC_TOKEN: 'hush-token' })
  expect(JSON.stringify(config) + inspect(config, { depth: null })).not.toContain('hush')
})

describe('problems', () => {
  test('an empty environment names every required variable at once', () => {
    const loaded = loadConfig({})
    const names = 'problems' in loaded ? loaded.problems.map(({ variable }) => variable) : []
    expect(names).toEqual(Object.keys(minimal))
  })

  test('all kinds are reported together, each with variable, value, what is allowed and an example', () => {
    const problems = refused({ SLS_FETCH_COUNT: '1001', SLS_PROJECT: undefined, SPLUNK_HEC_TLS_KEY_FILE: '/no/such' })
    expect(problems.map(({ variable }) => variable).sort()).toEqual([
      'SLS_FETCH_COUNT',
      'SLS_PROJECT',
      'SPLUNK_HEC_TLS_CERT_FILE',
      'SPLUNK_HEC_TLS_KEY_FILE',
    ])
    expect(problems.find(({ variable }) => variable === 'SLS_FETCH_COUNT')).toEqual({
      variable: 'SLS_FETCH_COUNT',
      value: '1001',
      problem: 'is more than 1000',
      allowed: 'whole number from 1 to 1000',
      example: 'SLS_FETCH_COUNT=1000',
    })
  })

  test('print as a list for a terminal, and the last line says where to read more', () => {
    const text = formatProblems(refused({ SLS_FETCH_COUNT: '1e3', SLS_CG: undefined }))
    expect(text).toContain('2 problems')
    expect(text).toMatch(/SLS_CG\n +is required.*\n +allowed: .*\n +example: SLS_CG=/)
    expect(text).toMatch(/SLS_FETCH_COUNT=1e3\n +is not a whole number\n +allowed: .*\n +example: SLS_FETCH_COUNT=/)
    expect(text.trimEnd().split('\n').at(-1)).toContain('docs/configuration.md')
    expect(text).not.toContain('    at ')
  })

  test.each([
    ['a secret with a space', { SLS_AK_KEY: 'hush hush' }],
    ['a token that is not ASCII', { SPLUNK_HEC_TOKEN: 'hush-ü' }],
    ['a token copied with its scheme', { SPLUNK_HEC_TOKEN: 'Splunk hush' }],
    ['a secret in quotes', { SLS_STS_TOKEN: '"hush"' }],
    ['a password in a URL', { SPLUNK_HEC_URL: 'https://admin:hush@splunk:8088' }],
    ['a password in one of several URLs', { SPLUNK_HEC_URL: 'https://a:8088,https://admin:p//hush@splunk:8088' }],
    ['a password in an endpoint without scheme', { SLS_ENDPOINT: 'admin:hush@host' }],
    ['a token in a query', { SPLUNK_HEC_URL: 'https://splunk:8088?token=hush' }],
    ['a token in a fragment', { SPLUNK_HEC_URL: 'https://splunk:8088/#hush' }],
  ])('never show %s', (_, env) => {
    const problems = refused(env)
    expect(problems).toHaveLength(1)
    expect(JSON.stringify(problems) + formatProblems(problems)).not.toContain('hush')
  })

  test('show a value that is long or has many lines on one line of bounded length', () => {
    const [problem] = refused({ SLS_PROJECT: `a\n\u001b[31m${'x'.repeat(5000)}` })
    expect(problem?.value).toMatch(/^\P{Cc}{1,200}$/u)
  })
})

describe('unknown variables', () => {
  test.each([
    ['SLS_ENDPIONT', 'SLS_ENDPOINT'],
    ['SPLUNK_HEC_TOKN_FILE', 'SPLUNK_HEC_TOKEN_FILE'],
    ['SPLUNK_HEC_TLS_CA', 'SPLUNK_HEC_TLS_CA_FILE'],
    ['FILTER_TOPIC', 'FILTER_TOPICS'],
    ['SLS_START_TIME', 'SLS_START'],
    ['SPLUNK_HEC_MAX_BYTE', 'SPLUNK_HEC_MAX_BYTES'],
    ['SPLUNK_HEC_COLLECTOR_TOKEN', 'SPLUNK_HEC_TOKEN'],
    ['BRIDGE_CONFG', 'BRIDGE_CONFIG'],
  ])('%s is a warning that names %s', (given, meant) => {
    const { warnings } = accepted({ [given]: 'hush' })
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain(given)
    expect(warnings[0]).toMatch(new RegExp(`\\b${meant}\\b`))
    expect(warnings[0]).not.toContain('hush')
  })

  test('are told without a guess where no name is near', () => {
    expect(accepted({ SLS_SOMETHING_ELSE: 'x' }).warnings).toEqual([
      'SLS_SOMETHING_ELSE is not a variable of this program',
    ])
  })

  test('in .env are warnings whatever they are called', () => {
    const names = [
      'SPLUNK_TOKEN',
      'NODE_ENV',
      'LOG_LEVEL',
      'SLS_AK_KEY_FILE',
      'https_proxy',
      'ALIBABA_CLOUD_ACCESS_KEY_ID',
      'QUOTED',
    ]
    expect(unknownInDotEnv(names, new Set(['QUOTED']))).toEqual([
      'SPLUNK_TOKEN in .env is not a variable of this program, and has no effect; did you mean SPLUNK_HEC_TOKEN?',
      'NODE_ENV in .env is not a variable of this program, and has no effect',
    ])
  })

  test('do not include empty ones, other programs’ ones and those that Kubernetes makes for a Service', () => {
    const { warnings } = accepted({
      PATH: '/bin',
      SLS_TYPO: '',
      SPLUNK_HEC_SERVICE_HOST: '10.0.0.1',
      SPLUNK_HEC_SERVICE_PORT_HTTPS: '8088',
      SPLUNK_HEC_PORT: 'tcp://10.0.0.1:8088',
      SPLUNK_HEC_PORT_8088_TCP_ADDR: '10.0.0.1',
      SLS_SIEM_BRIDGE_LAUNCHED: '1',
    })
    expect(warnings).toEqual([])
  })

  test('include SPLUNK_HEC_PORT when a person wrote it', () => {
    expect(accepted({ SPLUNK_HEC_PORT: '8088' }).warnings).toHaveLength(1)
  })
})
