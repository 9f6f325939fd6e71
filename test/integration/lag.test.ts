import { describe, expect, test } from 'vitest'
import { startCommand } from '../support/bridge-process.ts'
import { Scenario } from '../support/scenario.ts'

/** An environment without access to the SIEM. */
function withoutSiem(scenario: Scenario): Record<string, string> {
  const { SPLUNK_HEC_URL, SPLUNK_HEC_TOKEN, ...env } = scenario.environment()
  return env
}

const GROUP = 'scenario'
const UNPRINTABLE = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u
/** A machine whose clock is ten minutes ahead of the service's. */
const AHEAD_MS = 600_000
const ROBBER = 'robber  1 s\n9  readwrite  -  0 s  0  caught up\u001b[2K\u009b1A\u202e'

/** A shard in every state that the service can tell, and two that it refuses to tell of. */
async function everyState() {
  let earlierMs = 100_000
  const scenario = await Scenario.start({ sls: { shards: 10, now: () => Date.now() - AHEAD_MS - earlierMs } })
  const { logstore, sls } = scenario
  const write = (shard: number) => logstore.write([{ message: 'x' }], { shard }).cursor
  const group = logstore.createGroup({ name: GROUP, timeoutSeconds: 60, order: false })
  const commit = (shard: number, checkpoint: string, consumer = 'replica-1') =>
    group.commit({ shard, checkpoint, consumer, force: true })
  const endOf = (shard: number) => logstore.shard(shard).cursorAt(logstore.shard(shard).end)
  for (const shard of [0, 1, 2, 5, 6, 9]) write(shard)
  for (const shard of [0, 1, 2, 6, 9]) commit(shard, endOf(shard), shard === 0 ? ROBBER : undefined)
  logstore.seal(2)
  earlierMs = 20_000
  for (const shard of [1, 1, 3, 6, 6, 7, 8, 9]) write(shard)
  logstore.expire({ shard: 6, keep: 1 })
  earlierMs = 0
  const refuse = (id: string, shard: number, api: string, status: number, code: string) =>
    sls.faults.add({ id, match: { api, shard }, times: 0, action: { status, code } })
  refuse('removed', 7, 'GetCursor', 404, 'ShardNotExist')
  refuse('broken', 8, 'GetCursor', 500, 'InternalServerError')
  refuse('expires meanwhile', 9, 'GetCursorTime', 400, 'InvalidCursor')
  const start = new Date(Date.now() - AHEAD_MS - 60_000).toISOString()
  return { scenario, env: { ...withoutSiem(scenario), SLS_START: start } }
}

const STATES = [
  [0, 'readwrite', 0, 0, 'caught up'],
  [1, 'readwrite', 20, 2, 'behind'],
  [2, 'readonly', 0, 0, 'finished'],
  [3, 'readwrite', 20, 1, 'not started'],
  [4, 'readwrite', 0, 0, 'empty'],
  [5, 'readwrite', 0, 0, 'before the start'],
  [6, 'readwrite', 20, 2, 'expired'],
  [7, 'readwrite', 0, null, 'deleted'],
  [8, 'readwrite', null, null, 'unknown'],
  [9, 'readwrite', null, null, 'unknown'],
]

describe('lag answers for every shard, whatever the service says of one of them', () => {
  test('with its state and its lag by the clock of the service', async () => {
    const { scenario, env } = await everyState()
    const lag = startCommand(['lag', '--json'], env)
    expect((await lag.exited).code).toBe(1)
    // Log Service tells times in whole seconds, and the commands take one.
    const about = (seconds: unknown) =>
      typeof seconds === 'number' && seconds > 10 ? seconds - (seconds % 10) : seconds
    expect(
      lag.lines.map((row) => [
        row['shard'],
        row['status'],
        about(row['lagSeconds']),
        row['groupsBehind'],
        row['state'],
      ]),
    ).toEqual(STATES)
    expect(lag.lines.filter((row) => 'problem' in row).map((row) => row['shard'])).toEqual([8, 9])
    expect(scenario.sls.faults.unfired()).toEqual([])
  })

  test('each on one line of its own, and says why it does not know, without a remedy that is already set', async () => {
    const { env } = await everyState()
    const lag = startCommand(['lag'], env)
    expect((await lag.exited).code).toBe(1)
    const rows = lag.lines.slice(1).map(({ msg }) => msg.split(/ {2,}/))
    expect(rows.map(([shard]) => shard)).toEqual(STATES.map(([shard]) => String(shard)))
    expect(rows[8]?.slice(3, 6)).toEqual(['?', '?', 'unknown'])
    expect(lag.stderr).toMatch(/^sls-siem-bridge lag: shard 8: GetCursor failed: .*InternalServerError/m)
    expect(lag.stderr).toMatch(/^sls-siem-bridge lag: shard 9: GetCursorTime failed: .*InvalidCursor/m)
    expect(lag.stderr).not.toMatch(/set SLS_EXPIRED_CURSOR=begin/)
  })

  test('and what a server says moves neither the cursor of the terminal nor a column', async () => {
    const { env } = await everyState()
    const [lag, json] = [startCommand(['lag'], env), startCommand(['lag', '--json'], env)]
    let said = ''
    json.child.stdout?.on('data', (text) => {
      said += text
    })
    await Promise.all([lag.exited, json.exited])
    expect(lag.lines).toHaveLength(STATES.length + 1)
    expect(lag.lines[1]?.msg).toMatch(/^0 +readwrite +"robber {2}1 s 9 {2}readwrite .* {2}0 s +0 +caught up/)
    expect(json.lines[0]?.['owner']).toBe(ROBBER)
    for (const { msg } of lag.lines) expect(msg).not.toMatch(UNPRINTABLE)
    for (const line of said.trimEnd().split('\n')) expect(line).not.toMatch(UNPRINTABLE)
  })
})

test('shards and logstores that are silent hold up no line of the others for more than some seconds', async () => {
  const { scenario, env } = await everyState()
  for (const shard of [1, 3, 5]) {
    scenario.sls.faults.add({
      id: `silent ${shard}`,
      match: { api: 'GetCursor', shard },
      times: 0,
      action: { hang: true },
    })
  }
  const began = performance.now()
  const lag = startCommand(['lag', '--json'], env)
  expect((await lag.exited).code).toBe(1)
  expect(performance.now() - began).toBeLessThan(15_000)
  const states = Object.fromEntries(lag.lines.map((row) => [row['shard'], [row['state'], row['lagSeconds']]]))
  expect(states).toMatchObject({ 0: ['caught up', 0], 1: ['unknown', null], 5: ['unknown', null], 4: ['empty', 0] })
  expect(lag.lines[1]?.['problem']).toBe('Log Service did not answer within 5 s')
  expect(lag.stderr).toMatch(/shard 1, 3, 5: Log Service did not answer within 5 s/)
})

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
