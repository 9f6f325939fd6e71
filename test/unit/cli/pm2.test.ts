import { expect, test } from 'vitest'
import { killedEarly } from '../../../src/cli/pm2.ts'

test.for([
  ['without a setting of pm2', { pm_id: '0' }, 25_000, 'pm2 kills this replica 1.6 s after'],
  ['as long as the grace', { pm_id: '0', kill_timeout: '25000' }, 25_000, 'Set kill_timeout: 30000'],
  ['longer than the grace', { pm_id: '0', kill_timeout: '30000' }, 25_000, undefined],
  ['a grace shorter than what pm2 waits', { pm_id: '0' }, 1_000, undefined],
  ['under no pm2', { kill_timeout: '1' }, 25_000, undefined],
] as const)('a replica that pm2 would kill while it drains is warned: %s', ([, env, graceMs, words]) => {
  const warnings = killedEarly(env, graceMs)
  expect(warnings).toEqual(words === undefined ? [] : [expect.stringContaining(words)])
})
