import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { IndexedEvent } from '../../src/emulator/hec/index.ts'
import type { HecReceiver } from '../../src/emulator/hec/server.ts'
import { startHecReceiver } from '../../src/emulator/hec/server.ts'
import type { SlsEmulator } from '../../src/emulator/sls/server.ts'
import { startSlsEmulator } from '../../src/emulator/sls/server.ts'
import type { BridgeProcess } from '../support/bridge-process.ts'
import { startCommand } from '../support/bridge-process.ts'
import { polled } from '../support/polled.ts'
import type { ClientProcess, Language } from './client.ts'
import { chosen, startClient } from './client.ts'
import type { Consumed } from './consumption.ts'
import { Consumption } from './consumption.ts'
import type { Trespass } from './holder-watch.ts'
import { HolderWatch } from './holder-watch.ts'
import { MemberLine } from './member-line.ts'
import { NumberedLogs } from './numbered-logs.ts'
import { startSocksProxy } from './proxies.ts'

export const OFFICIAL = (['python', 'go', 'java'] as const).filter(chosen)

const GROUP = 'mixed'
/** All members must use one timeout, or each new member changes it for all. The bridge uses 3 heartbeats. */
const HEARTBEAT_SECONDS = 2
const TIMEOUT_SECONDS = 6

export interface Member {
  consumer: string
  line: MemberLine
  process: ClientProcess | BridgeProcess
}

export interface Replica extends Member {
  process: BridgeProcess
  hec: HecReceiver
}

/** One consumer group with members of every kind, and a watch on each of them. */
export class MixedGroup {
  readonly logs: NumberedLogs
  readonly consumption = new Consumption()
  readonly #watch = new HolderWatch(() => this.shards())
  readonly #members = new Map<string, Member>()
  readonly #closing: Array<() => unknown> = []
  readonly #sls: SlsEmulator
  readonly #inOrder: boolean

  private constructor(sls: SlsEmulator, inOrder: boolean) {
    this.#sls = sls
    this.#inOrder = inOrder
    this.logs = new NumberedLogs(sls)
  }

