import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { Bridge } from '../../src/bridge.ts'
import { loadConfig } from '../../src/config/load.ts'
import { Secret } from '../../src/core/secret.ts'
import { NO_TELEMETRY } from '../../src/core/telemetry.ts'
import type { IndexedEvent } from '../../src/emulator/hec/index.ts'
import type { HecReceiver, HecReceiverOptions } from '../../src/emulator/hec/server.ts'
import { startHecReceiver } from '../../src/emulator/hec/server.ts'
import type { SampleKind } from '../../src/emulator/sample-logs.ts'
import { SampleLogs } from '../../src/emulator/sample-logs.ts'
import type { Logstore } from '../../src/emulator/sls/logstore.ts'
import type { SlsEmulator, SlsEmulatorOptions } from '../../src/emulator/sls/server.ts'
import { startSlsEmulator } from '../../src/emulator/sls/server.ts'
import { decodeLogGroup } from '../../src/sls/log-group.ts'
import { lz4Decompress } from '../../src/sls/lz4.ts'
import { OfficialClient } from '../../src/sls/official-client.ts'
import type { BridgeProcess } from './bridge-process.ts'
import { startCommand } from './bridge-process.ts'
import { Happenings } from './happenings.ts'
import { ANSWER, REQUEST } from './requests.ts'

const GROUP = 'scenario'
export interface ScenarioOptions {
  sls?: SlsEmulatorOptions
  hec?: HecReceiverOptions
  /** Settings of every replica. */
  env?: Record<string, string>
  seed?: number
}

export interface Tally {
  wanted: number
  delivered: number
  deadLettered: number
  duplicated: number
  missing: string[]
}

/**
 * An SLS emulator, a HEC receiver and real bridge processes, with a judge. The emulator's store says which events must
 * arrive, and the receiver which did. Every checkpoint commit is compared with both.
 */
export class Scenario {
  readonly sls: SlsEmulator
  readonly hec: HecReceiver
  readonly deadLetterDir: string
  readonly #env: Record<string, string>
  readonly #writer: OfficialClient
  readonly #samples: SampleLogs
  readonly #ack: boolean
  readonly #indexed = new Map<string, { events: IndexedEvent[]; at: number }>()
  readonly #happenings = new Happenings(() => this.#summary())
  #requests = 0
  #replicas = 0

