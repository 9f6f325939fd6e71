import { randomBytes } from 'node:crypto'
import type { WriteStream } from 'node:fs'
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Secret } from '../../src/core/secret.ts'
import type { HecReceiver, HecReceiverOptions } from '../../src/emulator/hec/server.ts'
import { startHecReceiver } from '../../src/emulator/hec/server.ts'
import type { SampleKind } from '../../src/emulator/sample-logs.ts'
import { SampleLogs, seededRandom } from '../../src/emulator/sample-logs.ts'
import type { SlsEmulator, SlsEmulatorOptions } from '../../src/emulator/sls/server.ts'
import { startSlsEmulator } from '../../src/emulator/sls/server.ts'
import type { SyslogReceiver } from '../../src/emulator/syslog/server.ts'
import { startSyslogReceiver } from '../../src/emulator/syslog/server.ts'
import { OfficialClient } from '../../src/sls/official-client.ts'
import { polled } from '../support/polled.ts'
import { selfSigned } from '../unit/emulator/hec/certificate.ts'
import { Host } from './host.ts'
import type { Consequence, Holding, Injury, Run, Violation } from './judge.ts'
import { LagWatch } from './lag-watch.ts'
import { deadLettersIn, Ledger, SERIAL } from './ledger.ts'
import { Replica } from './replica.ts'
import type { Subject } from './subject.ts'
import type { Identity } from './tls-door.ts'
import { TlsDoor } from './tls-door.ts'

const GROUP = 'chaos'
const PROJECT = 'chaos'
/** Three heartbeats of a second. */
const LEASE_MS = 3_000
/** As in the settings of `subject.ts`. */
const ACK_TIMEOUT_MS = 5_000
/** 150 MB + 2 × budget (docs/performance.md) would be 184; faults for an hour leave some holes. */
const MEMORY_LIMIT_MB = 220
/** One code each that Splunk gives for an event it will never take. */
const POISONS = [6, 12, 13, 15] as const

export interface WorldOptions {
  subject: Subject
  seed: number
  replicas?: number
  shards?: number
  ack?: boolean
  /** With 2 the receiver has a second address, with TLS. */
  endpoints?: 1 | 2
  inOrder?: boolean
  /** Size limit of a dead letter. Default 256, which a fault fills quickly; an hour of refused events needs more. */
  diskKb?: number
  sls?: SlsEmulatorOptions
  hec?: HecReceiverOptions
  /** Logs go to a collector that confirms in this way, and none to HEC. */
  syslog?: 'drain' | 'relp' | undefined
  /** How long what must happen is waited for, where no fault says otherwise. Default a minute. */
  patienceMs?: number
}

export interface Load {
  /** Log groups a second. */
  groupsPerSecond: number
  logsPerGroup: number
  /** One log in so many groups is one the SIEM refuses; 0 for none. */
  poisonEvery: number
}

export const STEADY: Load = { groupsPerSecond: 30, logsPerGroup: 8, poisonEvery: 25 }

export interface InjuryPlan {
  readonly fault: string
  readonly may: readonly Consequence[]
  /** Whom it hits; everybody without. */
  readonly replica?: Replica
  readonly forMs: number
  readonly aheadMs?: number
}

/** A fault that has begun. */
export interface Strike {
  /** Before it is healed this must have happened; it says so itself if it does not. */
  meanwhile?(): Promise<void>
  /** How often it was met so far. */
  hits(): number | Promise<number>
  heal(): unknown
}

/** A busy machine costs a lease of three seconds when a look comes so late, and so much of the time is spent waiting. */
const STANDSTILL_MS = 700
const STARVED_SHARE = 0.5

/** Log groups on their way at any moment without a fault. */
const CAUGHT_UP_GROUPS = 30

/** So long may a fault take to hit something, its neighbours to arrive, and what it paused to come back. */
const PATIENCE_MS = 60_000

/** Digits behind the second of HEC, and of RFC 5424. */
const NANOSECONDS = 9
const MICROSECONDS = 6

