import { setTimeout as sleep } from 'node:timers/promises'
import { seededRandom } from '../../src/emulator/sample-logs.ts'
import type { Logstore } from '../../src/emulator/sls/logstore.ts'
import type { BridgeProcess } from './bridge-process.ts'
import { MAIN, startCommand } from './bridge-process.ts'
import { polled } from './polled.ts'
import type { Siem } from './two-siems.ts'
import { caughtUp, GROUP, sorted, twoSiems } from './two-siems.ts'

export interface SinkDownOptions {
  readonly seed: number
  /** Kills by SIGKILL, of the two replicas in turn, while the sink is down and after it. */
  readonly kills: number
  /** A replica is asked to leave, before the kills, while copies for the sink that is down wait in it. */
  readonly leave?: boolean
  /** How long the sink is down at least. */
  readonly downMs?: number
  /** Of the bridge: another one may have a bug. */
  readonly main?: string
  /** How long to wait for the end of the backlog. */
  readonly patienceMs?: number
}

/** What a run of the bridge must not do. */
export type Broken = 'lost' | 'repeated' | 'held up' | 'stuck'

export interface SinkDownVerdict {
  readonly broken: readonly Broken[]
  /** By sink. */
  readonly counts: Readonly<Record<'main' | 'security', Counts>>
}

interface Counts {
  readonly wanted: number
  readonly delivered: number
  readonly duplicated: number
  readonly missing: number
  /** Deliveries of the same event that no kill explains. */
  readonly unexplained: number
}

const ROUTES = `  - {name: probes, when: kind = probe, drop: health-check}
  - {name: denied, from: [trail], when: kind = denied, to: security, continue: true}
  - {name: rest, to: main}
`

const kindOf = (n: number): string => (n % 10 === 0 ? 'probe' : n % 3 === 0 ? 'denied' : 'plain')

/**
 * Two sources, three routes, two replicas, and two sinks of which one is down for a while. Only one of the sources has
 * something for it. Meanwhile logs are written all the time, and replicas are killed.
 */
export async function sinkDown(options: SinkDownOptions): Promise<SinkDownVerdict> {
  const { seed, kills, leave = false, downMs = 0, main: entry = MAIN, patienceMs = 40_000 } = options
  const { sls, main, security, env, configure, write, trail, access } = await twoSiems()
  const settings = configure(ROUTES)
  const random = seededRandom(seed)
  const start = (consumer: string) =>
    startCommand(
      ['run'],
      { ...env, ...settings, MAX_IN_FLIGHT_BYTES: '300000', SHUTDOWN_GRACE_SECONDS: '3', SLS_CONSUMER: consumer },
      { main: entry },
    )
  const replicas = [start('a'), start('b')]
  const all = [...replicas]
  const written: { readonly n: number; readonly at: number; readonly of: Logstore }[] = []
  let writing = true
  const writer = (async () => {
    while (writing) {
      for (const of of [trail, access]) {
        const numbers = await write(of, 1, (n) => ({ kind: kindOf(n), pad: 'x'.repeat(300) }))
        written.push(...numbers.map((n) => ({ n, at: Date.now(), of })))
      }
      await sleep(10)
    }
  })()
  const broken = new Set<Broken>()
  if (!(await polled(() => main.arrivals.size > 0 && security.arrivals.size > 0, 20_000))) broken.add('stuck')
  security.goDown()
  const downAt = Date.now()
  const excuses: Excuse[] = []
  const end = async (victim: number, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
    await replicas[victim]?.kill(signal)
    excuses.push({ at: Date.now(), committed: checkpointsOf([trail, access]) })
    const next = start(victim === 0 ? 'a' : 'b')
    replicas[victim] = next
    all.push(next)
  }
  if (leave) await end(await firstOf(replicas, hasCopiesWaiting), 'SIGTERM')
  const requests = (): number => sls.requests().reduce((sum, { count }) => sum + count, 0)
  for (let kill = 0; kill < kills; kill++) {
    const until = requests() + 20 + Math.floor(random() * 200)
    await polled(() => requests() > until, 10_000)
    // The last kill comes after the sink is back.
    if (kill === kills - 1) {
      await sleep(Math.max(0, downAt + downMs - Date.now()))
      if (!(await flows(main, written, access))) broken.add('held up')
      security.comeBack()
    }
    await end(kill % 2, 'SIGKILL')
  }
  writing = false
  await writer
  const done = await Promise.race([caughtUp(trail, access).then(() => true), sleep(patienceMs, false)]).catch(
    () => false,
  )
  if (!done) broken.add('stuck')
  await Promise.all(replicas.map((replica) => replica.kill('SIGTERM')))
  // On a busy machine a lease may end. Nothing is known of the checkpoints at that moment.
  const losses = all.flatMap(({ lines }) =>
    lines.filter(({ msg, reason }) => msg.startsWith('lost shard') && !String(reason).includes('process is ending')),
  )
  excuses.push(...losses.map((line) => ({ at: Date.parse(String(line['time'])), committed: new Map() })))
  const ofMain = written.filter(({ n }) => kindOf(n) !== 'probe')
  const ofSecurity = written.filter(({ n, of }) => kindOf(n) === 'denied' && of === trail)
  const counts = { main: countsOf(main, ofMain, excuses), security: countsOf(security, ofSecurity, excuses) }
  for (const { missing, unexplained } of Object.values(counts)) {
    if (missing > 0) broken.add('lost')
    if (unexplained > 0) broken.add('repeated')
  }
  return { broken: [...broken], counts }
}

