import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { cleanEnvironment } from '../support/bridge-process.ts'
import { polled } from '../support/polled.ts'
import { Scenario } from '../support/scenario.ts'
import { installation } from './installation.ts'
import type { Listed } from './pm2.ts'
import { Pm2 } from './pm2.ts'

const ECOSYSTEM = 'deploy/pm2/ecosystem.config.cjs'
const REPLICAS = 3
const CLUSTER = `sls-siem-bridge does not run in cluster mode, where all replicas would share one admin port.
  → run: pm2 start deploy/pm2/ecosystem.config.cjs. In a file of your own, set exec_mode: 'fork'; without a file, leave out -i
`
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

interface Logged {
  time: string
  msg: string
}

function loggedBy(pm2: Pm2, instance: number): Logged[] {
  const log = readFileSync(join(pm2.root, `log/bridge-${instance}.log`), 'utf8')
  return log
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

/** Of the last line that begins with `words`. */
function timeOf(log: readonly Logged[] = [], words: string): string {
  return log.findLast(({ msg }) => msg.startsWith(words))?.time ?? `nothing is logged of ${words}`
}

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

  test('each replica has the name, the port and the log of its instance, and pm2 start returns when all are ready', async () => {
    const scenario = await Scenario.start({ sls: { shards: 3 } })
    const { ADMIN_PORT: _, ...environment } = scenario.environment()
    const pm2 = new Pm2({ ...environment, LOG_FILE_MAX_BYTES: '1000', LOG_FILE_KEEP: '1' })
    await pm2.run('start', ECOSYSTEM)
    const ports = [pm2.port, pm2.port + 1, pm2.port + 2]
    const told = await Promise.all(
      ports.map(async (port) => (await fetch(`http://127.0.0.1:${port}/status.json`)).json()),
    )
    const names = [0, 1, 2].map((instance) => `${hostname()}-${instance}`)
    expect(told).toMatchObject(names.map((consumer) => ({ about: { consumer }, ready: true })))
    // Two starts fill a file, and only the last one is kept, beside its link.
    await pm2.run('reload', 'sls-siem-bridge')
    const logs = () => readdirSync(join(pm2.root, 'log')).map((name) => name.replace(/\.[2-9]\./, '.N.'))
    const kept = [0, 1, 2].flatMap((instance) => [`bridge-${instance}.N.log`, `bridge-${instance}.log`])
    await expect.poll(() => logs().sort()).toEqual(kept)
    expect(pm2.errors()).toEqual(['', '', ''])
  })

  test('without ADMIN_PORT the third instance has port 9466', () => {
    const root = installation()
    writeFileSync(
      join(root, 'bin/sls-siem-bridge.cjs'),
      '#!/bin/sh\necho "$*" "$ADMIN_PORT" "$SLS_CONSUMER" "$LOG_FILE"\n',
    )
    const { ADMIN_PORT: _, ...env } = { ...cleanEnvironment(), NODE_APP_INSTANCE: '2' } as NodeJS.ProcessEnv
    const said = execFileSync(join(root, 'deploy/pm2/replica.cjs'), { env, encoding: 'utf8' })
    expect(said).toBe(`run 9466 ${hostname()}-2 log/bridge-2.log\n`)
  })

  test('with --parallel 1 a reload stops a replica when the one before it has joined again', async () => {
    const { pm2, scenario, end } = await underLoad()
    await pm2.run('reload', 'sls-siem-bridge', '--parallel', '1')
    const [first, second, third] = [0, 1, 2].map((instance) => loggedBy(pm2, instance))
    const stopped = (log: Logged[] | undefined): string => timeOf(log, 'stopping')
    expect(timeOf(first, 'joined') < stopped(second)).toBe(true)
    expect(timeOf(second, 'joined') < stopped(third)).toBe(true)
    await end()
    expect(scenario.tally()).toMatchObject({ missing: [], duplicated: 0 })
  })

  test.for([
    ['the file', ECOSYSTEM],
    ['the command', 'bin/sls-siem-bridge.cjs', '-i', '2', '--', 'run'],
    ['dist/main.js', 'dist/main.js', '-i', '2', '--', 'run'],
  ])('cluster mode is refused with what to set: %s', async ([, ...started]) => {
    const pm2 = new Pm2({})
    const file = join(pm2.root, ECOSYSTEM)
    writeFileSync(file, readFileSync(file, 'utf8').replace("exec_mode: 'fork'", "exec_mode: 'cluster'"))
    await pm2.run('start', ...started)
    await expect
      .poll(async () => new Set(column(await pm2.list(), 'status')), { timeout: 30_000 })
      .toEqual(new Set(['errored']))
    for (const words of pm2.errors()) expect(words.startsWith(CLUSTER)).toBe(true)
  })

  test('pm2 does not restart a wrong configuration again and again', async () => {
    const pm2 = new Pm2({})
    await pm2.run('start', ECOSYSTEM)
    const ended = { status: 'stopped', exitCode: 2, restarts: 0 }
    await expect.poll(() => pm2.list(), { timeout: 20_000 }).toMatchObject(Array(REPLICAS).fill(ended))
  })
})