function collectorFor(confirms: 'drain' | 'relp', ledger: Ledger): Promise<SyslogReceiver> {
  const transport = confirms === 'relp' ? 'relp' : 'tcp'
  const onMessage = ledger.collected.bind(ledger)
  return startSyslogReceiver({ host: '0.0.0.0', framing: 'octet', keep: false, transport, onMessage })
}

/** Compresses to about half. */
function randomHex(length: number): string {
  return randomBytes(length / 2).toString('hex')
}

/**
 * An SLS emulator, a HEC receiver, a writer that uses the vendor's own client, and replicas of the subject on hosts of
 * their own. Everything that is judged is seen from out here.
 */
export class World implements AsyncDisposable {
  readonly sls: SlsEmulator
  readonly hec: HecReceiver
  /** In place of HEC. */
  readonly syslog: SyslogReceiver | undefined
  readonly ledger: Ledger
  readonly replicas: readonly Replica[]
  readonly injuries: Injury[] = []
  /** Logs of the replicas; kept when `keepLogs` is called. */
  readonly logs: string
  readonly ack: boolean
  readonly patienceMs: number
  /** The receiver's second address, and its certificate. */
  readonly door: TlsDoor | undefined
  readonly identity: Identity
  readonly #writer: OfficialClient
  readonly #samples: SampleLogs
  readonly #random: () => number
  readonly #holdings = new Map<number, Holding[]>()
  readonly #noticed: Violation[] = []
  readonly #watch: NodeJS.Timeout
  readonly #lags: LagWatch
  readonly #log: WriteStream
  #writing: { stop: () => void; done: Promise<void> } | undefined
  #specials = 0
  #looks = 0
  #lookedAt = Date.now()
  readonly #waited = new Map<string, { at: number; waited: number }>()
  #keepLogs = false

  static async start(options: WorldOptions): Promise<World> {
    const { subject, replicas = 3, shards = 6, ack = false, endpoints = 1, patienceMs = PATIENCE_MS } = options
    const logs = mkdtempSync(join(tmpdir(), 'chaos-'))
    const names = Array.from({ length: replicas }, (_, i) => `r${i + 1}`)
    const sls = await startSlsEmulator({
      host: '0.0.0.0',
      projects: { [PROJECT]: { audit: {} } },
      shards,
      ...options.sls,
    })
    const ledger = new Ledger(sls, subject.topics, options.syslog ? MICROSECONDS : NANOSECONDS)
    const syslog = options.syslog && (await collectorFor(options.syslog, ledger))
    const hec = await startHecReceiver({
      ...{ host: '0.0.0.0', keep: false, ackDelayMs: 200, loseUnackedOnRestart: true, backpressure: 'warn_at_80' },
      ...{ tokens: names.map((name) => ({ name, ack })), onIndexed: (events) => ledger.indexed(events) },
      ...options.hec,
    })
    for (const code of POISONS) hec.refuse({ contains: `poison ${code} `, code })
    const hosts = await Promise.all(names.map(() => Host.create(options.diskKb ?? 256)))
    const identity = selfSigned('hec.test', undefined, { addresses: hosts.map(({ gateway }) => gateway) })
    const door = endpoints === 2 ? await TlsDoor.before(hec.port, identity) : undefined
    const tls = door && { port: door.port, ca: identity.cert }
    const at = { syslog: syslog && { scheme: options.syslog === 'relp' ? 'relp' : 'tcp', port: syslog.port } }
    const running = names.map((name, i) => {
      const settings = {
        ...{ SLS_AK_ID: sls.accessKeyId, SLS_AK_KEY: sls.accessKeySecret, SLS_PROJECT: PROJECT },
        ...{ SLS_LOGSTORE: sls.logstore().name, SLS_CG: GROUP, SLS_IN_ORDER: String(options.inOrder === true) },
      }
      const place = { slsPort: sls.port, hecPort: hec.port, token: hec.tokens[i] as string, settings, tls, ...at }
      return new Replica(name, hosts[i] as Host, subject, place, logs)
    })
    const parts = { sls, hec, syslog, ledger, replicas: running, logs, ack, door, identity, patienceMs }
    return new World({ ...parts, seed: options.seed })
  }

