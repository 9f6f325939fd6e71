import { expect, test } from 'vitest'
import { startCommand } from '../support/bridge-process.ts'
import { Scenario } from '../support/scenario.ts'
import { selfSigned } from '../unit/emulator/hec/certificate.ts'

const OFF = { NODE_TLS_REJECT_UNAUTHORIZED: '0' }

test('a variable of Node that ends the verification of certificates is not obeyed, and named', async () => {
  const tls = selfSigned('localhost')
  const scenario = await Scenario.start({ sls: { tls }, hec: { tls } })
  const env = { ...scenario.environment(), ...OFF }

  const check = startCommand(['check'], env)
  expect((await check.exited).code).toBe(1)
  expect(check.transcript()).toMatch(/FAIL {2}TLS +NODE_TLS_REJECT_UNAUTHORIZED=0 is set and not obeyed/)
  expect(check.transcript()).toMatch(/not ready: [2-9] failed/)

  const replica = startCommand(['run'], env)
  await replica.line(/NODE_TLS_REJECT_UNAUTHORIZED=0 is set and not obeyed/)
  await replica.line(/certificate/)
  expect((await replica.kill('SIGTERM')).code).toBe(0)
  expect(scenario.sls.state().logstores[0]?.consumerGroups).toEqual([])
  expect(scenario.hec.state().requests).toEqual({})
})
