import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { startCommand } from '../support/bridge-process.ts'
import { endpointFor, expectSilence, NO_PAIR, temporary, withUri } from '../support/credential-scenario.ts'
import { Scenario } from '../support/scenario.ts'
import { selfSigned } from '../unit/emulator/hec/certificate.ts'

const REDIRECT = fileURLToPath(new URL('../support/metadata-redirect.ts', import.meta.url))

const refusals = ({ sls }: Scenario) => sls.requests().filter(({ status }) => status === 401)

test('credentials from a URI change while logs flow: nothing is missing, repeated or refused', async () => {
  const { scenario, endpoint, env } = await withUri({ lifeMs: 9_000 })
  const replica = scenario.replica({ ...env, DEBUG: '*' })
  await scenario.write(1)
  for (let written = 1; endpoint.given.length < 3; written++) {
    await scenario.write(1)
    await scenario.eventually(() => scenario.indexedById.size >= written * 20)
  }
  await scenario.caughtUp()
  const used = endpoint.given.slice(0, 3).map(({ accessKeyId }) => accessKeyId)
  expect(new Set(used).size).toBe(3)
  expect(refusals(scenario)).toEqual([])
  await expectSilence(replica, endpoint)
  expect(await replica.kill('SIGTERM')).toEqual({ code: 0, signal: null })
  expect(scenario.tally()).toMatchObject({ duplicated: 0, deadLettered: 0, missing: [] })
  expect(scenario.commitsAhead()).toEqual([])
})

test('credentials that are refused are replaced at once, without a pause', async () => {
  const { scenario, endpoint, env } = await withUri()
  const replica = scenario.replica(env)
  await scenario.write(10)
  await scenario.caughtUp()
  for (const { accessKeyId } of endpoint.given) scenario.sls.credentials.delete(accessKeyId)
  await scenario.write(10)
  await scenario.caughtUp()
  expect(refusals(scenario).map(({ code }) => code)).toContain('InvalidAccessKeyId')
  expect(endpoint.given).toHaveLength(2)
  expect((await replica.ready()).status).toBe(200)
  expect(replica.lines.filter(({ msg }) => /paused/.test(msg))).toEqual([])
  await expectSilence(replica, endpoint)
  expect(scenario.tally()).toMatchObject({ wanted: 400, delivered: 400, duplicated: 0, missing: [] })
})

test('an access key pair in files is read again when it is refused', async () => {
  const scenario = await Scenario.start({ sls: { shards: 1 } })
  const { sls } = scenario
  const old = { accessKeyId: sls.accessKeyId, accessKeySecret: sls.accessKeySecret }
  const rotated = { accessKeyId: 'rotated', accessKeySecret: 'rotated-secret' }
  const directory = temporary()
  const files = { SLS_AK_ID_FILE: join(directory, 'id'), SLS_AK_KEY_FILE: join(directory, 'key') }
  const write = ({ accessKeyId, accessKeySecret }: typeof old): void => {
    writeFileSync(files.SLS_AK_ID_FILE, `${accessKeyId}\n`)
    writeFileSync(files.SLS_AK_KEY_FILE, `${accessKeySecret}\n`)
  }
  write(old)
  const replica = scenario.replica({ ...NO_PAIR, ...files })
  await scenario.write(20)
  await scenario.caughtUp()
  write(rotated)
  sls.credentials.set(rotated.accessKeyId, rotated)
  sls.credentials.delete(old.accessKeyId)
  await scenario.heartbeats('replica-1', 3)
  expect(refusals(scenario).map(({ code }) => code)).toContain('InvalidAccessKeyId')
  expect((await replica.ready()).status).toBe(200)
  // The scenario writes with the old key pair.
  sls.credentials.set(old.accessKeyId, old)
  await scenario.write(10)
  await scenario.caughtUp()
  expect(scenario.tally()).toMatchObject({ wanted: 600, delivered: 600, duplicated: 0, missing: [] })
})

