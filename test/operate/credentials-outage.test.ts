import { expect, test } from 'vitest'
import { expectSilence, withUri } from '../support/credential-scenario.ts'

test('an endpoint is down until the last valid credentials have expired: the replica gives the reason, does not crash, and resumes by itself', async () => {
  const { scenario, endpoint, env } = await withUri({ lifeMs: 4_000 })
  const replica = scenario.replica(env)
  await scenario.write(10)
  await scenario.caughtUp()
  await endpoint.down()
  const warning = await replica.line(
    /The credentials URI .* did not renew the credentials: .*The current ones stay in use until/,
  )
  expect(warning).toMatchObject({ level: 'warn', advice: expect.stringContaining('ALIBABA_CLOUD_CREDENTIALS_URI') })
  await scenario.eventually(async () => {
    const { status, text } = await replica.ready()
    return status === 503 && /no credentials from the credentials URI .*ECONNREFUSED/.test(text)
  })
  await scenario.write(10)
  await endpoint.up()
  await scenario.caughtUp()
  await scenario.eventually(async () => (await replica.ready()).status === 200)
  await expectSilence(replica, endpoint)
  expect(await replica.kill('SIGTERM')).toEqual({ code: 0, signal: null })
  expect(scenario.tally()).toMatchObject({ wanted: 400, delivered: 400, missing: [] })
})

test('an endpoint accepts requests and never answers, from the start: the replica gives the reason, does not crash, and resumes by itself', async () => {
  const { scenario, endpoint, env } = await withUri()
  endpoint.behaviour = 'hangs'
  await scenario.write(10)
  const replica = scenario.replica(env)
  await scenario.eventually(async () => {
    const { status, text } = await replica.ready()
    return status === 503 && /no credentials from the credentials URI .*did not answer in time/.test(text)
  })
  endpoint.behaviour = 'answers'
  await scenario.caughtUp()
  expect(await replica.kill('SIGTERM')).toEqual({ code: 0, signal: null })
  expect(scenario.tally()).toMatchObject({ wanted: 200, delivered: 200, missing: [] })
})
