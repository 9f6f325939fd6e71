import { describe, expect, test } from 'vitest'
import { Scenario } from '../support/scenario.ts'

describe('a checkpoint that has expired', () => {
  async function expired(policy: string) {
    const scenario = await Scenario.start({ sls: { shards: 1 }, env: { SLS_EXPIRED_CURSOR: policy } })
    await scenario.write(5)
    await scenario.deliver('first')
    await scenario.write(10)
    const shard = scenario.logstore.shard(0)
    shard.expireBefore(shard.end - 4)
    return { scenario, replica: scenario.replica() }
  }

  test('resumes at the oldest retained log, with a warning and a count', async () => {
    const { scenario, replica } = await expired('begin')
    const line = await replica.line(/expired/i)
    expect(['warn', 'error']).toContain(line.level)
    await scenario.caughtUp()
    expect(scenario.tally().missing).toEqual([])
    expect(await replica.metrics()).toMatch(/^sls_bridge_expired_cursor_total(\{[^}]*\})? 1$/m)
  })

  test('a service that refuses every cursor is asked at a falling rate, and reading goes on when it stops', async () => {
    const scenario = await Scenario.start({ sls: { shards: 1 } })
    scenario.sls.faults.add({ id: 'cursor', match: { api: 'PullLogs' }, times: 0, action: { code: 'InvalidCursor' } })
    const replica = scenario.replica()
    await replica.line(/expired/i)
    await scenario.heartbeats('replica-1', 3)
    const pulls = scenario.sls.requests().filter(({ api }) => api === 'PullLogs')
    expect(pulls.reduce((sum, { count }) => sum + count, 0)).toBeLessThan(15)
    scenario.sls.faults.remove('cursor')
    await scenario.write(5)
    await scenario.caughtUp()
    expect(scenario.tally()).toMatchObject({ delivered: 100, missing: [] })
  })

  test('with SLS_EXPIRED_CURSOR=fail waits, not ready, and commits nothing', async () => {
    const { scenario, replica } = await expired('fail')
    const committed = scenario.sls.commits.length
    await replica.line(/^paused .*expired/)
    expect(await replica.ready()).toMatchObject({ status: 503, text: expect.stringMatching(/expired/) })
    expect(scenario.sls.commits.length).toBe(committed)
    // The remedy: an operator sets the checkpoint. The bridge must not take it for a foreign write and undo it.
    const shard = scenario.logstore.shard(0)
    const checkpoint = shard.cursorAt(shard.begin)
    scenario.logstore.group('scenario').commit({ shard: 0, checkpoint, force: true })
    await scenario.caughtUp()
    await replica.line(/^resumed/)
    expect((await replica.ready()).status).toBe(200)
    expect(scenario.tally().missing).toEqual([])
    expect((await replica.kill('SIGTERM')).code).toBe(0)
  })
})
