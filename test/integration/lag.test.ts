import { describe, expect, test } from 'vitest'
import { startCommand } from '../support/bridge-process.ts'
import { Scenario } from '../support/scenario.ts'

/** An environment without access to the SIEM. */
function withoutSiem(scenario: Scenario): Record<string, string> {
  const { SPLUNK_HEC_URL, SPLUNK_HEC_TOKEN, ...env } = scenario.environment()
  return env
}

describe('lag, with no replica running', () => {
  test('shows shards that no consumer ever held next to those that were read', async () => {
    const scenario = await Scenario.start({ sls: { shards: 2 } })
    await scenario.write(4)
    await scenario.deliver()
    scenario.logstore.split(1)
    await scenario.write(6)
    const lag = startCommand(['lag'], withoutSiem(scenario))
    expect((await lag.exited).code).toBe(0)
    const [header, ...rows] = lag.lines.map(({ msg }) => msg.split(/ {2,}/))
    expect(header).toEqual(['SHARD', 'STATUS', 'OWNER', 'LAG', 'GROUPS', 'STATE', 'CHECKPOINT'])
    expect(rows.map(([shard, status, owner, , groups, state]) => [shard, status, owner, groups, state])).toEqual([
      ['0', 'readwrite', 'replica-1', '2', 'behind'],
      ['1', 'readonly', 'replica-1', '0', 'finished'],
      ['2', 'readwrite', '-', '2', 'not started'],
      ['3', 'readwrite', '-', '2', 'not started'],
    ])
  })

  test('has a line for a shard of which all unread logs have expired', async () => {
    const scenario = await Scenario.start({ sls: { shards: 2 } })
    await scenario.write(4)
    await scenario.deliver()
    await scenario.write(4)
    scenario.logstore.expire({ shard: 0 })
    const lag = startCommand(['lag'], withoutSiem(scenario))
    expect((await lag.exited).code).toBe(0)
    const rows = lag.lines.slice(1).map(({ msg }) => msg.split(/ {2,}/))
    expect(rows.map(([shard, , , , groups, state]) => [shard, groups, state])).toEqual([
      ['0', '2', 'expired'],
      ['1', '2', 'behind'],
    ])
  })

  test('counts the seconds since the oldest waiting log was received', async () => {
    let behindMs = 10_000
    const scenario = await Scenario.start({ sls: { shards: 1, now: () => Date.now() - behindMs } })
    await scenario.write(1)
    await scenario.deliver()
    const receivedAt = Date.now() - behindMs
    await scenario.write(1)
    behindMs = 0
    const lag = startCommand(['lag', '--json'], withoutSiem(scenario))
    await lag.exited
    const seconds = Number(lag.lines[0]?.['lagSeconds'])
    // Log Service tells receive times in whole seconds.
    expect(seconds).toBeGreaterThanOrEqual(9)
    expect(seconds).toBeLessThanOrEqual((Date.now() - receivedAt) / 1000 + 1.5)
  })

  test('--watch looks repeatedly, also after a failure of the service, and ends with exit code 0', async () => {
    const scenario = await Scenario.start({ sls: { shards: 1 } })
    await scenario.write(1)
    await scenario.deliver()
    const lag = startCommand(['lag', '--watch'], withoutSiem(scenario))
    await lag.line(/caught up/)
    scenario.sls.faults.add({ match: { api: 'ListShards' }, action: { status: 500, code: 'InternalServerError' } })
    await lag.said('InternalServerError')
    await scenario.write(1)
    await lag.line(/behind/)
    expect((await lag.kill('SIGTERM')).code).toBe(0)
    expect(scenario.sls.faults.unfired()).toEqual([])
  })

  test('ignores settings of the SIEM that come from files', async () => {
    const scenario = await Scenario.start({ sls: { shards: 1 } })
    await scenario.write(1)
    await scenario.deliver()
    const files = { SPLUNK_HEC_URL_FILE: '/nowhere/url', SPLUNK_HEC_TOKEN_FILE: '/nowhere/token' }
    const lag = startCommand(['lag', '--json'], { ...withoutSiem(scenario), ...files })
    expect((await lag.exited).code).toBe(0)
  })

  test('says that the group does not exist, with exit code 1', async () => {
    const scenario = await Scenario.start()
    const lag = startCommand(['lag'], withoutSiem(scenario))
    expect((await lag.exited).code).toBe(1)
    expect(lag.stderr).toMatch(/^sls-siem-bridge lag: .*group.*\n/i)
    expect(lag.stderr).not.toMatch(/\n\s+at /)
  })
})
