import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { BridgeProcess } from '../support/bridge-process.ts'
import { startCommand } from '../support/bridge-process.ts'
import { polled } from '../support/polled.ts'
import { sinkDown } from '../support/sink-down.ts'
import { caughtUp, GROUP, sorted, twoSiems } from '../support/two-siems.ts'

async function ended(replica: BridgeProcess): Promise<void> {
  expect((await replica.kill('SIGTERM')).code).toBe(0)
}

test('several logstores of one project are read in one process, each under its own name', async () => {
  const { sls, main, env, write, trail } = await twoSiems()
  const extra = sls.logstore('audit', 'extra')
  const replica = startCommand(['run'], {
    ...{
      ...env,
      ...sls.environment('audit'),
      ...main.receiver.environment(),
      SLS_LOGSTORE: 'trail,extra',
      SLS_CG: GROUP,
    },
    ...{ SLS_HEARTBEAT_SECONDS: '1', SLS_FETCH_INTERVAL_SECONDS: '0.1' },
  })
  const wanted = [...(await write(trail, 4)), ...(await write(extra, 3))]
  await caughtUp(trail, extra)
  await ended(replica)
  expect(main.numbers).toEqual(sorted(wanted))
  expect(main.duplicates).toBe(0)
  const prefixes = [...main.arrivals.values()].map(({ id }) => id.split(':')[0])
  expect(new Set(prefixes)).toEqual(new Set(['trail', 'extra']))
})

describe('a sink that is down', () => {
  const ROUTES = `  - {name: audit, from: [trail], to: security}
  - {name: rest, to: main}
`

  test('holds back the shards that have something for it, and no others; nothing is sent twice', async () => {
    const { main, security, env, configure, write, trail, access } = await twoSiems()
    security.goDown()
    const limit = 200_000
    const replica = startCommand(['run'], { ...env, ...configure(ROUTES), MAX_IN_FLIGHT_BYTES: String(limit) })
    const pad = () => ({ pad: 'x'.repeat(400) })
    const audit = await write(trail, 60, pad)
    // More than the memory for all sinks: without a share of its own the healthy one would get nothing more.
    await polled(async () => /in_flight_bytes (\d{6})/.test(await replica.metrics()))
    const requests = await write(access, 60, pad)
    expect(await polled(() => main.arrivals.size === requests.length, 20_000)).toBe(true)
    await caughtUp(access)
    const inFlight = Number(/in_flight_bytes (\d+)/.exec(await replica.metrics())?.[1])
    expect(inFlight).toBeGreaterThan(limit / 2)
    expect(inFlight).toBeLessThanOrEqual(limit)
    expect(security.arrivals.size).toBe(0)
    security.comeBack()
    await caughtUp(trail)
    await ended(replica)
    expect(security.numbers).toEqual(audit)
    expect(main.numbers).toEqual(requests)
    expect(main.duplicates + security.duplicates).toBe(0)
  })

  test('does not repeat at the other sink what that has acknowledged', async () => {
    const { sls, main, security, env, configure, write, trail } = await twoSiems()
    security.goDown()
    const replica = startCommand(['run'], { ...env, ...configure('  - {name: both, to: [main, security]}\n') })
    const wanted = await write(trail, 5)
    expect(await polled(() => main.arrivals.size === wanted.length)).toBe(true)
    const heartbeats = (): number =>
      sls.requests().reduce((sum, { api, count }) => sum + (api === 'ConsumerGroupHeartBeat' ? count : 0), 0)
    const before = heartbeats()
    // Checkpoints are committed about as often.
    expect(await polled(() => heartbeats() > before + 6)).toBe(true)
    expect(security.receiver.faults.list()[0]?.fired).toBeGreaterThan(1)
    // The copy that is missing at one sink holds the checkpoint.
    expect(trail.state().consumerGroups[0]?.shards.map(({ checkpoint }) => checkpoint)).toEqual(['', ''])
    security.comeBack()
    await caughtUp(trail)
    await ended(replica)
    expect([main.numbers, security.numbers]).toEqual([wanted, wanted])
    expect(main.duplicates).toBe(0)
  })
})

