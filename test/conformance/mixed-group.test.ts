import { mkdtempSync, rmSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { Secret } from '../../src/core/secret.ts'
import type { IndexedEvent } from '../../src/emulator/hec-index.ts'
import { startHecReceiver } from '../../src/emulator/hec-server.ts'
import { startSlsEmulator } from '../../src/emulator/sls-server.ts'
import { OfficialClient } from '../../src/sls/official-client.ts'
import { startCommand } from '../support/bridge-process.ts'
import type { Language } from './client.ts'
import { chosen, startClient } from './client.ts'
import { startHttpProxy, startSocksProxy } from './proxies.ts'

const GROUP = 'mixed'
const SHARDS = 12
/** Everyone must ask for the same, or each newcomer would change it for all. The bridge asks for 3 beats. */
const HEARTBEAT_SECONDS = 2
const TIMEOUT_SECONDS = 6

type Kind = Language | 'bridge'

interface Consumed {
  consumer: string
  shard: number
}

interface Member {
  kill(signal: NodeJS.Signals): Promise<{ code: number | null }>
}

/** One consumer group with members of every make, and a watch on each of them. */
class MixedGroup {
  /** By the id in a log: who consumed it, in the order that became known. */
  readonly consumed = new Map<string, Consumed[]>()
  /** Pulls and commits by somebody who did not hold the shard when the emulator got them. */
  readonly trespasses: string[] = []
  readonly members = new Map<string, Member>()
  readonly #closing: Array<() => unknown> = []
  readonly #sls: Awaited<ReturnType<typeof startSlsEmulator>>
  readonly #writer: OfficialClient
  #written = 0
  #writing: Promise<void> | undefined

  private constructor(sls: MixedGroup['emulator']) {
    this.#sls = sls
    this.#writer = new OfficialClient({
      ...{ endpoint: sls.url, project: sls.project, logstore: sls.logstore, userAgent: 'conformance' },
      ...{ accessKeyId: sls.accessKeyId, accessKeySecret: new Secret(sls.accessKeySecret) },
    })
  }

  static async start(): Promise<MixedGroup> {
    const group = new MixedGroup(await startSlsEmulator({ project: 'conformance', shards: SHARDS }))
    onTestFinished(() => group.#close())
    return group
  }

  get emulator() {
    return this.#sls
  }

  get written(): number {
    return this.#written
  }

  async join(kind: Kind, consumer: string): Promise<void> {
    const http = await startHttpProxy(this.#sls.port, (request) => this.#watch(consumer, request))
    this.#closing.push(() => http.close())
    this.members.set(
      consumer,
      kind === 'bridge' ? await this.#bridge(consumer, http.port) : await this.#official(kind, consumer, http.port),
    )
  }

  async leave(consumer: string, signal: NodeJS.Signals): Promise<{ code: number | null } | undefined> {
    const member = this.members.get(consumer)
    this.members.delete(consumer)
    return member?.kill(signal)
  }

  async #official(kind: Language, consumer: string, proxyPort: number): Promise<Member> {
    const socks = await startSocksProxy(proxyPort)
    this.#closing.push(() => socks.close())
    const client = startClient(
      kind,
      { sls: this.#sls, proxyPort, socksPort: socks.port },
      {
        ...{ command: 'consume', compression: 'lz4', signature: 'v1', group: GROUP, consumer },
        ...{ heartbeatSeconds: HEARTBEAT_SECONDS, timeoutSeconds: TIMEOUT_SECONDS },
      },
    )
    this.#closing.push(() => (client.running ? client.kill('SIGKILL') : undefined))
    client.onGroup = ({ shard, logs }) => {
      for (const { contents } of logs) {
        const id = contents.find(([key]) => key === Buffer.from('id').toString('hex'))?.[1] as string
        this.#note(Buffer.from(id, 'hex').toString(), { consumer, shard: shard as number })
      }
    }
    return client
  }

  async #bridge(consumer: string, port: number): Promise<Member> {
    const sls = this.#sls
    const onIndexed = (events: readonly IndexedEvent[]): void => {
      for (const { envelope } of events) {
        const shard = Number(`${envelope.fields?.['sls_event_id']}`.split(':')[1])
        this.#note((envelope.event as { id: string }).id, { consumer, shard })
      }
    }
    const hec = await startHecReceiver({ onIndexed })
    const deadLetters = mkdtempSync(join(tmpdir(), 'dead-letter-'))
    this.#closing.push(() => hec.close())
    this.#closing.push(() => rmSync(deadLetters, { recursive: true, force: true }))
    return startCommand(['run'], {
      ...{ SLS_ENDPOINT: `http://127.0.0.1:${port}`, SLS_PROJECT: sls.project, SLS_LOGSTORE: sls.logstore },
      ...{ SLS_AK_ID: sls.accessKeyId, SLS_AK_KEY: sls.accessKeySecret, SLS_CG: GROUP, SLS_CONSUMER: consumer },
      ...{ SLS_HEARTBEAT_SECONDS: String(HEARTBEAT_SECONDS), SLS_FETCH_INTERVAL_SECONDS: '0.2' },
      ...{ SPLUNK_HEC_URL: hec.url, SPLUNK_HEC_TOKEN: hec.token, DEAD_LETTER_DIR: deadLetters, ADMIN_PORT: '0' },
    })
  }

  #note(id: string, consumed: Consumed): void {
    this.consumed.set(id, [...(this.consumed.get(id) ?? []), consumed])
  }

  /** Asked before the emulator answers, in the emulator's own process: there is no instant in between. */
  #watch(consumer: string, { url = '' }: IncomingMessage): void {
    const pull = /\/shards\/(\d+)\?(?:.*&)?type=logs?(?:&|$)/.exec(url)
    if (!pull) return
    const shard = Number(pull[1])
    const holder = this.shards().find((each) => each.shard === shard)?.holder ?? 'nobody'
    if (holder !== consumer) this.trespasses.push(`${consumer} pulled shard ${shard} of ${holder}`)
  }

  shards() {
    const group = this.#sls.state().logstores[0]?.consumerGroups.find(({ name }) => name === GROUP)
    return group?.shards ?? []
  }

  /** How many shards each live consumer holds for good. */
  shares(): Record<string, number> {
    const shares: Record<string, number> = {}
    for (const { holder, state } of this.shards())
      if (holder && state === 'A') shares[holder] = (shares[holder] ?? 0) + 1
    return shares
  }

  async balanced(...consumers: string[]): Promise<void> {
    const fair = SHARDS / consumers.length
    const wanted = Object.fromEntries(consumers.map((consumer) => [consumer, fair]))
    await this.eventually(
      () => {
        const shares = this.shares()
        return (
          Object.keys(shares).length === consumers.length && consumers.every((each) => shares[each] === wanted[each])
        )
      },
      `shares ${JSON.stringify(wanted)}`,
    )
    // That each of them works: something written from now on is consumed by every one.
    const known = new Set(this.consumed.keys())
    const active = (consumer: string) =>
      [...this.consumed].some(([id, by]) => !known.has(id) && by.some((each) => each.consumer === consumer))
    await this.eventually(() => consumers.every(active), `work of ${consumers.join(', ')}`)
  }

  write(): void {
    let stopped = false
    this.#closing.unshift(() => (stopped = true))
    this.#writing = (async () => {
      while (!stopped) {
        const logs = [0, 1].map(() => ({
          timestamp: Math.floor(Date.now() / 1000),
          content: { id: `${this.#written++}` },
        }))
        await this.#writer.write({ topic: 'audit_log', source: '10.0.0.1', logs })
        await sleep(15)
      }
    })()
    this.stopWriting = async () => {
      stopped = true
      await this.#writing
    }
  }

  stopWriting: () => Promise<void> = async () => {}

  missing(): string[] {
    return Array.from({ length: this.#written }, (_, id) => `${id}`).filter((id) => !this.consumed.has(id))
  }

  repeated(): Array<[id: string, by: Consumed[]]> {
    return [...this.consumed].filter(([, by]) => by.length > 1)
  }

  async eventually(met: () => boolean, what: string, withinMs = 40_000): Promise<void> {
    const deadline = performance.now() + withinMs
    while (!met()) {
      if (performance.now() > deadline)
        throw new Error(`no ${what} within ${withinMs} ms: ${JSON.stringify(this.shards())}`)
      await sleep(50)
    }
  }

  async #close(): Promise<void> {
    await this.stopWriting()
    for (const close of this.#closing) await close()
    this.#writer.close()
    await this.#sls.close()
  }
}

const OFFICIAL = (['python', 'go', 'java'] as const).filter(chosen)

test(`one consumer group of the bridge with ${OFFICIAL.join(', ')}`, async () => {
  const group = await MixedGroup.start()
  group.write()
  await Promise.all([group.join('bridge', 'bridge'), ...OFFICIAL.map((kind) => group.join(kind, kind))])
  await group.balanced('bridge', ...OFFICIAL)

  // Ours to theirs, and back.
  expect((await group.leave('bridge', 'SIGTERM'))?.code).toBe(0)
  await group.balanced(...OFFICIAL)
  await group.join('bridge', 'bridge-2')
  await group.balanced('bridge-2', ...OFFICIAL)

  // Each of theirs to ours and the others, and back.
  let live: string[] = [...OFFICIAL]
  for (const kind of OFFICIAL) {
    expect((await group.leave(kind, 'SIGTERM'))?.code).toBe(0)
    live = live.filter((each) => each !== kind)
    await group.balanced('bridge-2', ...live)
    await group.join(kind, `${kind}-2`)
    live.push(`${kind}-2`)
    await group.balanced('bridge-2', ...live)
  }
  expect(group.trespasses).toEqual([])
  expect(group.repeated()).toEqual([])

  // Killed one after the other, until ours has everything; then ours is killed.
  const killed = ['bridge-2', ...live]
  for (const victim of [...live]) {
    await group.leave(victim, 'SIGKILL')
    live = live.filter((each) => each !== victim)
    await group.balanced('bridge-2', ...live)
  }
  const [heir] = OFFICIAL
  if (heir) {
    await group.join(heir, 'heir')
    await group.balanced('bridge-2', 'heir')
    await group.leave('bridge-2', 'SIGKILL')
    await group.balanced('heir')
  }

  await group.stopWriting()
  await group.eventually(() => group.missing().length === 0, `end of what is missing`)
  expect(group.trespasses).toEqual([])
  for (const [id, by] of group.repeated()) expect(killed, `${id} by ${JSON.stringify(by)}`).toContain(by[0]?.consumer)
  console.log(`${group.written} logs, ${group.repeated().length} repeated after ${killed.length} SIGKILL`)
})
