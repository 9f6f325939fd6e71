import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { inspect } from 'node:util'
import { afterEach, describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../src/core/clock.ts'
import { Fault } from '../../../src/core/errors.ts'
import { Secret } from '../../../src/core/secret.ts'
import { NO_TELEMETRY } from '../../../src/core/telemetry.ts'
import { RenewedCredentials } from '../../../src/sls/credentials.ts'
import type { VendorSource } from '../../../src/sls/vendor-credentials.ts'
import { fetchVendorCredentials, nameOf } from '../../../src/sls/vendor-credentials.ts'
import type { Behaviour } from '../../support/credential-endpoints.ts'
import { CredentialEndpoint } from '../../support/credential-endpoints.ts'
import { redirectMetadata } from '../../support/metadata-redirect.ts'
import { selfSigned } from '../emulator/hec/certificate.ts'

const ROLE_ARN = 'acs:ram::1234567890123456:role/audit'
const PROVIDER_ARN = 'acs:ram::1234567890123456:oidc-provider/ack'

afterEach(() => {
  for (const name of Object.keys(process.env)) if (name.startsWith('ALIBABA_CLOUD_')) delete process.env[name]
})

function temporary(): (name: string, content: string) => string {
  const directory = mkdtempSync(join(tmpdir(), 'credentials-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  return (name, content) => {
    const path = join(directory, name)
    writeFileSync(path, content)
    return path
  }
}

const uriSource = (url: string): VendorSource => ({
  source: 'uri',
  environment: { ALIBABA_CLOUD_CREDENTIALS_URI: url },
})

async function metadata(): Promise<CredentialEndpoint> {
  const endpoint = await CredentialEndpoint.start()
  onTestFinished(redirectMetadata(endpoint.port))
  return endpoint
}

async function sts(trusted = true) {
  const certificate = selfSigned('sts.test')
  const endpoint = await CredentialEndpoint.start({ tls: certificate })
  if (trusted) {
    const before = getCACertificates('default')
    setDefaultCACertificates([...before, certificate.cert])
    onTestFinished(() => setDefaultCACertificates(before))
  }
  const write = temporary()
  const source: VendorSource = {
    source: 'oidc',
    environment: {
      ALIBABA_CLOUD_ROLE_ARN: ROLE_ARN,
      ALIBABA_CLOUD_OIDC_PROVIDER_ARN: PROVIDER_ARN,
      ALIBABA_CLOUD_OIDC_TOKEN_FILE: write('token', 'oidc-token-1'),
    },
    stsEndpoint: `127.0.0.1:${endpoint.port}`,
  }
  return { endpoint, source, writeToken: (token: string) => write('token', token) }
}

/** What was fetched, with its secrets. */
async function revealed(source: VendorSource) {
  const { credentials, expiresAt } = await fetchVendorCredentials(source)
  return {
    accessKeyId: credentials.accessKeyId,
    accessKeySecret: credentials.accessKeySecret.reveal(),
    ...(credentials.securityToken && { securityToken: credentials.securityToken.reveal() }),
    expiresAt,
  }
}

/** The code says whether the source may give again without anybody's help: `check --wait` waits for that. */
async function failure(source: VendorSource, code = 'credentials'): Promise<Fault> {
  const fault = await fetchVendorCredentials(source).then(
    () => expect.unreachable(),
    (error) => error,
  )
  expect(fault).toBeInstanceOf(Fault)
  expect(fault).toMatchObject({ kind: 'configuration', code, advice: expect.stringMatching(/\.$/) })
  return fault
}

describe('a credentials URI', () => {
  test('is asked each time, and says when the credentials expire', async () => {
    const endpoint = await CredentialEndpoint.start()
    expect(await revealed(uriSource(endpoint.url))).toEqual(endpoint.given[0])
    expect(await revealed(uriSource(endpoint.url))).toEqual(endpoint.given[1])
    expect(endpoint.seen.map(({ method, path }) => `${method} ${path}`)).toEqual(Array(2).fill('GET /credentials'))
  })

  test('that is down', async () => {
    const endpoint = await CredentialEndpoint.start()
    await endpoint.down()
    const { message } = await failure(uriSource(endpoint.url), 'credentials_unreachable')
    expect(message).toBe(
      `no credentials from the credentials URI (${new URL(endpoint.url).origin}): it cannot be reached (ECONNREFUSED)`,
    )
  })

  test('that says nothing', { timeout: 20_000 }, async () => {
    const endpoint = await CredentialEndpoint.start()
    endpoint.behaviour = 'hangs'
    const { message } = await failure(uriSource(endpoint.url), 'credentials_unreachable')
    expect(message).toMatch(/: it did not answer in time$/)
  })

  test.each<[string, Behaviour, string, string?]>([
    [
      'an HTTP error of its own',
      { status: 503, body: '{"AccessKeySecret":"hush-1"}' },
      'it answered HTTP 503',
      'credentials_unreachable',
    ],
    ['that it has no such thing', { status: 404, body: 'hush-7' }, 'it answered HTTP 404'],
    ['no JSON', { status: 200, body: 'AccessKeySecret=hush-2' }, 'it failed in a way this program does not know'],
    [
      'half of what is needed',
      { status: 200, body: '{"AccessKeySecret":"hush-3"}' },
      'it failed in a way this program does not know',
    ],
    [
      'a key no header can carry',
      { status: 200, body: '{"AccessKeyId":"a","AccessKeySecret":"hush\\n-4","SecurityToken":"hush-4"}' },
      'its answer holds none that can be used',
    ],
    [
      'keys that are no text',
      { status: 200, body: '{"AccessKeyId":"a","AccessKeySecret":["hush-5"],"SecurityToken":"hush-5"}' },
      'its answer holds none that can be used',
    ],
  ])('that answers %s is told without a word of its answer', async (_, behaviour, reason, code) => {
    const endpoint = await CredentialEndpoint.start()
    endpoint.behaviour = behaviour
    const fault = await failure(uriSource(`${endpoint.url}?key=hush-6`), code)
    expect(fault.message).toMatch(new RegExp(`: ${reason}$`))
    expect(inspect(fault, { depth: 9, showHidden: true })).not.toContain('hush')
  })

  test('is named without what may be secret in it', () => {
    const shown = nameOf(uriSource('http://user:hush@127.0.0.1:1234/hush?key=hush#hush'))
    expect(shown).toBe('the credentials URI (http://127.0.0.1:1234)')
  })
})

describe('the metadata server of an ECS instance', () => {
  test('is asked with a token, for the role it names itself', async () => {
    const endpoint = await metadata()
    expect(await revealed({ source: 'ecs_ram_role', environment: {} })).toEqual(endpoint.given[0])
    expect(new Set(endpoint.seen.map(({ path }) => path))).toEqual(
      new Set([
        '/latest/api/token',
        '/latest/meta-data/ram/security-credentials/',
        '/latest/meta-data/ram/security-credentials/audit-role',
      ]),
    )
    expect(endpoint.seen.at(-1)?.headers['x-aliyun-ecs-metadata-token']).toBe('metadata-token')
  })

  test('is asked for the role that was named', async () => {
    const endpoint = await metadata()
    const environment = { ALIBABA_CLOUD_ECS_METADATA: 'audit-role' }
    expect(await revealed({ source: 'ecs_ram_role', environment })).toEqual(endpoint.given[0])
    expect(endpoint.seen.map(({ path }) => path)).not.toContain('/latest/meta-data/ram/security-credentials/')
  })

  test('without tokens (IMDSv1) gives them too', async () => {
    const endpoint = await metadata()
    endpoint.metadataTokens = 'unknown'
    expect(await revealed({ source: 'ecs_ram_role', environment: {} })).toEqual(endpoint.given[0])
  })

  test('that takes the request for a token and never answers it gives them without, in the time one is waited for', async () => {
    const endpoint = await metadata()
    endpoint.metadataTokens = 'swallowed'
    const source: VendorSource = { source: 'ecs_ram_role', environment: {} }
    const credentials = new RenewedCredentials({
      fetch: () => fetchVendorCredentials(source),
      from: nameOf(source),
      clock: systemClock,
      telemetry: NO_TELEMETRY,
    })
    expect((await credentials.get()).accessKeyId).toBe(endpoint.given[0]?.accessKeyId)
  }, 20_000)

  test('that is down', async () => {
    const endpoint = await metadata()
    await endpoint.down()
    const { message } = await failure({ source: 'ecs_ram_role', environment: {} }, 'credentials_unreachable')
    expect(message).toMatch(/: it cannot be reached \(ECONNREFUSED\)$/)
  })

  test('that knows no such role', async () => {
    const endpoint = await metadata()
    endpoint.metadataTokens = 'supported'
    const { message, advice } = await failure({
      source: 'ecs_ram_role',
      environment: { ALIBABA_CLOUD_ECS_METADATA: 'another' },
    })
    expect(message).toBe('no credentials from the metadata server of the ECS instance: it answered HTTP 404')
    expect(advice).toContain('ALIBABA_CLOUD_ECS_METADATA')
  })

  test('of an instance without a role', async () => {
    const endpoint = await metadata()
    endpoint.behaviour = { status: 404, body: '<html>not found</html>' }
    expect((await failure({ source: 'ecs_ram_role', environment: {} })).message).toMatch(/: it answered HTTP 404$/)
  })
})

describe('RRSA (OIDC)', () => {
  test('assumes the role with the token its file holds at that moment', async () => {
    const { endpoint, source, writeToken } = await sts()
    expect(await revealed(source)).toEqual(endpoint.given[0])
    writeToken('oidc-token-2')
    expect(await revealed(source)).toEqual(endpoint.given[1])
    const asked = endpoint.seen.map(({ method, path, body }) => ({
      method,
      action: new URLSearchParams(path.slice(1)).get('Action'),
      ...Object.fromEntries(new URLSearchParams(body)),
    }))
    const each = {
      method: 'POST',
      action: 'AssumeRoleWithOIDC',
      RoleArn: ROLE_ARN,
      OIDCProviderArn: PROVIDER_ARN,
      RoleSessionName: 'sls-siem-bridge',
      DurationSeconds: '3600',
    }
    expect(asked).toEqual([
      { ...each, OIDCToken: 'oidc-token-1' },
      { ...each, OIDCToken: 'oidc-token-2' },
    ])
  })

  test('that is refused says the code of the service, and nothing else of its answer', async () => {
    const { endpoint, source } = await sts()
    endpoint.behaviour = {
      status: 400,
      body: '{"Recommend":"hush","Message":"token hush-oidc expired","RequestId":"R","Code":"AuthenticationFail.OIDCToken.Expired"}',
    }
    const fault = await failure(source)
    expect(fault.message).toMatch(/: it refused \(AuthenticationFail\.OIDCToken\.Expired\)$/)
    expect(inspect(fault, { depth: 9, showHidden: true })).not.toMatch(/hush|oidc-token/)
  })

  test.each(['ServiceUnavailable', 'InternalError', 'Throttling', 'Throttling.User'])(
    'that is refused for now (%s) may be granted later',
    async (code) => {
      const { endpoint, source } = await sts()
      endpoint.behaviour = { status: 503, body: `{"RequestId":"R","Code":"${code}"}` }
      const { message } = await failure(source, 'credentials_unreachable')
      expect(message).toMatch(new RegExp(`: it refused \\(${code}\\)$`))
    },
  )

  test('is not requested from a server with an untrusted certificate', async () => {
    const { endpoint, source } = await sts(false)
    expect((await failure(source)).message).toMatch(/it cannot be reached \(DEPTH_ZERO_SELF_SIGNED_CERT\)$/)
    expect(endpoint.seen).toEqual([])
  })

  test('without its token file', async () => {
    const { source } = await sts()
    const environment = { ...source.environment, ALIBABA_CLOUD_OIDC_TOKEN_FILE: '/no/such/token' }
    const fault = await failure({ ...source, environment })
    expect(fault.message).toMatch(/: a file cannot be read \(ENOENT\)$/)
    expect(fault.advice).toContain('ALIBABA_CLOUD_OIDC_TOKEN_FILE')
  })
})

describe('a profile', () => {
  const profile = (file: string, name?: string): VendorSource => ({
    source: 'profile',
    environment: { ALIBABA_CLOUD_CREDENTIALS_FILE: file, ...(name && { ALIBABA_CLOUD_PROFILE: name }) },
  })
  const pair = (id: string) => `type = access_key\naccess_key_id = ${id}\naccess_key_secret = hush-${id}\n`

  test('is read from its file each time', async () => {
    const write = temporary()
    const file = write('credentials', `[default]\n${pair('one')}\n[audit]\n${pair('two')}`)
    expect(await revealed(profile(file))).toEqual({ accessKeyId: 'one', accessKeySecret: 'hush-one' })
    expect(await revealed(profile(file, 'audit'))).toEqual({ accessKeyId: 'two', accessKeySecret: 'hush-two' })
    write('credentials', `[audit]\n${pair('three')}`)
    expect(await revealed(profile(file, 'audit'))).toEqual({ accessKeyId: 'three', accessKeySecret: 'hush-three' })
  })

  test.each([
    [
      'that is not in the file',
      'other',
      /^no credentials from profile other .*: it is not there, or does not say its type$/,
    ],
    ['of a type there is not', 'odd', /: its type is not access_key, ecs_ram_role or ram_role_arn$/],
    ['that is cut', 'cut', /: it failed in a way this program does not know$/],
  ])('%s', async (_, name, message) => {
    const file = temporary()(
      'credentials',
      `[odd]\ntype = odd\nsecret = hush\n[cut]\ntype = access_key\naccess_key_id = x\n`,
    )
    const fault = await failure(profile(file, name))
    expect(fault.message).toMatch(message)
    expect(inspect(fault, { depth: 9 })).not.toContain('hush')
  })

  test('without its file', async () => {
    expect((await failure(profile('/no/such/file'))).message).toMatch(/: a file cannot be read \(ENOENT\)$/)
  })
})

describe("the vendor's chain", () => {
  test('finds what the environment has', async () => {
    process.env['ALIBABA_CLOUD_ACCESS_KEY_ID'] = 'from-environment'
    process.env['ALIBABA_CLOUD_ACCESS_KEY_SECRET'] = 'hush'
    expect(await revealed({ source: 'default', environment: {} })).toEqual({
      accessKeyId: 'from-environment',
      accessKeySecret: 'hush',
    })
  })

  test('finds what was given elsewhere, as in .env', async () => {
    const others = {
      ALIBABA_CLOUD_ACCESS_KEY_ID: new Secret('from-a-file'),
      ALIBABA_CLOUD_ACCESS_KEY_SECRET: new Secret('hush'),
    }
    expect(await revealed({ source: 'default', environment: {}, others })).toEqual({
      accessKeyId: 'from-a-file',
      accessKeySecret: 'hush',
    })
  })

  test('that has nothing', async () => {
    process.env['ALIBABA_CLOUD_CLI_PROFILE_DISABLED'] = 'true'
    process.env['ALIBABA_CLOUD_ECS_METADATA_DISABLED'] = 'true'
    const endpoint = await CredentialEndpoint.start()
    endpoint.behaviour = { status: 500, body: 'hush' }
    const environment = {
      ALIBABA_CLOUD_CREDENTIALS_URI: endpoint.url,
      ALIBABA_CLOUD_CREDENTIALS_FILE: '/no/such/file',
    }
    const fault = await failure({ source: 'default', environment })
    expect(fault.message).toBe("no credentials from the vendor's default chain: no source of it has any")
    expect(inspect(fault, { depth: 9 })).not.toContain('hush')
  })
})

describe('several sources in one process', () => {
  const profile = (file: string, others?: VendorSource['others']): VendorSource => ({
    source: 'profile',
    environment: { ALIBABA_CLOUD_CREDENTIALS_FILE: file },
    ...(others && { others }),
  })
  const content = (name: string, id: string) =>
    `[${name}]\nenabled = true\ntype = access_key\naccess_key_id = ${id}\naccess_key_secret = hush\n`

  test('see their own settings only, even when they are asked at the same time', async () => {
    const write = temporary()
    const first = { ...profile(write('a', content('default', 'first')), {}) }
    const named = { ...profile(write('b', content('audit', 'second')), {}) }
    const second = { ...named, environment: { ...named.environment, ALIBABA_CLOUD_PROFILE: 'audit' } }
    const asked = [second, first, second, first].map((source) => revealed(source))
    expect((await Promise.all(asked)).map(({ accessKeyId }) => accessKeyId)).toEqual([
      'second',
      'first',
      'second',
      'first',
    ])
  })

  test('do not see those of the process, and leave them as they were', async () => {
    const write = temporary()
    process.env['ALIBABA_CLOUD_PROFILE'] = 'of-the-process'
    expect((await revealed(profile(write('a', content('default', 'first')), {}))).accessKeyId).toBe('first')
    expect(Object.keys(process.env).filter((name) => name.startsWith('ALIBABA_CLOUD_'))).toEqual([
      'ALIBABA_CLOUD_PROFILE',
    ])
  })
})
