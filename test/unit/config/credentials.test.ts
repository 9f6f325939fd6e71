import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { accepted, blamed, refused, temporaryFiles } from './given-environment.ts'

const NO_PAIR = { SLS_AK_ID: undefined, SLS_AK_KEY: undefined }
const OIDC = {
  ALIBABA_CLOUD_ROLE_ARN: 'acs:ram::1234567890123456:role/audit',
  ALIBABA_CLOUD_OIDC_PROVIDER_ARN: 'acs:ram::1234567890123456:oidc-provider/ack-rrsa-c1',
  ALIBABA_CLOUD_OIDC_TOKEN_FILE: '/var/run/secrets/token',
}
const URI = { ALIBABA_CLOUD_CREDENTIALS_URI: 'http://127.0.0.1:7002/credentials' }

const sourceOf = (env: Record<string, string | undefined>) => accepted(env).config.sls.credentials.source

describe('without SLS_CREDENTIALS', () => {
  test('an access key pair is used, whatever the vendor’s variables say', () => {
    expect(sourceOf({ ...OIDC, ...URI, ALIBABA_CLOUD_ECS_METADATA: 'role' })).toBe('access_key')
  })

  test.each([
    ['oidc', { ...OIDC, ...URI }],
    ['uri', { ...URI, ALIBABA_CLOUD_PROFILE: 'audit', ALIBABA_CLOUD_ECS_METADATA: 'role' }],
    ['uri', { ...URI, ALIBABA_CLOUD_ROLE_ARN: OIDC.ALIBABA_CLOUD_ROLE_ARN }],
    ['profile', { ALIBABA_CLOUD_CREDENTIALS_FILE: '/etc/credentials', ALIBABA_CLOUD_ECS_METADATA: 'role' }],
    ['profile', { ALIBABA_CLOUD_PROFILE: 'audit' }],
    ['ecs_ram_role', { ALIBABA_CLOUD_ECS_METADATA: 'role' }],
  ])('and without a pair it is %s that %j tell of', (source, env) => {
    expect(sourceOf({ ...NO_PAIR, ...env })).toBe(source)
  })

  test('an empty environment asks for the pair and mentions other sources', () => {
    const problems = refused(NO_PAIR)
    expect(problems.map(({ variable }) => variable)).toEqual(['SLS_AK_ID', 'SLS_AK_KEY'])
    for (const { problem } of problems) expect(problem).toContain('SLS_CREDENTIALS')
  })

  test('a pair that is swapped is a problem before the service could tell the secret back', () => {
    const swapped = { SLS_AK_ID: 'GkV9hushhushhushhushhushhush01', SLS_AK_KEY: 'LTAI5tExampleExample' }
    expect(refused(swapped)).toEqual([
      {
        variable: 'SLS_AK_KEY',
        problem: 'is an access key id: it and SLS_AK_ID are swapped',
        allowed: 'the secret',
        example: 'SLS_AK_KEY=your-access-key-secret',
      },
    ])
    expect(sourceOf({ SLS_AK_ID: 'LTAI5tExampleExample', SLS_AK_KEY: 'LTAI5tExampleExample' })).toBe('access_key')
  })

  test('half a pair is a problem, and no other source is tried', () => {
    expect(blamed({ SLS_AK_KEY: undefined, ...URI })).toEqual(['SLS_AK_KEY'])
    expect(blamed({ ...NO_PAIR, ...URI, SLS_STS_TOKEN: 'token' })).toEqual(['SLS_AK_ID', 'SLS_AK_KEY', 'SLS_STS_TOKEN'])
    expect(blamed({ ...NO_PAIR, ...URI, SLS_AK_KEY_FILE: '/no/such/file' })).toEqual(['SLS_AK_ID', 'SLS_AK_KEY_FILE'])
  })
})

describe('SLS_CREDENTIALS', () => {
  test.each(['ecs_ram_role', 'profile', 'default'])('%s needs nothing else', (source) => {
    expect(sourceOf({ ...NO_PAIR, SLS_CREDENTIALS: source, ...OIDC })).toBe(source)
  })

  test.each([
    ['oidc', Object.keys(OIDC)],
    ['uri', ['ALIBABA_CLOUD_CREDENTIALS_URI']],
    ['access_key', ['SLS_AK_ID', 'SLS_AK_KEY']],
  ])('%s names everything it lacks', (source, names) => {
    expect(blamed({ ...NO_PAIR, SLS_CREDENTIALS: source })).toEqual(names)
  })

  test('that names another source while a pair is set is one problem', () => {
    const problems = refused({ SLS_CREDENTIALS: 'ecs_ram_role', SLS_STS_TOKEN: 'hush' })
    expect(problems).toEqual([
      {
        variable: 'SLS_CREDENTIALS',
        value: 'ecs_ram_role',
        problem: expect.stringContaining('SLS_AK_ID'),
        allowed: expect.any(String),
        example: 'SLS_CREDENTIALS=access_key',
      },
    ])
  })

  test('that is not one of the choices is one problem', () => {
    expect(blamed({ SLS_CREDENTIALS: 'rrsa' })).toEqual(['SLS_CREDENTIALS'])
  })
})

