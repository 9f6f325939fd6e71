import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Secret } from '../../src/core/secret.ts'
import type { IndexedEvent } from '../../src/emulator/hec/index.ts'
import type { HecReceiver } from '../../src/emulator/hec/server.ts'
import { startHecReceiver } from '../../src/emulator/hec/server.ts'
import { seededRandom } from '../../src/emulator/sample-logs.ts'
import type { Logstore } from '../../src/emulator/sls/logstore.ts'
import { startSlsEmulator } from '../../src/emulator/sls/server.ts'
import { OfficialClient } from '../../src/sls/official-client.ts'
import type { BridgeProcess } from '../support/bridge-process.ts'
import { startCommand } from '../support/bridge-process.ts'
import { polled } from '../support/polled.ts'

const GROUP = 'siem'

/** A SIEM that remembers when each event arrived. */
class Siem {
  readonly receiver: HecReceiver
  /** By the number that the log carries. */
  readonly arrivals = new Map<number, { id: string; at: number[] }>()

  private constructor(receiver: HecReceiver, arrivals: Siem['arrivals']) {
    this.receiver = receiver
    this.arrivals = arrivals
  }

  static async start(): Promise<Siem> {
    const arrivals: Siem['arrivals'] = new Map()
    const onIndexed = (events: readonly IndexedEvent[]): void => {
      for (const { envelope } of events) {
        const number = Number((envelope.event as { n: string }).n)
        const known = arrivals.get(number) ?? { id: String(envelope.fields?.['sls_event_id']), at: [] }
        known.at.push(Date.now())
        arrivals.set(number, known)
      }
    }
    const receiver = await startHecReceiver({ keep: false, onIndexed })
    onTestFinished(() => receiver.close())
    return new Siem(receiver, arrivals)
  }

  get numbers(): number[] {
    return [...this.arrivals.keys()].sort((a, b) => a - b)
  }

  get duplicates(): number {
    return [...this.arrivals.values()].reduce((sum, { at }) => sum + at.length - 1, 0)
  }

  goDown(): void {
    this.receiver.faults.add({ id: 'down', match: { endpoint: 'event' }, times: 0, action: { status: 503, body: '' } })
  }

  comeBack(): void {
    this.receiver.faults.remove('down')
  }
}

const sorted = (numbers: Iterable<number>): number[] => [...numbers].sort((a, b) => a - b)

/** Log Service with a logstore of trails and one of requests, and two SIEMs. */
async function world() {
  const projects = { audit: { trail: { shards: 2 }, extra: { shards: 1 } }, web: { access: { shards: 2 } } }
  const sls = await startSlsEmulator({ projects })
  const folder = mkdtempSync(join(tmpdir(), 'routes-'))
  onTestFinished(async () => {
    await sls.close()
    rmSync(folder, { recursive: true })
  })
  const [main, security] = [await Siem.start(), await Siem.start()]
  let written = 0
  return {
    ...{ sls, main, security },
    ...{ trail: sls.logstore('audit', 'trail'), access: sls.logstore('web', 'access') },
    env: {
      ...{ SLS_AK_ID: sls.accessKeyId, SLS_AK_KEY: sls.accessKeySecret, ADMIN_PORT: '0' },
      DEAD_LETTER_DIR: join(folder, 'dead-letter'),
    },
    /** Writes a configuration file with these routes, and returns the settings that name it. */
    configure(routes: string): Record<string, string> {
      const path = join(folder, 'bridge.yaml')
      const common = `endpoint: ${sls.url}, group: ${GROUP}, heartbeat_seconds: 1, fetch_interval_seconds: 0.1`
      const sink = (token: string, { receiver }: Siem): string =>
        `{type: splunk_hec, url: ["${receiver.environment().SPLUNK_HEC_URL}"], token: "\${${token}}", max_bytes: 20000}`
      const text = `version: 1
sources:
  trail: {${common}, project: audit, logstore: trail}
  web: {${common}, project: web, logstore: access}
sinks:
  main: ${sink('MAIN', main)}
  security: ${sink('SECURITY', security)}
routes:
${routes}`
      writeFileSync(path, text)
      const [MAIN, SECURITY] = [main, security].map(({ receiver }) => receiver.environment().SPLUNK_HEC_TOKEN)
      return { BRIDGE_CONFIG: path, MAIN: String(MAIN), SECURITY: String(SECURITY) }
    },
    /** Writes logs that carry numbers of their own and what `contents` gives them. */
    async write(
      { project, name: logstore }: Pick<Logstore, 'project' | 'name'>,
      groups: number,
      contents: (n: number) => Record<string, string> = () => ({}),
    ): Promise<number[]> {
      const { accessKeyId, accessKeySecret, url: endpoint } = sls
      const secret = new Secret(accessKeySecret)
      const client = new OfficialClient({
        ...{ endpoint, project, logstore, accessKeyId, accessKeySecret: secret, userAgent: 'test' },
      })
      const numbers: number[] = []
      for (let group = 0; group < groups; group++) {
        const logs = Array.from({ length: 20 }, () => {
          numbers.push(++written)
          return { timestamp: 1_790_000_000, content: { n: String(written), ...contents(written) } }
        })
        await client.write({ topic: 't', source: '10.0.0.1', logs })
      }
      client.close()
      return numbers
    },
  }
}