  /** One to four members can share twelve shards evenly. */
  static async start({ shards = 12, inOrder = false } = {}): Promise<MixedGroup> {
    const group = new MixedGroup(await startSlsEmulator({ projects: { conformance: { audit: {} } }, shards }), inOrder)
    onTestFinished(() => group.#close())
    return group
  }

  get trespasses(): readonly Trespass[] {
    return this.#watch.trespasses
  }

  get logstore() {
    return this.#sls.logstore()
  }

  /** A worker of an official SDK. */
  async join(kind: Language, consumer: string): Promise<Member> {
    const { line, port } = await this.#line(consumer)
    const socks = await startSocksProxy(port)
    this.#closing.push(() => socks.close())
    const process = startClient(
      kind,
      { sls: this.#sls, proxyPort: port, socksPort: socks.port },
      {
        ...{ command: 'consume', compression: 'lz4', signature: 'v1', group: GROUP, consumer },
        ...{ heartbeatSeconds: HEARTBEAT_SECONDS, timeoutSeconds: TIMEOUT_SECONDS, inOrder: this.#inOrder },
      },
    )
    this.#closing.push(() => (process.running ? process.kill('SIGKILL') : undefined))
    process.onGroup = ({ shard, logs }) => {
      this.#watch.delivered(consumer, shard as number)
      for (const { contents } of logs) {
        const id = contents.find(([key]) => key === Buffer.from('id').toString('hex'))?.[1] as string
        this.consumption.note({ id: Buffer.from(id, 'hex').toString(), consumer, shard: shard as number })
      }
    }
    return this.#joined({ consumer, line, process })
  }

  /** A replica of the bridge with its own SIEM. */
  async joinBridge(consumer: string): Promise<Replica> {
    this.#watch.ours.add(consumer)
    const { line, port } = await this.#line(consumer)
    const sls = this.#sls
    const onIndexed = (events: readonly IndexedEvent[]): void => {
      for (const { envelope } of events) {
        const shard = Number(`${envelope.fields?.['sls_event_id']}`.split(':')[1])
        this.#watch.delivered(consumer, shard)
        this.consumption.note({ id: (envelope.event as { id: string }).id, consumer, shard })
      }
    }
    const hec = await startHecReceiver({ onIndexed })
    const deadLetters = mkdtempSync(join(tmpdir(), 'dead-letter-'))
    this.#closing.push(() => hec.close())
    this.#closing.push(() => rmSync(deadLetters, { recursive: true, force: true }))
    const process = startCommand(['run'], {
      ...{
        SLS_ENDPOINT: `http://127.0.0.1:${port}`,
        SLS_PROJECT: sls.logstore().project,
        SLS_LOGSTORE: sls.logstore().name,
      },
      ...{ SLS_AK_ID: sls.accessKeyId, SLS_AK_KEY: sls.accessKeySecret, SLS_CG: GROUP, SLS_CONSUMER: consumer },
      ...{ SLS_HEARTBEAT_SECONDS: String(HEARTBEAT_SECONDS), SLS_FETCH_INTERVAL_SECONDS: '0.2' },
      ...{ SLS_IN_ORDER: String(this.#inOrder), DEAD_LETTER_DIR: deadLetters, ADMIN_PORT: '0' },
      ...{ SPLUNK_HEC_URL: hec.url, SPLUNK_HEC_TOKEN: hec.token },
    })
    return this.#joined({ consumer, line, process, hec })
  }

  async #line(consumer: string): Promise<{ line: MemberLine; port: number }> {
    const line = new MemberLine((call) => this.#watch.asked(consumer, call))
    this.#closing.push(() => line.close())
    return { line, port: await line.open(this.#sls.port) }
  }

  #joined<M extends Member>(member: M): M {
    this.#members.set(member.consumer, member)
    return member
  }

  async leave(consumer: string, signal: NodeJS.Signals): Promise<{ code: number | null } | undefined> {
    const member = this.#members.get(consumer)
    this.#members.delete(consumer)
    return member?.process.kill(signal)
  }

  shards() {
    const group = this.#sls.state().logstores[0]?.consumerGroups.find(({ name }) => name === GROUP)
    return group?.shards ?? []
  }

  heldBy(consumer: string): number[] {
    return this.shards().flatMap(({ shard, holder }) => (holder === consumer ? [shard] : []))
  }

  /** Whether it must release a shard and has not done so yet. */
  isLeaving(consumer: string): boolean {
    return this.shards().some(({ holder, state }) => holder === consumer && state === 'T')
  }

  /** The parents of each shard. */
  parents(): Map<number, readonly number[]> {
    return new Map(this.logstore.shards().map(({ id, parents }) => [id, parents]))
  }

  /** Position of a shard's checkpoint in the emulator's store. */
  checkpoint(shard: number): number {
    const { checkpoint = '' } = this.shards().find((each) => each.shard === shard) ?? {}
    return this.logstore.shard(shard).find(checkpoint) ?? 0
  }

  /** Waits until each of these shards got another log. */
  async writtenTo(shards: readonly number[]): Promise<void> {
    const before = shards.map((shard) => ({ shard, end: this.logstore.shard(shard).end }))
    await this.eventually(() => before.every(({ shard, end }) => this.logstore.shard(shard).end > end), 'logs written')
  }

  /** Waits until every member got this many more heartbeat answers. */
  async beats(more: number): Promise<void> {
    const lines = [...this.#members.values()].map(({ line }) => ({ line, until: line.heartbeats + more }))
    await this.eventually(() => lines.every(({ line, until }) => line.heartbeats >= until), 'heartbeats')
  }

  async over(shards: readonly number[]): Promise<void> {
    const stateOf = () => new Map(this.shards().map(({ shard, state }) => [shard, state]))
    await this.eventually(() => shards.every((shard) => stateOf().get(shard) === 'O'), `end of ${shards.join(', ')}`)
  }

  async caughtUp(): Promise<void> {
    await this.eventually(() => this.shards().every(({ behind }) => behind === 0), 'checkpoints at the end')
  }

  /**
   * Waits until each member has its fair share and consumes new logs from each of its shards. If an official worker froze
   * between learning of a shard and starting with it, it would keep reporting that shard and never rejoin.
   */
  async balanced(...consumers: string[]): Promise<void> {
    const live = () => this.shards().filter(({ state }) => state !== 'O')
    await this.eventually(
      () => {
        const shards = live()
        const shares = consumers.map(
          (each) => shards.filter(({ state, holder }) => state === 'A' && holder === each).length,
        )
        const fair = shards.length / consumers.length
        return fair > 0 && sum(shares) === shards.length && shares.every((share) => Math.abs(share - fair) < 1)
      },
      `fair shares of ${consumers.join(', ')}`,
    )
    const [from, before] = [this.consumption.all.length, this.logs.written]
    await this.eventually(
      () => {
        const fresh = this.consumption.all.slice(from).filter(({ id }) => Number(id) >= before)
        return live().every(({ shard, holder }) =>
          fresh.some((each) => each.shard === shard && each.consumer === holder),
        )
      },
      `work of ${consumers.join(', ')} on each shard`,
    )
  }

  missing(): string[] {
    return this.logs.ids.filter((id) => !this.consumption.has(id))
  }

  /** Stops the writer and waits until every log is consumed. */
  async finish(): Promise<void> {
    await this.logs.stop()
    await this.eventually(() => this.missing().length === 0, 'end of what is missing')
  }

  /** Logs that a member reports from another shard than their own. */
  misplaced(): Consumed[] {
    const stored = this.logs.stored()
    return this.consumption.all.filter(({ id, shard }) => stored.get(id)?.shard !== shard)
  }

  async eventually(met: () => boolean, what: string, withinMs = 40_000): Promise<void> {
    if (await polled(met, withinMs)) return
    throw new Error(`no ${what} within ${withinMs} ms: ${JSON.stringify(this.shards())}`)
  }

  async #close(): Promise<void> {
    await this.logs.close()
    for (const close of this.#closing) await close()
    await this.#sls.close()
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