  private constructor(sls: SlsEmulator, hec: HecReceiver, indexed: Scenario['indexedById'], options: ScenarioOptions) {
    this.sls = sls
    this.hec = hec
    this.#indexed = indexed
    this.#ack = options.hec?.ack === true
    this.deadLetterDir = mkdtempSync(join(tmpdir(), 'dead-letter-'))
    this.#env = options.env ?? {}
    this.#samples = new SampleLogs(options.seed ?? 7)
    this.#writer = new OfficialClient({
      endpoint: sls.url,
      project: sls.logstore().project,
      logstore: sls.logstore().name,
      accessKeyId: sls.accessKeyId,
      accessKeySecret: new Secret(sls.accessKeySecret),
      userAgent: 'scenario',
    })
    // Of both emulators, which run in this process.
    subscribe(REQUEST, this.#onRequest)
    subscribe(ANSWER, this.#happenings.notify)
  }

  static async start(options: ScenarioOptions = {}): Promise<Scenario> {
    const sls = await startSlsEmulator(options.sls)
    const indexed: Scenario['indexedById'] = new Map()
    const onIndexed = (events: readonly IndexedEvent[]): void => {
      for (const event of events) {
        const id = String(event.envelope.fields?.['sls_event_id'])
        const entry = indexed.get(id)
        if (entry) entry.events.push(event)
        else indexed.set(id, { events: [event], at: Date.now() })
      }
    }
    const hec = await startHecReceiver({ keep: false, ...options.hec, onIndexed })
    const scenario = new Scenario(sls, hec, indexed, options)
    onTestFinished(() => scenario.#close())
    return scenario
  }

  get indexedById(): Map<string, { events: IndexedEvent[]; at: number }> {
    return this.#indexed
  }

  async #close(): Promise<void> {
    unsubscribe(REQUEST, this.#onRequest)
    unsubscribe(ANSWER, this.#happenings.notify)
    this.#writer.close()
    await Promise.all([this.sls.close(), this.hec.close()])
    rmSync(this.deadLetterDir, { recursive: true, force: true })
  }

  /** Writes with the vendor's client; `kinds` take turns. */
  async write(
    groups: number,
    { kinds = ['audit'], logsPerGroup = 20, perSecond = 0 }: WriteOptions = {},
  ): Promise<void> {
    const started = performance.now()
    for (let group = 0; group < groups; group++) {
      await this.#writer.write(this.#samples.group(kinds[group % kinds.length] as SampleKind, logsPerGroup))
      const aheadMs = perSecond > 0 ? ((group + 1) / perSecond) * 1000 - (performance.now() - started) : 0
      if (aheadMs > 1) await sleep(aheadMs)
    }
  }

  writeLog(content: Record<string, string>, topic = 'audit_log'): Promise<void> {
    const timestamp = Math.floor(Date.now() / 1000)
    return this.#writer.write({ topic, source: '10.0.0.1', logs: [{ timestamp, content }] })
  }

  /** Groups of tiny logs under large tags. */
  async writeGroups(groups: number, { tagBytes, logs }: { tagBytes: number; logs: number }): Promise<void> {
    const timestamp = Math.floor(Date.now() / 1000)
    for (let group = 0; group < groups; group++) {
      await this.#writer.write({
        topic: 'audit_log',
        source: '10.0.0.1',
        tags: [{ pad: 'x'.repeat(tagBytes) }],
        logs: Array.from({ length: logs }, (_, log) => ({ timestamp, content: { n: `${group}.${log}` } })),
      })
    }
  }

  environment(): Record<string, string> {
    return {
      ...this.sls.environment(),
      ...this.hec.environment(),
      SLS_CG: GROUP,
      SLS_HEARTBEAT_SECONDS: '1',
      SLS_FETCH_INTERVAL_SECONDS: '0.1',
      SPLUNK_HEC_ACK_POLL_SECONDS: '0.2',
      DEAD_LETTER_DIR: this.deadLetterDir,
      ADMIN_PORT: '0',
      ...this.#env,
    }
  }

  replica(env: Record<string, string> = {}): BridgeProcess {
    const SLS_CONSUMER = `replica-${++this.#replicas}`
    return startCommand(['run'], { ...this.environment(), SLS_CONSUMER, ...env }, { onOutput: this.#happenings.notify })
  }

  /**
   * A bridge in this process reads, delivers and commits everything there is, and ends. This is faster than a process, whose
   * start and end other tests cover.
   */
  async deliver(consumer = 'replica-1'): Promise<void> {
    const loaded = loadConfig({ ...this.environment(), SLS_CONSUMER: consumer })
    if (!('config' in loaded)) throw new Error(JSON.stringify(loaded.problems))
    const bridge = new Bridge(loaded.config, NO_TELEMETRY)
    const running = bridge.run()
    await this.caughtUp()
    if (!(await bridge.stop(10_000))) throw new Error('the bridge did not end in time')
    await running
  }

  get logstore(): Logstore {
    return this.sls.logstore()
  }

  group() {
    return this.logstore.state().consumerGroups.find((group) => group.name === GROUP)
  }

  /** Shards each live consumer holds now. */
  holders(): Map<string, number[]> {
    return this.logstore.holders(GROUP)
  }

  /** Ids of every wanted log, per shard and group position, as the contract builds them. */
  #wanted(): Map<number, string[][]> {
    const topics = new Set((this.#env['FILTER_TOPICS'] ?? '').split(',').filter(Boolean))
    return new Map(
      this.logstore.shards().map((shard) => {
        const { from, groups } = shard.read(shard.begin, { count: Number.POSITIVE_INFINITY, maxBytes: 1e15 })
        const ids = groups.map(({ bytes, rawSize, logs }, index) => {
          const { topic } = decodeLogGroup(lz4Decompress(bytes, rawSize))
          if (topics.size > 0 && !topics.has(topic)) return []
          const number = shard.number(from + index)
          return Array.from({ length: logs }, (_, log) => `${this.logstore.name}:${shard.id}:${number}:${log}`)
        })
        return [shard.id, ids] as const
      }),
    )
  }

  /** Unix milliseconds by event id. */
  #deadLetters(): Map<string, number> {
    const letters = new Map<string, number>()
    for (const name of readdirSync(this.deadLetterDir)) {
      for (const line of readFileSync(join(this.deadLetterDir, name), 'utf8').split('\n').filter(Boolean)) {
        const { at, origin } = JSON.parse(line)
        letters.set(origin.event_id, Date.parse(at))
      }
    }
    return letters
  }

  tally(): Tally {
    const letters = this.#deadLetters()
    const wanted = [...this.#wanted().values()].flat(2)
    return {
      wanted: wanted.length,
      delivered: wanted.filter((id) => this.#indexed.has(id)).length,
      deadLettered: letters.size,
      duplicated: [...this.#indexed.values()].reduce((sum, { events }) => sum + events.length - 1, 0),
      missing: wanted.filter((id) => !this.#indexed.has(id) && !letters.has(id)),
    }
  }

  /** Resolves once the group's checkpoints are at the end of every shard; rejects when that takes too long. */
  async caughtUp(timeoutMs = 30_000): Promise<void> {
    await this.logstore.caughtUp(GROUP, { timeoutMs }).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.#summary()}`)
    })
  }

  /**
   * Looks at once, after each request to an emulator, and after each line of a replica: whatever a replica does shows there,
   * within a heartbeat.
   */
  async eventually(met: () => boolean | Promise<boolean>, withinMs = 20_000): Promise<void> {
    await this.#happenings.until(met, withinMs)
  }

  /** Waits until so many more requests have reached the emulators. */
  requests(more: number): Promise<void> {
    const until = this.#requests + more
    return this.eventually(() => this.#requests >= until)
  }

  /** Waits until a consumer has sent so many more heartbeats. */
  heartbeats(consumer: string, more: number): Promise<void> {
    const last = () => this.group()?.consumers.find(({ name }) => name === consumer)?.lastHeartbeat
    const seen = new Set([last()])
    return this.eventually(() => seen.add(last()).size > more)
  }

  readonly #onRequest = (): void => {
    this.#requests++
    this.#happenings.notify()
  }

  #summary(): string {
    const { missing, ...tally } = this.tally()
    return JSON.stringify({ ...tally, missing: missing.length, group: this.group(), hec: this.hec.state() })
  }

  /**
   * Commits that were ahead of the acknowledgement of some wanted log before them: must be empty. For a token with
   * indexer acknowledgement "acknowledged" is the moment the client was told `true`.
   */
  commitsAhead(): string[] {
    const letters = this.#deadLetters()
    const settledAt = (id: string): number => {
      const entry = this.#indexed.get(id)
      const told = (entry?.events ?? []).map(({ request }) => request.ack?.toldAtMs ?? Number.POSITIVE_INFINITY)
      const acked = this.#ack ? Math.min(...told) : (entry?.at ?? Number.POSITIVE_INFINITY)
      return Math.min(acked, letters.get(id) ?? Number.POSITIVE_INFINITY)
    }
    const before = new Map<number, number[]>()
    for (const [shard, groups] of this.#wanted()) {
      const latest = [0]
      for (const ids of groups) latest.push(Math.max(latest.at(-1) as number, ...ids.map(settledAt)))
      before.set(shard, latest)
    }
    return this.sls.commits.flatMap((commit) => {
      const position = this.logstore.shard(commit.shard).positionOf(commit.checkpoint)
      const latest = before.get(commit.shard)?.[position] ?? Number.POSITIVE_INFINITY
      // Both clocks are this process's, in whole milliseconds.
      return latest <= commit.at ? [] : [`shard ${commit.shard} at ${commit.at}, settled at ${latest}`]
    })
  }
}

export interface WriteOptions {
  kinds?: SampleKind[]
  logsPerGroup?: number
  /** Groups a second; 0 = as fast as they are taken. */
  perSecond?: number
}