  private constructor(
    parts: Pick<World, 'sls' | 'hec' | 'syslog' | 'ledger' | 'replicas' | 'logs' | 'ack' | 'door' | 'identity'> &
      Pick<World, 'patienceMs'> & { seed: number },
  ) {
    this.sls = parts.sls
    this.hec = parts.hec
    this.syslog = parts.syslog
    this.ledger = parts.ledger
    this.replicas = parts.replicas
    this.logs = parts.logs
    this.ack = parts.ack
    this.patienceMs = parts.patienceMs
    this.door = parts.door
    this.identity = parts.identity
    this.#log = createWriteStream(join(parts.logs, 'faults.jsonl'))
    this.#samples = new SampleLogs(parts.seed)
    this.#random = seededRandom(parts.seed + 1)
    this.#writer = new OfficialClient({
      ...{ endpoint: `http://127.0.0.1:${this.sls.port}`, project: PROJECT, logstore: this.logstore.name },
      ...{ accessKeyId: this.sls.accessKeyId, accessKeySecret: new Secret(this.sls.accessKeySecret) },
      userAgent: 'chaos',
    })
    for (const replica of this.replicas) {
      replica.onDeath = ({ code, signal }) => this.notice('died', `${replica.name}: ${signal ?? `exit code ${code}`}`)
    }
    this.#watch = setInterval(() => this.#look(), 25)
    this.#lags = new LagWatch(this.replicas, () => this.group?.shards ?? [])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#watch)
    this.#lags.stop()
    await this.stopWriting()
    for (const replica of this.replicas) {
      replica.thaw()
      await replica.end('SIGKILL')
      replica[Symbol.dispose]()
      await replica.host[Symbol.asyncDispose]()
    }
    this.#writer.close()
    this.#log.end()
    await this.door?.[Symbol.asyncDispose]()
    await this.hec.close()
    await this.syslog?.close()
    await this.sls.close()
    if (!this.#keepLogs) rmSync(this.logs, { recursive: true, force: true })
  }

  keepLogs(): void {
    this.#keepLogs = true
  }

  get logstore() {
    return this.sls.logstore()
  }

  /** Ports of the receiver's addresses. */
  get siemPorts(): number[] {
    if (this.syslog) return [this.syslog.port]
    return [this.hec.port, ...(this.door ? [this.door.port] : [])]
  }

  get group() {
    return this.sls.state().logstores[0]?.consumerGroups.find(({ name }) => name === GROUP)
  }

  deleteGroup(): void {
    this.logstore.deleteGroup(GROUP)
  }

  /** Writes until `stopWriting`: two wanted topics and one other, and now and then a log that the SIEM refuses for good. */
  startWriting({ groupsPerSecond, logsPerGroup, poisonEvery }: Load = STEADY): void {
    let stopped = false
    const kinds: SampleKind[] = ['audit', 'access', 'kubernetes']
    const write = async (): Promise<void> => {
      const started = performance.now()
      for (let group = 0; !stopped; group++) {
        await this.#write(this.#samples.group(kinds[group % 3] as SampleKind, logsPerGroup))
        if (poisonEvery > 0 && group % poisonEvery === 0) await this.writePoison()
        const ahead = ((group + 1) / groupsPerSecond) * 1000 - (performance.now() - started)
        if (ahead > 1) await sleep(ahead)
      }
    }
    this.#writing = { stop: () => (stopped = true), done: write() }
  }

  async stopWriting(): Promise<void> {
    this.#writing?.stop()
    await this.#writing?.done
    this.#writing = undefined
  }

  /** Writes a log the SIEM refuses for good. */
  async writePoison(): Promise<void> {
    await this.writeSpecial(`poison ${POISONS[Math.floor(this.#random() * POISONS.length)]}`)
  }

  /** Writes a wanted log whose message begins with this, in one group with so many `neighbours`. */
  async writeSpecial(message: string, neighbours = 0): Promise<void> {
    const number = this.#specials++
    const timestamp = Math.floor(Date.now() / 1000)
    const special = { timestamp, content: { [SERIAL]: `p${number}`, message: `${message} ${number} – 有毒` } }
    const others = Array.from({ length: neighbours }, (_, i) => ({
      timestamp,
      content: { [SERIAL]: `p${number}.${i}` },
    }))
    const middle = neighbours >> 1
    const logs = [...others.slice(0, middle), special, ...others.slice(middle)]
    await this.#write({ topic: 'audit_log', source: '10.0.0.1', logs })
  }

  /** Much at once. Large tags, which every event repeats, make little that is pulled much that leaves. */
  async writeBacklog(size: {
    groups: number
    logsPerGroup: number
    tagBytes: number
    logBytes?: number
  }): Promise<void> {
    const timestamp = Math.floor(Date.now() / 1000)
    for (let group = 0; group < size.groups; group++) {
      await this.#write({
        ...{ topic: 'audit_log', source: '10.0.0.1', tags: [{ pad: 'x'.repeat(size.tagBytes) }] },
        logs: Array.from({ length: size.logsPerGroup }, (_, log) => ({
          timestamp,
          content: { [SERIAL]: `g${group}.${log}`, ...(size.logBytes && { pad: randomHex(size.logBytes) }) },
        })),
      })
    }
  }

  /** Repeats writes whose outcome is unknown: the store tells which logs are there. */
  async #write(group: Parameters<OfficialClient['write']>[0]): Promise<void> {
    for (;;) {
      try {
        return await this.#writer.write(group)
      } catch {
        await sleep(100)
      }
    }
  }

  /**
   * A fault from its first instant to its last. It lasts as long as it was meant to, and longer until it has hit something:
   * a rule that no request met proves nothing.
   */
  async injure(
    { fault, may, replica, forMs, aheadMs }: InjuryPlan,
    strike: () => Strike | Promise<Strike>,
  ): Promise<void> {
    const from = Date.now()
    const { meanwhile, hits, heal } = await strike()
    let met = 0
    try {
      await sleep(forMs)
      await meanwhile?.()
      met = await hits()
      for (let waited = 0; met === 0 && waited < this.patienceMs; waited += 200) {
        await sleep(200)
        met = await hits()
      }
    } finally {
      await heal()
      const ahead = aheadMs === undefined ? {} : { aheadMs }
      const injury = {
        fault,
        ...(replica && { replica: replica.name }),
        may,
        from,
        to: Date.now(),
        hits: met,
        ...ahead,
      }
      this.injuries.push(injury)
      this.#log.write(`${JSON.stringify(injury)}\n`)
    }
  }

  /** Resolves once something was delivered; throws when nothing is within half a minute. */
  async working(): Promise<void> {
    if (await polled(() => !this.ledger.isEmpty, 30_000)) return
    throw new Error(`nothing was delivered; see ${this.logs}`)
  }

  /** Resolves once the checkpoints of the group have been at the end of every shard, which is a moment while logs are written. */
  async caughtUp(withinMs = 120_000): Promise<void> {
    const left = await this.#behindAfter(withinMs, (groups) => groups > CAUGHT_UP_GROUPS)
    if (left) throw new Error(`log groups behind after ${withinMs / 1000} s: ${left.join(', ')}`)
  }

  /** Resolves once the checkpoints of the group are at the end of every shard, or records that they are not. */
  async settle(withinMs: number): Promise<void> {
    await this.stopWriting()
    const left = await this.#behindAfter(withinMs, (groups) => groups !== 0)
    if (left) this.notice('stuck', `log groups behind after ${withinMs / 1000} s: ${left.join(', ')}`)
  }

  /** Every log written so far arrives, or is dead-lettered; but for special ones. */
  async neighboursArrive(fault: string): Promise<void> {
    let missing = this.ledger.undelivered()
    const allThere = (): boolean => {
      missing = missing.filter(({ deliveries }) => deliveries.length === 0)
      if (missing.length === 0) return true
      const buried = this.replicas.flatMap(({ host }) => deadLettersIn(host.disk).map(([, text]) => text)).join('')
      missing = missing.filter(({ serial }) => !buried.includes(`"${SERIAL}":"${serial}"`))
      return missing.length === 0
    }
    if (await polled(allThere, this.patienceMs)) return
    const some = missing.slice(0, 3).map(({ serial, written }) => `${serial} of shard ${written?.shard}`)
    this.notice('held up', `${missing.length} logs, ${some.join(', ')}, did not arrive while ${fault}`)
  }

  /** Waits until no shard is `behind`. When that takes too long: by how many groups each shard is. */
  async #behindAfter(withinMs: number, behind: (groups: number) => boolean): Promise<number[] | undefined> {
    let groups: number[] = []
    const settled = await polled(() => {
      groups = this.group?.shards.map((shard) => shard.behind ?? -1) ?? [-1]
      return !groups.some((left) => left < 0 || behind(left))
    }, withinMs)
    return settled ? undefined : groups
  }

  /** Asks every process to leave, and returns the record for the judge. */
  async finish(): Promise<Run> {
    await Promise.all(
      this.replicas.map(async (replica) => {
        if (!replica.running) return
        const { code, signal } = await replica.end('SIGTERM')
        if (code !== 0) this.notice('died', `${replica.name}: ${signal ?? `exit code ${code}`} after SIGTERM`)
      }),
    )
    this.ledger.scan()
    for (const { host, name } of this.replicas) this.ledger.readDeadLetters(host.disk, name)
    for (const { id } of [...this.sls.faults.unfired(), ...this.hec.faults.unfired()]) this.notice('unfired', id)
    return {
      ...{ ledger: this.ledger, commits: this.sls.commits, holdings: this.#holdings, injuries: this.injuries },
      lags: this.#lags.seen,
      ...{
        ack: this.ack,
        leaseMs: LEASE_MS,
        ackTimeoutMs: ACK_TIMEOUT_MS,
        memoryLimitMb: MEMORY_LIMIT_MB,
        noticed: this.#noticed,
      },
      peakMemoryMb: Math.max(...this.replicas.map(({ peakMemoryMb }) => peakMemoryMb)),
    }
  }

  notice(property: Violation['property'], what: string): void {
    this.#noticed.push({ property, what })
  }

  #look(): void {
    const at = Date.now()
    this.#excuseStandstill(at)
    for (const { shard, holder } of this.group?.shards ?? []) {
      const known = this.#holdings.get(shard) ?? []
      if (known.length === 0) this.#holdings.set(shard, known)
      if (known.length === 0 || known.at(-1)?.holder !== holder) known.push({ at, holder })
    }
    if (++this.#looks % 10 !== 0) return
    for (const replica of this.replicas) {
      replica.sampleMemory()
      this.#excuseStarved(replica, at)
    }
  }

  /** Services that stand still, because this process does, cost leases and hold requests back like a broken network. */
  #excuseStandstill(at: number): void {
    const from = this.#lookedAt
    this.#lookedAt = at
    if (at - from <= STANDSTILL_MS) return
    this.#excuse({ fault: 'services stood still', may: ['lease ends', 'answers lost'], from, to: at })
  }

  /** A process that wants to run and may not cannot keep a lease of three seconds either: the machine has others to serve. */
  #excuseStarved(replica: Replica, at: number): void {
    const waited = replica.waitedForProcessorMs
    const before = this.#waited.get(replica.name) ?? { at, waited }
    this.#waited.set(replica.name, { at, waited })
    if (waited - before.waited < STARVED_SHARE * (at - before.at) || at - before.at < 100) return
    const waiting = { fault: 'a replica waited for the processor', replica: replica.name, may: ['lease ends'] } as const
    this.#excuse({ ...waiting, from: before.at, to: at })
  }

  #excuse(injury: Omit<Injury, 'hits'>): void {
    this.injuries.push({ ...injury, hits: 1 })
    this.#log.write(`${JSON.stringify(injury)}\n`)
  }
}