describe('the form of the vendor’s variables', () => {
  test('is checked if they are used', () => {
    const wrong = { ALIBABA_CLOUD_ROLE_ARN: 'audit', ALIBABA_CLOUD_OIDC_PROVIDER_ARN: OIDC.ALIBABA_CLOUD_ROLE_ARN }
    expect(blamed({ ...NO_PAIR, ...OIDC, ...wrong })).toEqual(Object.keys(wrong))
    expect(blamed({ ...NO_PAIR, ALIBABA_CLOUD_CREDENTIALS_URI: 'localhost:7002' })).toEqual([
      'ALIBABA_CLOUD_CREDENTIALS_URI',
    ])
  })

  test('is not checked if they are not used', () => {
    const theirs = { ALIBABA_CLOUD_ROLE_ARN: 'audit', ALIBABA_CLOUD_CREDENTIALS_URI: 'localhost:7002' }
    expect(accepted(theirs).warnings).toEqual([])
  })

  test('a secret in the URI is not shown', () => {
    const env = { ...NO_PAIR, ALIBABA_CLOUD_CREDENTIALS_URI: 'ftp://user:hush@host/path?key=hush' }
    expect(JSON.stringify(refused(env))).not.toContain('hush')
  })
})

test('the source gets the variables under the vendor’s names, also from files', () => {
  const { write } = temporaryFiles()
  const { ALIBABA_CLOUD_ROLE_ARN, ...others } = OIDC
  const { config } = accepted({
    ...NO_PAIR,
    ...others,
    ALIBABA_CLOUD_ROLE_ARN_FILE: write('arn', `${ALIBABA_CLOUD_ROLE_ARN}\n`),
    ALIBABA_CLOUD_STS_REGION: 'cn-hangzhou',
    SLS_STS_ENDPOINT: 'sts.cloud.example.com:8443',
    SLS_CREDENTIALS: 'OIDC',
  })
  expect(config.sls.credentials).toEqual({
    source: 'oidc',
    environment: { ...OIDC, ALIBABA_CLOUD_STS_REGION: 'cn-hangzhou' },
    others: {},
    stsEndpoint: 'sts.cloud.example.com:8443',
  })
})

test('it also gets other variables with the vendor’s names, as secrets', () => {
  const { config } = accepted({
    ...NO_PAIR,
    SLS_CREDENTIALS: 'default',
    ALIBABA_CLOUD_ACCESS_KEY_ID: 'id',
    ALIBABA_CLOUD_ACCESS_KEY_SECRET: 'hush',
    ALIBABA_CLOUD_SECURITY_TOKEN: '',
    ALIBABA_CLOUD_PROFILE: 'audit',
    HOME: '/root',
  })
  const { credentials } = config.sls
  if (credentials.source === 'access_key') throw new Error('not asked for')
  const others = Object.entries(credentials.others).map(([name, value]) => [name, value.reveal()])
  expect(others).toEqual([
    ['ALIBABA_CLOUD_ACCESS_KEY_ID', 'id'],
    ['ALIBABA_CLOUD_ACCESS_KEY_SECRET', 'hush'],
  ])
  expect(credentials.environment).toEqual({ ALIBABA_CLOUD_PROFILE: 'audit' })
  expect(inspect(config, { depth: 9 }) + JSON.stringify(config)).not.toContain('hush')
})

test.each([
  ['access_key', {}],
  ['default', { ...NO_PAIR, SLS_CREDENTIALS: 'default' }],
  ['profile', { ...NO_PAIR, ALIBABA_CLOUD_PROFILE: 'audit' }],
  ['uri', { ...NO_PAIR, ...URI }],
])('SLS_STS_ENDPOINT is asked for oidc alone: with %s that is worth a warning', (_, env) => {
  const stsEndpoint = { SLS_STS_ENDPOINT: 'sts.cloud.example.com' }
  expect(accepted({ ...env, ...stsEndpoint }).warnings).toEqual([
    expect.stringMatching(/^SLS_STS_ENDPOINT .*no effect/),
  ])
  expect(accepted({ ...NO_PAIR, ...OIDC, ...stsEndpoint }).warnings).toEqual([])
})

test('credentials over http:// are a warning, except on this machine', () => {
  const from = (uri: string) => accepted({ ...NO_PAIR, ALIBABA_CLOUD_CREDENTIALS_URI: uri }).warnings
  expect(from('http://keys.example.com/path?key=hush')).toEqual([
    expect.stringMatching(/^ALIBABA_CLOUD_CREDENTIALS_URI: .* http:\/\/keys\.example\.com is not encrypted/),
  ])
  expect(from('https://keys.example.com/')).toEqual([])
  expect(from('http://localhost:7002/')).toEqual([])
})

test('a pair remembers the files it came from', () => {
  const { write } = temporaryFiles()
  const path = write('key', 'a-key')
  const { credentials } = accepted({ SLS_AK_KEY: undefined, SLS_AK_KEY_FILE: path }).config.sls
  expect(credentials).toMatchObject({ source: 'access_key', files: { accessKeySecret: path } })
})

test('the variables of credentials are known', () => {
  expect(accepted({ SLS_CREDENTIAL: 'x', SLS_STS_ENPOINT: 'x' }).warnings).toEqual([
    'SLS_CREDENTIAL is not a variable of this program; did you mean SLS_CREDENTIALS?',
    'SLS_STS_ENPOINT is not a variable of this program; did you mean SLS_STS_ENDPOINT?',
  ])
})
