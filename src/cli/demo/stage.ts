import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Fault, messageOf } from '../../core/errors.ts'
import { Secret } from '../../core/secret.ts'
import { SampleLogs } from '../../emulator/sample-logs.ts'
import type { SlsEmulator } from '../../emulator/sls/server.ts'
import { startSlsEmulator } from '../../emulator/sls/server.ts'
import { readDeadLetters } from '../../sinks/dead-letter-files.ts'
import { OfficialClient } from '../../sls/official-client.ts'
import { USER_AGENT } from '../../version.ts'
import { sleepUnlessEnded } from '../sleep.ts'
import type { Act, ActSink, Hands, Receiver } from './act.ts'
import { GROUP, PROJECT } from './act.ts'
import { SinkLedger } from './ledger.ts'
import { KINDS, openReceiver } from './receivers.ts'
import { Replica } from './replica.ts'
import { DemoView } from './view.ts'

const LOGS_PER_GROUP = 50
const STALLED_AFTER_SECONDS = 30
const LOOK_EVERY_MS = 1_000
/** A viewer who stops the demo while a sink is down does not wait longer. */
const GRACE_SECONDS = '3'

export interface StageOptions {
  readonly act: Act
  /** Those of this act. */
  readonly logs: number
  readonly seed: number
  readonly folder: string
  readonly out: NodeJS.WritableStream
  /** Aborted when the viewer stops the demo. */
  readonly end: AbortSignal
}

/** Plays one act: Log Service, sinks and replicas, a writer, an incident half way, and a ledger for each sink. */
export class Stage implements Hands {
  readonly #options: StageOptions
  readonly #act: Act
  readonly #folder: string
  readonly #sls: SlsEmulator
  readonly #receivers = new Map<string, Receiver>()
  readonly #ledgers: ReadonlyMap<string, SinkLedger>
  readonly #view: DemoView
  readonly #replicas: Replica[] = []
  readonly #halfWritten = Promise.withResolvers<void>()
  readonly #over = new AbortController()
  readonly #end: AbortSignal
  #settings: Record<string, string> = {}
  #written = 0

  private constructor(sls: SlsEmulator, options: StageOptions) {
    const { act, folder, out } = options
    this.#options = options
    this.#act = act
    this.#folder = folder
    this.#sls = sls
    this.#end = AbortSignal.any([options.end, this.#over.signal])
    this.#ledgers = new Map(Object.entries(act.sinks).map(([name, sink]) => [name, new SinkLedger(sink)]))
    this.#view = new DemoView(out, { act, sls, ledgers: this.#ledgers })
  }

  /** True when nothing is missing at any sink. */
  static async play(options: StageOptions): Promise<boolean> {
    mkdirSync(options.folder)
    const sls = await listening('Log Service', () =>
      startSlsEmulator({ projects: { [PROJECT]: options.act.logstores } }),
    )
    const stage = new Stage(sls, options)
    try {
      return await stage.#play()
    } finally {
      await stage.#close()
    }
  }

  async #play(): Promise<boolean> {
    await this.#open()
    const writing = this.#write()
    const looking = this.#lookUntilSettled(writing)
    const incident = this.#halfWritten.promise.then(() => (this.#end.aborted ? undefined : this.#act.incident(this)))
    await Promise.all([writing, incident])
    const settled = await looking
    const clean = await this.#stopReplicas()
    await this.#readDeadLetters()
    this.#view.ledger({ written: this.#written, lagSeconds: this.#lagSeconds(), stopped: this.#options.end.aborted })
    if (this.#options.end.aborted) return false
    return settled && clean && this.#verdicts().every(({ missing, unwanted }) => missing === 0 && unwanted === 0)
  }