const caughtUp = async (...logstores: Logstore[]): Promise<void> => {
  for (const logstore of logstores) await logstore.caughtUp(GROUP, { timeoutMs: 40_000 })
}

async function ended(replica: BridgeProcess): Promise<void> {
  expect((await replica.kill('SIGTERM')).code).toBe(0)
}

test('several logstores of one project are read in one process, each under its own name', async () => {
  const { sls, main, env, write, trail } = await world()
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
    const { main, security, env, configure, write, trail, access } = await world()
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
    const { sls, main, security, env, configure, write, trail } = await world()
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

  test('brings changed routes into use from the next pull on', async () => {
    const { main, security, env, configure, write, trail } = await world()
    const replica = startCommand(['run'], { ...env, ...configure(ALL_TO_MAIN) })
    const before = await write(trail, 2)
    await caughtUp(trail)
    configure(
      '  - {name: even, when: kind = even, to: security}\n  - {name: odd, to: main, shape: [{remove: [kind]}]}\n',
    )
    replica.child.kill('SIGHUP')
    await replica.line(/the configuration is in use/)
    const after = await write(trail, 2, (n) => ({ kind: n % 2 === 0 ? 'even' : 'odd' }))
    await caughtUp(trail)
    expect(await replica.metrics()).toMatch(/config_reloads_total\{result="done"\} 1/)
    await ended(replica)
    expect(security.numbers).toEqual(after.filter((n) => n % 2 === 0))
    expect(main.numbers).toEqual(sorted([...before, ...after.filter((n) => n % 2 === 1)]))
  })

  test('changes nothing where the file is wrong or something else has changed, and says so with the place', async () => {
    const { main, security, env, configure, write, trail } = await world()
    const settings = configure(ALL_TO_MAIN)
    const path = settings['BRIDGE_CONFIG'] as string
    const replica = startCommand(['run'], { ...env, ...settings })
    await replica.line(/joined the consumer group/)
    configure('  - {name: all, to: security, when: n startwith 1}\n')
    replica.child.kill('SIGHUP')
    const refused = await replica.line(/the configuration is refused, and the old one stays in use/)
    expect(refused['problems']).toMatch(/bridge\.yaml:\d+:\d+ .*\n.*startwith.*startswith/)
    configure('  - {name: all, to: security}\n')
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll('max_bytes: 20000', 'max_bytes: 30000'))
    replica.child.kill('SIGHUP')
    const { msg } = await replica.line(/needs a restart/)
    expect(msg).toContain('sinks.main.maxBytes, sinks.security.maxBytes')
    const wanted = await write(trail, 1)
    await caughtUp(trail)
    const metrics = await replica.metrics()
    for (const result of ['invalid', 'needs_restart'])
      expect(metrics).toContain(`config_reloads_total{result="${result}"} 1`)
    await ended(replica)
    expect(main.numbers).toEqual(wanted)
    expect(security.numbers).toEqual([])
  })
})

/** The acceptance run is longer: KILLS=30 npx vitest run --project integration test/integration/routes.test.ts */
const KILLS = Number(process.env['KILLS'] ?? 6)