/** Place of the first replica of which this is true, once there is one. */
async function firstOf(
  replicas: readonly BridgeProcess[],
  isSo: (replica: BridgeProcess) => Promise<boolean>,
): Promise<number> {
  let found = -1
  const some = async (): Promise<boolean> => {
    found = (await Promise.all(replicas.map(isSo))).indexOf(true)
    return found >= 0
  }
  if (await polled(some, 20_000)) return found
  throw new Error('no copy waits in any replica')
}

/** The sink that is down has refused something of it, which is tried until it is accepted. */
async function hasCopiesWaiting(replica: BridgeProcess): Promise<boolean> {
  return /^sls_bridge_hec_requests_total\{status="503"/m.test(await replica.metrics())
}

/** Whether what the source wrote until now arrives soon, although another sink is down. */
function flows(siem: Siem, written: readonly { n: number; of: Logstore }[], source: Logstore): Promise<boolean> {
  const wanted = written.filter(({ n, of }) => of === source && kindOf(n) !== 'probe')
  return polled(() => wanted.every(({ n }) => siem.arrivals.has(n)), 10_000)
}

function countsOf(siem: Siem, wanted: readonly { n: number }[], excuses: readonly Excuse[]): Counts {
  const numbers = sorted(wanted.map(({ n }) => n))
  return {
    wanted: numbers.length,
    delivered: siem.arrivals.size,
    duplicated: siem.duplicates,
    missing: numbers.filter((n) => !siem.arrivals.has(n)).length,
    unexplained: unexplained(siem, excuses),
  }
}

/** Something after which events may be repeated that were not committed. */
interface Excuse {
  readonly at: number
  /** The first position that is not committed, by `<project>/<logstore>:<shard>`. */
  readonly committed: ReadonlyMap<string, bigint>
}

function checkpointsOf(logstores: readonly Logstore[]): Map<string, bigint> {
  const all = logstores.flatMap((logstore) => {
    const group = logstore.state().consumerGroups.find(({ name }) => name === GROUP)
    const scope = `${logstore.project}/${logstore.name}`
    return (group?.shards ?? []).map(({ shard, checkpoint }) => [`${scope}:${shard}`, numberOf(checkpoint)] as const)
  })
  return new Map(all)
}

function numberOf(checkpoint: string): bigint {
  return checkpoint === '' ? 0n : BigInt(Buffer.from(checkpoint, 'base64').toString())
}

/** Events that came again although nothing between their arrivals explains it, or although their checkpoint was behind them. */
function unexplained(siem: Siem, excuses: readonly Excuse[]): number {
  let count = 0
  for (const { id, at } of siem.arrivals.values()) {
    const [scope, shard, position = ''] = id.split(':')
    for (const [index, again] of at.slice(1).entries()) {
      const first = at[index] as number
      const explains = excuses.some(
        (excuse) =>
          excuse.at >= first &&
          excuse.at <= again &&
          (excuse.committed.get(`${scope}:${shard}`) ?? 0n) <= BigInt(position),
      )
      if (!explains) count++
    }
  }
  return count
}
