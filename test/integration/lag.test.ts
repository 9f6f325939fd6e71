import { describe, expect, test } from 'vitest'
import { startCommand } from '../support/bridge-process.ts'
import { Scenario } from '../support/scenario.ts'

/** The environment of somebody who may not even reach the SIEM. */
function withoutSiem(scenario: Scenario): Record<string, string> {
  const { SPLUNK_HEC_URL, SPLUNK_HEC_TOKEN, ...env } = scenario.environment()
  return env
}

describe('lag, with no replica running', () => {
  test('shows shards nobody ever held next to those that were read', async () => {
    const scenario = await Scenario.start({ sls: { shards: 2 } })
    await scenario.write(4)
    const replica = scenario.replica()
    await scenario.caughtUp()
    await replica.kill('SIGTERM')
    scenario.sls.logstore().split(1)
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

  test('counts the seconds since the first log that waits came in', async () => {
    const scenario = await Scenario.start({ sls: { shards: 1 } })
    const replica = scenario.replica()
    await scenario.write(1)
    await scenario.caughtUp()
    await replica.kill('SIGTERM')
    const writtenAt = Date.now()
    await scenario.write(1)
    await scenario.eventually(async () => {
      const lag = startCommand(['lag', '--json'], withoutSiem(scenario))
      await lag.exited
      const seconds = Number(lag.lines[0]?.['lagSeconds'])
      // Log Service tells receive times in whole seconds.
      expect(seconds).toBeLessThanOrEqual((Date.now() - writtenAt) / 1000 + 1.5)
      return seconds >= 3
    })
  })

  test('--watch looks again and again, also after the service failed, and ends with 0', async () => {
    const scenario = await Scenario.start({ sls: { shards: 1 } })
    await scenario.write(1)
    const replica = scenario.replica()
    await scenario.caughtUp()
    await replica.kill('SIGTERM')
    const lag = startCommand(['lag', '--watch'], withoutSiem(scenario))
    await lag.line(/caught up/)
    scenario.sls.faults.add({ match: { api: 'ListShards' }, action: { status: 500, code: 'InternalServerError' } })
    await scenario.eventually(() => lag.stderr.includes('InternalServerError'))
    await scenario.write(1)
    await lag.line(/behind/)
    expect((await lag.kill('SIGTERM')).code).toBe(0)
    expect(scenario.sls.faults.unfired()).toEqual([])
  })

  test('does not look at settings of the SIEM that come from files', async () => {
    const scenario = await Scenario.start({ sls: { shards: 1 } })
    const replica = scenario.replica()
    await scenario.write(1)
    await scenario.caughtUp()
    await replica.kill('SIGTERM')
    const files = { SPLUNK_HEC_URL_FILE: '/nowhere/url', SPLUNK_HEC_TOKEN_FILE: '/nowhere/token' }
    const lag = startCommand(['lag', '--json'], { ...withoutSiem(scenario), ...files })
    expect((await lag.exited).code).toBe(0)
  })

  test('of a group that is not there says so, with exit code 1', async () => {
    const scenario = await Scenario.start()
    const lag = startCommand(['lag'], withoutSiem(scenario))
    expect((await lag.exited).code).toBe(1)
    expect(lag.stderr).toMatch(/^sls-siem-bridge lag: .*group.*\n/i)
    expect(lag.stderr).not.toMatch(/\n\s+at /)
  })
})