describe('end to end', () => {
  test('with the RAM role of an ECS instance', async () => {
    const scenario = await Scenario.start({ sls: { shards: 1 } })
    const endpoint = await endpointFor(scenario.sls)
    const replica = scenario.replica({
      ...NO_PAIR,
      SLS_CREDENTIALS: 'ecs_ram_role',
      NODE_OPTIONS: `--import=${REDIRECT}`,
      TEST_METADATA_PORT: String(endpoint.port),
    })
    await scenario.write(10)
    await scenario.caughtUp()
    expect(await replica.line(/starting/)).toMatchObject({ credentials: 'ecs_ram_role' })
    expect(endpoint.given).toHaveLength(1)
    await expectSilence(replica, endpoint)
    expect(scenario.tally()).toMatchObject({ wanted: 200, delivered: 200, missing: [] })
  })

  test('with RRSA, as ACK sets a pod up for it', async () => {
    const scenario = await Scenario.start({ sls: { shards: 1 } })
    const certificate = selfSigned('sts.test')
    const endpoint = await endpointFor(scenario.sls, { tls: certificate })
    const directory = temporary()
    writeFileSync(join(directory, 'token'), 'oidc-token')
    writeFileSync(join(directory, 'ca.pem'), certificate.cert)
    const replica = scenario.replica({
      ...NO_PAIR,
      ALIBABA_CLOUD_ROLE_ARN: 'acs:ram::1234567890123456:role/audit',
      ALIBABA_CLOUD_OIDC_PROVIDER_ARN: 'acs:ram::1234567890123456:oidc-provider/ack',
      ALIBABA_CLOUD_OIDC_TOKEN_FILE: join(directory, 'token'),
      SLS_STS_ENDPOINT: `127.0.0.1:${endpoint.port}`,
      NODE_EXTRA_CA_CERTS: join(directory, 'ca.pem'),
    })
    await scenario.write(10)
    await scenario.caughtUp()
    expect(await replica.line(/starting/)).toMatchObject({ credentials: 'oidc' })
    await expectSilence(replica, endpoint)
    expect(replica.transcript()).not.toContain('oidc-token')
    expect(scenario.tally()).toMatchObject({ wanted: 200, delivered: 200, missing: [] })
  })

  test('with a profile', async () => {
    const scenario = await Scenario.start({ sls: { shards: 1 } })
    const { accessKeyId, accessKeySecret } = scenario.sls
    const file = join(temporary(), 'credentials')
    const pair = `access_key_id = ${accessKeyId}\naccess_key_secret = ${accessKeySecret}\n`
    writeFileSync(file, `[audit]\ntype = access_key\n${pair}`)
    scenario.replica({ ...NO_PAIR, ALIBABA_CLOUD_CREDENTIALS_FILE: file, ALIBABA_CLOUD_PROFILE: 'audit' })
    await scenario.write(10)
    await scenario.caughtUp()
    expect(scenario.tally()).toMatchObject({ wanted: 200, delivered: 200, missing: [] })
  })
})

describe('check', () => {
  test('names the fault of a source on one line, and the advice on the next', async () => {
    const { scenario, endpoint, env } = await withUri()
    endpoint.behaviour = { status: 500, body: '{"AccessKeySecret":"hush"}' }
    const check = startCommand(['check'], { ...scenario.environment(), ...env })
    expect((await check.exited).code).toBe(1)
    const said = check.lines.map(({ msg }) => msg)
    const failed = said.findIndex((line) => /^FAIL +SLS credentials/.test(line))
    expect(said[failed]).toMatch(
      /no credentials from the credentials URI \(http:\/\/127\.0\.0\.1:\d+\): it answered HTTP 500$/,
    )
    expect(said[failed + 1]).toContain('→ Check ALIBABA_CLOUD_CREDENTIALS_URI')
    expect(check.transcript()).not.toContain('hush')
  })

  test('accepts a source that works, for the logstore too', async () => {
    const { scenario, env } = await withUri()
    const check = startCommand(['check'], { ...scenario.environment(), ...env })
    expect((await check.exited).code, check.transcript()).toBe(0)
  })

  test('a replica with half a source ends at once, with all that is missing', async () => {
    const { scenario } = await withUri()
    const env = { ...scenario.environment(), ...NO_PAIR, SLS_CREDENTIALS: 'oidc', ALIBABA_CLOUD_ROLE_ARN: 'audit' }
    const replica = startCommand(['run'], env)
    expect((await replica.exited).code).toBe(2)
    for (const name of ['ROLE_ARN=audit', 'OIDC_PROVIDER_ARN', 'OIDC_TOKEN_FILE']) {
      expect(replica.stderr).toContain(`  ALIBABA_CLOUD_${name}\n`)
    }
  })
})