  async #open(): Promise<void> {
    this.#view.title()
    this.#view.say(`SLS emulator at ${this.#sls.url}`)
    for (const [name, { type }] of Object.entries(this.#act.sinks)) {
      const { url } = await this.#listen(name)
      this.#view.say(`sink ${name}: ${KINDS[type]} at ${url}`)
    }
    for (const line of this.#act.story) this.#view.say(line)
    this.#settings = this.#act.settings({ sls: this.#sls, receivers: this.#receivers, folder: this.#folder })
    for (const name of this.#act.replicas) this.startReplica(name)
  }

  async #close(): Promise<void> {
    this.#over.abort()
    await Promise.all(this.#replicas.map((replica) => replica.kill('SIGKILL')))
    await Promise.all([this.#sls.close(), ...[...this.#receivers.values()].map((receiver) => receiver.close())])
  }

  startReplica(name: string): void {
    const replica = new Replica(name, this.#folder, {
      ...this.#settings,
      SLS_CONSUMER: name,
      DEAD_LETTER_DIR: this.#deadLetterDir,
      ADMIN_PORT: '0',
      SHUTDOWN_GRACE_SECONDS: GRACE_SECONDS,
      LOG_LEVEL: 'warn',
    })
    this.#replicas.push(replica)
    this.#view.say(`${name} started (pid ${replica.pid})`)
  }

  async killReplica(name: string): Promise<void> {
    const replica = this.#replicas.find((each) => each.name === name)
    await replica?.kill('SIGKILL')
    this.#view.say(`kill -9 ${name} (pid ${replica?.pid}), in the middle of its work`)
  }

  stallSink(name: string): void {
    this.#receivers.get(name)?.stall?.()
    this.#view.say(`sink ${name} reads no more: its system still takes what is sent`)
  }

  async killSink(name: string): Promise<void> {
    await this.#receivers.get(name)?.close()
    this.#view.say(`sink ${name} is killed: its port is closed, and logs are still written`)
  }

  async startSink(name: string): Promise<void> {
    if (this.#end.aborted) return
    await this.#listen(name)
    this.#view.say(`sink ${name} is back`)
  }

  async wait(seconds: number): Promise<void> {
    await sleepUnlessEnded(seconds * 1000, this.#end)
  }

  /** At the port that it had, if it was there before. */
  async #listen(name: string): Promise<Receiver> {
    const before = this.#receivers.get(name)
    const receiver = await listening(`the sink ${name}`, () =>
      openReceiver(this.#act.sinks[name] as ActSink, {
        port: before?.port ?? 0,
        before,
        received: (logs) => this.#ledgers.get(name)?.delivered(logs),
      }),
    )
    this.#receivers.set(name, receiver)
    return receiver
  }

  /** Writes with the vendor's client, at a steady rate. A failed write ends the demo. */
  async #write(): Promise<void> {
    const { logs, seed } = this.#options
    const samples = new SampleLogs(seed)
    const lanes = Object.entries(this.#act.logstores).flatMap(([logstore, { kinds }]) => {
      const client = this.#client(logstore)
      return kinds.map((kind) => ({ client, kind }))
    })
    const started = performance.now()
    try {
      for (let turn = 0; this.#written < logs && !this.#end.aborted; turn++) {
        const { client, kind } = lanes[turn % lanes.length] as (typeof lanes)[number]
        const group = samples.group(kind, Math.min(LOGS_PER_GROUP, logs - this.#written))
        await client.write(group).catch((error: unknown) => {
          throw new Fault('transient', `a log group cannot be written: ${messageOf(error)}`, { code: 'write' })
        })
        this.#written += group.logs.length
        for (const ledger of this.#ledgers.values()) ledger.written(group)
        if (this.#written >= logs / 2) this.#halfWritten.resolve()
        const dueMs = (this.#written / logs) * this.#act.writingSeconds * 1000
        const aheadMs = dueMs - (performance.now() - started)
        if (aheadMs > 0) await sleepUnlessEnded(aheadMs, this.#end)
      }
      if (!this.#end.aborted) this.#view.say('all logs are written; waiting for the last checkpoint')
      this.#halfWritten.resolve()
    } finally {
      for (const { client } of lanes) client.close()
    }
  }

  #client(logstore: string): OfficialClient {
    return new OfficialClient({
      endpoint: this.#sls.url,
      project: PROJECT,
      logstore,
      accessKeyId: this.#sls.accessKeyId,
      accessKeySecret: new Secret(this.#sls.accessKeySecret),
      userAgent: USER_AGENT,
    })
  }

  /** True when all wanted logs are delivered and committed; false when delivery has stalled or the demo is stopped. */
  async #lookUntilSettled(writing: Promise<void>): Promise<boolean> {
    let writingDone = false
    const over = (): void => {
      writingDone = true
    }
    void writing.then(over, over)
    let seen = -1
    let seenAt = performance.now()
    while (await sleepUnlessEnded(LOOK_EVERY_MS, this.#end)) {
      await this.#readDeadLetters()
      this.#view.progress(this.#lagSeconds())
      const verdicts = this.#verdicts()
      if (writingDone && verdicts.every(({ missing }) => missing === 0) && this.#behind() === 0) return true
      const delivered = verdicts.reduce((sum, verdict) => sum + verdict.delivered, 0)
      if (delivered !== seen) {
        seen = delivered
        seenAt = performance.now()
      }
      const stalled = performance.now() - seenAt > STALLED_AFTER_SECONDS * 1000
      if (stalled) this.#view.say(`no event was delivered for ${STALLED_AFTER_SECONDS} s: the demo gives up`)
      if (stalled || this.#allEnded()) break
    }
    // Nobody needs more logs.
    this.#over.abort()
    return false
  }

  /** Something on this machine keeps replicas from working; their last words say what. */
  #allEnded(): boolean {
    const last = this.#replicas.at(-1)
    if (last === undefined || this.#replicas.some(({ alive }) => alive)) return false
    this.#view.say(`no replica is left; the last lines of ${last.name}:\n${last.output}`)
    return true
  }

  async #stopReplicas(): Promise<boolean> {
    const alive = this.#replicas.filter((replica) => replica.alive)
    if (alive.length > 0) this.#view.say(`SIGTERM to ${alive.map((replica) => replica.name).join(' and ')}`)
    const codes = await Promise.all(alive.map((replica) => replica.kill('SIGTERM')))
    for (const [index, code] of codes.entries()) {
      if (code !== 0) this.#view.say(`${alive[index]?.name} ended with exit code ${code}\n${alive[index]?.output}`)
    }
    return codes.every((code) => code === 0)
  }

  get #deadLetterDir(): string {
    return join(this.#folder, 'dead-letter')
  }

  async #readDeadLetters(): Promise<void> {
    for await (const { letter } of readDeadLetters(this.#deadLetterDir)) {
      if (letter === undefined) continue
      const { event } = JSON.parse(letter.event) as { event: { serial: string } }
      // Without a configuration file a dead letter does not name its sink, and there is one.
      const sink = letter.origin.sink ?? Object.keys(this.#act.sinks)[0]
      this.#ledgers.get(String(sink))?.deadLettered(event.serial)
    }
  }

  #verdicts() {
    return [...this.#ledgers.values()].map((ledger) => ledger.verdict())
  }

  #shards() {
    return this.#sls.state().logstores.flatMap(({ logstore, consumerGroups }) => {
      const group = consumerGroups.find(({ name }) => name === GROUP)
      return (group?.shards ?? []).map(({ shard, behind }) => ({ logstore, shard, behind: behind ?? 0 }))
    })
  }

  #behind(): number {
    return this.#shards().reduce((sum, { behind }) => sum + behind, 0)
  }

  /** Age of the oldest log group that is not committed, over all shards, by the emulator's receive times. */
  #lagSeconds(): number {
    const received = this.#shards().flatMap(({ logstore, shard, behind }) => {
      const log = this.#sls.logstore(PROJECT, logstore).shard(shard)
      return behind > 0 ? [log.receivedAt(log.end - behind) ?? Date.now()] : []
    })
    return received.length === 0 ? 0 : (Date.now() - Math.min(...received)) / 1000
  }
}

/** A port that is taken, or a machine without 127.0.0.1, is a Fault. */
async function listening<T>(what: string, start: () => Promise<T>): Promise<T> {
  try {
    return await start()
  } catch (error) {
    const { code, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number }
    if (code === undefined || address === undefined) throw error
    const why = code === 'EADDRINUSE' ? `another program has taken port ${port}` : messageOf(error)
    throw new Fault('transient', `${what} cannot listen on ${address}: ${why}`, { code })
  }
}