test(`three routes, two sinks, one of them down meanwhile: ${KILLS} kills lose nothing, and repeat no more than they explain`, {
  timeout: 60_000 + KILLS * 4_000,
}, async () => {
  const { sls, main, security, env, configure, write, trail, access } = await world()
  const settings = configure(`  - {name: probes, when: kind = probe, drop: health-check}
  - {name: denied, when: kind = denied, to: security, continue: true}
  - {name: rest, to: main}
`)
  const kindOf = (n: number): string => (n % 10 === 0 ? 'probe' : n % 3 === 0 ? 'denied' : 'plain')
  const random = seededRandom(Number(process.env['SEED'] ?? Date.now() % 1_000_000))
  const start = (consumer: string) => startCommand(['run'], { ...env, ...settings, SLS_CONSUMER: consumer })
  const replicas = [start('a'), start('b')]
  const all = [...replicas]
  const wanted: number[] = []
  let writing = true
  const writer = (async () => {
    while (writing)
      for (const logstore of [trail, access]) wanted.push(...(await write(logstore, 2, (n) => ({ kind: kindOf(n) }))))
  })()
  expect(await polled(() => main.arrivals.size > 0 && security.arrivals.size > 0, 20_000)).toBe(true)
  security.goDown()
  const kills: Excuse[] = []
  for (let kill = 0; kill < KILLS; kill++) {
    const before = sls.requests().reduce((sum, { count }) => sum + count, 0)
    const more = 20 + Math.floor(random() * 200)
    await polled(() => sls.requests().reduce((sum, { count }) => sum + count, 0) > before + more, 10_000)
    const victim = kill % 2
    await replicas[victim]?.kill('SIGKILL')
    kills.push({ at: Date.now(), committed: checkpointsOf([trail, access]) })
    const next = start(victim === 0 ? 'a' : 'b')
    replicas[victim] = next
    all.push(next)
    if (kill === KILLS - 2) security.comeBack()
  }
  writing = false
  await writer
  await caughtUp(trail, access)
  await Promise.all(replicas.map((replica) => replica.adminUrl()))
  await Promise.all(replicas.map(ended))
  expect(main.numbers).toEqual(sorted(wanted.filter((n) => kindOf(n) !== 'probe')))
  expect(security.numbers).toEqual(sorted(wanted.filter((n) => kindOf(n) === 'denied')))
  // On a busy machine a lease may end. Nothing is known of the checkpoints at that moment.
  const losses = all.flatMap(({ lines }) => lines.filter(({ msg }) => msg.startsWith('lost shard')))
  const excuses = [...kills, ...losses.map((line) => ({ at: Date.parse(String(line['time'])), committed: new Map() }))]
  expect(unexplained(main, excuses)).toEqual([])
  expect(unexplained(security, excuses)).toEqual([])
})

/** The first position that is not committed, by `<project>/<logstore>:<shard>`. */
function checkpointsOf(logstores: readonly Logstore[]): Map<string, bigint> {
  const all = logstores.flatMap((logstore) => {
    const shards = logstore.state().consumerGroups[0]?.shards ?? []
    const scope = `${logstore.project}/${logstore.name}`
    return shards.map(({ shard, checkpoint }) => [`${scope}:${shard}`, numberOf(checkpoint)] as const)
  })
  return new Map(all)
}

function numberOf(checkpoint: string): bigint {
  return checkpoint === '' ? 0n : BigInt(Buffer.from(checkpoint, 'base64').toString())
}

interface Excuse {
  readonly at: number
  readonly committed: ReadonlyMap<string, bigint>
}

/** Repeated events that nothing between their arrivals explains: their checkpoint was behind them already. */
function unexplained(siem: Siem, excuses: readonly Excuse[]): string[] {
  return [...siem.arrivals.values()].flatMap(({ id, at }) => {
    const [scope, shard, position] = id.split(':')
    return at.slice(1).flatMap((again, index) => {
      const first = at[index] as number
      const explains = excuses.some(
        (excuse) =>
          excuse.at >= first &&
          excuse.at <= again &&
          (excuse.committed.get(`${scope}:${shard}`) ?? 0n) <= BigInt(position ?? 0),
      )
      return explains ? [] : [`${id} at ${first} and ${again}`]
    })
  })
}
