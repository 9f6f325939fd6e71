import { describe, expect, onTestFinished, test } from 'vitest'
import { polled } from '../support/polled.ts'
import { Scenario } from '../support/scenario.ts'
import type { Listed } from './pm2.ts'
import { Pm2 } from './pm2.ts'

const ECOSYSTEM = 'deploy/pm2/ecosystem.config.cjs'
const REPLICAS = 3
const CLEAN = '[0] via signal [SIGINT]'

/** Starts three replicas under pm2 that share eight shards, and writes logs until `end`. */
async function underLoad() {
  // A heartbeat of two seconds: a busy machine must not cost a replica its shards, which would repeat events.
  // Acknowledgements take longer than pm2 waits by default.
  const scenario = await Scenario.start({
    sls: { shards: 8 },
    hec: { ack: true, ackDelayMs: 2_500 },
    env: { SLS_HEARTBEAT_SECONDS: '2' },
  })
  // Like an operator's setup: one environment for all, and the default port.
  const { ADMIN_PORT: _, ...environment } = scenario.environment()
  const pm2 = new Pm2(environment)
  await pm2.run('start', ECOSYSTEM)
  const shared = (shares = '2,3,3') => scenario.eventually(() => sharesOf(scenario) === shares, 60_000)
  await shared()
  let loaded = true
  const writing = (async () => {
    while (loaded) await scenario.write(20, { perSecond: 60, kinds: ['audit', 'access', 'kubernetes'] })
  })()
  const end = async () => {
    loaded = false
    await writing
    await scenario.caughtUp(60_000)
  }
  await delivered(scenario, 1_000)
  return { scenario, pm2, shared, end }
}

function sharesOf(scenario: Scenario): string {
  const shares = [...scenario.holders().values()].map((shards) => shards.length)
  return shares.sort().join()
}

async function delivered(scenario: Scenario, more: number): Promise<void> {
  const before = scenario.indexedById.size
  await scenario.eventually(() => scenario.indexedById.size >= before + more)
}

const column = <K extends keyof Listed>(listed: Listed[], key: K): Listed[K][] => listed.map((replica) => replica[key])

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('under pm2', () => {
  test('a reload under load loses nothing and repeats nothing', async () => {
    const { scenario, pm2, shared, end } = await underLoad()
    const before = await pm2.list()
    const names = [...scenario.holders().keys()].sort()
    await pm2.run('reload', 'sls-siem-bridge')
    const after = await pm2.list()
    expect(column(after, 'status')).toEqual(Array(REPLICAS).fill('online'))
    expect(pm2.ends()).toEqual(Array(REPLICAS).fill(CLEAN))
    expect(column(after, 'pid').filter((pid) => column(before, 'pid').includes(pid))).toEqual([])
    await shared()
    expect([...scenario.holders().keys()].sort()).toEqual(names)
    await delivered(scenario, 1_000)
    await end()
    expect(scenario.tally()).toMatchObject({ missing: [], duplicated: 0 })
    expect(scenario.commitsAhead()).toEqual([])
  })

  test('scaling up and down hands shards over without losing or repeating anything', async () => {
    const { scenario, pm2, shared, end } = await underLoad()
    await pm2.run('scale', 'sls-siem-bridge', '4')
    await shared('2,2,2,2')
    await pm2.run('scale', 'sls-siem-bridge', '3')
    await shared()
    await delivered(scenario, 1_000)
    await end()
    expect(scenario.tally()).toMatchObject({ missing: [], duplicated: 0 })
  })

  test('stop ends with exit code 0 and everything committed; after a start nothing is repeated', async () => {
    const { scenario, pm2, end } = await underLoad()
    await pm2.run('stop', 'sls-siem-bridge')
    const stopped = await pm2.list()
    expect(column(stopped, 'status')).toEqual(Array(REPLICAS).fill('stopped'))
    expect(pm2.ends()).toEqual(Array(REPLICAS).fill(CLEAN))
    await pm2.run('start', 'sls-siem-bridge')
    await end()
    expect(scenario.tally()).toMatchObject({ missing: [], duplicated: 0 })
  })

  test('pm2 restarts a killed replica, and nothing is lost', async () => {
    const { scenario, pm2, shared, end } = await underLoad()
    const [victim] = await pm2.list()
    process.kill(victim?.pid as number, 'SIGKILL')
    expect(await polled(async () => column(await pm2.list(), 'restarts').join() === '1,0,0')).toBe(true)
    await shared()
    const [successor] = await pm2.list()
    expect(successor?.pid).not.toBe(victim?.pid)
    await end()
    expect(scenario.tally().missing).toEqual([])
    expect(scenario.commitsAhead()).toEqual([])
  })

  test('when pm2 itself is killed, its replicas end too, so the next ones can use their names', async () => {
    const { scenario, pm2, end } = await underLoad()
    const orphans = column(await pm2.list(), 'pid')
    onTestFinished(() => {
      for (const pid of orphans) if (alive(pid)) process.kill(pid, 'SIGKILL')
    })
    process.kill(pm2.daemon(), 'SIGKILL')
    expect(await polled(() => !orphans.some(alive))).toBe(true)
    await pm2.run('start', ECOSYSTEM)
    await end()
    expect(scenario.tally().missing).toEqual([])
  })

  test('pm2 does not restart a wrong configuration again and again', async () => {
    const pm2 = new Pm2({})
    await pm2.run('start', ECOSYSTEM)
    const ended = { status: 'stopped', exitCode: 2, restarts: 0 }
    await expect.poll(() => pm2.list(), { timeout: 20_000 }).toMatchObject(Array(REPLICAS).fill(ended))
  })
})