describe('SIGHUP', () => {
  const ALL_TO_MAIN = '  - {name: all, to: main}\n'
  const TEST = 'tests: [{name: stays, source: trail, log: {}, expect: [{sink: main}]}]\n'

  test('brings changed routes into use from the next pull on', async () => {
    const { main, security, env, configure, write, trail } = await twoSiems()
    const replica = startCommand(['run'], { ...env, ...configure(ALL_TO_MAIN) })
    const before = await write(trail, 2)
    await caughtUp(trail)
    configure(
      '  - {name: even, when: kind = even, to: security}\n  - {name: odd, to: main, shape: [{remove: [kind]}]}\n',
    )
    replica.child.kill('SIGHUP')
    await replica.line(/the configuration is in use/)
    for (const route of ['even', 'odd'])
      expect(await replica.metrics()).toMatch(
        new RegExp(`events_routed_total\\{.*logstore="trail",route="${route}"\\} 0`),
      )
    const after = await write(trail, 2, (n) => ({ kind: n % 2 === 0 ? 'even' : 'odd' }))
    await caughtUp(trail)
    expect(await replica.metrics()).toMatch(/config_reloads_total\{result="done"\} 1/)
    await ended(replica)
    expect(security.numbers).toEqual(after.filter((n) => n % 2 === 0))
    expect(main.numbers).toEqual(sorted([...before, ...after.filter((n) => n % 2 === 1)]))
  })

  test('changes nothing where the file is wrong or something else has changed, and says so with the place', async () => {
    const { main, security, env, configure, write, trail } = await twoSiems()
    const settings = configure(ALL_TO_MAIN)
    const path = settings['BRIDGE_CONFIG'] as string
    const replica = startCommand(['run'], { ...env, ...settings })
    await replica.line(/joined the consumer group/)
    configure('  - {name: all, to: security, when: n startwith 1}\n')
    replica.child.kill('SIGHUP')
    const refused = await replica.line(/the configuration is refused, and the old one stays in use/)
    expect(refused['problems']).toMatch(/bridge\.yaml:\d+:\d+ .*\n.*startwith.*startswith/)
    configure(`  - {name: all, to: security}\n${TEST}`)
    replica.child.kill('SIGHUP')
    const problems = () => replica.lines.flatMap(({ problems: told }) => told ?? []).slice(1)
    expect(await polled(() => problems().length > 0)).toBe(true)
    expect(problems()).toEqual([
      expect.stringMatching(/bridge\.yaml:\d+:\d+ +test: stays\n +fails: .*"main".*"security"/),
    ])
    configure('  - {name: all, to: security}\n')
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll('max_bytes: 20000', 'max_bytes: 30000'))
    replica.child.kill('SIGHUP')
    const { msg } = await replica.line(/needs a restart/)
    expect(msg).toContain('sinks.main.maxBytes, sinks.security.maxBytes')
    const wanted = await write(trail, 1)
    await caughtUp(trail)
    const metrics = await replica.metrics()
    expect(metrics).toContain('config_reloads_total{result="invalid"} 2')
    expect(metrics).toContain('config_reloads_total{result="needs_restart"} 1')
    await ended(replica)
    expect(main.numbers).toEqual(wanted)
    expect(security.numbers).toEqual([])
  })
})

/** The acceptance run is longer: KILLS=30 npx vitest run --project integration test/integration/routes.test.ts */
const KILLS = Number(process.env['KILLS'] ?? 4)

test(`three routes, two sinks, one of them down meanwhile: ${KILLS} kills lose nothing, and repeat no more than they explain`, {
  timeout: 60_000 + KILLS * 4_000,
}, async () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
  const verdict = await sinkDown({ seed, kills: KILLS })
  console.log(`seed ${seed}: ${JSON.stringify(verdict.counts)}`)
  expect(verdict.broken).toEqual([])
})
